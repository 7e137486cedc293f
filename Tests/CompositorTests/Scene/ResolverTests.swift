import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Scene and layout become draw operations")
struct ResolverTests {
    static let canvas = PixelSize(width: 1920, height: 1080)
    static let hd = PixelSize(width: 1280, height: 720)

    static func people(_ count: Int) -> [SourcesPresent.Participant] {
        (0..<count).map { .init(id: "p\($0)", name: "Person \($0)", camera: hd) }
    }

    private func resolve(
        _ scene: Scene, _ present: SourcesPresent, time: Int64 = 5000, canvas: PixelSize = canvas
    ) throws -> [DrawOperation] {
        SceneResolver.resolve(
            scene, layout: try LayoutTests.layout(scene.layout), present: present,
            time: ProgramTime(milliseconds: time), canvas: canvas)
    }

    static let scenes: [(String, Scene, SourcesPresent)] = [
        ("full-one-speaker", Scene(layout: "full"), SourcesPresent(participants: people(2))),
        (
            "full-portrait", Scene(layout: "full", slots: ["main": SlotSources([.participant("tall")])]),
            SourcesPresent(participants: [.init(id: "tall", name: "Tall", camera: PixelSize(width: 720, height: 1280))])
        ),
        ("full-no-camera", Scene(layout: "full"), SourcesPresent(participants: [.init(id: "x", name: "Xe Nobody")])),
        ("grid-5", Scene(layout: "grid"), SourcesPresent(participants: people(5))),
        (
            "grid-2-named",
            Scene(layout: "grid", slots: ["speakers": SlotSources([.participant("p3"), .participant("p1")])]),
            SourcesPresent(participants: people(5))
        ),
        (
            "share-4-speakers-lower-third",
            Scene(
                layout: "share-with-speakers", background: .image("brand"),
                overlays: Overlays(
                    lowerThirds: [LowerThird(name: "Ana Díaz", title: "CTO", fromProgramTime: 4900)],
                    ticker: Ticker(text: "news"), logo: Logo(asset: "mark")),
                slides: Slides(deck: "d", page: 2)),
            SourcesPresent(
                participants: people(6), slide: PixelSize(width: 1440, height: 1080),
                images: ["brand": PixelSize(width: 1600, height: 1200), "mark": PixelSize(width: 300, height: 100)])
        ),
        (
            "share-screen", Scene(layout: "share-with-speakers", slots: ["content": SlotSources([.screen("p0")])]),
            SourcesPresent(participants: [
                .init(
                    id: "p0", name: "Sharer", camera: hd, screen: PixelSize(width: 1680, height: 1050), zoom: 2,
                    isMirrored: true)
            ])
        ),
    ]

    @Test("as the goldens say", arguments: scenes.map(\.0))
    func golden(name: String) throws {
        let (_, scene, present) = try #require(Self.scenes.first { $0.0 == name })
        let operations = try resolve(scene, present)
        try Goldens.check(operations, name)
    }

    @Test("tiles of every flow and number are even, inside their slot, apart, and equal", arguments: 1...16)
    func tiles(count: Int) {
        for direction in [Layout.Flow.Direction.row, .column, .grid] {
            for canvas in [
                PixelSize(width: 1920, height: 1080), PixelSize(width: 1280, height: 720),
                PixelSize(width: 640, height: 360),
            ] {
                let geometry = SlotGeometry(canvas: canvas)
                let slot = geometry.rect(GridRect(x: 1, y: 1, width: 62, height: 34))
                let flow = Layout.Flow(direction: direction, max: 16, gap: 0.7, tile: .init(width: 16, height: 9))
                let tiles = geometry.tiles(count, in: slot, flow: flow)
                #expect(tiles.count == count)
                for (index, tile) in tiles.enumerated() {
                    #expect(tile == tile.evened && tile == tile.clipped(to: slot))
                    #expect(tile.width == tiles[0].width && tile.height == tiles[0].height)
                    #expect(!tiles[..<index].contains { $0.intersects(tile) })
                    #expect(abs(9 * tile.width - 16 * tile.height) <= 48)
                }
            }
        }
    }

    @Test("a crop has the shape of its place and lies inside the picture, whatever the sizes")
    func crops() {
        var random = SeededRandom(3)
        for _ in 0..<2000 {
            let size = PixelSize(
                width: .random(in: 2...4000, using: &random), height: .random(in: 2...4000, using: &random))
            let rect = PixelRect(
                x: 2 * Int.random(in: 0...100, using: &random), y: 2 * Int.random(in: 0...100, using: &random),
                width: 2 * Int.random(in: 1...900, using: &random), height: 2 * Int.random(in: 1...500, using: &random))
            let anchor = Anchor(x: .random(in: 0...1, using: &random), y: .random(in: 0...1, using: &random))
            for fit in [Layout.Fit.fill, .fit] {
                let zoom = Double.random(in: 0...6, using: &random)
                let place = SlotGeometry.place(size, in: rect, fit: fit, anchor: anchor, zoom: zoom)
                #expect(place.crop.x >= 0 && place.crop.y >= 0)
                #expect(place.crop.right <= max(2, size.width) && place.crop.bottom <= max(2, size.height))
                #expect(place.rect == place.rect.clipped(to: rect))
                if fit == .fill && place.crop.width > 100 && place.crop.height > 100 {
                    let shape = Double(place.crop.width) / Double(place.crop.height)
                    #expect(abs(shape / (Double(rect.width) / Double(rect.height)) - 1) < 0.04)
                }
            }
        }
    }

    @Test("auto shows everybody once: who is named elsewhere, or off stage, is not taken")
    func auto() throws {
        var people = Self.people(4)
        people[1].isOnStage = false
        let layout = try Layout(
            json: Data(
                #"""
                {"name":"x","slots":[{"id":"a","rect":[0,0,10,10],"default":"auto"},
                {"id":"b","rect":[10,0,10,10],"default":["image:none","auto"]},
                {"id":"c","rect":[20,0,40,10],"default":["auto","participant:p3"],"flow":{"direction":"row","max":3}}]}
                """#.utf8))
        let operations = SceneResolver.resolve(
            Scene(layout: "x"), layout: layout, present: SourcesPresent(participants: people),
            time: ProgramTime(milliseconds: 0), canvas: Self.canvas)
        let shown = operations.compactMap { operation -> SceneSource? in
            if case .tile(let source, _) = operation { return source }
            return nil
        }
        #expect(shown == [.participant("p0"), .participant("p2"), .participant("p3")])
    }

    @Test("a slot takes only what it accepts, and slides stand in with a card until they are drawn")
    func accepts() throws {
        let scene = Scene(layout: "share-with-speakers", slots: ["content": SlotSources([.participant("p0")])])
        let tiles = try resolve(scene, SourcesPresent(participants: Self.people(1))).dropFirst()
        #expect(tiles.isEmpty, "named in a slot that takes no cameras, so shown nowhere")
        let waiting = try resolve(
            Scene(layout: "share-with-speakers", slides: Slides(deck: "d", page: 1)), SourcesPresent())
        guard case .card(_, "slides", _, _) = waiting[1] else {
            Issue.record("\(waiting)")
            return
        }
    }
}
