import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("The built-in layouts")
struct BuiltInLayoutTests {
    static let names = [
        "active-speaker", "countdown", "full", "grid", "holding", "media-full", "pip", "pip-bottom-left",
        "pip-top-left", "pip-top-right", "share-pip", "share-with-speakers", "side-by-side", "split-2", "split-3",
        "spotlight",
    ]

    /// People of whom every third has no camera and every fifth holds it upright; the second one speaks.
    static func present(_ count: Int) -> SourcesPresent {
        let people = (0..<count).map { index in
            SourcesPresent.Participant(
                id: "p\(index)", name: "Person \(index)",
                camera: index % 3 == 2
                    ? nil : index % 5 == 1 ? PixelSize(width: 720, height: 1280) : PixelSize(width: 1280, height: 720))
        }
        let order = count > 1 ? ["p1", "p0"] + (2..<max(2, count)).map { "p\($0)" } : people.map(\.id)
        return SourcesPresent(
            participants: people, slide: PixelSize(width: 1920, height: 1080),
            images: ["mark": PixelSize(width: 300, height: 100)],
            direction: ProgramDirection(order: order, speaking: count > 1 ? ["p1"] : []))
    }

    static func scene(_ layout: String) -> Scene {
        var scene = Scene(layout: layout)
        if layout.hasPrefix("share") { scene.slides = Slides(deck: "d", page: 1) }
        if layout == "countdown" { scene.overlays.countdown = Countdown(untilProgramTime: 65_000, title: "Soon") }
        if layout == "media-full" || layout == "holding" { scene.slots["main"] = SlotSources([.image("mark")]) }
        return scene
    }

    @Test("put everybody where the goldens say: nobody, 1, 2, 3, 5 and 16 on stage", arguments: names)
    func golden(name: String) throws {
        let layout = try LayoutTests.layout(name)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let cases = try [0, 1, 2, 3, 5, 16].map { count -> String in
            let operations = SceneResolver.resolve(
                Self.scene(name), layout: layout, present: Self.present(count), time: ProgramTime(milliseconds: 5000),
                canvas: ResolverTests.canvas)
            let lines = try operations.map { "    " + String(decoding: try encoder.encode($0), as: UTF8.self) }
            return "  \"\(count)\": [\n" + lines.joined(separator: ",\n") + "\n  ]"
        }
        try Goldens.check(json: "{\n" + cases.joined(separator: ",\n") + "\n}\n", "layout-" + name)
    }

    @Test("keep every tile on the canvas, on even pixels, and small ones apart", arguments: names)
    func places(name: String) throws {
        let layout = try LayoutTests.layout(name)
        for canvas in [PixelSize(width: 1920, height: 1080), PixelSize(width: 1280, height: 720)] {
            for count in 0...17 {
                let places = SceneResolver.places(
                    Self.scene(name), layout: layout, present: Self.present(count), canvas: canvas)
                let whole = PixelRect(width: canvas.width, height: canvas.height)
                for (index, place) in places.enumerated() {
                    #expect(place.rect == place.rect.evened && place.rect == place.rect.clipped(to: whole))
                    // A picture in a picture lies on the first one; nothing else lies on another.
                    let below = places[..<index].filter { $0.rect != whole }
                    #expect(!below.contains { $0.rect.intersects(place.rect) }, "\(count) in \(name)")
                }
                #expect(Set(places.map(\.source)).count == places.count, "nobody twice")
            }
        }
    }

    @Test("drawn: one speaker, two, three, five", arguments: names)
    func drawn(name: String) throws {
        let canvas = PixelSize(width: 640, height: 360), layout = try LayoutTests.layout(name)
        for count in [1, 2, 3, 5] {
            let stage = ProgramRendererTests.Stage(canvas: canvas, speakers: 0)
            var present = Self.present(count), scene = Self.scene(name)
            present.images = stage.store.imageSizes
            if name == "media-full" || name == "holding" { scene.slots["main"] = SlotSources([.image("brand")]) }
            present.slide = stage.present.slide
            var frames: [SceneSource: VideoFrame] = [:]
            for (index, person) in present.participants.enumerated() {
                guard let size = person.camera else { continue }
                frames[.participant(person.id)] = Pictures.waves(size.width, size.height, phase: Double(index) * 1.3)
            }
            let operations = SceneResolver.resolve(
                scene, layout: layout, present: present, time: ProgramTime(milliseconds: 5000), canvas: canvas)
            stage.store.prepare(operations, with: try #require(GraphicsPainter()))
            let renderer = ProgramRenderer(canvas: canvas, store: stage.store)
            let picture = try #require(renderer.render(operations, frames: frames))
            #expect(renderer.missingGraphics == 0)
            // Where a tile lies, there is its picture and not the background.
            for case .tile(let source, let placement) in operations {
                let rect = placement.rect,
                    middle = (rect.y + rect.height / 2) * picture.lumaStride + rect.x + rect.width / 2
                guard
                    !operations.contains(where: { operation in
                        if case .tile(let other, let place) = operation {
                            other != source && place.rect.width < rect.width && place.rect.intersects(rect)
                        } else {
                            false
                        }
                    })
                else { continue }
                #expect(picture.y[middle] != RGBColor(red: 16, green: 24, blue: 40).program.y)
            }
            try Pictures.keep(picture, "layout-\(name)-\(count)")
        }
    }
}
