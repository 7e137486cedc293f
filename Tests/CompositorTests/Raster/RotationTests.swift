import Control
import Media
import Testing

@testable import Compositor

@Suite("Pictures that are to be turned")
struct RotationTests {
    /// The same picture with its pixels where they are seen, by plain loops.
    private func turned(_ frame: VideoFrame) -> VideoFrame {
        let size = frame.displaySize, result = VideoFrame(width: size.width, height: size.height)
        result.color = frame.color
        func turn(
            _ from: UnsafeMutablePointer<UInt8>, _ stride: Int, _ to: UnsafeMutablePointer<UInt8>, _ toStride: Int,
            _ half: Int
        ) {
            let (w, h) = (frame.width / half, frame.height / half)
            for y in 0..<(size.height / half) {
                for x in 0..<(size.width / half) {
                    let (sx, sy) =
                        switch frame.rotation {
                        case .none: (x, y)
                        case .clockwise90: (y, h - 1 - x)
                        case .half: (w - 1 - x, h - 1 - y)
                        case .clockwise270: (w - 1 - y, x)
                        }
                    to[y * toStride + x] = from[sy * stride + sx]
                }
            }
        }
        turn(frame.y, frame.lumaStride, result.y, result.lumaStride, 1)
        turn(frame.u, frame.chromaStride, result.u, result.chromaStride, 2)
        turn(frame.v, frame.chromaStride, result.v, result.chromaStride, 2)
        return result
    }

    @Test("are drawn as if their pixels had been turned before", arguments: PictureRotation.allCases, [false, true])
    func drawn(rotation: PictureRotation, isMirrored: Bool) {
        let sizes = [(160, 90), (90, 160), (64, 56), (200, 124), (320, 180), (398, 300), (16, 16), (6, 30)]
        for (color, isNoise) in [(ColorDescription.program, true), (.vp8, true), (.program, false)] {
            // Much smaller, other neighbours are averaged first when a picture with an odd size is turned: no noise then.
            let sizes = isNoise ? sizes.dropLast(2) : sizes[...]
            let source = isNoise ? Pictures.noise(160, 90, seed: 5) : Pictures.waves(160, 90)
            source.rotation = rotation
            source.color = color
            let plain = turned(source), seen = source.displaySize
            let crops = [
                PixelRect(width: seen.width, height: seen.height), PixelRect(x: 10, y: 20, width: 62, height: 48),
                PixelRect(x: 40, y: 2, width: 8, height: 70),
            ]
            let limit = isNoise ? 2 : 5
            for (width, height) in sizes {
                for crop in crops {
                    let canvas = Pictures.plain(400, 310, y: 7), expected = Pictures.plain(400, 310, y: 7)
                    let rect = PixelRect(x: 2, y: 10, width: width, height: height)
                    for (picture, target) in [(source, canvas), (plain, expected)] {
                        Rasterizer().draw(
                            picture, crop: crop, on: target, in: rect, cornerRadius: 8, isMirrored: isMirrored)
                    }
                    // Rows before columns or columns before rows: each rounds once.
                    let worst =
                        zip(Pictures.bytes(canvas), Pictures.bytes(expected))
                        .map { abs(Int($0) - Int($1)) }.max() ?? 0
                    #expect(worst <= limit, "\(crop) to \(width)×\(height)")
                }
            }
        }
    }

    @Test("without scaling are turned exactly, pixel by pixel", arguments: PictureRotation.allCases)
    func exact(rotation: PictureRotation) {
        for (width, height) in [(160, 90), (34, 18), (2, 2), (64, 64)] {
            let source = Pictures.noise(width, height, seed: 6)
            source.rotation = rotation
            let seen = source.displaySize, canvas = VideoFrame(width: seen.width, height: seen.height)
            let whole = PixelRect(width: seen.width, height: seen.height)
            Rasterizer().draw(source, crop: whole, on: canvas, in: whole)
            #expect(Pictures.bytes(canvas) == Pictures.bytes(turned(source)))
        }
    }

    @Test("have the size of what is seen, for the resolver and for a crop that no longer fits")
    func sizes() throws {
        var stage = ProgramRendererTests.Stage(canvas: PixelSize(width: 640, height: 360), speakers: 1)
        stage.scene.layout = "full"
        let portrait = Pictures.noise(320, 180, seed: 8)
        portrait.rotation = .clockwise90
        #expect(portrait.displaySize == PixelSize(width: 180, height: 320))
        stage.present.participants[0].camera = portrait.displaySize
        let operations = try stage.operations()
        let renderer = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let picture = try #require(renderer.render(operations, frames: [.participant("p0"): portrait]))
        let again = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        let same = try #require(again.render(operations, frames: [.participant("p0"): turned(portrait)]))
        let worst = zip(Pictures.bytes(picture), Pictures.bytes(same)).map { abs(Int($0) - Int($1)) }.max() ?? 0
        #expect(worst <= 2)
        // A camera that is turned between resolving and drawing stays in its tile.
        portrait.rotation = .none
        let late = ProgramRenderer(canvas: stage.canvas, store: stage.store)
        #expect(late.render(operations, frames: [.participant("p0"): portrait]) != nil)
    }
}
