import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing
import Web
import Yams

@testable import Studio

@Suite("The description of the API")
struct OpenAPITests {
    @Test("names exactly the routes that Studio answers")
    func routes() async throws {
        let description = try Description(), fixture = try await StudioFixture()
        let described = description.operations.filter { !$0.isOutput }.map { "\($0.method) \($0.path)" }
        let answered = fixture.studio.routes.map { "\($0.method.rawValue) \($0.path)" }
        #expect(described.sorted() == answered.sorted())
    }

    @Test("gives every operation a name of its own")
    func names() throws {
        let names = try Description().operations.map { $0.object["operationId"] as? String ?? "" }
        #expect(!names.contains(""))
        #expect(Set(names).count == names.count)
    }

    @Test("asks for a credential exactly where Studio does, and says how it is refused")
    func access() async throws {
        let description = try Description(), fixture = try await StudioFixture()
        let access = Dictionary(
            uniqueKeysWithValues: fixture.studio.routes.map { ("\($0.method.rawValue) \($0.path)", $0.access) })
        for operation in description.operations where !operation.isOutput {
            let label = "\(operation.method) \(operation.path)", entry = try #require(access[label])
            let needsNobody = (operation.object["security"] as? [Any])?.isEmpty ?? false
            #expect(needsNobody == (entry == .open), "\(label)")
            guard entry != .open else { continue }
            let wanted: [String]
            if case .permission = entry { wanted = ["401", "403"] } else { wanted = ["401"] }
            for status in wanted {
                let answer = try #require(description.response(operation, status), "\(label) without \(status)")
                #expect((answer["content"] as? [String: Any])?["application/problem+json"] != nil, "\(label) \(status)")
            }
        }
    }

    @Test("has schemas that are closed, and examples that fit them")
    func schemas() throws {
        let description = try Description()
        for operation in description.operations {
            let label = "\(operation.method) \(operation.path)"
            if let content = description.requestContent(operation) {
                let schema = description.resolved(content["schema"] as? [String: Any] ?? [:])
                #expect(schema["additionalProperties"] as? Bool == false, "\(label)")
                let example = try #require(content["example"], "\(label) has no example")
                #expect(description.misfits(example, schema) == [], "\(label)")
            }
            for status in (operation.object["responses"] as? [String: Any] ?? [:]).keys {
                let content = description.response(operation, status)?["content"] as? [String: Any] ?? [:]
                for (type, media) in content where type.hasSuffix("json") {
                    guard let media = media as? [String: Any], let example = media["example"] else { continue }
                    let schema = media["schema"] as? [String: Any] ?? [:]
                    #expect(description.misfits(example, schema) == [], "\(label) \(status)")
                }
            }
        }
    }

    @Test("tells the truth: its requests are taken, and the answers fit")
    func truth() async throws {
        let description = try Description(), fixture = try await StudioFixture()
        let admin = try await fixture.token(.admin, event: nil)
        let guest = try await fixture.token(.attendee, event: "launch")
        try await fixture.run { client in
            let walk = Walk(description: description, client: client)
            try await walk.call("createEvent", admin)
            for name in ["listEvents", "getEvent", "changeEvent", "startEvent", "stopEvent", "startPlayback"] {
                try await walk.call(name, admin)
            }
            let ingest = try await walk.call("createIngest", admin)["id"]
            walk.parameters["ingest"] = ingest as? String
            for name in ["listIngests", "rotateIngest", "deleteIngest"] { try await walk.call(name, admin) }

            walk.parameters["output"] = try await walk.call("createOutput", admin)["id"] as? String
            for name in ["listOutputs", "getOutput", "deleteOutput"] { try await walk.call(name, admin) }

            let invitation = try await walk.call("createInvitation", admin)
            walk.parameters["invitation"] = invitation["id"] as? String
            walk.parameters["token"] = invitation["token"] as? String
            try await walk.call("acceptInvitation", nil)
            try await walk.call("openSession", nil, replacing: ["invitation": invitation["token"] as? String ?? ""])
            for name in ["getSession", "createTicket", "closeSession"] { try await walk.call(name, guest) }
            try await walk.call("revokeInvitation", admin)
            try await walk.call("acceptInvitation", nil)

            let poll = try await walk.call("createPoll", admin)
            walk.parameters["poll"] = poll["id"] as? String
            for name in ["getPoll", "changePoll", "openPoll"] { try await walk.call(name, admin) }
            let option = try #require((poll["options"] as? [[String: Any]])?.first?["id"] as? String)
            try await walk.call("vote", guest, replacing: ["choices": [option]])
            for name in ["getResults", "closePoll", "reopenPoll", "closePoll", "rerunPoll", "revealPoll", "listPolls"] {
                try await walk.call(name, admin)
            }
            try await walk.call("react", guest)
            try await walk.layoutsAndMedia(admin)
            try await walk.music(admin)
            await fixture.join("launch", "speaker-1", name: "Ada")
            walk.parameters["participant"] = "speaker-1"
            for name in ["changeRoom", "getRoom", "getConnections"] { try await walk.call(name, admin) }
            for name in ["changeParticipant", "putOnStage", "takeOffStage"] { try await walk.call(name, admin) }
            try await fixture.startProgram("launch")
            for name in ["getProgramStill", "getPreviewStill", "readProgram", "readSound"] {
                try await walk.call(name, admin)
            }
            try await fixture.endProgram("launch")
            for name in [
                "publishMedia", "trickleMedia", "stopMedia", "watchMedia", "trickleWatching", "stopWatching",
                "listICEServers", "openSignalling", "listParticipants",
                "removeParticipant",
            ] { try await walk.call(name, admin) }
            for name in ["getHealth", "getDescription", "getProducePage", "getWatchPage", "getJoinPage"] {
                try await walk.call(name, nil)
            }
            walk.parameters["file"] = "watch.js"
            try await walk.call("getAsset", nil)
            try await walk.call("deleteEvent", admin)

            // What runs for ever is told apart, and nothing else is left out.
            let all = description.operations.filter { !$0.isOutput }.compactMap { $0.object["operationId"] as? String }
            #expect(Set(all).subtracting(walk.called) == ["followEvent"])
            // These need a worker, a poll of another kind, or a link that is still good.
            #expect(
                Set(walk.refused) == [
                    "startEvent", "stopEvent", "startPlayback", "revealPoll", "acceptInvitation", "publishMedia",
                    "trickleMedia", "stopMedia", "openSignalling", "getConnections", "watchMedia", "trickleWatching",
                    "stopWatching",
                ])
        }
    }

    @Test("is served as it is written")
    func served() async throws {
        let fixture = try await StudioFixture()
        let text = try String(contentsOf: Description.file, encoding: .utf8)
        try await fixture.run { client in
            let response = try await client.call(.get, "/openapi.json")
            #expect(response.status == .ok)
            #expect(response.headers[.contentType] == "application/json")
            let served = try JSONDecoder().decode(JSONValue.self, from: Data(response.body.readableBytesView))
            #expect(try served == OpenAPIDocument.value(of: text))
        }
    }

    @Test("keeps text text, and numbers numbers")
    func conversion() throws {
        let value = try OpenAPIDocument.value(
            of: "{a: '1', b: 1, c: 1.5, d: true, e: 'true', f: null, g: 2030-05-04T17:00:00.000Z, '200': [x]}")
        #expect(
            value
                == .object([
                    "a": .string("1"), "b": .integer(1), "c": .number(1.5), "d": .bool(true), "e": .string("true"),
                    "f": .null, "g": .string("2030-05-04T17:00:00.000Z"), "200": .array([.string("x")]),
                ]))
    }

    @Test("may be missing, or be broken: then the route answers 404 and everything else goes on")
    func missing() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "openapi-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let broken = folder.appending(path: "broken.yaml")
        try Data("{openapi: [".utf8).write(to: broken)
        for file in [folder.appending(path: "nowhere.yaml"), broken] {
            try await StudioFixture(openAPI: file).run { client in
                let response = try await client.call(.get, "/openapi.json")
                #expect(response.status == .notFound)
                #expect(response.headers[.contentType] == "application/problem+json")
                #expect(try await client.call(.get, "/healthz").status == .ok)
            }
        }
        try FileManager.default.removeItem(at: folder)
    }
}

/// Calls operations with their examples, and holds the answers against their schemas.
private final class Walk: @unchecked Sendable {
    let description: Description
    let client: any TestClientProtocol
    var parameters = ["event": "launch"]
    private(set) var called: Set<String> = []
    private(set) var refused: [String] = []

    init(description: Description, client: any TestClientProtocol) {
        self.description = description
        self.client = client
    }

    /// Layouts, decks, assets, and the scenes that name them.
    func layoutsAndMedia(_ admin: String) async throws {
        parameters["layout"] = "duo"
        for name in [
            "putLayout", "putLayout", "getLayout", "listLayouts", "deleteLayout", "listBuiltInLayouts", "listThemes",
        ] {
            try await call(name, admin)
        }
        let deck = try await call("createDeck", admin, file: (FakeDecoder.deck(pages: 2), "application/pdf"))
        try await call("createAsset", admin, file: (FakeDecoder.audio, "audio/mpeg"))
        let asset = try await call("createAsset", admin, file: (FakeDecoder.picture, "image/png"))
        parameters.merge(
            ["deck": deck["id"] as? String ?? "", "asset": asset["id"] as? String ?? "", "page": "2"]) { $1 }
        for name in ["getDeck", "listDecks", "getDeckPage", "getAssetDescription", "listAssets", "deleteAsset"] {
            try await call(name, admin)
        }
        parameters["asset"] = "countdown"
        for name in ["playRoll", "pauseRoll", "seekRoll", "stopRoll"] { try await call(name, admin) }
        try await call("getSlides", admin)
        try await call("turnSlides", admin, replacing: ["deck": deck["id"] ?? ""])
        for name in [
            "putProgram", "deleteDeck", "changeProgram", "getProgram", "putPreview", "changePreview", "getPreview",
            "take",
        ] { try await call(name, admin) }
        parameters["preset"] = "opening"
        for name in ["putPreset", "putPreset", "getPreset", "listPresets", "recallPreset", "deletePreset"] {
            try await call(name, admin)
        }
        try await call("take", admin, replacing: ["at": Int(Date().timeIntervalSince1970 * 1000) + 60_000])
        for name in ["getTake", "cancelTake"] { try await call(name, admin) }
    }

    /// Music goes the way of rolls.
    func music(_ admin: String) async throws {
        let sound = try await call("createAsset", admin, file: (FakeDecoder.audio, "audio/mpeg"))
        parameters["asset"] = sound["id"] as? String
        let order: [String: Any] = ["loop": true, "audio": "duck", "positionMs": 0]
        for name in ["pauseRoll", "seekRoll"] {
            let loaded = try await call(name, admin, replacing: name == "pauseRoll" ? order : [:])
            #expect((loaded["music"] as? [String: Any])?["asset"] as? String == parameters["asset"])
        }
        try await call("getProgram", admin)
        try await call("stopRoll", admin)
        try await call("deleteAsset", admin)
    }

    @discardableResult
    func call(
        _ name: String, _ token: String?, replacing: [String: Any] = [:], file: (data: Data, type: String)? = nil
    ) async throws -> [String: Any] {
        let operation = try #require(description.operations.first { $0.object["operationId"] as? String == name })
        let path = operation.path.split(separator: "/").map { part -> String in
            guard part.hasPrefix("{"), let end = part.firstIndex(of: "}") else { return String(part) }
            let name = part[part.index(after: part.startIndex)..<end]
            return (parameters[String(name)] ?? "none") + part[part.index(after: end)...]
        }.reduce("") { $0 + "/" + $1 }
        var body: String?
        if var example = description.requestContent(operation)?["example"] as? [String: Any] {
            example.merge(replacing) { $1 }
            body = String(decoding: try JSONSerialization.data(withJSONObject: example), as: UTF8.self)
        }
        let method = try #require(HTTPRequest.Method(operation.method))
        let response =
            if let file {
                try await client.upload(path, token ?? "", file.data, type: file.type)
            } else {
                try await client.call(method, path, token, body)
            }
        called.insert(name)
        if response.status.code >= 400 { refused.append(name) }
        let status = String(response.status.code)
        let described = try #require(description.response(operation, status), "\(name) answers \(status)")
        let content = described["content"] as? [String: Any] ?? [:]
        guard let type = response.headers[.contentType].map({ String($0.prefix { $0 != ";" }) }) else {
            #expect(content.isEmpty && response.body.readableBytes == 0, "\(name) \(status)")
            return [:]
        }
        let media = try #require(content[type] as? [String: Any], "\(name) answers \(status) with \(type)")
        if type.hasSuffix("json"), let schema = media["schema"] as? [String: Any] {
            #expect(description.misfits(response.object, schema) == [], "\(name) \(status)")
        }
        return response.object
    }
}

/// `docs/openapi.yaml`, read.
private struct Description: @unchecked Sendable {
    static let file = StudioFixture.repository.appending(path: "docs/openapi.yaml")

    struct Operation {
        let method: String, path: String, object: [String: Any], isOutput: Bool
    }

    let root: [String: Any]
    let operations: [Operation]

    init() throws {
        root = try #require(try Yams.load(yaml: String(contentsOf: Self.file, encoding: .utf8)) as? [String: Any])
        let paths = try #require(root["paths"] as? [String: [String: Any]])
        operations = paths.sorted { $0.key < $1.key }.flatMap { path, item in
            ["get", "put", "post", "patch", "delete"].compactMap { method in
                (item[method] as? [String: Any]).map {
                    Operation(method: method.uppercased(), path: path, object: $0, isOutput: item["servers"] != nil)
                }
            }
        }
    }

    func requestContent(_ operation: Operation) -> [String: Any]? {
        let body = operation.object["requestBody"] as? [String: Any]
        return (body?["content"] as? [String: Any])?["application/json"] as? [String: Any]
    }

    func response(_ operation: Operation, _ status: String) -> [String: Any]? {
        ((operation.object["responses"] as? [String: Any])?[status] as? [String: Any]).map { resolved($0) }
    }

    /// Follows a reference into this file.
    func resolved(_ object: [String: Any]) -> [String: Any] {
        guard let reference = object["$ref"] as? String else { return object }
        var place: Any? = root
        for part in reference.dropFirst(2).split(separator: "/") { place = (place as? [String: Any])?[String(part)] }
        return resolved(place as? [String: Any] ?? [:])
    }

    /// What of a value does not fit a schema, as far as our schemas go.
    func misfits(_ value: Any, _ schema: [String: Any], _ at: String = "") -> [String] {
        let schema = resolved(schema)
        if let choices = schema["enum"] as? [String] {
            return choices.contains(value as? String ?? "") ? [] : ["\(at): \(value) is none of \(choices)"]
        }
        if let const = schema["const"] as? String { return const == value as? String ? [] : ["\(at): not \(const)"] }
        switch schema["type"] as? String {
        case "object":
            guard let object = value as? [String: Any] else { return ["\(at): no object"] }
            let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
            let isClosed = schema["additionalProperties"] as? Bool == false
            let other = schema["additionalProperties"] as? [String: Any]
            var found = (schema["required"] as? [String] ?? []).filter { object[$0] == nil }.map {
                "\(at)/\($0): missing"
            }
            for (key, item) in object {
                if let inner = properties[key] ?? other {
                    found += misfits(item, inner, "\(at)/\(key)")
                } else if isClosed {
                    found.append("\(at)/\(key): unknown")
                }
            }
            return found
        case "array":
            guard let array = value as? [Any] else { return ["\(at): no array"] }
            let items = schema["items"] as? [String: Any] ?? [:]
            return array.enumerated().flatMap { misfits($1, items, "\(at)/\($0)") }
        case "string":
            guard let text = value as? String else { return ["\(at): no text"] }
            if schema["format"] as? String == "date-time", JSON.date(text) == nil { return ["\(at): no moment"] }
            if let pattern = schema["pattern"] as? String, text.range(of: pattern, options: .regularExpression) == nil {
                return ["\(at): \(text) does not fit \(pattern)"]
            }
            return []
        case "integer": return value is Int ? [] : ["\(at): no integer"]
        case "boolean": return value is Bool ? [] : ["\(at): no boolean"]
        default: return []
        }
    }
}
