// Rooms: loaded from the store in the serial order of writes, so that no entry falls between.

import Foundation
import Media
import Synchronization
import Web

extension InteractivityService {
    /// Returns the room of an event, by its slug.
    func room(_ event: String) async throws -> EventRoom {
        guard let scope = try await directory.event(event) else { throw Problem.notFound("There is no such event.") }
        return try await room(EventKey(org: scope.org, event: scope.id))
    }

    /// Returns the room of an event.
    func room(_ key: EventKey) async throws -> EventRoom {
        if let room = rooms.withLock({ $0[key] }) {
            // What is in use is not forgotten.
            room.state.withLock { $0.lastUse = clock.monotonic() }
            return room
        }
        _ = try await writer.perform(
            { try RoomRecord.read(key, $0) },
            committed: { [self] record in
                rooms.withLock { rooms in
                    if rooms[key] == nil { rooms[key] = EventRoom(key, record: record, now: clock.now) }
                }
            })
        guard let room = rooms.withLock({ $0[key] }) else { throw Problem.notFound("There is no such event.") }
        return room
    }

    /// Joins a reader to both logs, reading from the store what is not in memory any more.
    func join(_ room: EventRoom, _ request: JoinRequest) async throws -> UInt64 {
        var history: [LogName: [LogEntry]] = [:]
        // Each round reads up to the end of the log; the entries in memory cover what comes meanwhile.
        for _ in 0..<20 {
            switch room.join(request, history: history, now: clock.now) {
            case .joined(let id): return id
            case .full: throw Problem.overloaded("The event has too many readers on this node.", retryAfterMs: 10_000)
            case .needsHistory(let log, let epoch, let after):
                let entries = try await store.entries(
                    log, of: room.key, epoch: epoch, after: after, limit: Int(EventRoom.recoveryLimit))
                guard !entries.isEmpty else {
                    // The log was shortened: a reader without a position gets a snapshot.
                    var anew = request.resume
                    anew.positions[log] = nil
                    return try await join(
                        room,
                        JoinRequest(
                            subscriber: request.subscriber, carrier: request.carrier, resume: anew,
                            reconnectAfterMs: request.reconnectAfterMs,
                            expiresAtWallMilliseconds: request.expiresAtWallMilliseconds))
                }
                history[log, default: []] += entries
            }
        }
        throw Problem.overloaded("The log grows faster than it can be read.", retryAfterMs: 5000)
    }

    /// The hint for coming back: random, and wider the more readers there are, so that they do not come as one.
    func reconnectAfter(_ room: EventRoom) -> Int64 {
        500 + Int64.random(in: 0..<max(2000, Int64(room.subscriberCount)))
    }
}

extension RoomRecord {
    /// Reads what a room starts from.
    static func read(_ key: EventKey, _ transaction: any StoreTransaction) throws -> RoomRecord {
        var record = RoomRecord(
            heads: [:], bases: [:], entries: [:], gate: try transaction.gate(of: key),
            machines: try transaction.polls(in: key))
        for log in LogName.allCases {
            record.heads[log] = try transaction.head(log, of: key)
            var base: Int64 = 0
            if let snapshot = try transaction.snapshot(log, of: key) {
                base = snapshot.position.offset
                record.bases[log] = (
                    base, try JSONDecoder().decode(LogState.self, from: Data(snapshot.data.utf8))
                )
            }
            record.entries[log] = try transaction.entries(log, of: key, after: base, limit: 1_000_000)
        }
        return record
    }
}
