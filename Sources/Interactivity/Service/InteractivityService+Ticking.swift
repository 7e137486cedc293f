// What happens because time passes.

import Media
import Synchronization
import Web

extension InteractivityService {
    /// After so long without a reader or a report a room leaves memory.
    static let idleMilliseconds: Int64 = 600_000
    /// A snapshot is stored after so many entries.
    static let snapshotInterval: Int64 = 1000

    /// Runs until it is cancelled: closes, counts, lets out and forgets in time.
    public func run() async throws {
        while !Task.isCancelled {
            await tick()
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Does what is due now, in every event; called five times a second by `run`.
    public func tick() async {
        for room in rooms.withLock({ Array($0.values) }) {
            // A refused write is tried again at the next tick: what is due stays due.
            try? await tick(room)
        }
    }

    private func tick(_ room: EventRoom) async throws {
        let now = clock.now
        room.endExpired(now)
        let (due, reactions) = room.state.withLock { state in
            state.release(now)
            let programNow = state.programNow(now)
            let due = state.polls.due(
                programNow: programNow, playheads: state.gate.playheads(programNow: programNow), now: now)
            return (due, state.reactions.take(at: programNow.milliseconds))
        }
        if let reactions { try await publish(reactions, room) }
        for item in due {
            switch item {
            case .close(let poll): _ = try await perform(room) { try $0.close(poll) }
            case .finish(let poll): _ = try await perform(room) { try $0.finish(poll) }
            case .broadcast(let poll): _ = try await perform(room) { try $0.broadcast(poll) }
            }
        }
        try await keepSnapshots(room)
        forget(room, now)
    }

    private func keepSnapshots(_ room: EventRoom) async throws {
        let key = room.key
        for log in LogName.allCases {
            let fold = room.state.withLock { state -> (LogPosition, LogState)? in
                // What the gate still holds must not be in a snapshot, which is where a restart begins.
                let position = state.position(log, .published)
                guard position.offset - (state.snapshotOffsets[log] ?? 0) >= Self.snapshotInterval else { return nil }
                state.snapshotOffsets[log] = position.offset
                return (position, log == .live ? state.live : state.carriers[.published]?.timeline ?? LogState())
            }
            guard let (position, state) = fold else { continue }
            _ = try await writer.perform { transaction in
                try transaction.keep(LogSnapshot(position: position, data: try JSONText.of(state)), of: log, in: key)
            }
        }
    }

    private func forget(_ room: EventRoom, _ now: Moment) {
        guard room.subscriberCount == 0 else { return }
        rooms.withLock { rooms in
            let isIdle = room.state.withLock { state in
                !state.gate.isLive && state.gate.waitingCount == 0 && state.polls.isEmpty
                    && now.monotonic.milliseconds(since: state.lastUse) > Self.idleMilliseconds
            }
            if isIdle { rooms[room.key] = nil }
        }
    }
}
