import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Overlays are drawn once", .serialized)
struct OverlayDrawingTests {
    @Test("a lower third is as wide as its text, and takes no more memory than that")
    func trimmed() throws {
        let pictures = try OverlayPictures()
        func graphic(_ name: String) throws -> OverlayGraphic {
            let operations = try pictures.operations(Overlays(lowerThirds: [LowerThird(name: name)]))
            pictures.store.prepare(operations, with: pictures.painter)
            return try pictures.graphic(of: operations[0])
        }
        let short = try graphic("Bo"), long = try graphic("Maximiliane von Löwenstein")
        #expect(short.bounds.width < long.bounds.width / 2 && short.bytes < long.bytes / 2)
        #expect(short.bounds.bottom == long.bounds.bottom, "both stand on the lower edge")
        let right = try graphic("محمد")
        #expect(right.isRightToLeft && !short.isRightToLeft)
    }

    @Test("a ticker comes in at one side, runs, and comes again; every pixel of the way is a place for it")
    func ticker() throws {
        let pictures = try OverlayPictures()
        let text = String(repeating: "news and more news ", count: 12)
        for (text, isRightToLeft) in [(text, false), (String(repeating: "أخبار كثيرة جدا ", count: 20), true)] {
            let operations = try pictures.operations(Overlays(ticker: Ticker(text: text)))
            pictures.store.prepare(operations, with: pictures.painter)
            let graphic = try pictures.graphic(of: operations[0])
            guard case .run(let run) = graphic.live else {
                Issue.record("it stands still")
                return
            }
            #expect(run.isRightToLeft == isRightToLeft)
            let place = PixelRect(x: 0, y: 1020, width: 1920, height: 60)
            #expect(run.placed(after: 0, in: place).isEmpty)
            // After the way in, the first strip begins at the edge at which it came in, minus what it has run.
            let early = run.placed(after: 300, in: place)
            let edge = isRightToLeft ? early.map { $0.x + $0.overlay.width }.max() : early.map(\.x).min()
            #expect(edge.map { abs($0 - (isRightToLeft ? 300 : 1620)) <= 1 } == true)
            // A period later the picture is the same.
            let period = Int64(run.width + run.gap)
            #expect(run.placed(after: 5000 + 7 * period, in: place) == run.placed(after: 5000 + 9 * period, in: place))
            for pixels in [Int64(0), 1, 2, 3, 9999, 1 << 50] {
                for part in run.placed(after: pixels, in: place) {
                    #expect(part.x & 1 == 0 && part.x < 1920 && part.x + part.overlay.width > 0)
                }
            }
            #expect(graphic.bytes < 12 << 20)
        }
        let short = try pictures.operations(Overlays(ticker: Ticker(text: "short")))
        pictures.store.prepare(short, with: pictures.painter)
        if case .run = try pictures.graphic(of: short[0]).live {
            Issue.record("a short line has no reason to run")
        }
    }

    @Test("seconds of a countdown and numbers of a poll are put together without anything being drawn")
    func digits() throws {
        let pictures = try OverlayPictures()
        let poll = PollCard(question: "Q", options: [.init(text: "a", percent: 10)], votes: 1)
        let overlays = Overlays(
            countdown: Countdown(untilProgramTime: 3_600_000, title: "Soon"),
            clock: WallClock(showsSeconds: true), poll: poll)
        let operations = try pictures.operations(overlays, at: 3_000_000)
        #expect(pictures.store.prepare(operations, with: pictures.painter) == 3)
        var pictured: Set<[UInt8]> = []
        for second in 0..<40 {
            var next = overlays
            next.poll?.options = [.init(text: "a", percent: 10 + second)]
            next.poll?.votes = 1 + second * 999
            let operations = try pictures.operations(next, at: 3_000_000 + Int64(second) * 1000)
            #expect(pictures.store.prepare(operations, with: pictures.painter) == 0)
            if second % 10 == 0 { pictured.insert(Pictures.bytes(try pictures.picture(operations))) }
        }
        #expect(pictured.count == 4)
    }

    @Test("what stands still is in the base: frames with overlays at rest cost nothing more")
    func idle() throws {
        let pictures = try OverlayPictures(width: 640, height: 360)
        let operations = try pictures.operations(OverlayResolverTests.base)
        pictures.store.prepare(operations, with: pictures.painter)
        let renderer = ProgramRenderer(canvas: pictures.canvas, store: pictures.store)
        let first = renderer.render(operations, frames: [:])
        for _ in 0..<10 { #expect(renderer.render(operations, frames: [:]) === first) }
        #expect(renderer.unchangedFrames == 10 && renderer.drawnFrames == 1)
    }

    @Test("a picture on the way is the one drawn afresh, frame by frame, over a camera that moves")
    func incremental() throws {
        let pictures = try OverlayPictures(width: 640, height: 360)
        var timeline = OverlayTimeline(Overlays(), themes: pictures.themes)
        timeline.change(
            to: Overlays(
                theme: "default",
                lowerThirds: [LowerThird(name: "Ana Díaz", title: "CTO"), LowerThird(name: "Bo", theme: "band")],
                ticker: Ticker(text: String(repeating: "news ", count: 40)),
                countdown: Countdown(untilProgramTime: 3000)),
            themes: pictures.themes, at: ProgramTime(milliseconds: 1000))
        let renderer = ProgramRenderer(canvas: pictures.canvas, store: pictures.store)
        let tile = DrawOperation.tile(
            source: .participant("a"),
            placement: .init(
                crop: PixelRect(width: 320, height: 180), rect: PixelRect(x: 100, y: 60, width: 480, height: 270)))
        let ground = DrawOperation.background(.color(RGBColor(red: 9, green: 9, blue: 99)), crop: nil)
        for frame in 0..<60 {
            let time = 1000 + Int64(frame) * 33
            if frame == 30 {
                timeline.change(to: Overlays(), themes: pictures.themes, at: ProgramTime(milliseconds: time))
            }
            let operations = [ground, tile] + (try pictures.operations(timeline, at: time))
            pictures.store.prepare(operations, with: pictures.painter)
            let camera: [SceneSource: VideoFrame] = [
                .participant("a"): Pictures.waves(320, 180, phase: Double(frame / 2))
            ]
            let picture = try #require(renderer.render(operations, frames: camera))
            let fresh = ProgramRenderer(canvas: pictures.canvas, store: pictures.store)
            let again = try #require(fresh.render(operations, frames: camera))
            #expect(Pictures.bytes(picture) == Pictures.bytes(again), "frame \(frame)")
        }
    }

    @Test("three lower thirds on their way and a ticker at 1080p: frames lay row spans, and draw no text")
    func cost() throws {
        let pictures = try OverlayPictures()
        var timeline = OverlayTimeline(Overlays(), themes: pictures.themes)
        let thirds = ["Ana María Díaz", "محمد عبد الله", "山田太郎"].map { LowerThird(name: $0, title: "Title, company") }
        let overlays = Overlays(
            lowerThirds: thirds, ticker: Ticker(text: String(repeating: "A line of news that runs. ", count: 12)))
        timeline.change(to: overlays, themes: pictures.themes, at: ProgramTime(milliseconds: 1000))
        pictures.store.prepare(try pictures.operations(timeline, at: 3000), with: pictures.painter)
        let renderer = ProgramRenderer(canvas: pictures.canvas, store: pictures.store)
        let ground = DrawOperation.background(.color(RGBColor(red: 9, green: 9, blue: 99)), crop: nil)
        let clock = ContinuousClock()
        var frames: [String: Duration] = [:], counts: [String: Int] = [:]
        for (kind, times) in [
            ("coming", (0..<8).map { 1000 + $0 * 33 }), ("running", (0..<90).map { 3000 + $0 * 33 }),
        ] {
            for time in times {
                let operations = [ground] + (try pictures.operations(timeline, at: Int64(time)))
                #expect(pictures.store.prepare(operations, with: pictures.painter) == 0)
                frames[kind, default: .zero] += clock.measure { _ = renderer.render(operations, frames: [:]) }
                counts[kind, default: 0] += 1
            }
        }
        for (kind, total) in frames { print("overlays \(kind): \(total / (counts[kind] ?? 1)) a frame") }
        #expect(renderer.missingGraphics == 0 && renderer.drawnFrames > 90)
    }

    @Test("lines end where they may, and never inside a cluster")
    func paragraphs() throws {
        let fonts = try OverlayPictures.fonts()
        let renderer = try #require(TextRenderer(fontConfiguration: fonts))
        let style = TextStyle(pixels: 30, color: RGBColor(red: 255, green: 255, blue: 255))
        func lines(_ text: String, _ width: Double = 400, _ height: Double = 400) -> [String] {
            renderer.paragraph(text, style: style, maximumWidth: width, maximumHeight: height).map(\.text)
        }
        #expect(lines("one two") == ["one two"] && lines("") == [] && lines("a\nb") == ["a", "b"])
        let chinese = lines("上海浦东开发与法制建设同步，这里不应该以标点开头。", 200)
        #expect(chinese.count > 2 && chinese.allSatisfy { !"，。」".contains($0.first ?? "，") })
        // Thai has no spaces: words come from a dictionary.
        let thai = lines("การประชุมวิชาการระดับนานาชาติ", 220)
        #expect(thai.count > 1 && thai.joined() == "การประชุมวิชาการระดับนานาชาติ")
        #expect(thai.allSatisfy { $0.unicodeScalars.first?.properties.generalCategory == .otherLetter })
        let families = String(repeating: "👨‍👩‍👧‍👦", count: 40)
        #expect(lines(families, 300, 90).joined().dropLast().allSatisfy { $0 == "👨‍👩‍👧‍👦" })
        let long = lines(String(repeating: "x", count: 90), 300, 300)
        #expect(long.count > 3 && long.joined() == String(repeating: "x", count: 90))
        #expect(lines(String(repeating: "x", count: 30) + " y", 300, 300).last?.hasSuffix("x y") == true)
        let cut = renderer.paragraph(
            String(repeating: "word ", count: 200), style: style, maximumWidth: 300, maximumHeight: 120)
        #expect(cut.last?.text.hasSuffix("…") == true && cut.allSatisfy { $0.width <= 300 && $0.pixels >= 21 })
        #expect(cut.count == Int(120 / (21 * TextRenderer.lineHeight)))
    }

    @Test("an ellipsis of Arabic and Hebrew lies at the left")
    func ellipsis() throws {
        let fonts = try OverlayPictures.fonts()
        let renderer = try #require(TextRenderer(fontConfiguration: fonts))
        let style = TextStyle(pixels: 30, color: RGBColor(red: 255, green: 255, blue: 255))
        let dots = try #require(renderer.line("…", style: style, maximumWidth: 99).shaped.glyphs.first)
        for text in ["שלום לכולם ולכל מי שכאן היום", "محمد عبد الله الأنصاري القاهرة", "Ana María Díaz and many more"] {
            let line = renderer.line(text, style: style, maximumWidth: 120)
            #expect(line.text.hasSuffix("…") && line.pixels == 21 && line.width <= 120)
            let first = try #require(line.shaped.glyphs.first), last = try #require(line.shaped.glyphs.last)
            #expect(line.isRightToLeft == !text.hasPrefix("A"))
            let end = line.isRightToLeft ? first : last
            #expect(end.index == dots.index)
        }
    }

    @Test("hostile text is drawn within its bounds: piles of marks, megabytes, changes of direction, controls")
    func hostile() throws {
        let pictures = try OverlayPictures()
        let zalgo = "Z" + String(repeating: "\u{301}\u{316}\u{334}", count: 100_000)
        let texts = [
            zalgo, String(repeating: "a", count: 1 << 20), String(repeating: "\u{202E}\u{2066}", count: 5000) + "x",
            String((0..<32).compactMap { Unicode.Scalar($0).map(Character.init) }),
            String(repeating: "\u{200D}👩", count: 2000), String(repeating: "ﷺ", count: 600),
            String(repeating: "\u{0E33}", count: 3000), String(repeating: "क्", count: 3000), "\u{FFFF}\u{10FFFF}",
        ]
        let clock = ContinuousClock()
        for text in texts {
            let overlays = Overlays(
                theme: "outline", lowerThirds: [LowerThird(name: text, title: text)], ticker: Ticker(text: text),
                comment: Comment(name: text, text: text, corner: .topLeft),
                poll: PollCard(question: text, options: [.init(text: text, percent: 5), .init(text: "b", percent: 95)]))
            let operations = try pictures.operations(overlays)
            var drawn = 0
            let took = clock.measure { drawn = pictures.store.prepare(operations, with: pictures.painter) }
            print("hostile: \(text.unicodeScalars.count) scalars, \(drawn) graphics, \(took)")
            _ = try pictures.picture(operations)
            for operation in operations {
                let graphic = try pictures.graphic(of: operation)
                #expect(graphic.bytes < 40 << 20)
            }
        }
    }

    @Test("what the store keeps is bounded in bytes, not only in number")
    func bounded() throws {
        let pictures = try OverlayPictures()
        for number in 0..<60 {
            pictures.store.prepare(
                try pictures.operations(
                    Overlays(comment: Comment(name: "n", text: String(repeating: "long \(number) ", count: 30)))),
                with: pictures.painter)
        }
        #expect(pictures.store.bytes <= GraphicsStore.limits.overlays)
    }
}
