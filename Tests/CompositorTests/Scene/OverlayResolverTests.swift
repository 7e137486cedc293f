import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Overlays and a moment become draw operations")
struct OverlayResolverTests {
    static let base = Overlays(
        lowerThirds: [LowerThird(name: "Ana Díaz", title: "CTO")], ticker: Ticker(text: "news"),
        logo: Logo(asset: "mark"))
    static let full = Overlays(
        theme: "band", lowerThirds: [LowerThird(name: "Bo", lang: "sv"), LowerThird(name: "Ana Díaz", title: "CTO")],
        logo: Logo(asset: "mark", corner: .bottomRight, size: 4, margin: 2, opacity: 0.5),
        countdown: Countdown(untilProgramTime: 65_000, title: "Soon"),
        clock: WallClock(timeZone: "Asia/Tokyo", hours: 12, title: "Tokyo", corner: .topRight),
        comment: Comment(name: "Cy", text: "Why?", corner: .topLeft),
        poll: PollCard(
            question: "Which?", options: [.init(text: "a", percent: 25), .init(text: "b", percent: 75)], votes: 4))

    /// Name, what there was, what comes at 10 000 ms, and the moment.
    static let cases: [(String, Overlays, Overlays, Int64)] = [
        ("overlays-rest", base, base, 5000), ("overlays-coming", Overlays(), full, 10_100),
        ("overlays-arrived", Overlays(), full, 11_000), ("overlays-swapped", base, full, 10_150),
        ("overlays-leaving", full, Overlays(), 10_180),
    ]

    @Test("as the goldens say", arguments: cases.map(\.0))
    func golden(name: String) throws {
        let (_, before, after, moment) = try #require(Self.cases.first { $0.0 == name })
        let themes = try OverlayTheme.load(folder: OverlayThemeTests.folder).themes
        var timeline = OverlayTimeline(before, themes: themes)
        timeline.change(to: after, themes: themes, at: ProgramTime(milliseconds: 10_000))
        let operations = OverlayResolver(
            layout: try LayoutTests.layout("full"), images: ["mark": PixelSize(width: 300, height: 100)],
            geometry: SlotGeometry(canvas: PixelSize(width: 1920, height: 1080)),
            time: ProgramTime(milliseconds: moment)
        ).operations(timeline.presences)
        try Goldens.check(operations, name)
    }

    @Test("boxes lie on the canvas, whatever its shape and size")
    func inside() throws {
        for name in ["full", "grid", "share-with-speakers"] {
            for canvas in [PixelSize(width: 1920, height: 1080), PixelSize(width: 640, height: 360)] {
                let operations = OverlayResolver(
                    layout: try LayoutTests.layout(name), images: ["mark": PixelSize(width: 100, height: 900)],
                    geometry: SlotGeometry(canvas: canvas), time: ProgramTime(milliseconds: 0)
                ).operations(OverlayTimeline(Self.full, themes: [:]).presences)
                #expect(operations.count == 7)
                for case .overlay(let overlay) in operations {
                    let whole = PixelRect(width: canvas.width, height: canvas.height)
                    #expect(overlay.rect == overlay.rect.clipped(to: whole).evened && !overlay.rect.isEmpty)
                }
            }
        }
    }

    @Test("a ticker runs by the same number of pixels in every frame, from program time alone")
    func even() throws {
        let timeline = OverlayTimeline(Overlays(ticker: Ticker(text: "news")), themes: [:])
        func run(_ frame: Int64) throws -> Int64 {
            let time = ProgramTime(milliseconds: 1_790_000_000_000 + frame * 1000 / 30)
            let operations = OverlayResolver(
                layout: try LayoutTests.layout("full"), images: [:],
                geometry: SlotGeometry(canvas: PixelSize(width: 1920, height: 1080)), time: time
            ).operations(timeline.presences)
            guard case .overlay(let overlay)? = operations.first, case .run(let pixels) = overlay.live else {
                Issue.record("no ticker")
                return 0
            }
            return pixels
        }
        let steps = try (0..<300).map { try run($0 + 1) - run($0) }
        #expect(steps.allSatisfy { (3...5).contains($0) } && steps.reduce(0, +) == 1200)
    }
}
