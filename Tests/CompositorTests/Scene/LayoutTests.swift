import Control
import Foundation
import Testing

@testable import Compositor

@Suite("Layout files")
struct LayoutTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../layouts").standardizedFileURL

    static func layout(_ name: String) throws -> Layout {
        try Layout(json: Data(contentsOf: folder.appendingPathComponent(name + ".json")))
    }

    @Test("the built-in ones are read, named after their files, and written the same")
    func builtIn() throws {
        let (layouts, errors) = try Layout.load(folder: Self.folder)
        #expect(errors.isEmpty, "\(errors)")
        #expect(
            Set(layouts.keys) == [
                "active-speaker", "countdown", "full", "grid", "holding", "media-full", "pip", "pip-bottom-left",
                "pip-top-left", "pip-top-right", "share-pip", "share-with-speakers", "side-by-side", "split-2",
                "split-3", "spotlight",
            ])
        for layout in layouts.values { #expect(layout.share.map { layouts[$0] != nil } ?? true, "\(layout.name)") }
        for layout in layouts.values { #expect(try Layout(json: JSONEncoder().encode(layout)) == layout) }
    }

    @Test(
        "what is wrong is refused, with its place in the file",
        arguments: [
            (#"{"name":"x","slots":[]}"#, "/slots", "1…32"),
            (#"{"name":"X y","slots":[{"id":"a","rect":[0,0,1,1]}]}"#, "/name", "lower-case"),
            (#"{"name":"x","slots":[{"id":"a","rect":[0,0,1]}]}"#, "/slots/0/rect", "[x, y, width, height]"),
            (#"{"name":"x","slots":[{"id":"a","rect":[60,0,5,5]}]}"#, "/slots/0/rect", "64 × 36"),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5]},{"id":"a","rect":[0,0,1,1]}]}"#, "/slots/1/id",
                "second slot"
            ),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"accepts":["slides","dog"]}]}"#, "/slots/0/accepts/1",
                "participant"
            ),
            (#"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"fit":"stretch"}]}"#, "/slots/0/fit", "fill or fit"),
            (#"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"anchor":[0,2]}]}"#, "/slots/0/anchor", "0…1"),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"flow":{"direction":"grid","max":0}}]}"#,
                "/slots/0/flow/max", "1…64"
            ),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"flow":{"direction":"grid","max":2,"pad":1}}]}"#,
                "/slots/0/flow/pad", "unknown key"
            ),
            (#"{"name":"x","canvas":[9,16],"slots":[{"id":"a","rect":[0,0,64,36]}]}"#, "/slots/0/rect", "36 × 64"),
            (#"{"name":"x","lowerThird":[0,40,1,1],"slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/lowerThird", "outside"),
            (#"{"name":"x","slots":[{"id":"a","rect":[0,0,1e308,1e308]}]}"#, "/slots/0/rect", "outside"),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"portrait":"blur"}]}"#, "/slots/0/portrait",
                "fill, fit or blur-fill"
            ),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"order":"loudest"}]}"#, "/slots/0/order",
                "stage or speaking"
            ),
            (#"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"alone":[0,0,65,5]}]}"#, "/slots/0/alone", "64 × 36"),
            (
                ##"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"border":{"width":3,"color":"#ffffff"}}]}"##,
                "/slots/0/border/width", "0…2"
            ),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"border":{"width":1}}]}"#, "/slots/0/border/color",
                "neither"
            ),
            (
                #"{"name":"x","slots":[{"id":"a","rect":[0,0,5,5],"border":{"width":1,"active":"blue"}}]}"#,
                "/slots/0/border/active", "#RRGGBB"
            ),
            (#"{"name":"x","safe":{"top":-1},"slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/safe/top", "0…64"),
            (#"{"name":"x","safe":{"top":20,"bottom":9},"slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/safe", "16 × 9"),
            (#"{"name":"x","share":"x","slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/share", "another"),
            (#"{"name":"x","share":"A B","slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/share", "name"),
            (
                #"{"name":"x","transition":{"kind":"spin"},"slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/transition/kind",
                "cut, fade, dip, move or wipe"
            ),
            (
                #"{"name":"x","transition":{"kind":"fade","durationMs":6000},"slots":[{"id":"a","rect":[0,0,5,5]}]}"#,
                "/transition/durationMs", "5000"
            ),
            (#"{"name":"x","countdown":[60,0,9,9],"slots":[{"id":"a","rect":[0,0,5,5]}]}"#, "/countdown", "outside"),
        ])
    func refused(json: String, pointer: String, reason: String) {
        let error = #expect(throws: SceneError.self) { try Layout(json: Data(json.utf8)) }
        #expect(error?.pointer == pointer && error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("a bad file is left out and named, the others stay")
    func badFile() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(
            at: Self.folder.appendingPathComponent("full.json"), to: folder.appendingPathComponent("full.json"))
        try Data("{".utf8).write(to: folder.appendingPathComponent("broken.json"))
        try Data(contentsOf: Self.folder.appendingPathComponent("grid.json"))
            .write(to: folder.appendingPathComponent("other.json"))
        let (layouts, errors) = try Layout.load(folder: folder)
        #expect(Set(layouts.keys) == ["full"] && Set(errors.keys) == ["broken.json", "other.json"])
        #expect(errors["other.json"]?.pointer == "/name")
    }
}
