import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Testing
import Web

@testable import Studio

@Suite("What slots accept")
struct SlotAcceptanceTests {
    @Test(
        "a source that its slot never shows is refused, with its place and what the slot accepts",
        arguments: [
            (#""layout":"share-with-speakers","slots":{"content":"participant:ada"}"#, "/slots/content", "slides"),
            (
                #""layout":"share-with-speakers","slots":{"content":["slides","participant:ada"]}"#, "/slots/content/1",
                "slides"
            ),
            (
                #""layout":"share-with-speakers","slots":{"speakers":"slides"}"#, "/slots/speakers",
                "participant, ingest"
            ),
            (
                #""layout":"spotlight","slots":{"main":"auto","others":["auto","screen:ada"]}"#, "/slots/others/1",
                "ingest"
            ),
            (#""layout":"media-full","slots":{"main":"participant:ada"}"#, "/slots/main", "media"),
            (#""layout":"holding","slots":{"main":"auto"}"#, "/slots/main", "only media, image"),
            (#""layout":"countdown","slots":{"main":"ingest:camera"}"#, "/slots/main", "only media, image"),
        ])
    func refused(scene: String, pointer: String, kinds: String) async throws {
        try await withEvent { client, admin, fixture in
            for (method, place) in [
                (HTTPRequest.Method.put, "program"), (.patch, "program"), (.put, "preview"), (.patch, "preview"),
                (.put, "presets/a"),
            ] {
                let response = try await client.call(method, "/v1/events/e/\(place)", admin, "{\(scene)}")
                #expect(response.status == .unprocessableContent, "\(method) \(place)")
                #expect(response.object["pointer"] as? String == pointer)
                #expect((response.object["detail"] as? String)?.contains(kinds) == true, "\(response.object)")
            }
            #expect(fixture.control.changes.isEmpty)
            let kept = try await client.call(.get, "/v1/events/e/preview", admin)
            #expect(
                kept.object["layout"] as? String == "full" && (kept.object["slots"] as? [String: Any])?.isEmpty == true)
        }
    }

    @Test(
        "what a slot may show is taken: nothing, everybody, whoever is not there yet, and those who stand in for each other",
        arguments: [
            #""layout":"holding","slots":{"main":"none"}"#, #""layout":"holding","slots":{"main":[]}"#,
            #""layout":"full","slots":{"main":["participant:gone","screen:ada","ingest:x","slides","media:bars","auto","none"]}"#,
            #""layout":"share-with-speakers","slots":{"content":["screen:ada","slides","auto"],"speakers":["ingest:x","auto"]}"#,
            #""layout":"media-full","slots":{"main":["media:bars","auto"]}"#,
        ])
    func taken(scene: String) async throws {
        try await withEvent { client, admin, _ in
            for place in ["program", "preview"] {
                let response = try await client.call(.put, "/v1/events/e/\(place)", admin, "{\(scene)}")
                #expect(response.status == .ok, "\(response.object)")
            }
        }
    }

    @Test("what every built-in layout shows by itself may be said of its slots, too")
    func builtIn() async throws {
        let layouts = try Layout.load(folder: StudioFixture.repository.appending(path: "layouts")).layouts
        #expect(!layouts.isEmpty)
        try await withEvent { client, admin, _ in
            for layout in layouts.values {
                let slots = Dictionary(uniqueKeysWithValues: layout.slots.map { ($0.id, $0.content) })
                let scene = try JSONEncoder().encode(Scene(layout: layout.name, slots: slots))
                let response = try await client.call(
                    .put, "/v1/events/e/preview", admin, String(decoding: scene, as: UTF8.self))
                #expect(response.status == .ok, "\(layout.name): \(response.object)")
            }
        }
    }

    @Test("a stored scene whose layout has changed is recalled, taken, put back and changed in its other parts")
    func stored() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e"
            func layout(_ accepts: String) async throws -> HTTPResponse.Status {
                let slots = #"[{"id":"left","rect":[0,0,9,9]\#(accepts)},{"id":"right","rect":[9,0,9,9]}]"#
                return try await client.call(
                    .put, "\(path)/layouts/duo", admin, #"{"name":"duo","slots":\#(slots)}"#
                ).status
            }
            #expect(try await layout("") == .created)
            let scene = #"{"layout":"duo","slots":{"left":"participant:ada"}}"#
            for place in ["program", "presets/a"] {
                let status = try await client.call(.put, "\(path)/\(place)", admin, scene).status
                #expect(status == .ok || status == .created)
            }
            #expect(try await layout(#","accepts":["image"]"#) == .ok)

            let ticker = #"{"overlays":{"ticker":{"text":"News"}}}"#
            #expect(try await client.call(.patch, "\(path)/program", admin, ticker).status == .ok)
            let read = String(buffer: try await client.call(.get, "\(path)/program", admin).body)
            #expect(try await client.call(.put, "\(path)/program", admin, read).status == .ok)
            #expect(try await client.call(.post, "\(path)/presets/a/recall", admin).status == .ok)
            #expect(try await client.call(.patch, "\(path)/preview", admin, ticker).status == .ok)
            #expect(try await client.call(.put, "\(path)/presets/a", admin, scene).status == .ok)
            #expect(try await client.call(.put, "\(path)/presets/b", admin, scene).status == .created)
            #expect(try await client.call(.post, "\(path)/take", admin, "{}").status == .ok)
            let right = #"{"slots":{"right":"participant:ben"}}"#
            #expect(try await client.call(.patch, "\(path)/program", admin, right).status == .ok)

            // But nothing else that is never shown comes into the slot.
            let other = try await client.call(
                .patch, "\(path)/program", admin, #"{"slots":{"left":"participant:ben"}}"#)
            #expect(other.status == .unprocessableContent && other.object["pointer"] as? String == "/slots/left")
            #expect(try await client.call(.patch, "\(path)/program", admin, #"{"slots":{"left":null}}"#).status == .ok)
        }
    }
}
