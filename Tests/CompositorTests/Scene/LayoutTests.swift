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
        #expect(Set(layouts.keys).isSuperset(of: ["full", "grid", "share-with-speakers"]))
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
