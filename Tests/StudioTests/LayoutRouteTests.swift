import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Synchronization
import Testing
import Web

@testable import Studio

@Suite("Layouts by REST")
struct LayoutRouteTests {
    private static func layout(_ name: String = "duo", slots: [String] = ["left", "right"]) -> String {
        let list = slots.map { #"{"id":"\#($0)","rect":[0,0,10,10]}"# }.joined(separator: ",")
        return #"{"name":"\#(name)","slots":[\#(list)]}"#
    }

    private func names(_ response: TestResponse) -> [String] {
        (response.object["items"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
    }

    @Test("an event's own are no more together than a compositor can be told")
    func together() async throws {
        try await withEvent { client, admin, fixture in
            let sources = Array(repeating: #""participant:\#(String(repeating: "a", count: 120))""#, count: 64)
                .joined(separator: ",")
            let slots = (0..<20).map { #"{"id":"s\#($0)","rect":[0,0,9,9],"default":[\#(sources)]}"# }
                .joined(separator: ",")
            var statuses: [HTTPResponse.Status] = []
            for name in ["a", "b", "c"] {
                let body = #"{"name":"\#(name)","slots":[\#(slots)]}"#
                statuses.append(try await client.call(.put, "/v1/events/e/layouts/\(name)", admin, body).status)
            }
            #expect(statuses == [.created, .created, .conflict])
            let own = names(try await client.call(.get, "/v1/events/e/layouts", admin))
            #expect(own.contains("b") && !own.contains("c"))
        }
    }

    @Test("a producer's own belong to one event, and are told to the compositor")
    func own() async throws {
        try await withEvent { client, admin, fixture in
            let producer = try await fixture.token(.producer, event: "e")
            let path = "/v1/events/e/layouts/duo"
            let made = try await client.call(.put, path, producer, Self.layout())
            #expect(made.status == .created)
            #expect(fixture.control.layouts == ["e"])
            #expect(made.object["programTime"] as? Int == 700 && made.object["ready"] as? Bool == true)
            #expect(made.object["name"] as? String == "duo")
            #expect(names(try await client.call(.get, "/v1/events/e/layouts", producer)).contains("duo"))
            #expect(!names(try await client.call(.get, "/v1/events/f/layouts", admin)).contains("duo"))
            #expect(!names(try await client.call(.get, "/v1/layouts", producer)).contains("duo"))
            let read = try await client.call(.get, path, producer)
            #expect(read.headers[.eTag] == made.headers[.eTag])
            // What is read can be put back.
            let again = try await client.call(
                .put, path, producer, String(buffer: read.body), headers: [.ifMatch: read.headers[.eTag] ?? ""])
            #expect(again.status == .ok && again.object["programTime"] as? Int == 700)
            fixture.control.state.withLock { $0.isThere = false }
            let unseen = try await client.call(.put, path, producer, Self.layout())
            #expect(unseen.object["programTime"] is NSNull && unseen.object["ready"] as? Bool == false)
            let stale = try await client.call(
                .delete, path, producer, nil, headers: [.ifMatch: made.headers[.eTag] ?? ""])
            #expect(stale.status == .preconditionFailed)
            #expect(try await client.call(.delete, path, producer).status == .noContent)
            #expect(try await client.call(.get, path, producer).status == .notFound)
            #expect(try await client.call(.delete, path, producer).status == .notFound)
        }
    }

    @Test("one that a scene uses keeps the slots that the scene fills, and stays")
    func inUse() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e/layouts/duo"
            _ = try await client.call(.put, path, admin, Self.layout())
            let scene = #"{"layout":"duo","slots":{"right":"auto"}}"#
            #expect(try await client.call(.put, "/v1/events/e/preview", admin, scene).status == .ok)
            #expect(try await client.call(.put, path, admin, Self.layout(slots: ["right"])).status == .ok)
            #expect(try await client.call(.put, path, admin, Self.layout(slots: ["left"])).status == .conflict)
            #expect(try await client.call(.delete, path, admin).status == .conflict)
            // So a layout that is on air never goes: its end has no moment at which it shows.
            #expect(try await client.call(.put, "/v1/events/e/program", admin, scene).status == .ok)
            #expect(try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"full"}"#).status == .ok)
            #expect(try await client.call(.delete, path, admin).status == .conflict)
            let kept = try await client.call(.get, path, admin).object["slots"] as? [[String: Any]]
            #expect(kept?.map { $0["id"] as? String } == ["right"])
        }
    }

    @Test("refuse built-in names, other names than the path's, and what does not fit")
    func refuse() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e/layouts"
            #expect(try await client.call(.put, "\(path)/grid", admin, Self.layout("grid")).status == .conflict)
            #expect(try await client.call(.delete, "\(path)/grid", admin).status == .conflict)
            #expect(try await client.call(.get, "\(path)/grid", admin).status == .ok)
            for (body, pointer) in [
                (Self.layout("other"), "/name"), (Self.layout(slots: ["a", "a"]), "/slots/1/id"),
                (#"{"name":"duo","slots":[],"color":1}"#, "/color"),
                (#"{"name":"duo","slots":[{"id":"a","rect":[60,0,10,10]}]}"#, "/slots/0/rect"),
                (#"{"name":"duo","share":"nowhere","slots":[{"id":"a","rect":[0,0,1,1]}]}"#, "/share"),
                (#"{"name":"duo","background":"image:x","slots":[{"id":"a","rect":[0,0,1,1]}]}"#, "/background"),
                (#"{"name":"duo","slots":[{"id":"a","rect":[0,0,1,1],"default":"image:x"}]}"#, "/slots/0/default"),
            ] {
                let response = try await client.call(.put, "\(path)/duo", admin, body)
                #expect(response.status == .unprocessableContent, "\(body)")
                #expect(response.object["pointer"] as? String == pointer, "\(body)")
            }
            #expect(try await client.call(.get, "\(path)/duo", admin).status == .notFound)
        }
    }

    @Test("one that another lets take over stays")
    func share() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e/layouts"
            _ = try await client.call(.put, "\(path)/wide", admin, Self.layout("wide"))
            let duo = #"{"name":"duo","share":"wide","slots":[{"id":"a","rect":[0,0,9,9]}]}"#
            #expect(try await client.call(.put, "\(path)/duo", admin, duo).status == .created)
            #expect(try await client.call(.delete, "\(path)/wide", admin).status == .conflict)
            #expect(try await client.call(.delete, "\(path)/duo", admin).status == .noContent)
            #expect(try await client.call(.delete, "\(path)/wide", admin).status == .noContent)
        }
    }

    @Test("files are read again when they change; what a bad one said before stays, and one that is gone stays too")
    func reloaded() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "layouts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: folder.appending(path: name + ".json"), options: .atomic)
        }
        try write("duo", Self.layout("duo"))
        let log = LogLines(), layouts = try BuiltInLayouts(folder: folder, logger: log.logger)
        #expect(layouts.all.keys.sorted() == ["duo"] && !layouts.refresh() && log.lines.isEmpty)
        try write("duo", Self.layout("duo", slots: ["left", "right", "middle"]))
        #expect(layouts.refresh() && layouts.all["duo"]?.slots.count == 3)
        try write("duo", #"{"name":"duo","slots":[{"id":"a","rect":[0,0,99,1]}]}"#)
        #expect(!layouts.refresh() && layouts.all["duo"]?.slots.count == 3)
        #expect(log.lines.count == 1)
        #expect(log.lines.first?.contains("duo.json") == true && log.lines.first?.contains("/slots/0/rect") == true)
        #expect(!layouts.refresh() && log.lines.count == 1, "it is said once")
        try write("duo", #"{"name":"duo","share":"none","slots":[{"id":"a","rect":[0,0,9,1]}]}"#)
        #expect(!layouts.refresh() && log.lines.last?.contains("/share") == true)
        try write("none", Self.layout("none"))
        try write("duo", #"{"name":"duo","share":"none","slots":[{"id":"a","rect":[0,0,9,1]}]}"#)
        #expect(layouts.refresh() && layouts.all["duo"]?.share == "none")
        try FileManager.default.removeItem(at: folder.appending(path: "none.json"))
        #expect(!layouts.refresh() && layouts.all["none"] != nil && log.lines.last?.contains("none.json") == true)
    }

    @Test("a file that waits for the layout that it lets take over is taken when that comes")
    func waiting() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "layouts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, share: String? = nil) throws {
            let more = share.map { #","share":"\#($0)""# } ?? ""
            let text = #"{"name":"\#(name)"\#(more),"slots":[{"id":"a","rect":[0,0,9,9]}]}"#
            try Data(text.utf8).write(to: folder.appending(path: name + ".json"), options: .atomic)
        }
        try write("own")
        let log = LogLines(), layouts = try BuiltInLayouts(folder: folder, logger: log.logger)
        try write("a", share: "b")
        #expect(!layouts.refresh() && layouts.all.keys.sorted() == ["own"])
        #expect(!layouts.refresh() && log.lines.count == 1, "it is said once")
        try write("b", share: "c")
        #expect(!layouts.refresh() && layouts.all.keys.sorted() == ["own"])
        try write("c")
        #expect(layouts.refresh() && layouts.all.keys.sorted() == ["a", "b", "c", "own"])
        #expect(layouts.all["a"]?.share == "b")
        // One that is gone again before its time does not come back.
        try write("d", share: "e")
        #expect(!layouts.refresh())
        try FileManager.default.removeItem(at: folder.appending(path: "d.json"))
        try write("e")
        #expect(layouts.refresh() && layouts.all["d"] == nil && layouts.all["e"] != nil)
    }

    @Test("a bad file of the folder is left out, and without a good one Studio does not start")
    func folder() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "layouts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(#"{"name":"bad"}"#.utf8).write(to: folder.appending(path: "bad.json"))
        await #expect(throws: LayoutFolderError.self) { _ = try await StudioFixture(layouts: folder) }
        try Data(Self.layout("own").utf8).write(to: folder.appending(path: "own.json"))
        try await StudioFixture(layouts: folder).run { client in }
        let fixture = try await StudioFixture(layouts: folder)
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            #expect(names(try await client.call(.get, "/v1/layouts", admin)) == ["own"])
            _ = try await client.call(.post, "/v1/events", admin, #"{"id":"e","title":"T"}"#)
            let program = try await client.call(.get, "/v1/events/e/program", admin)
            #expect(program.object["layout"] as? String == "own")
        }
        try FileManager.default.removeItem(at: folder)
    }
}
