import Media
import Testing

@testable import Compositor

@Suite("Scaling")
struct ScaleTests {
    /// The mean of the source over the interval that a destination pixel covers: what shrinking should give.
    ///
    /// - Parameter length: of the source, in its pixels, of which an odd rest after halvings may be missing at the end.
    private func area(_ source: [Double], _ x: Int, _ target: Int, length: Double) -> Double {
        let ratio = length / Double(target), from = Double(x) * ratio, to = from + ratio
        var sum = 0.0
        for pixel in min(Int(from), source.count - 1)..<source.count {
            let end = pixel == source.count - 1 ? to : min(to, Double(pixel + 1))
            sum += source[pixel] * max(0, end - max(from, min(to, pixel == Int(from) ? from : Double(pixel))))
            if end >= to { break }
        }
        return sum / ratio
    }

    private func bilinear(_ source: [Double], _ x: Int, _ target: Int) -> Double {
        let ratio = Double(source.count) / Double(target)
        let last = Double(source.count - 1)
        var place: Double = (Double(x) + 0.5) * ratio
        place -= 0.5
        place = min(max(place, 0), last)
        let index = Int(place)
        let part: Double = place - Double(index)
        let here: Double = source[index]
        let next: Double = source[min(index + 1, source.count - 1)]
        return here + (next - here) * part
    }

    /// The same steps in floating point: halvings, then area or bilinear.
    private func reference(_ row: [UInt8], to target: Int) -> [Double] {
        let table = ScaleTable(source: row.count, target: target)
        let length = Double(row.count) / Double(1 << table.halvings)
        var row: [Double] = row.map { Double($0) }
        for _ in 0..<table.halvings {
            row = (0..<(row.count / 2)).map { x -> Double in (row[2 * x] + row[2 * x + 1]) / 2 }
        }
        let isGrowing = row.count < target
        return (0..<target).map { x -> Double in
            isGrowing ? bilinear(row, x, target) : area(row, x, target, length: length)
        }
    }

    private func scaled(_ rows: [[UInt8]], to width: Int, _ height: Int, isMirrored: Bool = false) -> [[UInt8]] {
        let flat = rows.flatMap { $0 }
        // Two guard rows and columns around the target.
        var out = [UInt8](repeating: 0xA5, count: (width + 4) * (height + 4))
        out.withUnsafeMutableBufferPointer { out in
            PlaneScaler().scale(
                .init(
                    pointer: flat.withUnsafeBufferPointer { $0.baseAddress! }, stride: rows[0].count,
                    width: rows[0].count, height: rows.count),
                onto: .init(
                    pointer: out.baseAddress! + 2 * (width + 4) + 2, stride: width + 4, width: width, height: height),
                isMirrored: isMirrored)
        }
        withExtendedLifetime(flat) {}
        var result: [[UInt8]] = []
        for y in 0..<(height + 4) {
            let line = Array(out[(y * (width + 4))..<((y + 1) * (width + 4))])
            if y < 2 || y >= height + 2 {
                #expect(line.allSatisfy { $0 == 0xA5 }, "a row outside was written")
            } else {
                #expect(
                    line.prefix(2) == [0xA5, 0xA5] && line.suffix(2) == [0xA5, 0xA5], "a column outside was written")
                result.append(Array(line.dropFirst(2).dropLast(2)))
            }
        }
        return result
    }

    @Test("agrees with floating point at every width", arguments: RowKernelTests.widths)
    func everyWidth(width: Int) {
        var random = SeededRandom(UInt64(width))
        for target in [1, 2, 3, width / 3, width / 2, width - 1, width, width + 1, 2 * width, 3 * width + 1]
        where target > 0 {
            let row = random.bytes(width)
            // Along rows: three equal rows, so the other axis changes nothing. Then the same along columns.
            let wide = scaled([row, row, row], to: target, 2)[1]
            let tall = scaled(row.map { [$0, $0, $0] }, to: 2, target).map { $0[1] }
            let expected = reference(row, to: target)
            // Each halving and each pass rounds once.
            let tolerance = 1.1 + 0.5 * Double(ScaleTable(source: width, target: target).halvings)
            for x in 0..<target {
                #expect(abs(Double(wide[x]) - expected[x]) <= tolerance, "\(width)→\(target) x \(x)")
                #expect(abs(Double(tall[x]) - expected[x]) <= tolerance, "\(width)→\(target) y \(x)")
            }
            #expect(scaled([row, row, row], to: target, 2, isMirrored: true)[0] == wide.reversed())
        }
    }

    @Test(
        "shrinks true to area, so that fine stripes become grey instead of moiré", arguments: [448, 500, 639, 640, 333])
    func stripes(target: Int) {
        let row = (0..<1280).map { UInt8($0 % 2 == 0 ? 16 : 235) }
        let line = scaled([row, row], to: target, 1)[0]
        if 1280 % target == 0 || target == 333 {
            #expect(line.allSatisfy { abs(Int($0) - 125) <= 2 })
        } else {
            // The exact mean of 2.86 stripes is not grey, but it never leaves what their parts allow.
            let ratio = 1280 / Double(target), most = 219 * (ratio.truncatingRemainder(dividingBy: 2)) / ratio / 2
            #expect(line.allSatisfy { abs(Double($0) - 125.5) <= most + 1.5 })
        }
    }

    @Test("keeps plain colour exactly, whatever the sizes")
    func plain() {
        var random = SeededRandom(7)
        for _ in 0..<200 {
            let (w, h) = (Int.random(in: 1...90, using: &random), Int.random(in: 1...90, using: &random))
            let (tw, th) = (Int.random(in: 1...120, using: &random), Int.random(in: 1...120, using: &random))
            let value = UInt8.random(in: 0...255, using: &random)
            let out = scaled([[UInt8]](repeating: [UInt8](repeating: value, count: w), count: h), to: tw, th)
            #expect(out.allSatisfy { $0.allSatisfy { $0 == value } }, "\(w)×\(h) → \(tw)×\(th)")
        }
    }

    @Test("a drawn tile is the reference picture in its worst block, and nothing outside it changes")
    func tile() {
        let source = Pictures.waves(1280, 720), canvas = Pictures.plain(960, 540, y: 40)
        let rect = PixelRect(x: 100, y: 60, width: 448, height: 252)
        Rasterizer().draw(source, crop: PixelRect(width: 1280, height: 720), on: canvas, in: rect)
        let expected = Pictures.plain(960, 540, y: 40)
        for y in 0..<252 {
            for x in 0..<448 {
                // Waves are smooth: the mean of the covered area is the value at its middle.
                let sx = min(1279, Int((Double(x) + 0.5) * 1280 / 448)),
                    sy = min(719, Int((Double(y) + 0.5) * 720 / 252))
                expected.y[(y + 60) * expected.lumaStride + x + 100] = source.y[sy * source.lumaStride + sx]
            }
        }
        let worst = Pictures.worstBlock(canvas, expected)
        #expect(worst.difference < 2.5, "block at \(worst.x), \(worst.y)")
        for y in 0..<540 {
            for x in 0..<960 where !(y >= 60 && y < 312 && x >= 100 && x < 548) {
                if canvas.y[y * canvas.lumaStride + x] != 40 {
                    Issue.record("outside at \(x), \(y)")
                    return
                }
            }
        }
    }
}
