// The two carriers of the logs: a WebSocket, and server-sent events.

import NIOCore
import Synchronization
import Web

/// A reader by WebSocket.
final class LiveSocket: WebSocketHandler, LiveSubscriber {
    let form = LiveForm.text
    private struct State {
        var peer: WebSocketPeer?
        var isClosed = false
        var leave: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())
    private let join: @Sendable (LiveSocket) async throws -> (@Sendable () -> Void)

    /// Creates a reader.
    ///
    /// - Parameter join: joins the reader to its room, and returns how it leaves.
    init(join: @escaping @Sendable (LiveSocket) async throws -> (@Sendable () -> Void)) { self.join = join }

    func opened(_ peer: WebSocketPeer) {
        state.withLock { $0.peer = peer }
        Task { [self] in
            do {
                let leave = try await join(self)
                let isClosed = state.withLock { state in
                    state.leave = leave
                    return state.isClosed
                }
                if isClosed { leave() }
            } catch {
                peer.close(WebSocketCloseCode.tooMany, "try again later")
            }
        }
    }

    func received(_ text: String, from peer: WebSocketPeer) {
        peer.close(WebSocketCloseCode.policyViolation, "this channel only sends")
    }

    func closed(_ peer: WebSocketPeer) {
        let leave = state.withLock { state in
            state.isClosed = true
            return state.leave
        }
        // Not here: this may run inside a delivery, under the room's lock.
        if let leave { Task { leave() } }
    }

    func deliver(_ message: ByteBuffer) -> Bool { state.withLock(\.peer)?.send(message) ?? false }

    func end(_ code: UInt16, _ reason: String) { state.withLock(\.peer)?.close(code, reason) }
}

/// A reader by server-sent events.
final class LiveStream: LiveSubscriber {
    let form = LiveForm.chunk
    private struct State {
        var isClosed = false
        var leave: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())
    private let stream = Mutex<EventStream?>(nil)

    /// Creates a reader and its stream.
    ///
    /// - Parameters:
    ///   - channel: the reader's connection.
    ///   - pendingLimitBytes: with more unsent bytes the reader is cut.
    static func make(channel: any Channel, pendingLimitBytes: Int = 256 * 1024) -> (LiveStream, EventStream) {
        let reader = LiveStream()
        let stream = EventStream(channel: channel, pendingLimitBytes: pendingLimitBytes) { reader.closed() }
        reader.stream.withLock { $0 = stream }
        return (reader, stream)
    }

    /// Tells the reader how to leave its room.
    func joined(_ leave: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state in
            state.leave = leave
            return state.isClosed
        }
        if isClosed { leave() }
    }

    /// The stream and its reader hold each other until here.
    private func closed() {
        let leave = state.withLock { state in
            state.isClosed = true
            return state.leave
        }
        stream.withLock { $0 = nil }
        // Not here: this may run inside a delivery, under the room's lock.
        if let leave { Task { leave() } }
    }

    func deliver(_ message: ByteBuffer) -> Bool {
        guard stream.withLock(\.self)?.send(message) == true else {
            closed()
            return false
        }
        return true
    }

    func end(_ code: UInt16, _ reason: String) { stream.withLock(\.self)?.finish() }
}
