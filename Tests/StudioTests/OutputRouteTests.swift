import Control
import Crypto
import Foundation
import GRDB
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("Further destinations of a program")
struct OutputRouteTests {
    private static let path = "/v1/events/e/outputs"

    private func made(_ client: any TestClientProtocol, _ admin: String) async throws {
        let event = try await client.call(.post, "/v1/events", admin, #"{"id":"e","title":"T"}"#)
        #expect(event.status == .created)
    }

    @Test("are made, read without their keys, and removed; the key lies sealed in the database")
    func life() async throws {
        let fixture = try await StudioFixture(), key = "stream-key-7"
        let admin = try await fixture.token(.admin, event: nil)
        try await fixture.run { client in
            try await made(client, admin)
            let body = #"{"url":"rtmp://127.0.0.1/live/","key":"\#(key)","name":"Portal"}"#
            let idempotency: HTTPFields = [.idempotencyKey: "one"]
            let first = try await client.call(.post, Self.path, admin, body, headers: idempotency)
            let again = try await client.call(.post, Self.path, admin, body, headers: idempotency)
            #expect(first.status == .created && first.object as NSDictionary == again.object as NSDictionary)
            let id = try #require(first.object["id"] as? String)
            #expect(first.headers[.location] == "\(Self.path)/\(id)")
            #expect(first.object["url"] as? String == "rtmp://127.0.0.1:1935/live")
            let list = try await client.call(.get, Self.path, admin)
            let one = try await client.call(.get, "\(Self.path)/\(id)", admin)
            #expect((list.object["items"] as? [NSDictionary]) == [one.object as NSDictionary])
            #expect(one.object["state"] as? String == "idle" && one.object["name"] as? String == "Portal")
            for answer in [first, again, list, one] { #expect(!String(buffer: answer.body).contains(key)) }

            let store = OutputStore(database: fixture.database, keys: fixture.keys)
            #expect(try await store.destinations(event: "e").map(\.key.value) == [key])
            let other = try await OutputStore(
                database: fixture.database, keys: TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation))
            #expect(try await other.destinations(event: "e").isEmpty)
            let raw = try await fixture.database.read { try Data.fetchOne($0, sql: "SELECT key FROM output") }
            #expect(raw?.range(of: Data(key.utf8)) == nil)
            for file in try FileManager.default.contentsOfDirectory(at: fixture.folder, includingPropertiesForKeys: nil)
            where file.lastPathComponent.hasPrefix("studio.sqlite") {
                #expect(try Data(contentsOf: file).range(of: Data(key.utf8)) == nil, "\(file.lastPathComponent)")
            }

            #expect(try await client.call(.delete, "\(Self.path)/\(id)", admin).status == .noContent)
            #expect(try await client.call(.get, "\(Self.path)/\(id)", admin).status == .notFound)
            #expect(try await client.call(.delete, "\(Self.path)/\(id)", admin).status == .notFound)
        }
    }

    @Test("are eight at most")
    func limit() async throws {
        let fixture = try await StudioFixture()
        let admin = try await fixture.token(.admin, event: nil)
        try await fixture.run { client in
            try await made(client, admin)
            for number in 1...9 {
                let answer = try await client.call(
                    .post, Self.path, admin, #"{"url":"rtmp://127.0.0.1/live","key":"\#(number)"}"#)
                #expect(answer.status == (number <= 8 ? .created : .conflict))
            }
        }
    }

    @Test(
        "are refused with what is wrong, and never with the key",
        arguments: [
            (#"{"url":"https://a/live","key":"stream-key-7"}"#, "/url"),
            (#"{"url":"rtmps://u:stream-key-7@a/live","key":"k"}"#, "/url"),
            (#"{"url":"rtmps://a/live?k=stream-key-7","key":"k"}"#, "/url"),
            (#"{"url":"rtmps://a:25/live","key":"stream-key-7"}"#, "/url"),
            (#"{"url":"rtmps://127.0.0.1/live","key":"stream-key-7"}"#, "/url"),
            (#"{"url":"rtmps://localhost/live","key":"stream-key-7"}"#, "/url"),
            (#"{"url":"rtmps://[::ffff:10.0.0.1]/live","key":"stream-key-7"}"#, "/url"),
            (#"{"url":"rtmps://2130706433/live","key":"stream-key-7"}"#, "/url"),
            (#"{"url":"rtmps://8.8.8.8/live","key":""}"#, "/key"),
            (#"{"url":"rtmps://8.8.8.8/live","key":"stream-key-7\n"}"#, "/key"),
            (#"{"url":"rtmps://8.8.8.8/live","key":"stream-key-7","name":""}"#, "/name"),
            (#"{"url":"rtmps://8.8.8.8/live"}"#, "/key"),
            (#"{"url":"rtmps://8.8.8.8/live","key":"stream-key-7","secret":1}"#, "/secret"),
        ])
    func invalid(body: String, pointer: String) async throws {
        let fixture = try await StudioFixture(allowsPrivateOutputs: false)
        let admin = try await fixture.token(.admin, event: nil)
        try await fixture.run { client in
            try await made(client, admin)
            let answer = try await client.call(.post, Self.path, admin, body)
            #expect(answer.status == .unprocessableContent && answer.object["pointer"] as? String == pointer)
            #expect(!String(buffer: answer.body).contains("stream-key-7"))
            let list = try await client.call(.get, Self.path, admin)
            #expect((list.object["items"] as? [Any])?.isEmpty == true)
        }
    }
}

@Suite("What a compositor is told of outputs and ingests")
struct ConnectionLinkTests {
    @Test("all of them when it dials in and at each change; that one has been live is kept")
    func told() async throws {
        let fixture = try await ConductorFixture()
        let output = try await fixture.output(), supervisor = try await fixture.supervisor()
        try await fixture.add("e")
        let record = OutputRecord(id: "o1", name: nil, url: "rtmp://a:1935/live")
        try await fixture.outputs.add(record, key: SecretText("k"), event: ConductorFixture.scope)
        _ = try await fixture.conductor.start("e")
        let first = try await fixture.compositor("e")
        func destination(_ hasBeenLive: Bool) -> OutputDestination {
            OutputDestination(id: "o1", url: "rtmp://a:1935/live", key: SecretText("k"), hasBeenLive: hasBeenLive)
        }
        try await eventually("it is told") { first.connections == [.init(outputs: [destination(false)])] }
        let state = OutputState(id: "o1", phase: .live, sinceMs: 5, bytesSent: 7, connections: 1, hasBeenLive: true)
        first.report(.compositor(event: "e", .outputs([state])))
        try await eventually("its state is known") {
            await fixture.compositors.outputStates(of: "e") == ["o1": state]
        }
        try await fixture.ingests.add(
            IngestEntrance(id: "i1", name: "camera", kind: .source, keyHash: "h"), event: ConductorFixture.scope)
        try await fixture.conductor.ingestsChanged("e")
        let feed = IngestFeed(name: "camera", url: "rtmps://localhost:1936/ingest/camera")
        try await eventually("the ingest is told") { first.connections.last?.ingests == [feed] }
        first.leave()
        try await eventually("nothing is known of it") { await fixture.compositors.outputStates(of: "e").isEmpty }
        let second = try await fixture.compositor("e")
        try await eventually("its successor is told") {
            second.connections.last == .init(outputs: [destination(true)], ingests: [feed])
        }
        output.report(.ingestState(event: "e", ingest: "i1", isConnected: true))
        try await eventually("the entrance is used") { await fixture.conductor.connected("e") == ["i1"] }
        output.leave()
        try await eventually("nobody knows whether it is") { await fixture.conductor.connected("e").isEmpty }
        for worker in [supervisor, second] { worker.leave() }
        try fixture.end()
    }
}
