// A whole installation: people come in by an invitation, publish by WHIP and subscribe on the pages' WebSocket.

import AsyncHTTPClient
import Foundation
import Media
import NIOCore
import NIOHTTP1
import Synchronization
import Web

/// Joins an event as its pages do; each peer is a person of its own.
final class StudioSignalling: LoadSignalling {
    private struct Acceptance: Decodable { let token: String }
    private struct Ticket: Decodable { let ticket: String }
    private struct Problem: Decodable { let type: String?, detail: String?, retryAfterMs: Int64? }
    private struct Message: Decodable {
        struct Failure: Decodable { let type: String, detail: String? }
        let id: Int64?, offer: String?, error: Failure?
    }
    private struct Request: Encodable {
        let id: Int64
        var subscribe: Bool?, answer: String?
    }

    let name = "proscenium"
    private let origin: String, event: String, invitation: String
    private let certificate: String?
    private let client: HTTPClient
    private let open = Mutex<(peers: [WebSocketPeer], sessions: [(path: String, token: String)])>(([], []))

    init(origin: String, event: String, invitation: String, certificate: String?) {
        self.origin = origin.hasSuffix("/") ? String(origin.dropLast()) : origin
        self.event = event
        self.invitation = invitation
        self.certificate = certificate
        var configuration = HTTPClient.Configuration(tlsConfiguration: SocketDialer.trust(certificate))
        configuration.timeout.connect = .seconds(5)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func open(rooms: Int) async throws {}

    func publish(_ seat: LoadSeat, offer: String) async throws -> String {
        let token = try await token()
        let answer = try await request(
            .POST, "/v1/events/\(event)/whip", token: token, body: offer, type: "application/sdp")
        if let path = answer.headers.first(name: "Location") { open.withLock { $0.sessions.append((path, token)) } }
        return answer.body
    }

    func subscribe(_ seat: LoadSeat, answer: @escaping @Sendable (String) async throws -> String) async throws {
        let token = try await token()
        let ticket = try await request(.POST, "/v1/tickets", token: token, body: "{}", type: "application/json")
        let value = try JSONDecoder().decode(Ticket.self, from: Data(ticket.body.utf8)).ticket
        let stream = TextStream()
        let address = "wss" + origin.dropFirst(5) + "/v1/events/\(event)/rtc?ticket=\(value)"
        let peer = try await SocketDialer.dial(address, certificate: certificate, handler: stream)
        open.withLock { $0.peers.append(peer) }
        try Self.send(Request(id: 1, subscribe: true), peer)
        let (answered, done) = AsyncStream<Result<Void, LoadError>>.makeStream(bufferingPolicy: .bufferingNewest(1))
        Task {
            var next: Int64 = 2
            for await text in stream.texts {
                guard let message = try? JSONDecoder().decode(Message.self, from: Data(text.utf8)) else { continue }
                if let error = message.error {
                    done.yield(.failure(LoadError("The server refused: \(error.type) \(error.detail ?? "")")))
                } else if let offer = message.offer {
                    do {
                        try Self.send(Request(id: next, answer: try await answer(offer)), peer)
                        next += 1
                        done.yield(.success(()))
                    } catch {
                        done.yield(.failure(error as? LoadError ?? LoadError("\(error)")))
                    }
                }
            }
            done.yield(.failure(LoadError("The server has closed the signalling.")))
            done.finish()
        }
        for await result in answered { return try result.get() }
    }

    func close() async {
        let (peers, sessions) = open.withLock { open in
            defer { open = ([], []) }
            return open
        }
        for peer in peers { peer.close(1000, "the load has ended") }
        for session in sessions {
            _ = try? await request(.DELETE, session.path, token: session.token, body: "", type: nil)
        }
        try? await client.shutdown()
    }

    private static func send(_ request: Request, _ peer: WebSocketPeer) throws {
        peer.send(ByteBuffer(bytes: try JSON.encoder.encode(request)))
    }

    /// A token of a new person.
    private func token() async throws -> String {
        let answer = try await request(
            .POST, "/v1/invitations/\(invitation)/accept", token: nil, body: "{}", type: "application/json")
        return try JSONDecoder().decode(Acceptance.self, from: Data(answer.body.utf8)).token
    }

    private func request(
        _ method: HTTPMethod, _ path: String, token: String?, body: String, type: String?
    ) async throws -> (headers: HTTPHeaders, body: String) {
        var request = HTTPClientRequest(url: path.hasPrefix("https://") ? path : origin + path)
        request.method = method
        if let type { request.headers.add(name: "Content-Type", value: type) }
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if !body.isEmpty { request.body = .bytes(ByteBuffer(string: body)) }
        // Studio lets so many in at once from one address, and tells the rest when to come back.
        for _ in 0..<60 {
            let answer = try await client.execute(request, timeout: .seconds(15))
            let text = String(buffer: try await answer.body.collect(upTo: 4 << 20))
            if (200..<300).contains(answer.status.code) { return (answer.headers, text) }
            let problem = try? JSONDecoder().decode(Problem.self, from: Data(text.utf8))
            guard answer.status.code == 429, let wait = problem?.retryAfterMs else {
                let said = [problem?.type, problem?.detail].compactMap { $0 }.joined(separator: ": ")
                throw LoadError("The server answered \(answer.status.code) to \(method.rawValue). \(said)")
            }
            try await Task.sleep(for: .milliseconds(min(max(wait, 50), 5000)))
        }
        throw LoadError("The server lets nobody in any more.")
    }
}
