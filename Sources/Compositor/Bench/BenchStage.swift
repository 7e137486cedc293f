// What the benchmark shows: the stage that peers are measured with, or a grid of speakers.

import Control
import Foundation
import Media

/// A stage of files, and how it is drawn.
struct BenchStage {
    static let canvas = PixelSize(width: 1920, height: 1080)
    /// Where slide, cameras and lower third lie.
    static let slide = PixelRect(x: 32, y: 120, width: 1376, height: 774)
    static let cameras = (0..<4).map { PixelRect(x: 1440, y: 40 + 260 * $0, width: 448, height: 252) }
    static let lowerThird = PixelRect(x: 32, y: 900, width: 1376, height: 120)

    /// The lower third: a picture with transparency, as the peers get it.
    private static let overlay = OverlayOperation(
        drawing: .logo(asset: "lt"), live: .none, theme: .standard, rect: lowerThird, isRight: false, isLow: false,
        isCentred: false, unit: 30, opacity: 255, motion: .none, part: OverlayPresence.whole)

    let store = GraphicsStore()
    /// The stills as they were decoded.
    struct Stills {
        var background: RGBABitmap, slide: RGBABitmap, lowerThird: RGBABitmap

        /// Reads `bg.png`, `slide.png` and `lt.png`.
        init(folder: URL) throws {
            func read(_ name: String) throws -> RGBABitmap {
                try PictureDecoder.decode(Data(contentsOf: folder.appending(path: name)))
            }
            background = try read("bg.png")
            slide = try read("slide.png")
            lowerThird = try read("lt.png")
        }
    }

    private let layout: Layout?
    private let backgroundSize: PixelSize, slideSize: PixelSize

    /// Puts stills in the store; like the program, the stage keeps them as they are drawn, and not as they were decoded.
    ///
    /// - Parameter layout: shows the speakers by a layout instead, over the background.
    init(_ stills: Stills, layout: Layout?) {
        self.layout = layout
        backgroundSize = PixelSize(width: stills.background.width, height: stills.background.height)
        slideSize = PixelSize(width: stills.slide.width, height: stills.slide.height)
        store.add(image: "bg", stills.background)
        store.add(slide: Slides(deck: "slide", page: 1), stills.slide)
        store.add(image: "lt", stills.lowerThird)
        store.add(.overlay(OverlayDrawing(Self.overlay)), overlay: GraphicsPainter.graphic(stills.lowerThird))
    }

    /// What is to be drawn.
    func operations(_ frames: [SceneSource: VideoFrame], frame: Int) -> [DrawOperation] {
        if let layout {
            let people = frames.keys.compactMap { source -> SourcesPresent.Participant? in
                guard case .participant(let id) = source else { return nil }
                return .init(id: id, name: id, camera: frames[source]?.displaySize)
            }
            return SceneResolver.resolve(
                Scene(layout: layout.name, background: .image("bg")), layout: layout,
                present: SourcesPresent(participants: people.sorted { $0.id < $1.id }, images: store.imageSizes),
                time: ProgramTime(milliseconds: Int64(frame) * 1000 / 30), canvas: Self.canvas)
        }
        func whole(_ size: PixelSize) -> PixelRect { PixelRect(width: size.width, height: size.height) }
        var operations: [DrawOperation] = [
            .background(.image("bg"), crop: whole(backgroundSize)),
            .slide(Slides(deck: "slide", page: 1), placement: .init(crop: whole(slideSize), rect: Self.slide)),
        ]
        for (index, rect) in Self.cameras.enumerated() {
            let source = Self.speaker(index)
            guard let frame = frames[source] else { continue }
            operations.append(.tile(source: source, placement: .init(crop: whole(frame.displaySize), rect: rect)))
        }
        operations.append(.overlay(Self.overlay))
        return operations
    }

    /// The source that a speaker is.
    static func speaker(_ index: Int) -> SceneSource { .participant(index < 10 ? "s0\(index)" : "s\(index)") }
}
