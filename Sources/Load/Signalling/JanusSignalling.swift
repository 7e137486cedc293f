// Janus's video room by its WebSocket API (janus.conf.meetecho.com/docs): one session, a handle for each peer.

import Foundation
import Media
import NIOCore
import Synchronization
import Web

/// What is said to Janus.
struct JanusRequest: Encodable, Sendable {
    struct Description: Codable, Sendable {
        let type: String, sdp: String
    }
    struct Stream: Encodable, Sendable {
        let feed: UInt64
    }
    struct Body: Encodable, Sendable {
        var request: String
        var room: Int?, ptype: String?, streams: [Stream]?
        var publishers: Int?, bitrate: Int?, videocodec: String?, audiocodec: String?, permanent: Bool?
    }
    var janus: String
    var transaction = ""
    var sessionID: UInt64?, handleID: UInt64?
    var plugin: String?
    var body: Body?
    var jsep: Description?

    private enum CodingKeys: String, CodingKey {
        case janus, transaction, plugin, body, jsep
        case sessionID = "session_id"
        case handleID = "handle_id"
    }
}

/// What Janus says.
struct JanusMessage: Decodable, Sendable {
    struct Identified: Decodable, Sendable { let id: UInt64 }
    struct Failure: Decodable, Sendable { let reason: String? }
    struct Data: Decodable, Sendable {
        let videoroom: String?, id: UInt64?, error: String?
    }
    struct Plugin: Decodable, Sendable { let data: Data? }
    let janus: String, transaction: String?, sender: UInt64?
    let data: Identified?, plugindata: Plugin?, jsep: JanusRequest.Description?, error: Failure?

    /// What went wrong, if anything did.
    var problem: String? { error?.reason ?? plugindata?.data?.error }
}

/// Joins video rooms of a Janus.
final class JanusSignalling: LoadSignalling {
    private struct State {
        var next = 0
        var waiting: [String: CheckedContinuation<JanusMessage, any Error>] = [:]
        var peer: WebSocketPeer?
        var session: UInt64?
        var feeds: [Int: [UInt64]] = [:]
        var answers: [UInt64: @Sendable (String) async throws -> String] = [:]
        var isClosed = false
    }

    let name = "janus"
    private let url: String, firstRoom: Int, publishers: Int
    private let state = Mutex(State())

    init(url: String, firstRoom: Int, publishers: Int) {
        self.url = url
        self.firstRoom = firstRoom
        self.publishers = publishers
    }

    func open(rooms: Int) async throws {
        let stream = TextStream()
        let peer = try await SocketDialer.dial(
            url, headers: [("Sec-WebSocket-Protocol", "janus-protocol")], handler: stream)
        state.withLock { $0.peer = peer }
        Task { [self] in
            for await text in stream.texts { received(text) }
            lost()
        }
        let session = try await send(JanusRequest(janus: "create"))
        state.withLock { $0.session = session.data?.id }
        Task { [weak self] in
            while let self, !state.withLock({ $0.isClosed }) {
                // A session that says nothing for 60 s is ended.
                tell(JanusRequest(janus: "keepalive"))
                try? await Task.sleep(for: .seconds(20))
            }
        }
        let handle = try await attach()
        for room in 0..<rooms {
            let body = JanusRequest.Body(
                request: "create", room: firstRoom + room, publishers: publishers, bitrate: 100_000_000,
                videocodec: "vp8", audiocodec: "opus", permanent: false)
            _ = try await send(JanusRequest(janus: "message", handleID: handle, body: body))
        }
    }

    func publish(_ seat: LoadSeat, offer: String) async throws -> String {
        let room = firstRoom + seat.room
        let handle = try await attach()
        let joined = try await send(
            JanusRequest(
                janus: "message", handleID: handle,
                body: .init(request: "join", room: room, ptype: "publisher")))
        guard let feed = joined.plugindata?.data?.id else { throw LoadError("Janus told no id for a publisher.") }
        let published = try await send(
            JanusRequest(
                janus: "message", handleID: handle, body: .init(request: "publish"),
                jsep: .init(type: "offer", sdp: offer)))
        guard let answer = published.jsep?.sdp else { throw LoadError("Janus gave no answer to an offer.") }
        state.withLock { $0.feeds[seat.room, default: []].append(feed) }
        return answer
    }

    func subscribe(_ seat: LoadSeat, answer: @escaping @Sendable (String) async throws -> String) async throws {
        let handle = try await attach()
        let feeds = state.withLock { $0.feeds[seat.room] ?? [] }
        state.withLock { $0.answers[handle] = answer }
        let attached = try await send(
            JanusRequest(
                janus: "message", handleID: handle,
                body: .init(
                    request: "join", room: firstRoom + seat.room, ptype: "subscriber",
                    streams: feeds.map { .init(feed: $0) })))
        guard let offer = attached.jsep?.sdp else { throw LoadError("Janus offered nothing to a subscriber.") }
        try await start(handle, offer, answer)
    }

    func close() async {
        state.withLock { $0.isClosed = true }
        _ = try? await send(JanusRequest(janus: "destroy"))
        state.withLock { $0.peer }?.channel.close(promise: nil)
    }

    private func start(
        _ handle: UInt64, _ offer: String, _ answer: @Sendable (String) async throws -> String
    ) async throws {
        _ = try await send(
            JanusRequest(
                janus: "message", handleID: handle, body: .init(request: "start"),
                jsep: .init(type: "answer", sdp: try await answer(offer))))
    }

    private func attach() async throws -> UInt64 {
        let attached = try await send(JanusRequest(janus: "attach", plugin: "janus.plugin.videoroom"))
        guard let handle = attached.data?.id else { throw LoadError("Janus attached no handle.") }
        return handle
    }

    private func send(_ request: JanusRequest) async throws -> JanusMessage {
        let message: JanusMessage = try await withCheckedThrowingContinuation { continuation in
            var request = request
            let peer = state.withLock { state -> WebSocketPeer? in
                state.next += 1
                request.transaction = "t\(state.next)"
                request.sessionID = state.session
                if state.peer != nil { state.waiting[request.transaction] = continuation }
                return state.peer
            }
            guard let peer, let data = try? JSONEncoder().encode(request) else {
                let waits = state.withLock { $0.waiting.removeValue(forKey: request.transaction) } ?? continuation
                return waits.resume(throwing: LoadError("Janus is gone."))
            }
            peer.send(ByteBuffer(bytes: data))
        }
        if let problem = message.problem { throw LoadError("Janus refused: \(problem)") }
        return message
    }

    /// Says something that is only acknowledged.
    private func tell(_ request: JanusRequest) {
        var request = request
        let peer = state.withLock { state in
            state.next += 1
            request.transaction = "t\(state.next)"
            request.sessionID = state.session
            return state.peer
        }
        if let data = try? JSONEncoder().encode(request) { peer?.send(ByteBuffer(bytes: data)) }
    }

    private func received(_ text: String) {
        guard let message = try? JSONDecoder().decode(JanusMessage.self, from: Foundation.Data(text.utf8)) else {
            return
        }
        // Requests to a plugin are acknowledged first; the answer follows as an event.
        guard message.janus != "ack" else { return }
        if let transaction = message.transaction,
            let waiting = state.withLock({ $0.waiting.removeValue(forKey: transaction) })
        {
            return waiting.resume(returning: message)
        }
        guard message.janus == "event", let handle = message.sender, let jsep = message.jsep, jsep.type == "offer",
            let answer = state.withLock({ $0.answers[handle] })
        else { return }
        Task { [self] in try await start(handle, jsep.sdp, answer) }
    }

    private func lost() {
        let waiting = state.withLock { state in
            state.peer = nil
            state.isClosed = true
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(throwing: LoadError("Janus is gone.")) }
    }
}
