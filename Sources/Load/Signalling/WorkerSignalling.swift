// An SFU worker alone: it dials in to the load as it would to Studio, and takes the same commands.

import Control
import Foundation
import Media
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Synchronization
import Web

/// Plays Studio for one SFU worker, on a loopback port; the worker's token is not looked at.
final class WorkerSignalling: LoadSignalling, WebSocketHandler {
    private struct State {
        var peer: WebSocketPeer?
        var isRegistered = false
        var next: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<CommandReply, any Error>] = [:]
        var subscribers: [String: @Sendable (String) async throws -> String] = [:]
    }

    let name = "proscenium"
    /// As many voices as a speaker gets where nothing else is set (`loudest-speakers`).
    private static let voices = 6

    private let port: Int, hearsEverybody: Bool
    private let state = Mutex(State())
    private let listener = Mutex<(any Channel)?>(nil)

    /// - Parameter publishers: how many there are in each room; of more than speakers get, each is told as the program is, whose line
    ///   is not measured.
    init(port: Int, publishers: Int) {
        self.port = port
        hearsEverybody = publishers > Self.voices
    }

    // MARK: - What the load asks

    func open(rooms: Int) async throws {
        try await listen()
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while !state.withLock({ $0.isRegistered }) {
            guard SystemClock.monotonic() < deadline else {
                throw LoadError("No SFU worker has dialled in to port \(port).")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        for room in 0..<rooms { _ = try await send(.createRoom(room: "load-\(room)")) }
    }

    func publish(_ seat: LoadSeat, offer: String) async throws -> String {
        let command = SFUCommand.publish(
            room: "load-\(seat.room)", participant: "peer-\(seat.number)", session: "session-\(seat.number)",
            offer: offer, sources: [:])
        guard case .answer(let answer) = try await send(command) else { throw Self.unexpected }
        return answer
    }

    func subscribe(_ seat: LoadSeat, answer: @escaping @Sendable (String) async throws -> String) async throws {
        let session = "session-\(seat.number)"
        state.withLock { $0.subscribers[session] = answer }
        let command = SFUCommand.subscribe(
            room: "load-\(seat.room)", participant: "peer-\(seat.number)", session: session,
            hearsEverybody: hearsEverybody)
        guard case .offer(let offer) = try await send(command) else { throw Self.unexpected }
        if let offer { _ = try await send(.answer(session: session, answer: try await answer(offer))) }
    }

    func close() async {
        _ = try? await send(.closeRooms)
        state.withLock { $0.peer }?.channel.close(promise: nil)
        try? await listener.withLock { $0 }?.close().get()
    }

    private static var unexpected: LoadError { LoadError("The SFU answered out of turn.") }

    private func send(_ command: SFUCommand) async throws -> SFUReply {
        let reply: CommandReply = try await withCheckedThrowingContinuation { continuation in
            let (peer, id) = state.withLock { state in
                state.next += 1
                if state.peer != nil { state.waiting[state.next] = continuation }
                return (state.peer, state.next)
            }
            guard let peer, let data = try? JSON.encoder.encode(StudioMessage.command(id: id, .sfu(command))) else {
                let waits = state.withLock { $0.waiting.removeValue(forKey: id) } ?? continuation
                return waits.resume(throwing: LoadError("The SFU is gone."))
            }
            peer.send(ByteBuffer(bytes: data))
        }
        switch reply {
        case .sfu(let reply): return reply
        case .refused(let error): throw LoadError("The SFU refused: \(error.description)")
        default: throw Self.unexpected
        }
    }

    // MARK: - What the worker says

    func opened(_ peer: WebSocketPeer) {}

    func received(_ text: String, from peer: WebSocketPeer) {
        guard let message = try? JSONDecoder().decode(WorkerMessage.self, from: Data(text.utf8)) else { return }
        switch message {
        case .register:
            state.withLock { state in
                state.peer = peer
                state.isRegistered = true
            }
            if let welcome = try? JSON.encoder.encode(StudioMessage.welcome(studio: "load")) {
                peer.send(ByteBuffer(bytes: welcome))
            }
        case .reply(let id, let reply): state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: reply)
        case .report(.sfu(.offer(let session, let offer))):
            guard let answer = state.withLock({ $0.subscribers[session] }) else { return }
            Task { _ = try await self.send(.answer(session: session, answer: try await answer(offer))) }
        case .report, .heartbeat: break
        }
    }

    func closed(_ peer: WebSocketPeer) {
        let waiting = state.withLock { state in
            state.peer = nil
            state.isRegistered = false
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(throwing: LoadError("The SFU is gone.")) }
    }

    private func listen() async throws {
        let handler = self
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let upgrader = NIOTypedWebSocketServerUpgrader<Void>(
                        maxFrameSize: 1 << 20,
                        shouldUpgrade: { channel, head in
                            channel.eventLoop.makeSucceededFuture(head.uri == "/control" ? HTTPHeaders() : nil)
                        },
                        upgradePipelineHandler: { channel, _ in
                            WebSocketPeer.install(
                                on: channel, handler: handler, masks: false, pendingLimitBytes: 16 << 20,
                                maxMessageBytes: 4 << 20
                            ).map { _ in }
                        })
                    _ = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                        configuration: .init(
                            upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) {
                                $0.close()
                            }))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        listener.withLock { $0 = channel }
    }
}
