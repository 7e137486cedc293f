// The program on its way back to its speakers: the picture as it goes out, and the sound without one's own voice.

import Control
import Logging
import Media
import PacketIO
import Synchronization

/// Sends the program into its own room while somebody there receives; without a connection it costs nothing.
final class ReturnFeed: Sendable {
    private struct State {
        var current: ReturnConnection?
        /// Waits for the threads of connections that have ended.
        var ender: MediaThread?
        var isClosed = false
        var onListeners: (@Sendable (Set<String>) -> Void)?
    }

    private let bind: NetworkAddress
    private let format: ReturnFormat
    private let logger: Logger
    private let onLost: @Sendable (String) -> Void
    private let numbers = ReturnCounters()
    private let state = Mutex(State())

    /// - Parameters:
    ///   - bind: the IP address from which media is sent; ports are chosen by the system.
    ///   - program: what the program is like.
    ///   - logger: hears of connections that come and go.
    ///   - onLost: is told the session whose connection has ended by itself, on the connection's thread; it must not block.
    /// - Throws: `StageRoomError` when `bind` is no IP address.
    init(
        bind: String, format program: ProgramFormat, logger: Logger, onLost: @escaping @Sendable (String) -> Void
    ) throws(StageRoomError) {
        guard let address = NetworkAddress(ip: bind, port: 0) else {
            throw StageRoomError(description: "'\(bind)' is not an IP address.")
        }
        self.bind = address
        self.logger = logger
        self.onLost = onLost
        format = ReturnFormat(program)
    }

    /// Sets who is told for whom mixes are to be made.
    func follow(_ onListeners: @escaping @Sendable (Set<String>) -> Void) {
        state.withLock { $0.onListeners = onListeners }
    }

    // MARK: - What Studio says

    /// Offers the program; a session that is not known starts a new connection in place of the old one.
    ///
    /// - Parameters:
    ///   - session: the session at the media server.
    ///   - listeners: who gets a mix without their own voice.
    /// - Throws: `StageRoomError` when no socket can be had, or the program has ended.
    func offer(session: String, listeners: Set<String>) async throws(StageRoomError) -> CompositorReply {
        do {
            let connection = try connection(session)
            let (offer, tracks) = try await connection.offer(listeners)
            return .returnOffer(offer, tracks: tracks)
        } catch {
            throw error as? StageRoomError ?? StageRoomError(description: "\(error)")
        }
    }

    /// Takes the media server's answer.
    ///
    /// - Throws: `StageRoomError` when it can't be used, or the session is not the one that sends.
    func accept(session: String, answer: String) async throws(StageRoomError) {
        guard let connection = state.withLock({ $0.current }), connection.session == session else {
            throw StageRoomError(description: "The session has ended.")
        }
        do {
            try await connection.accept(answer)
        } catch {
            throw StageRoomError(description: "\(error)")
        }
    }

    /// Sends nothing any more.
    func end() {
        if retire() { logger.info("nobody gets the program any more") }
    }

    /// Ends everything and waits for it.
    func close() {
        _ = retire(forEver: true)
        let ender = state.withLock { state in
            defer { state.ender = nil }
            return state.ender
        }
        ender?.join()
    }

    // MARK: - What the program says

    /// Shows a picture of the program; on its thread, so it never waits.
    func show(_ picture: VideoFrame, number: Int64, arrival: MonotonicTime?) {
        state.withLock { $0.current }?.show(picture, number: number, arrival: arrival)
    }

    /// Lets a listener hear 10 ms of the program without their own voice; on the sound's thread, so it never waits.
    func hear(_ listener: String, sample: Int64, _ samples: UnsafeBufferPointer<Float>) {
        state.withLock { $0.current }?.hear(listener, sample: sample, samples)
    }

    /// By Prometheus name.
    var counters: [String: Double] { numbers.all }

    // MARK: - Inside

    private func connection(_ session: String) throws -> ReturnConnection {
        let (known, isClosed) = state.withLock { ($0.current, $0.isClosed) }
        guard !isClosed else { throw StageRoomError(description: "The program has ended.") }
        if let known, known.session == session { return known }
        let made = try ReturnConnection(
            session: session, bind: bind, format: format, counters: numbers, logger: logger
        ) { [weak self] in self?.take($0, of: session) }
        _ = retire()
        let isTaken = state.withLock { state in
            guard !state.isClosed else { return false }
            state.current = made
            return true
        }
        guard isTaken else {
            made.close()
            made.join()
            throw StageRoomError(description: "The program has ended.")
        }
        numbers.add(.connectionsOpened)
        logger.info("the program goes back to its speakers", metadata: ["session": "\(session)"])
        return made
    }

    /// Ends the connection that there is; returns whether there was one.
    private func retire(forEver isLast: Bool = false, only session: String? = nil) -> Bool {
        let last = state.withLock { state -> ReturnConnection? in
            if isLast { state.isClosed = true }
            guard let last = state.current, session.map({ $0 == last.session }) ?? true else { return nil }
            state.current = nil
            return last
        }
        guard let last else { return false }
        tell([])
        last.close()
        // Joining its threads must not hold up whoever asked for this, least of all one of them.
        state.withLock { state in
            let before = state.ender
            state.ender = MediaThread(name: "return-end") {
                before?.join()
                last.join()
            }
        }
        return true
    }

    private func take(_ news: ReturnConnection.News, of session: String) {
        switch news {
        case .listeners(let listeners):
            if state.withLock({ $0.current?.session == session }) { tell(listeners) }
        case .closed(let reason):
            guard retire(only: session) else { return }
            numbers.add(.connectionsLost)
            logger.warning(
                "the program does not go back to its speakers",
                metadata: ["session": "\(session)", "reason": "\(reason)"])
            onLost(session)
        }
    }

    private func tell(_ listeners: Set<String>) { state.withLock { $0.onListeners }?(listeners) }
}
