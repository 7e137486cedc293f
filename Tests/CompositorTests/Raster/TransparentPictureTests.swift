import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Pictures that let through what is behind them")
struct TransparentPictureTests {
    /// One colour, straight, with one alpha.
    private static func plain(_ width: Int, _ height: Int, _ color: RGBColor, alpha: UInt8) -> RGBABitmap {
        var bitmap = RGBABitmap(width: width, height: height, alpha: .straight)
        for at in stride(from: 0, to: bitmap.pixels.count, by: 4) {
            bitmap.pixels.replaceSubrange(at..<(at + 4), with: [color.red, color.green, color.blue, alpha])
        }
        return bitmap
    }

    private static let white = RGBColor(red: 255, green: 255, blue: 255)
    private static let blue = RGBColor(red: 16, green: 40, blue: 200)

    /// What half of white over a colour comes to: 128 parts of white, 127 of the colour.
    private static func mixed(_ color: RGBColor) -> (y: UInt8, u: UInt8, v: UInt8) {
        let (a, b) = (white.program, color.program)
        func mean(_ a: UInt8, _ b: UInt8) -> UInt8 {
            let sum = 128 * Int(a) + 127 * Int(b)
            return UInt8((2 * sum + 255) / 510)
        }
        return (mean(a.y, b.y), mean(a.u, b.u), mean(a.v, b.v))
    }

    /// The largest difference of any value of any plane.
    private static func worst(_ a: VideoFrame, _ b: VideoFrame) -> Int {
        zip(Pictures.bytes(a), Pictures.bytes(b)).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
    }

    @Test("at every width from 1 to 64 each pixel is laid over what was there, and nothing beside it")
    func widths() {
        var random = SeededRandom(31)
        for width in 1...64 {
            var bitmap = RGBABitmap(width: width, height: 5, alpha: .straight)
            bitmap.pixels = random.bytes(bitmap.pixels.count)
            let planes = OverlayPlanes(bitmap), seed = random.next()
            let canvas = Pictures.noise(72, 12, seed: seed), want = Pictures.noise(72, 12, seed: seed)
            for row in 0..<6 {
                for x in 0..<planes.width {
                    let at = (4 + row) * want.lumaStride + 2 + x, from = row * planes.width + x
                    let rest = 255 - UInt16(planes.a[from])
                    want.y[at] = planes.y[from] + RGBABitmap.product(UInt16(want.y[at]), rest)
                }
            }
            for row in 0..<3 {
                for x in 0..<(planes.width / 2) {
                    let at = (2 + row) * want.chromaStride + 1 + x, from = row * planes.width / 2 + x
                    let rest = 255 - UInt16(planes.chromaAlpha[from])
                    want.u[at] = planes.u[from] + RGBABitmap.product(UInt16(want.u[at]), rest)
                    want.v[at] = planes.v[from] + RGBABitmap.product(UInt16(want.v[at]), rest)
                }
            }
            let picture = VideoFrame(keepingAlphaOf: bitmap)
            Rasterizer().draw(
                picture, crop: PixelRect(width: picture.width, height: picture.height), on: canvas,
                in: PixelRect(x: 2, y: 4, width: picture.width, height: picture.height))
            #expect(Pictures.bytes(canvas) == Pictures.bytes(want), "\(width) wide")
        }
    }

    @Test(
        "half of white over a colour is their mean, whatever the size, with round corners and mirrored",
        arguments: [(64, 36), (640, 360), (1000, 40), (31, 77), (2, 2), (200, 120)])
    func scaled(width: Int, height: Int) {
        let picture = VideoFrame(keepingAlphaOf: Self.plain(width, height, Self.white, alpha: 128))
        let behind = Self.blue.program, mixed = Self.mixed(Self.blue)
        let opaque = Pictures.plain(64, 36, y: mixed.y, u: mixed.u, v: mixed.v), rasterizer = Rasterizer()
        for (radius, isMirrored) in [(0, false), (16, false), (40, true)] {
            let canvases = (0..<2).map { _ in Pictures.plain(320, 180, y: behind.y, u: behind.u, v: behind.v) }
            for (canvas, frame) in zip(canvases, [picture, opaque]) {
                rasterizer.draw(
                    frame, crop: PixelRect(width: frame.width, height: frame.height), on: canvas,
                    in: PixelRect(x: 20, y: 30, width: 200, height: 120), cornerRadius: radius, isMirrored: isMirrored)
            }
            #expect(Self.worst(canvases[0], canvases[1]) <= 1)
            #expect(abs(Int(canvases[0].y[90 * canvases[0].lumaStride + 120]) - Int(mixed.y)) <= 1)
        }
    }

    @Test("what nobody sees weighs nothing when it is made smaller, and mirrored it is on the other side")
    func edges() {
        // Opaque white at the left, green that nobody sees at the right.
        var bitmap = Self.plain(400, 200, RGBColor(red: 0, green: 255, blue: 0), alpha: 0)
        for y in 0..<200 {
            for x in 0..<200 {
                bitmap.pixels.replaceSubrange(
                    (4 * (y * 400 + x))..<(4 * (y * 400 + x) + 4), with: [255, 255, 255, 255])
            }
        }
        let picture = VideoFrame(keepingAlphaOf: bitmap)
        for isMirrored in [false, true] {
            let canvas = Pictures.plain(96, 54, y: 64)
            Rasterizer().draw(
                picture, crop: PixelRect(width: 400, height: 200), on: canvas,
                in: PixelRect(x: 10, y: 10, width: 62, height: 30), isMirrored: isMirrored)
            let row = canvas.y + 24 * canvas.lumaStride
            #expect(row[14] == (isMirrored ? 64 : 235) && row[66] == (isMirrored ? 235 : 64))
            // No grey and no colour but between white and what was there.
            for x in 0..<96 { #expect((63...236).contains(row[x])) }
            for x in 0..<48 { #expect((127...129).contains(canvas.u[12 * canvas.chromaStride + x])) }
        }
    }

    @Test("a half-transparent still in a slot lets the background through, inside its corners and its border")
    func slot() throws {
        let store = GraphicsStore(), canvas = PixelSize(width: 320, height: 180)
        store.add(image: "half", Self.plain(320, 180, Self.white, alpha: 128))
        store.add(image: "hole", Self.plain(320, 180, Self.white, alpha: 0))
        store.add(image: "whole", Self.plain(320, 180, Self.white, alpha: 255))
        #expect(store.image("half")?.alpha != nil && store.image("whole")?.alpha == nil)
        let rect = PixelRect(x: 40, y: 20, width: 160, height: 90)
        func render(_ asset: String?) throws -> VideoFrame {
            var operations: [DrawOperation] = [.background(.color(Self.blue), crop: nil)]
            if let asset {
                operations.append(
                    .image(
                        asset: asset,
                        placement: .init(crop: PixelRect(width: 320, height: 180), rect: rect, cornerRadius: 20)))
            }
            operations.append(
                .border(
                    source: .image("any"), rect: rect, width: 4, color: RGBColor(red: 255, green: 0, blue: 0),
                    cornerRadius: 20))
            let renderer = ProgramRenderer(canvas: canvas, store: store)
            return try #require(renderer.render(operations, frames: [:]))
        }
        let half = try render("half"), empty = try render(nil), mixed = Self.mixed(Self.blue)
        #expect(Self.worst(try render("hole"), empty) == 0)
        let middle = 65 * half.lumaStride + 120, chroma = 32 * half.chromaStride + 60
        #expect(abs(Int(half.y[middle]) - Int(mixed.y)) <= 1)
        #expect(abs(Int(half.u[chroma]) - Int(mixed.u)) <= 1 && abs(Int(half.v[chroma]) - Int(mixed.v)) <= 1)
        #expect(try render("whole").y[middle] == 235)
        // Outside, at the tips of the corners and on the border all is as without it.
        let red = RGBColor(red: 255, green: 0, blue: 0).program.y
        for y in 0..<180 {
            for x in 0..<320 where !rect.intersects(PixelRect(x: x, y: y, width: 1, height: 1)) {
                #expect(half.y[y * half.lumaStride + x] == Self.blue.program.y)
            }
        }
        #expect(half.y[20 * half.lumaStride + 40] == Self.blue.program.y && half.y[60 * half.lumaStride + 41] == red)
        #expect(half.y[60 * half.lumaStride + 44] == half.y[middle])
    }

    @Test("a transparent background shows black")
    func background() throws {
        let store = GraphicsStore()
        store.add(image: "half", Self.plain(320, 180, Self.white, alpha: 128))
        let renderer = ProgramRenderer(canvas: PixelSize(width: 320, height: 180), store: store)
        let operations: [DrawOperation] = [.background(.image("half"), crop: nil)]
        let mixed = Self.mixed(RGBColor(red: 0, green: 0, blue: 0)).y
        // Also when another picture was there before.
        for color in [RGBColor(red: 255, green: 255, blue: 0), Self.blue] {
            _ = renderer.render([.background(.color(color), crop: nil)], frames: [:])
            let picture = try #require(renderer.render(operations, frames: [:]))
            #expect(picture.y[90 * picture.lumaStride + 160] == mixed)
            #expect(picture.u[40 * picture.chromaStride + 80] == 128)
        }
    }

    @Test("over moving pictures, drawn over older ones, it is the one drawn afresh")
    func moving() throws {
        let store = GraphicsStore(), canvas = PixelSize(width: 320, height: 180)
        var random = SeededRandom(17)
        var noise = RGBABitmap(width: 90, height: 50, alpha: .straight)
        noise.pixels = random.bytes(noise.pixels.count)
        store.add(image: "noise", noise)
        let renderer = ProgramRenderer(canvas: canvas, store: store)
        let pictures = (0..<4).map { Pictures.waves(320, 180, phase: Double($0)) }
        var frames: [SceneSource: VideoFrame] = [:], held: [VideoFrame] = []
        for round in 0..<40 {
            for name in ["a", "b"] where Bool.random(using: &random) {
                frames[.participant(name)] = random.next() % 5 == 0 ? nil : pictures.randomElement(using: &random)
            }
            let x = 2 * Int.random(in: 0...80, using: &random)
            var operations: [DrawOperation] = [.background(.color(Self.blue), crop: nil)]
            for (name, place) in [("a", 10), ("b", 170)] {
                operations.append(
                    .tile(
                        source: .participant(name),
                        placement: .init(
                            crop: PixelRect(width: 320, height: 180),
                            rect: PixelRect(x: place, y: 20, width: 140, height: 80), cornerRadius: 12)))
            }
            operations.append(
                .image(
                    asset: "noise",
                    placement: .init(
                        crop: PixelRect(width: 90, height: 50),
                        rect: PixelRect(x: round % 3 == 0 ? x : 80, y: 40, width: 120, height: 100), cornerRadius: 18)))
            let picture = try #require(renderer.render(operations, frames: frames))
            let again = try #require(
                ProgramRenderer(canvas: canvas, store: store).render(operations, frames: frames))
            #expect(Pictures.bytes(picture) == Pictures.bytes(again), "picture \(round)")
            held.append(picture)
            while held.count > 3 { held.removeFirst() }
        }
        #expect(renderer.drawnFrames > 20)
    }
}
