import Control
import Foundation
import Testing

@testable import Compositor

@Suite("Themes of overlays")
struct OverlayThemeTests {
    static let folder = LayoutTests.folder.deletingLastPathComponent().appendingPathComponent("themes")

    static func theme(_ name: String) throws -> OverlayTheme {
        try OverlayTheme(json: Data(contentsOf: folder.appendingPathComponent(name + ".json")))
    }

    @Test("the built-in ones are read, named after their files, and written the same")
    func builtIn() throws {
        let (themes, errors) = try OverlayTheme.load(folder: Self.folder)
        #expect(errors.isEmpty, "\(errors)")
        #expect(Set(themes.keys) == ["band", "default", "light", "outline"])
        #expect(themes["default"] == .standard, "what is meant without a file is what the file says")
        for theme in themes.values { #expect(try OverlayTheme(json: JSONEncoder().encode(theme)) == theme) }
    }

    @Test(
        "what is wrong is refused, with its place in the file",
        arguments: [
            (##"{"name":"A b"}"##, "/name", "lower-case"),
            (##"{"name":"a"}"##, "/primary", "missing"),
            (##"{"name":"a","primary":{"color":"red"}}"##, "/primary/color", "#RRGGBB"),
            (##"{"name":"a","primary":{"color":"#ffffff"}}"##, "/primary/size", "missing"),
            (##"{"name":"a","primary":{"color":"#ffffff","size":60}}"##, "/primary/size", "0.4…6"),
            (
                ##"{"name":"a","primary":{"color":"#ffffff","size":1,"weight":"fat"}}"##, "/primary/weight",
                "regular, bold"
            ),
            (##"{"name":"a","shine":1}"##, "/shine", "unknown key"),
            (##"{"name":"a","panel":{"color":"#000000","padding":[1]}}"##, "/panel/padding", "above and below"),
            (##"{"name":"a","panel":{"color":"#000000","opacity":2}}"##, "/panel/opacity", "0…1"),
        ])
    func refused(json: String, pointer: String, reason: String) {
        let error = #expect(throws: SceneError.self) { try OverlayTheme(json: Data(json.utf8)) }
        #expect(error?.pointer == pointer && error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("a motion, an accent and a shadow are held inside their bounds")
    func parts() {
        let good = ##""primary":{"color":"#ffffff","size":1},"secondary":{"color":"#ffffff","size":1}"##
        for (part, pointer) in [
            (##""animation":{"kind":"explode"}"##, "/animation/kind"), (##""animation":{"ms":5000}"##, "/animation/ms"),
            (##""accent":{"color":"#ffffff","edge":"left"}"##, "/accent/edge"),
            (##""shadow":{"color":"#ffffff","offset":[0,3]}"##, "/shadow/offset"),
            (##""outline":{"color":"#ffffff","width":9}"##, "/outline/width"),
        ] {
            let error = #expect(throws: SceneError.self) {
                try OverlayTheme(json: Data(##"{"name":"a",\##(good),\##(part)}"##.utf8))
            }
            #expect(error?.pointer == pointer, "\(String(describing: error))")
        }
    }

    @Test(
        "overlays of a scene are refused with their place",
        arguments: [
            (##"{"lowerThirds":[{"name":"x","lang":"Japanese!"}]}"##, "/overlays/lowerThirds/0/lang"),
            (##"{"lowerThirds":[{"name":"x","durationMs":1}]}"##, "/overlays/lowerThirds/0/durationMs"),
            (##"{"lowerThirds":[{"id":"a","name":"x"},{"id":"a","name":"y"}]}"##, "/overlays/lowerThirds"),
            (##"{"ticker":{"text":"x","speed":100}}"##, "/overlays/ticker/speed"),
            (##"{"logo":{"asset":"x","corner":"middle"}}"##, "/overlays/logo/corner"),
            (##"{"logo":{"asset":"x","size":0}}"##, "/overlays/logo/size"),
            (##"{"logo":{"asset":"x","opacity":2}}"##, "/overlays/logo/opacity"),
            (##"{"countdown":{"untilProgramTime":1,"atZero":"explode"}}"##, "/overlays/countdown/atZero"),
            (##"{"clock":{"timeZone":"Mars/Olympus"}}"##, "/overlays/clock/timeZone"),
            (##"{"clock":{"hours":13}}"##, "/overlays/clock/hours"),
            (##"{"poll":{"id":"p","question":"x"}}"##, "/overlays/poll/question"),
            (##"{"poll":{}}"##, "/overlays/poll/question"),
            (##"{"poll":{"question":"x","options":[],"votes":-1}}"##, "/overlays/poll/votes"),
        ])
    func scene(overlays: String, pointer: String) {
        let error = #expect(throws: SceneError.self) {
            try Scene(json: Data(##"{"layout":"full","overlays":\##(overlays)}"##.utf8))
        }
        #expect(error?.pointer == pointer, "\(String(describing: error))")
    }

    @Test("all that overlays can say is read, and written the same")
    func roundTrip() throws {
        let json = """
            {"layout":"full","overlays":{"theme":"light","lowerThirds":[{"id":"a","name":"山田","title":"x","lang":"ja",
            "theme":"band","durationMs":5000}],"ticker":{"text":"t","speed":6,"lang":"ar"},
            "logo":{"asset":"m","corner":"bottomRight","size":4,"margin":2,"opacity":0.5},
            "countdown":{"untilProgramTime":9,"atZero":"countUp","corner":"topLeft"},
            "clock":{"timeZone":"Asia/Tokyo","hours":12,"seconds":true,"title":"Tokyo","corner":"topRight"},
            "comment":{"name":"n","text":"t","corner":"topRight","durationMs":900},"poll":{"id":"p1","results":false}}}
            """
        let scene = try Scene(json: Data(json.utf8))
        #expect(
            scene.overlays.clock
                == WallClock(timeZone: "Asia/Tokyo", hours: 12, showsSeconds: true, title: "Tokyo", corner: .topRight))
        #expect(scene.overlays.poll == PollCard(id: "p1", showsResults: false))
        #expect(try Scene(json: JSONEncoder().encode(scene)) == scene)
        #expect(scene.overlays.namedThemes.map(\.pointer) == ["/theme", "/lowerThirds/0/theme"])
    }
}
