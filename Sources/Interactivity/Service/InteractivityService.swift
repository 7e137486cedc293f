// The face that Studio talks to: polls, reactions, the two logs and the gate of every event.

public import GRDB
public import Media
internal import Synchronization
public import Web

/// The clocks, so that tests can be their master.
public struct InteractivityClock: Sendable {
    /// Reads the monotonic clock.
    public var monotonic: @Sendable () -> MonotonicTime
    /// Reads wall time, in milliseconds since the Unix epoch.
    public var wallMilliseconds: @Sendable () -> Int64

    /// Creates a pair of clocks.
    public init(monotonic: @escaping @Sendable () -> MonotonicTime, wallMilliseconds: @escaping @Sendable () -> Int64) {
        self.monotonic = monotonic
        self.wallMilliseconds = wallMilliseconds
    }

    /// The machine's clocks.
    public static let system = InteractivityClock(
        monotonic: { SystemClock.monotonic() }, wallMilliseconds: { SystemClock.wallMilliseconds() })

    var now: Moment { Moment(monotonic: monotonic(), wallMilliseconds: wallMilliseconds()) }
}

/// Polls, reactions, the two logs, the gate and delivery, for all events of an installation.
///
/// Invariant: whatever is acknowledged or handed to a reader is durable.
public final class InteractivityService: Sendable {
    /// Takes the timeline of a media segment to where the segment lies.
    public typealias TimelineSink = @Sendable (TimelineSegment) async -> Void

    let directory: any EventDirectory
    let store: any InteractivityStore
    let writer: GroupCommit
    let clock: InteractivityClock
    let connections: OpenConnections
    let rooms = Mutex<[EventKey: EventRoom]>([:])
    private let onTimeline: TimelineSink

    /// Creates the service.
    ///
    /// - Parameters:
    ///   - database: opened by `StudioDatabase.open` and migrated with `InteractivityMigrations`.
    ///   - directory: knows the organisation and the guest policy of each event.
    ///   - connections: where open connections stand by token, so that revoking one ends them.
    ///   - clock: the clocks.
    ///   - queueLimit: with more waiting writes than this, new ones are refused with 503.
    ///   - onTimeline: told the timeline of each media segment, within a second of its publication.
    public convenience init(
        database: DatabasePool, directory: any EventDirectory, connections: OpenConnections = OpenConnections(),
        clock: InteractivityClock = .system, queueLimit: Int = 8192, onTimeline: @escaping TimelineSink
    ) {
        self.init(
            store: DatabaseStore(database), directory: directory, connections: connections, clock: clock,
            queueLimit: queueLimit, onTimeline: onTimeline)
    }

    /// Creates the service on any store.
    public init(
        store: any InteractivityStore, directory: any EventDirectory, connections: OpenConnections = OpenConnections(),
        clock: InteractivityClock = .system, queueLimit: Int = 8192, onTimeline: @escaping TimelineSink
    ) {
        self.store = store
        self.directory = directory
        self.connections = connections
        self.clock = clock
        self.onTimeline = onTimeline
        writer = GroupCommit(store: store, queueLimit: queueLimit)
    }

    // MARK: What Studio reports

    /// Media of an event can be fetched from now on: the gate lets out what it covers, and its timeline is written.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - mediaSequence: the segment's number; each number counts once.
    ///   - from: the program time of its first frame.
    ///   - to: the program time of its end, exclusive.
    /// - Throws: `Problem` 404 for an unknown event; `InteractivityError.overloaded` when the disk fails.
    public func mediaPublished(event: String, mediaSequence: Int64, from: ProgramTime, to: ProgramTime) async throws {
        guard from < to else { return }
        let room = try await room(event), now = clock.now
        let segment = room.state.withLock { state in
            state.gate.mediaPublished(from: from, to: to, now: now.monotonic, programNow: state.programNow(now))
            state.release(now)
            return state.segments.cut(
                event: event, epoch: state.recent[.timeline]?.epoch ?? "", mediaSequence: mediaSequence, from: from,
                to: to)
        }
        if let segment { await onTimeline(segment) }
        try await keepGate(room)
    }

    /// The program clock of an event stood at `programTime` when the wall clock stood at `wallMilliseconds`.
    public func clockReport(event: String, programTime: ProgramTime, wallMilliseconds: Int64) async throws {
        let room = try await room(event), now = clock.now
        room.state.withLock { state in
            state.clock.report(programTime: programTime, wallMilliseconds: wallMilliseconds)
            state.gate.clockReported(now: now.monotonic)
        }
    }

    /// The program of an event has started or ended.
    public func programState(event: String, isLive: Bool) async throws {
        let room = try await room(event), now = clock.now
        room.state.withLock { state in
            if isLive {
                state.gate.programStarted(now: now.monotonic, programNow: state.programNow(now))
            } else {
                state.gate.programStopped()
            }
            state.release(now)
        }
        try await keepGate(room)
    }

    /// Ends the connections of an event that has ended; its logs and results stay.
    public func closeEvent(_ event: String) async throws {
        try await room(event).endAll(1000, "the event has ended")
    }

    /// Deletes everything of an event.
    public func erase(event key: EventKey) async throws {
        _ = try await writer.perform(
            { try $0.erase(key) },
            committed: { [self] _ in
                let room = rooms.withLock { $0.removeValue(forKey: key) }
                room?.endAll(WebSocketCloseCode.serviceRestart, "the event was deleted")
            })
    }

    /// Cuts the tie between a person and the ballots of an event, whose votes stay counted.
    public func erase(person: String, in key: EventKey) async throws {
        _ = try await writer.perform { try $0.erase(person: person, in: key) }
    }

    /// Starts both logs of an event anew, for example after a backup was restored: every reader gets a snapshot.
    public func renewEpochs(_ key: EventKey) async throws {
        let room = try await room(key)
        let states = room.state.withLock { state in
            (live: state.live, timeline: state.carriers[.immediate]?.timeline ?? LogState())
        }
        _ = try await writer.perform(
            { transaction in
                _ = try transaction.renewEpoch(.live, of: key, state: JSONText.of(states.live))
                _ = try transaction.renewEpoch(.timeline, of: key, state: JSONText.of(states.timeline))
                var gate = try transaction.gate(of: key)
                gate.segmentOffset = 0
                try transaction.save(gate, of: key)
            },
            committed: { [self] _ in
                _ = rooms.withLock { $0.removeValue(forKey: key) }
                room.endAll(WebSocketCloseCode.serviceRestart, "the log was renewed")
            })
    }

    /// Ends every connection, when the server goes away; the hint in each hello spreads their return.
    public func shutDown() {
        for room in rooms.withLock({ Array($0.values) }) {
            room.endAll(WebSocketCloseCode.serviceRestart, "the server restarts")
        }
    }

    private func keepGate(_ room: EventRoom) async throws {
        let key = room.key
        _ = try await writer.perform { transaction in
            var gate = GateRecord()
            room.state.withLock { state in
                gate.isLive = state.gate.isLive
                gate.head = state.gate.head
                gate.clockOffset = state.clock.offsetMilliseconds
                gate.segmentOffset = state.segments.offset
                gate.mediaSequence = state.segments.lastSequence
            }
            try transaction.save(gate, of: key)
        }
    }
}
