import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("The program's picture", .serialized)
struct ProgramRendererTests {
    /// Stage with moving pictures, slides and a background, as the demo has it.
    struct Stage {
        let canvas: PixelSize
        let store = GraphicsStore()
        var frames: [SceneSource: VideoFrame] = [:]
        var present = SourcesPresent()
        var scene = Scene(
            layout: "share-with-speakers", background: .image("brand"), slides: Slides(deck: "d", page: 1))

        init(canvas: PixelSize, speakers: Int) {
            self.canvas = canvas
            var brand = RGBABitmap(width: 1600, height: 900)
            for band in 0..<9 {
                brand.fill(
                    PixelRect(x: 0, y: band * 100, width: 1600, height: 100),
                    color: RGBColor(red: UInt8(20 + 10 * band), green: 30, blue: UInt8(120 - 8 * band)))
            }
            store.add(image: "brand", brand)
            var slide = RGBABitmap(width: 1920, height: 1080)
            slide.fill(PixelRect(width: 1920, height: 1080), color: RGBColor(red: 250, green: 250, blue: 245))
            for row in 0..<8 {
                slide.fill(
                    PixelRect(x: 160, y: 140 + row * 100, width: 1500 - row * 90, height: 36), radius: 18,
                    color: RGBColor(red: 40, green: UInt8(60 + row * 20), blue: 120))
            }
            store.add(slide: Slides(deck: "d", page: 1), slide)
            for index in 0..<speakers {
                let frame = Pictures.waves(1280, 720, phase: Double(index))
                frame.color = .vp8
                frames[.participant("p\(index)")] = frame
                present.participants.append(
                    .init(id: "p\(index)", name: "Person \(index)", camera: PixelSize(width: 1280, height: 720)))
            }
            present.slide = store.size(of: Slides(deck: "d", page: 1))
            present.images = store.imageSizes
        }

        func operations(time: Int64 = 0) throws -> [DrawOperation] {
            SceneResolver.resolve(
                scene, layout: try LayoutTests.layout(scene.layout), present: present,
                time: ProgramTime(milliseconds: time), canvas: canvas)
        }
    }

    @Test("is the golden one in its worst 16×16 block", arguments: ["share-with-speakers", "grid", "full"])
    func golden(layout: String) throws {
        var stage = Stage(canvas: PixelSize(width: 640, height: 360), speakers: 3)
        stage.scene.layout = layout
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let picture = try #require(renderer.render(try stage.operations(), frames: stage.frames))
        try Pictures.keep(picture, "picture-" + layout)
        let file = try #require(Bundle.module.url(forResource: "Goldens/picture-" + layout, withExtension: "png"))
        let golden = VideoFrame(try PictureDecoder.decode(Data(contentsOf: file)))
        let worst = Pictures.worstBlock(picture, golden)
        // The golden went through RGB and back: one code value, two at strong colours.
        #expect(worst.difference < 1.5, "block at \(worst.x), \(worst.y)")
    }

    @Test("draws the base once, and an unchanged picture not at all")
    func caching() throws {
        var stage = Stage(canvas: PixelSize(width: 640, height: 360), speakers: 2)
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let operations = try stage.operations()
        let first = renderer.render(operations, frames: stage.frames)
        #expect(renderer.render(operations, frames: stage.frames) === first)
        #expect(renderer.baseRedraws == 1 && renderer.drawnFrames == 1 && renderer.unchangedFrames == 1)
        let held = try #require(first)
        let before = Pictures.bytes(held)
        stage.frames[.participant("p1")] = Pictures.waves(1280, 720, phase: 2)
        let second = try #require(renderer.render(operations, frames: stage.frames))
        #expect(second !== first && renderer.baseRedraws == 1 && renderer.drawnFrames == 2)
        #expect(Pictures.bytes(held) == before, "what was handed on is not written again")
        // Drawn afresh it is the same picture.
        let fresh = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let again = try #require(fresh.render(operations, frames: stage.frames))
        #expect(Pictures.bytes(again) == Pictures.bytes(second))
        stage.scene.slides = Slides(deck: "d", page: 2)
        stage.present.slide = nil
        _ = renderer.render(try stage.operations(), frames: stage.frames)
        #expect(renderer.baseRedraws == 2)
    }

    @Test("a lower third lies over the slide and over the video, and stands in nothing's way while it is made")
    func lowerThird() throws {
        var stage = Stage(canvas: PixelSize(width: 640, height: 360), speakers: 1)
        stage.scene.layout = "full"
        stage.scene.overlays.lowerThirds = [LowerThird(name: "Ana Díaz", title: "CTO")]
        let operations = try stage.operations()
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let without = try #require(renderer.render(operations, frames: stage.frames))
        #expect(renderer.missingGraphics == 1)
        let painter = try #require(GraphicsPainter())
        #expect(stage.store.prepare(operations, with: painter) == 1)
        #expect(stage.store.prepare(operations, with: painter) == 0)
        let with = try #require(renderer.render(operations, frames: stage.frames))
        #expect(renderer.missingGraphics == 0)
        guard case .overlay(let overlay)? = operations.last else {
            Issue.record("no lower third")
            return
        }
        let rect = overlay.rect
        var changed = 0
        for y in 0..<360 {
            for x in 0..<640 where with.y[y * with.lumaStride + x] != without.y[y * without.lumaStride + x] {
                changed += 1
                #expect(x >= rect.x && x < rect.right && y >= rect.y && y < rect.bottom)
            }
        }
        #expect(changed > 1500)
    }

    @Test("a participant without a camera is a card, at once in colour and then with the name")
    func card() throws {
        var stage = Stage(canvas: PixelSize(width: 640, height: 360), speakers: 0)
        stage.scene.layout = "full"
        stage.present.participants = [.init(id: "x", name: "Xenia Quist")]
        let operations = try stage.operations()
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let plain = try #require(renderer.render(operations, frames: [:]))
        let color = GraphicsPainter.color(of: "x").program
        #expect(plain.y[180 * plain.lumaStride + 10] == color.y)
        stage.store.prepare(operations, with: try #require(GraphicsPainter()))
        let named = try #require(renderer.render(operations, frames: [:]))
        #expect(Pictures.worstBlock(plain, named).difference > 20)
        try Pictures.keep(named, "card")
    }

    @Test("a source that changes its size between resolving and drawing stays inside its tile")
    func resized() throws {
        let stage = Stage(canvas: PixelSize(width: 640, height: 360), speakers: 1)
        let operations = try stage.operations()
        for (width, height) in [(320, 180), (64, 64), (2, 2), (180, 320), (1920, 1080)] {
            let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
            let frames: [SceneSource: VideoFrame] = [.participant("p0"): Pictures.plain(width, height, y: 235)]
            let picture = try #require(renderer.render(operations, frames: frames))
            let empty = try #require(renderer.render(operations, frames: [:]))
            guard case .tile(_, let placement)? = operations.last else {
                Issue.record("no tile")
                return
            }
            for y in 0..<360 {
                for x in 0..<640 where picture.y[y * picture.lumaStride + x] != empty.y[y * empty.lumaStride + x] {
                    #expect(placement.rect.intersects(PixelRect(x: x, y: y, width: 1, height: 1)))
                }
            }
            let rect = placement.rect
            #expect(picture.y[(rect.y + rect.height / 2) * picture.lumaStride + rect.x + rect.width / 2] == 235)
        }
    }

    @Test("a picture drawn over older ones is the one drawn afresh", arguments: ["share-with-speakers", "grid"])
    func incremental(layout: String) throws {
        var stage = Stage(canvas: PixelSize(width: 640, height: 360), speakers: 3)
        stage.scene.layout = layout
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let painter = try #require(GraphicsPainter())
        var random = SeededRandom(11)
        let pictures = (0..<6).map { phase in
            let picture = Pictures.waves(320 + 64 * phase, 180 + 36 * phase, phase: Double(phase))
            picture.color = .vp8
            return picture
        }
        var held: [VideoFrame] = []
        for round in 0..<60 {
            for index in 0..<3 where Bool.random(using: &random) {
                // Now and then a camera has no picture, and its tile shows what is behind.
                stage.frames[.participant("p\(index)")] =
                    random.next() % 8 == 0 ? nil : pictures.randomElement(using: &random)
            }
            switch random.next() % 8 {
            case 0: stage.scene.overlays.lowerThirds = [LowerThird(name: "Ana Díaz", title: "CTO")]
            case 1: stage.scene.overlays.lowerThirds = []
            case 2:
                stage.scene.overlays.ticker = Ticker(
                    text: "A line of news that is much longer than the canvas is wide, and that runs, \(round % 2)")
            case 3: stage.scene.overlays.ticker = nil
            case 4: stage.scene.slides = Slides(deck: "d", page: round % 2)
            case 5: stage.present.participants.shuffle(using: &random)
            default: break
            }
            let operations = try stage.operations(time: Int64(round) * 33)
            stage.store.prepare(operations, with: painter)
            let picture = try #require(renderer.render(operations, frames: stage.frames))
            let fresh = ProgramRenderer(canvas: stage.canvas, store: stage.store)
            let again = try #require(fresh.render(operations, frames: stage.frames))
            #expect(Pictures.bytes(picture) == Pictures.bytes(again), "picture \(round)")
            if round % 7 == 3, let mixed = renderer.mix(picture, again, weight: 99) { held.append(mixed) }
            held.append(picture)
            while held.count > 3 { held.removeFirst() }
        }
        #expect(renderer.drawnFrames > 30 && renderer.baseRedraws > 3)
    }

    @Test("draws again only what changed, and what shares pixels with it")
    func changedSteps() {
        func step(_ x: Int, _ width: Int, _ red: UInt8) -> CanvasStep {
            CanvasStep(
                what: .fill(RGBColor(red: red, green: 0, blue: 0)),
                rect: PixelRect(x: x, y: 0, width: width, height: 10), isMoving: true)
        }
        let before = [step(0, 20, 1), step(20, 20, 1), step(30, 20, 1), step(60, 20, 1)]
        #expect(CanvasStep.changed(before, since: before) == [false, false, false, false])
        var after = before
        after[0] = step(0, 20, 2)
        #expect(CanvasStep.changed(after, since: before) == [true, false, false, false])
        after[0] = step(4, 20, 1)
        #expect(CanvasStep.changed(after, since: before) == [true, true, true, false])
        #expect(CanvasStep.changed(Array(after.dropLast()), since: before) == [true, true, true])
    }

    @Test("says so when every frame is held, and goes on when one comes back")
    func exhausted() throws {
        var stage = Stage(canvas: PixelSize(width: 64, height: 36), speakers: 1)
        stage.scene.layout = "full"
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store, framesInUse: 3)
        let operations = try stage.operations()
        var held: [VideoFrame] = []
        for phase in 0..<5 {
            let frames: [SceneSource: VideoFrame] = [.participant("p0"): Pictures.waves(320, 180, phase: Double(phase))]
            if let frame = renderer.render(operations, frames: frames) { held.append(frame) }
        }
        #expect(held.count == 3 && renderer.exhausted == 2)
        held.removeFirst()
        #expect(renderer.render(operations, frames: [.participant("p0"): Pictures.waves(320, 180)]) != nil)
    }

    @Test("a fade is half of each picture in the middle, and each at its end")
    func fade() throws {
        let renderer = ProgramRenderer(canvas: PixelSize(width: 64, height: 36), store: GraphicsStore())
        let a = Pictures.plain(64, 36, y: 20, u: 100, v: 140), b = Pictures.plain(64, 36, y: 220, u: 140, v: 100)
        let levels = try [0, 128, 255].map { try #require(renderer.mix(a, b, weight: $0)).y[70] }
        #expect(levels == [20, 120, 220])
    }

    @Test("with four cameras at 1080p draws what stands still once")
    func standsStill() throws {
        var stage = Stage(canvas: PixelSize(width: 1920, height: 1080), speakers: 4)
        stage.scene.overlays.lowerThirds = [LowerThird(name: "Ana María Díaz", title: "Chief Technology Officer")]
        let operations = try stage.operations()
        stage.store.prepare(operations, with: try #require(GraphicsPainter()))
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        var pictures = [stage.frames, stage.frames]
        for key in pictures[1].keys {
            pictures[1][key] = Pictures.waves(1280, 720, phase: 9)
            pictures[1][key]?.color = .vp8
        }
        let first = try #require(renderer.render(operations, frames: stage.frames))
        try Pictures.keep(first, "program-1080p")
        for round in 0..<20 { _ = renderer.render(operations, frames: pictures[(round + 1) % 2]) }
        #expect(renderer.drawnFrames == 21 && renderer.baseRedraws == 1)
    }
}
