import Control
import Media
import Testing

@testable import Compositor

@Suite("A move from scene to scene")
struct MovePlanTests {
    private let background = DrawOperation.background(.color(RGBColor(red: 1, green: 2, blue: 3)), crop: nil)

    private func tile(_ id: String, _ x: Int, _ y: Int, _ width: Int, _ height: Int) -> DrawOperation {
        .tile(
            source: .participant(id),
            placement: .init(
                crop: PixelRect(width: 1280, height: 720), rect: PixelRect(x: x, y: y, width: width, height: height),
                cornerRadius: 8))
    }

    private func third(_ name: String, part: Int = OverlayPresence.whole) -> DrawOperation {
        .overlay(
            OverlayOperation(
                drawing: .lowerThird(name: name, title: nil, lang: ""), live: .none, theme: .standard,
                rect: PixelRect(x: 0, y: 900, width: 400, height: 100), isRight: false, isLow: true, isCentred: false,
                unit: 30, opacity: 255, motion: part < OverlayPresence.whole ? .slide : .none, part: part))
    }

    private func place(_ plan: MovePlan, _ id: String) -> PixelRect? {
        for case .tile(.participant(id), let placement) in plan.above { return placement.rect }
        return nil
    }

    @Test("who is in both glides from the one place to the other, on even pixels, and never turns back")
    func glides() {
        let from = [background, tile("a", 0, 0, 960, 540)], to = [background, tile("a", 1440, 800, 480, 270)]
        #expect(place(MovePlan(from: from, to: to, weight: 0), "a") == PixelRect(x: 0, y: 0, width: 960, height: 540))
        #expect(
            place(MovePlan(from: from, to: to, weight: 255), "a")
                == PixelRect(x: 1440, y: 800, width: 480, height: 270))
        var last = -1
        for weight in UInt8.min...UInt8.max {
            guard let rect = place(MovePlan(from: from, to: to, weight: weight), "a") else {
                Issue.record("nobody at \(weight)")
                return
            }
            #expect(rect.x >= last)
            #expect([rect.x, rect.y, rect.width, rect.height].allSatisfy { $0 & 1 == 0 && $0 >= 0 })
            #expect(rect.right <= 1920 && rect.bottom <= 1080)
            last = rect.x
        }
    }

    @Test("who is in one of them alone comes and goes with its background")
    func comesAndGoes() {
        let plan = MovePlan(
            from: [background, tile("a", 0, 0, 960, 540), tile("b", 960, 0, 960, 540)],
            to: [background, tile("b", 0, 0, 1920, 1080), tile("c", 0, 0, 96, 54)], weight: 100)
        #expect(plan.leaving == [background, tile("a", 0, 0, 960, 540)])
        #expect(plan.arriving == [background, tile("c", 0, 0, 96, 54)])
        #expect(plan.above.count == 1)
    }

    @Test("overlays come and go by themselves: those of the scene that comes are drawn as they are")
    func overlays() {
        let to = [background, third("old", part: 9000), third("both"), third("new", part: 100)]
        let plan = MovePlan(from: [background, third("both"), third("old")], to: to, weight: 51)
        #expect(plan.above == Array(to.dropFirst()))
        #expect(MovePlan(from: [third("old")], to: [], weight: 255).above.isEmpty)
    }

    @Test("pictures: a wipe shows both beside the edge; a move ends where the scene to come lies")
    func pictures() throws {
        let canvas = PixelSize(width: 64, height: 36), store = GraphicsStore()
        let renderer = ProgramRenderer(canvas: canvas, store: store)
        let dark = Pictures.plain(64, 36, y: 40), light = Pictures.plain(64, 36, y: 200)
        let half = try #require(renderer.wipe(dark, light, weight: 128))
        #expect((half.y[0], half.y[31], half.y[32], half.y[63]) == (200, 200, 40, 40))
        #expect(half.y[35 * half.lumaStride] == 200 && half.y[35 * half.lumaStride + 63] == 40)
        let first = try #require(renderer.wipe(dark, light, weight: 0))
        #expect(first.y[0] == 40 && first.y[63] == 40)
        let last = try #require(renderer.wipe(dark, light, weight: 255))
        #expect(last.y[0] == 200 && last.y[63] == 200)

        let camera = Pictures.plain(64, 36, y: 120)
        let to = DrawOperation.tile(
            source: .participant("a"),
            placement: .init(
                crop: PixelRect(width: 64, height: 36), rect: PixelRect(x: 32, y: 0, width: 32, height: 18)))
        let plan = MovePlan(from: [to], to: [to], weight: 255)
        let moved = try #require(
            renderer.mix(dark, light, weight: 255, above: plan.above, frames: [.participant("a"): camera]))
        #expect(moved.y[0] == 200 && moved.y[40] == 120 && moved.y[20 * moved.lumaStride + 40] == 200)
    }
}
