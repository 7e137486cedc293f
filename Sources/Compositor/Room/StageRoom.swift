// The compositor's end in the room: offers in, and for each moment the pictures and the sound that are due.

public import Control
public import Logging
public import Media
import RTCClient
import Synchronization

/// Why an offer could not be answered.
public struct StageRoomError: Error, Sendable, CustomStringConvertible {
    /// One sentence.
    public let description: String
}

/// Receives all tracks of a room, decodes them, and gives pictures and sound by the machine's monotonic clock.
///
/// What a participant's tracks captured together is given for the same moment. Everything between the threads is
/// bounded, and every drop is counted with its reason.
public final class StageRoom: Sendable {
    /// How long a lost connection's pictures stay while the next one comes up.
    static let holdMs: Int64 = 3000

    private struct State {
        var current: RoomConnection?
        var retired: [RoomConnection] = []
        var visible: Set<SceneSource>?
        var isClosed = false
        /// What happened to the clocks of connections that are no more.
        var restarts: UInt64 = 0, raises: UInt64 = 0

        var connections: [RoomConnection] { retired + [current].compactMap(\.self) }

        mutating func count(last connection: RoomConnection) {
            let clocks = connection.clocks
            restarts &+= clocks.restarts
            raises &+= clocks.raises
        }
    }

    private let bind: NetworkAddress
    private let logger: Logger
    private let onLost: @Sendable (String) -> Void
    private let pool = DecodePool(count: 2, capacity: 4 * RoomConnection.maximumTracks)
    private let numbers = RoomCounters()
    private let state = Mutex(State())
    /// The audio thread's block.
    private let block = Mutex<[Float]>([Float](repeating: 0, count: 2 * SoundPlayer.blockSamples))

    /// Starts the threads that decode.
    ///
    /// - Parameters:
    ///   - bind: the IP address on which media is received; ports are chosen by the system.
    ///   - logger: hears of connections that come and go.
    ///   - onLost: is told the session whose connection has ended by itself, on the connection's thread; it must not block.
    /// - Throws: `StageRoomError` when `bind` is no IP address.
    public init(
        bind: String, logger: Logger, onLost: @escaping @Sendable (_ session: String) -> Void
    ) throws(StageRoomError) {
        guard let address = NetworkAddress(ip: bind, port: 0) else {
            throw StageRoomError(description: "'\(bind)' is not an IP address.")
        }
        self.bind = address
        self.logger = logger
        self.onLost = onLost
    }

    /// Answers an offer of the media server.
    ///
    /// A session that is not known starts a new connection in place of the old one, whose pictures stay until the new ones
    /// come, or for 3 s.
    ///
    /// - Parameters:
    ///   - session: the subscriber's session at the media server.
    ///   - offer: its SDP.
    /// - Returns: the SDP answer.
    /// - Throws: `StageRoomError` when the offer can't be used, no socket can be had, or the room is closed.
    public func answer(session: String, offer: String) async throws(StageRoomError) -> String {
        enum Found {
            case known(RoomConnection)
            case new(RoomConnection, old: RoomConnection?, excess: RoomConnection?)
        }
        let found = state.withLock { state -> Found? in
            guard !state.isClosed else { return nil }
            if let current = state.current, current.session == session { return .known(current) }
            let made = RoomConnection(
                session: session, pool: pool, counters: numbers, visible: state.visible
            ) { [weak self] in self?.lose($0, $1) }
            let old = state.current
            if let old { state.retired.append(old) }
            state.current = made
            // More than a few at once only happen when sessions change faster than pictures are held.
            let excess = state.retired.count > 3 ? state.retired.removeFirst() : nil
            if let excess { state.count(last: excess) }
            return .new(made, old: old, excess: excess)
        }
        do {
            switch found {
            case nil: throw StageRoomError(description: "The room is closed.")
            case .known(let connection): return try await connection.accept(offer: offer)
            case .new(let connection, let old, let excess):
                excess?.finish()
                old?.retire(until: SystemClock.monotonic().advanced(byMilliseconds: Self.holdMs))
                do {
                    try connection.open(bind: bind)
                    let answer = try await connection.accept(offer: offer)
                    logger.info("joined the room", metadata: ["session": "\(session)"])
                    return answer
                } catch {
                    forget(connection)
                    throw error
                }
            }
        } catch {
            throw error as? StageRoomError ?? StageRoomError(description: "\(error)")
        }
    }

    /// Ends all connections and threads, and waits for them; not to be called from `onLost`.
    public func close() {
        let connections = state.withLock { state -> [RoomConnection] in
            guard !state.isClosed else { return [] }
            state.isClosed = true
            let all = state.connections
            for connection in all { state.count(last: connection) }
            state.retired = []
            state.current = nil
            return all
        }
        for connection in connections { connection.stop() }
        pool.stop()
    }

    /// Decodes only these cameras and screens from now on; the others keep their last picture for a second.
    ///
    /// One that is wanted again after that has no picture until a new one comes, for which a key frame is asked at once.
    ///
    /// Before the first call everything is decoded.
    public func setVisible(_ sources: Set<SceneSource>) {
        let connections = state.withLock { state -> [RoomConnection] in
            guard state.visible != sources else { return [] }
            state.visible = sources
            return state.connections
        }
        for connection in connections { connection.setVisible(sources) }
    }

    /// The session of the connection, and its tracks that are people's cameras, by the names that the media server knows.
    var cameras: (session: String, tracks: [String: SceneSource])? {
        state.withLock { $0.current }.map { ($0.session, $0.cameras) }
    }

    /// The newest picture of each camera and screen that is due at a moment, for the program's thread.
    ///
    /// The last picture stays while no newer one can be shown, and goes with its track.
    ///
    /// - Parameter moment: not earlier than that of the call before.
    /// - Returns: pictures by `.participant` and `.screen`; they are read only.
    public func pictures(at moment: MonotonicTime) -> [SceneSource: VideoFrame] {
        var result: [SceneSource: VideoFrame] = [:]
        // The current connection comes last: what it has takes the place of what an older one had.
        for connection in connections() { connection.pictures(at: moment, into: &result) }
        sweep()
        return result
    }

    /// Gives the sound that is due at a moment, for the audio thread: 10 ms of each source that is not silent.
    ///
    /// - Parameters:
    ///   - moment: the block's begin on the monotonic clock; 10 ms later with each call.
    ///   - body: gets 960 samples, left and right in turn, at 48 kHz; they are valid while it runs.
    public func sound(at moment: MonotonicTime, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void) {
        var heard: Set<SoundSource> = []
        let connections = connections()
        block.withLock { block in
            block.withUnsafeMutableBufferPointer { room in
                for connection in connections.reversed() {
                    connection.sound(at: moment, room: room, heard: &heard, body)
                }
            }
        }
    }

    /// What was counted, and the largest playout delay in seconds, by Prometheus name.
    public var counters: [String: Double] {
        var result = numbers.all
        let (restarts, raises, connections) = state.withLock { ($0.restarts, $0.raises, $0.connections) }
        var sums = (delay: Int64(0), restarts: restarts, raises: raises, tracks: 0)
        for connection in connections {
            let clocks = connection.clocks
            sums.delay = max(sums.delay, clocks.delay)
            sums.restarts &+= clocks.restarts
            sums.raises &+= clocks.raises
            sums.tracks += clocks.tracks
        }
        let prefix = "proscenium_compositor_room_"
        result["\(prefix)stamp_restarts_total"] = Double(sums.restarts)
        result["\(prefix)delay_raises_total"] = Double(sums.raises)
        result["\(prefix)tracks"] = Double(sums.tracks)
        result["\(prefix)delay_seconds"] = Double(sums.delay) / 1e9
        return result
    }

    private func connections() -> [RoomConnection] { state.withLock { $0.connections } }

    /// Forgets connections of which nothing is left.
    private func sweep() {
        let over = state.withLock { state -> [RoomConnection] in
            let over = state.retired.filter(\.isOver)
            guard !over.isEmpty else { return [] }
            state.retired.removeAll { connection in over.contains { $0 === connection } }
            for connection in over { state.count(last: connection) }
            return over
        }
        for connection in over { connection.finish() }
    }

    private func forget(_ connection: RoomConnection) {
        state.withLock { state in
            guard state.current === connection else { return }
            state.current = nil
            state.retired.append(connection)
        }
        connection.retire(until: SystemClock.monotonic())
    }

    private func lose(_ session: String, _ reason: String) {
        let lost = state.withLock { state -> RoomConnection? in
            guard !state.isClosed, let current = state.current, current.session == session else { return nil }
            state.current = nil
            state.retired.append(current)
            return current
        }
        guard let lost else { return }
        numbers.add(.connectionsLost)
        logger.warning("lost the room", metadata: ["session": "\(session)", "reason": "\(reason)"])
        lost.retire(until: SystemClock.monotonic().advanced(byMilliseconds: Self.holdMs))
        onLost(session)
    }
}
