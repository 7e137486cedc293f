import Control
import Media
import Testing

@testable import Compositor

@Suite("What is kept for drawing")
struct GraphicsStoreTests {
    private func key(_ drawing: OverlayOperation.Drawing, width: Int, height: Int) -> GraphicsStore.Key {
        .overlay(
            OverlayDrawing(
                OverlayOperation(
                    drawing: drawing, live: .none, theme: .standard, rect: PixelRect(width: width, height: height),
                    isRight: false, isLow: false, isCentred: false, unit: 30, opacity: 255, motion: .none, part: 0)))
    }

    private func graphic(width: Int, height: Int) -> OverlayGraphic {
        OverlayGraphic(
            still: [PlacedOverlay(overlay: Overlay(RGBABitmap(width: width, height: height)), x: 0, y: 0)],
            bounds: PixelRect(width: width, height: height))
    }

    @Test("stays below its bytes whatever comes, and what was used last stays")
    func bounded() {
        let store = GraphicsStore()
        let total =
            GraphicsStore.limits.overlays + GraphicsStore.limits.cards + GraphicsStore.limits.slides
            + GraphicsStore.limits.images
        for round in 0..<60 {
            store.add(image: "image \(round)", RGBABitmap(width: 1920, height: 1080))
            store.add(slide: Slides(deck: "d", page: round + 1), RGBABitmap(width: 1920, height: 1080))
            store.add(
                .card(name: "\(round)", key: "k", width: 1280, height: 720), card: VideoFrame(width: 1280, height: 720))
            store.add(
                key(.ticker(text: "\(round)", lang: ""), width: 4000, height: 60),
                overlay: graphic(width: 4000, height: 60))
            #expect(store.image("image 0") != nil && store.slide(Slides(deck: "d", page: 1)) != nil)
            #expect(store.bytes <= total)
        }
        #expect(store.image("image 30") == nil && store.image("image 59") != nil)
        #expect(store.slide(Slides(deck: "d", page: 30)) == nil && store.slide(Slides(deck: "d", page: 60)) != nil)
    }

    @Test("stills of 4K of one scene are there together, as large as can be seen")
    func large() {
        let store = GraphicsStore(canvas: PixelSize(width: 1920, height: 1080)), names = ["a", "b", "c"]
        store.hold(images: Set(names), slides: [])
        for name in names + ["a"] { #expect(store.add(image: name, RGBABitmap(width: 3840, height: 2160))) }
        for name in names {
            #expect(store.imageSizes[name] == PixelSize(width: 1920, height: 1080))
            #expect(store.image(name) != nil && store.bitmap(name) != nil)
        }
        #expect(store.bytes <= GraphicsStore.limits.images)
    }

    @Test("what is kept of a still covers the canvas, and is never larger than it or twice its pixels")
    func sizes() {
        let canvas = PixelSize(width: 1920, height: 1080)
        for (width, height, kept) in [
            (640, 360, (640, 360)), (1920, 1080, (1920, 1080)), (2000, 1125, (2000, 1125)),
            (3840, 2160, (1920, 1080)), (8192, 8192, (1920, 1920)), (4096, 2160, (2048, 1080)),
            (8192, 1080, (5609, 739)), (8192, 1, (8192, 1)), (1, 1, (1, 1)),
        ] {
            let size = GraphicsStore.size(of: width, height, on: canvas)
            #expect((size.width, size.height) == kept, "\(width) x \(height)")
        }
    }

    @Test("what is shown stays; what has no room beside it is refused, and comes when it is shown no more")
    func held() {
        let store = GraphicsStore(), large = RGBABitmap(width: 3840, height: 2160)
        #expect(store.add(image: "a", large) && store.add(image: "b", large))
        store.hold(images: ["a", "b"], slides: [])
        for _ in 0..<3 {
            #expect(!store.add(image: "c", large))
            #expect(store.imageSizes.keys.sorted() == ["a", "b"])
        }
        #expect(store.add(image: "small", RGBABitmap(width: 64, height: 64)))
        store.hold(images: ["b"], slides: [])
        #expect(store.add(image: "c", large))
        #expect(store.imageSizes["b"] != nil && store.imageSizes["a"] == nil)
        #expect(store.bytes <= GraphicsStore.limits.images)
    }

    @Test("a still put in again replaces the old one and the logos made of it; taken out it leaves nothing")
    func replaced() {
        let store = GraphicsStore()
        store.add(image: "a", RGBABitmap(width: 64, height: 64))
        let bytes = store.bytes
        let logo = key(.logo(asset: "a"), width: 32, height: 32)
        store.add(logo, overlay: graphic(width: 32, height: 32))
        #expect(store.bytes > bytes && store.overlay(logo) != nil)
        store.add(image: "a", RGBABitmap(width: 64, height: 64))
        #expect(store.bytes == bytes && store.overlay(logo) == nil)
        store.remove(image: "a")
        store.remove(image: "never there")
        #expect(store.bytes == 0 && store.imageSizes.isEmpty)
    }
}
