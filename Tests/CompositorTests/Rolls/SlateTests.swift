import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("The slate")
struct SlateTests {
    @Test("says STAND BY whole, in white, in the middle of a dark panel, and stays")
    func slate() async throws {
        let shop = PaintShop(canvas: PixelSize(width: 320, height: 180), store: GraphicsStore())
        defer { shop.stop() }
        let roll = BuiltInRoll(.slate, shop: shop)
        await roll.settled.value
        let picture = try #require(roll.shown)
        try Pictures.keep(picture, "slate")
        try #require(picture.width == 960 && picture.height == 540)
        func luma(_ x: Int, _ y: Int) -> UInt8 { picture.y[y * picture.lumaStride + x] }
        // White letters on the panel, which has round corners on black.
        #expect(luma(0, 0) == 16 && luma(959, 539) == 16)
        let panel = luma(480, 4)
        #expect((20...40).contains(panel))
        var left = 960, right = -1, top = 540, bottom = -1, whites = 0
        var inked: Set<Int> = []
        for y in 0..<540 {
            for x in 0..<960 where luma(x, y) > 128 {
                (left, right, top, bottom) = (min(left, x), max(right, x), min(top, y), max(bottom, y))
                inked.insert(x)
                if luma(x, y) == 235 { whites += 1 }
            }
        }
        try #require(right > left)
        #expect(whites > 5000)
        // In the middle, with room around, and not cut off.
        #expect(
            abs((left + right) / 2 - 480) <= 12 && abs((top + bottom) / 2 - 270) <= 12,
            "\(left)…\(right), \(top)…\(bottom)")
        #expect(left >= 40 && right <= 920 && right - left > 600)
        // Seven letters, with room between most of them, and a wider gap between the words.
        var gaps: [Int] = [], last = left
        for x in inked.sorted() {
            if x - last > 1 { gaps.append(x - last - 1) }
            last = x
        }
        let sorted = gaps.sorted()
        #expect(gaps.count >= 3 && sorted.last ?? 0 > 2 * (sorted.dropLast().last ?? 0), "\(gaps)")
        // It is the same for as long as it is shown.
        let start = MonotonicTime(milliseconds: 5000)
        for milliseconds: Int64 in [0, 1500, 3_600_000] {
            let moment = start.advanced(byMilliseconds: milliseconds)
            #expect(roll.picture(.init(begin: moment, moment: moment), isPlaying: true) === picture)
        }
        #expect(roll.end == nil)
    }
}
