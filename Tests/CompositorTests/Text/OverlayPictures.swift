// Overlays drawn for tests: with the fonts of the goldens, or with those of the machine.

import Control
import Foundation
import Media
import Testing

@testable import Compositor

/// Draws overlays on a plain ground.
final class OverlayPictures {
    let canvas: PixelSize
    let painter: GraphicsPainter
    let store = GraphicsStore()
    let themes: [String: OverlayTheme]

    /// The fontconfig file that names the fonts of the goldens, and no others.
    static func fonts() throws -> String {
        try #require(Bundle.module.url(forResource: "Goldens/fonts", withExtension: "conf")).path
    }

    init(width: Int = 1920, height: Int = 1080) throws {
        canvas = PixelSize(width: width, height: height)
        let fonts = try Self.fonts()
        painter = try #require(GraphicsPainter(fontConfiguration: fonts), "no fonts")
        themes = try OverlayTheme.load(folder: OverlayThemeTests.folder).themes
        var mark = RGBABitmap(width: 300, height: 120)
        mark.fill(
            PixelRect(width: 300, height: 120), radius: 60, color: RGBColor(red: 250, green: 120, blue: 20))
        mark.fill(
            PixelRect(x: 90, y: 40, width: 120, height: 40), radius: 20, color: RGBColor(red: 20, green: 40, blue: 60))
        store.add(image: "mark", mark)
    }

    func operations(
        _ overlays: Overlays, layout: String = "full", at milliseconds: Int64 = 5000
    ) throws -> [DrawOperation] {
        try operations(OverlayTimeline(overlays, themes: themes), layout: layout, at: milliseconds)
    }

    func operations(
        _ timeline: OverlayTimeline, layout: String = "full", at milliseconds: Int64
    ) throws -> [DrawOperation] {
        OverlayResolver(
            layout: try LayoutTests.layout(layout), images: store.imageSizes,
            geometry: SlotGeometry(canvas: canvas), time: ProgramTime(milliseconds: milliseconds)
        ).operations(timeline.presences)
    }

    /// The overlays as they are at a moment, over a ground of two colours.
    func picture(_ operations: [DrawOperation]) throws -> VideoFrame {
        store.prepare(operations, with: painter)
        let renderer = ProgramRenderer(canvas: canvas, store: store)
        let ground = DrawOperation.background(.color(RGBColor(red: 70, green: 100, blue: 120)), crop: nil)
        let picture = try #require(renderer.render([ground] + operations, frames: [:]))
        #expect(renderer.missingGraphics == 0)
        return picture
    }

    /// What was drawn for an operation.
    func graphic(of operation: DrawOperation) throws -> OverlayGraphic {
        let key = try #require(GraphicsStore.key(operation))
        return try #require(store.overlay(key))
    }

    /// Holds a picture against its golden, or writes it where `PROSCENIUM_WRITE_GOLDENS` says.
    func hold(_ picture: VideoFrame, against name: String) throws {
        try Pictures.keep(picture, name)
        guard let file = Bundle.module.url(forResource: "Goldens/" + name, withExtension: "png") else {
            Issue.record("no golden \(name)")
            return
        }
        let golden = VideoFrame(try PictureDecoder.decode(Data(contentsOf: file)))
        let worst = Pictures.worstBlock(picture, golden)
        // The golden went through RGB and back: one code value, two at strong colours.
        #expect(worst.difference < 1.5, "\(name): block at \(worst.x), \(worst.y)")
    }
}
