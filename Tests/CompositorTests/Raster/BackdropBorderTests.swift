import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Backdrops and borders")
struct BackdropBorderTests {
    @Test("a backdrop is soft, half as bright, and made anew only for another picture")
    func backdrop() throws {
        let painter = BackdropPainter(rasterizer: Rasterizer()), source = Pictures.noise(720, 1280, seed: 4)
        source.color = .program
        let crop = PixelRect(x: 0, y: 400, width: 720, height: 404)
        painter.begin()
        let first = try #require(painter.picture(.participant("a"), source, crop: crop))
        #expect(painter.picture(.participant("a"), source, crop: crop) === first)
        #expect(painter.made == 1)
        var steps = 0, sum = 0
        for y in 0..<first.height {
            for x in 1..<first.width {
                let (left, right) = (first.y[y * first.lumaStride + x - 1], first.y[y * first.lumaStride + x])
                steps = max(steps, abs(Int(left) - Int(right)))
                sum += Int(right)
            }
        }
        #expect(steps <= 4, "noise becomes smooth")
        let mean = sum / (first.height * (first.width - 1))
        #expect((60...82).contains(mean), "\(mean)")
        let second = try #require(
            painter.picture(.participant("a"), Pictures.noise(720, 1280, seed: 5), crop: crop))
        #expect(second !== first && painter.made == 2)
        // What is not needed is let go, and with it the source's frame.
        for _ in 0..<4 { painter.begin() }
        var lone = source
        _ = painter.picture(.participant("b"), lone, crop: crop)
        for _ in 0..<4 { painter.begin() }
        lone = Pictures.plain(2, 2, y: 0)
        #expect(painter.picture(.participant("b"), lone, crop: PixelRect(width: 2, height: 2)) != nil)
    }

    @Test("a plain picture stays plain behind itself")
    func plain() throws {
        let painter = BackdropPainter(rasterizer: Rasterizer())
        let picture = try #require(
            painter.picture(
                .participant("a"), Pictures.plain(360, 640, y: 216, u: 168, v: 88),
                crop: PixelRect(width: 360, height: 202)))
        for y in 0..<picture.height {
            for x in 0..<picture.width { #expect(picture.y[y * picture.lumaStride + x] == 116) }
        }
        #expect(picture.u[0] == 153 && picture.v[40] == 103)
    }

    @Test(
        "a border is drawn just inside its rectangle, whole on its edges, and leaves the inside alone",
        arguments: [(0, 6), (12, 6), (40, 8), (6, 20), (400, 4), (30, 400)])
    func border(radius: Int, width: Int) {
        let canvas = Pictures.plain(320, 180, y: 50), painter = BorderPainter(rasterizer: Rasterizer())
        let rect = PixelRect(x: 20, y: 10, width: 200, height: 120), white = RGBColor(red: 255, green: 255, blue: 255)
        painter.draw(on: canvas, in: rect, width: width, color: white, cornerRadius: radius)
        let drawn = BorderPainter.width(width, in: rect), round = Rasterizer.radius(radius, in: rect)
        func luma(_ x: Int, _ y: Int) -> UInt8 { canvas.y[y * canvas.lumaStride + x] }
        for y in 0..<180 {
            for x in 0..<320 {
                let isInside = x >= rect.x && x < rect.right && y >= rect.y && y < rect.bottom
                let fromEdge = min(x - rect.x, rect.right - 1 - x, y - rect.y, rect.bottom - 1 - y)
                if !isInside || fromEdge >= max(drawn, round) { #expect(luma(x, y) == 50, "\(x) \(y)") }
            }
        }
        // The middles of the four edges, and the corners' outside.
        for (x, y) in [(120, 10), (120, 129), (20, 70), (219, 70)] where round < 60 || x == 120 || y == 70 {
            #expect(luma(x, y) == 235, "\(x) \(y)")
        }
        #expect(luma(20, 10) == (round == 0 ? 235 : luma(20, 10)))
        if round >= 8 { #expect(luma(20, 10) == 50 && luma(219, 129) == 50) }
    }

    @Test("upright cameras and borders drawn over older pictures are the ones drawn afresh")
    func incremental() throws {
        let canvas = PixelSize(width: 640, height: 360), store = GraphicsStore()
        let renderer = ProgramRenderer(canvas: canvas, store: store), layout = try LayoutTests.layout("grid")
        var random = SeededRandom(21)
        let pictures = (0..<4).map { Pictures.waves(180 + 36 * $0, 320, phase: Double($0)) }
        var held: [VideoFrame] = []
        for round in 0..<40 {
            var frames: [SceneSource: VideoFrame] = [:]
            var present = SourcesPresent()
            for index in 0..<3 {
                let picture = pictures[(index + Int(random.next() % 2)) % 4]
                frames[.participant("p\(index)")] = picture
                present.participants.append(
                    .init(
                        id: "p\(index)", name: "", camera: PixelSize(width: picture.width, height: picture.height)))
            }
            present.direction.speaking = random.next() % 3 == 0 ? ["p1"] : random.next() % 2 == 0 ? ["p0", "p2"] : []
            let operations = SceneResolver.resolve(
                Scene(layout: "grid"), layout: layout, present: present, time: ProgramTime(milliseconds: 0),
                canvas: canvas)
            let picture = try #require(renderer.render(operations, frames: frames))
            let fresh = ProgramRenderer(canvas: canvas, store: store)
            let again = try #require(fresh.render(operations, frames: frames))
            #expect(Pictures.bytes(picture) == Pictures.bytes(again), "picture \(round)")
            if round == 0 { try Pictures.keep(picture, "upright-grid") }
            held.append(picture)
            while held.count > 3 { held.removeFirst() }
        }
        #expect(renderer.baseRedraws == 1)
    }
}
