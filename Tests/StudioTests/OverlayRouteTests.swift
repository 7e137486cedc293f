import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import Media
import Synchronization
import Testing
import Web

@testable import Studio

@Suite("Overlays by REST")
struct OverlayRouteTests {
    @Test("themes are listed; one that is not there is refused with its place, and so is a poll")
    func names() async throws {
        try await withEvent { client, admin, fixture in
            let items = try await client.call(.get, "/v1/themes", admin).object["items"] as? [[String: Any]]
            #expect(items?.compactMap { $0["name"] as? String } == ["band", "default", "light", "outline"])
            for (overlays, pointer) in [
                (#"{"theme":"nowhere"}"#, "/overlays/theme"),
                (#"{"lowerThirds":[{"name":"a"},{"name":"b","theme":"nowhere"}]}"#, "/overlays/lowerThirds/1/theme"),
                (#"{"poll":{"id":"nowhere"}}"#, "/overlays/poll/id"),
                (#"{"clock":{"timeZone":"Mars/Olympus"}}"#, "/overlays/clock/timeZone"),
            ] {
                for path in ["program", "preview"] {
                    let refused = try await client.call(
                        .patch, "/v1/events/e/\(path)", admin, #"{"overlays":\#(overlays)}"#)
                    #expect(refused.status == .unprocessableContent)
                    #expect(refused.object["pointer"] as? String == pointer, "\(refused.object)")
                }
            }
            let poll = try await client.call(
                .post, "/v1/events/e/polls", admin, #"{"question":"Which?","options":["a","b"]}"#)
            let id = try #require(poll.object["id"] as? String)
            let put = try await client.call(
                .patch, "/v1/events/e/program", admin,
                #"{"overlays":{"theme":"light","poll":{"id":"\#(id)"},"lowerThirds":[{"name":"a","theme":"band"}]}}"#)
            #expect(put.status == .ok)
            let kept = (put.object["overlays"] as? [String: Any])?["poll"] as? [String: Any]
            #expect(kept?["id"] as? String == id && kept?["question"] == nil, "a poll is named, not copied")
            #expect(fixture.control.changes.last?.scene.overlays.poll?.id == id)
        }
    }

    @Test("a font is uploaded, named by overlays, and stays while it is named")
    func font() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.font, type: "font/ttf")
            #expect(made.status == .created && made.object["kind"] as? String == "font")
            #expect(made.object["width"] == nil && made.object["height"] == nil)
            let id = try #require(made.object["id"] as? String)
            let picture = try await client.upload(
                "/v1/events/e/assets", admin, FakeDecoder.picture, type: "image/png")
            for other in ["nowhere", try #require(picture.object["id"] as? String)] {
                let refused = try await client.call(
                    .patch, "/v1/events/e/program", admin, #"{"overlays":{"font":"\#(other)"}}"#)
                #expect(refused.status == .unprocessableContent)
                #expect(refused.object["pointer"] as? String == "/overlays/font")
            }
            let put = try await client.call(
                .patch, "/v1/events/e/program", admin, #"{"overlays":{"font":"\#(id)"}}"#)
            #expect(put.status == .ok && fixture.control.changes.last?.scene.overlays.font == id)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(id)", admin).status == .conflict)
            _ = try await client.call(.patch, "/v1/events/e/program", admin, #"{"overlays":{"font":null}}"#)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(id)", admin).status == .noContent)
            let none = try await client.upload("/v1/events/e/assets", admin, Data("none".utf8), type: "font/otf")
            #expect(none.status == .unsupportedMediaType && none.object["detail"] as? String == "It is none.")
            let woff = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.font, type: "font/woff2")
            #expect(woff.status == .unsupportedMediaType)
        }
    }

    @Test("a theme's file that changes is seen without a restart; a broken one keeps what it said")
    func reload() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "themes-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let now = Mutex<Int64>(0)
        let themes = ThemeFolder(folder: folder, logger: Logger(label: "test")) {
            MonotonicTime(milliseconds: now.withLock { $0 })
        }
        var stamp = Date(timeIntervalSince1970: 1_000_000)
        func write(_ name: String, _ title: String, _ size: String = "1") throws {
            let json =
                ##"{"name":"\##(name)","title":"\##(title)","primary":{"color":"#ffffff","size":\##(size)},"##
                + ##""secondary":{"color":"#ffffff","size":1}}"##
            let file = folder.appending(path: name + ".json")
            try Data(json.utf8).write(to: file)
            stamp += 1
            try FileManager.default.setAttributes([.modificationDate: stamp], ofItemAtPath: file.path)
            now.withLock { $0 += ThemeFolder.pauseMs }
        }
        #expect(themes.themes == ["default": .standard])
        try write("own", "first")
        #expect(themes.themes.keys.sorted() == ["default", "own"])
        try write("own", "second")
        #expect(themes.themes["own"]?.title == "second")
        try write("own", "third", "900")
        #expect(themes.themes["own"]?.title == "second")
        try FileManager.default.removeItem(at: folder.appending(path: "own.json"))
        now.withLock { $0 += ThemeFolder.pauseMs }
        #expect(themes.themes == ["default": .standard])
        try FileManager.default.removeItem(at: folder)
    }

    /// Polls whose numbers a test sets.
    private final class FakePolls: PollScreens {
        let votes = Mutex<[String: Int]>([:])
        func picture(of poll: String, event: String) async throws -> PollPicture? {
            votes.withLock { $0[poll] }.map { PollPicture(question: poll, options: [], votes: $0) }
        }
    }

    @Test("a poll on the program is told to the compositor before its scene, and again as its numbers change")
    func polls() async throws {
        let polls = FakePolls()
        polls.votes.withLock { $0 = ["p1": 1, "p2": 7] }
        let fixture = try await ConductorFixture(polls: polls)
        let output = try await fixture.output(), supervisor = try await fixture.supervisor()
        try await fixture.add("e")
        _ = try await fixture.conductor.start("e")
        let compositor = try await fixture.compositor("e")
        try await eventually("it runs") { !compositor.setups.isEmpty }
        #expect(compositor.setups.first?.themes.map(\.name) == ["default"])
        let overlays = Overlays(poll: PollCard(id: "p1"))
        try await eventually("the scene is shown") {
            try await fixture.compositors.show(
                ProgramChange(scene: Scene(layout: "full", overlays: overlays), version: 2), event: "e") != nil
        }
        #expect(compositor.polls.last?["p1"]?.votes == 1)
        let told = compositor.program
        let poll = try #require(told.firstIndex { if case .putPolls = $0 { true } else { false } })
        let show = try #require(told.firstIndex { if case .show = $0 { true } else { false } })
        #expect(poll < show)
        polls.votes.withLock { $0["p1"] = 5 }
        try await eventually("the number is told") { compositor.polls.last?["p1"]?.votes == 5 }
        // A preview's poll is known to the picture of the preview.
        let preview = Scene(layout: "full", overlays: Overlays(poll: PollCard(id: "p2")))
        _ = try await fixture.compositors.still(preview, event: "e")
        #expect(compositor.polls.last?["p2"]?.votes == 7)
        for worker in [output, supervisor, compositor] { worker.leave() }
        try fixture.end()
    }
}
