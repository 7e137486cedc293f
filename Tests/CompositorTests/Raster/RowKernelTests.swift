import Testing

@testable import Compositor

@Suite("Row kernels agree with plain arithmetic at every width")
struct RowKernelTests {
    static let widths = Array(1...64) + [65, 127, 128, 129, 255, 640, 1921]

    private func check(
        _ width: Int, _ tolerance: Int = 0, _ kernel: (UnsafeMutablePointer<UInt8>) -> Void,
        expected: (Int) -> Double, before: [UInt8]? = nil, _ location: SourceLocation = #_sourceLocation
    ) {
        // A guard byte on each side shows a kernel that writes outside its row.
        var row = [UInt8](repeating: 0xA5, count: width + 2)
        if let before { row.replaceSubrange(1...width, with: before) }
        row.withUnsafeMutableBufferPointer { kernel($0.baseAddress! + 1) }
        #expect(row.first == 0xA5 && row.last == 0xA5, sourceLocation: location)
        for x in 0..<width {
            let off = abs(Double(row[x + 1]) - expected(x))
            if off > 0.5001 + Double(tolerance) {
                Issue.record("width \(width), x \(x): \(row[x + 1]) for \(expected(x))", sourceLocation: location)
                return
            }
        }
    }

    @Test("means of two and four pixels", arguments: widths)
    func halves(width: Int) {
        var random = SeededRandom(UInt64(width))
        let a = random.bytes(2 * width), b = random.bytes(2 * width)
        func d(_ x: UInt8) -> Double { Double(x) }
        check(width) {
            RowKernels.halveBoth(a, b, into: $0, count: width)
        } expected: {
            (d(a[2 * $0]) + d(a[2 * $0 + 1]) + d(b[2 * $0]) + d(b[2 * $0 + 1])) / 4
        }
        check(width) {
            RowKernels.halveAcross(a, into: $0, count: width)
        } expected: {
            (d(a[2 * $0]) + d(a[2 * $0 + 1])) / 2
        }
        check(width) {
            RowKernels.halveDown(a, b, into: $0, count: width)
        } expected: {
            (d(a[$0]) + d(b[$0])) / 2
        }
    }

    @Test("weighted rows", arguments: widths)
    func mixes(width: Int) {
        var random = SeededRandom(UInt64(width) + 1000)
        let a = random.bytes(width), b = random.bytes(width), c = random.bytes(width)
        for second in [0, 1, 77, 128, 255, 256] as [UInt16] {
            check(width) {
                RowKernels.mixTwo(a, b, second: second, into: $0, count: width)
            } expected: {
                (Double(a[$0]) * Double(256 - second) + Double(b[$0]) * Double(second)) / 256
            }
        }
        for (first, third) in [(0, 0), (256, 0), (90, 12), (3, 100)] as [(UInt16, UInt16)] {
            let tap = ScaleTap(index: 0, first: first, second: 256 - first - third, third: third)
            check(width) {
                RowKernels.mixThree(a, b, c, tap, into: $0, count: width)
            } expected: {
                (Double(a[$0]) * Double(first) + Double(b[$0]) * Double(tap.second) + Double(c[$0]) * Double(third))
                    / 256
            }
        }
    }

    @Test("gathers in eight rows at once, and writes nothing past the end", arguments: widths)
    func gathers(width: Int) {
        var random = SeededRandom(UInt64(width) + 2000)
        let length = width + 3
        let rows = (0..<8).map { _ in random.bytes(length) }
        var columns = [Column](repeating: Column(), count: length)
        rows.flatMap { $0 }.withUnsafeBufferPointer { bytes in
            let inputs = (0..<8).map { bytes.baseAddress! + $0 * length }
            ColumnKernels.pack(inputs, into: &columns, count: length)
        }
        for x in 0..<length { for row in 0..<8 { #expect(columns[x][row] == UInt16(rows[row][x])) } }
        for usesThird in [false, true] {
            let taps = (0..<width).map { _ in
                let first = UInt16.random(in: 0...128, using: &random)
                let third = usesThird ? UInt16.random(in: 0...100, using: &random) : 0
                return ScaleTap(
                    index: Int32.random(in: 0...Int32(width), using: &random), first: first,
                    second: 256 - first - third, third: third)
            }
            var out = [UInt8](repeating: 0xA5, count: 8 * (width + 1))
            out.withUnsafeMutableBufferPointer { bytes in
                let outputs = (0..<8).map { bytes.baseAddress! + $0 * (width + 1) }
                if usesThird {
                    ColumnKernels.gatherThree(columns, taps: taps, into: outputs, count: width)
                } else {
                    ColumnKernels.gatherTwo(columns, taps: taps, into: outputs, count: width)
                }
            }
            for row in 0..<8 {
                for x in 0..<width {
                    let tap = taps[x], at = Int(tap.index)
                    var sum = Double(rows[row][at]) * Double(tap.first)
                    sum += Double(rows[row][at + 1]) * Double(tap.second)
                    sum += Double(rows[row][at + 2]) * Double(tap.third)
                    #expect(abs(Double(out[row * (width + 1) + x]) - sum / 256) <= 0.5)
                }
                #expect(out[row * (width + 1) + width] == 0xA5)
            }
        }
    }

    @Test("blends, exact at both ends", arguments: widths)
    func blends(width: Int) {
        var random = SeededRandom(UInt64(width) + 3000)
        var mask = random.bytes(width)
        mask[0] = 0
        mask[width - 1] = 255
        let source = random.bytes(width), before = random.bytes(width)
        func mix(_ x: Int, _ a: Double) -> Double { (Double(source[x]) * a + Double(before[x]) * (255 - a)) / 255 }
        check(
            width, { RowKernels.blend(source, mask: mask, onto: $0, count: width) },
            expected: { mix($0, Double(mask[$0])) },
            before: before)
        for weight in [0, 1, 128, 254, 255] as [UInt8] {
            check(
                width, { RowKernels.blend(source, weight: weight, onto: $0, count: width) },
                expected: { mix($0, Double(weight)) }, before: before)
        }
        // Premultiplied: the source never exceeds its alpha.
        let pre = zip(source, mask).map { RGBABitmap.product(UInt16($0), UInt16($1)) }
        check(
            width, { RowKernels.over(pre, alpha: mask, onto: $0, count: width) },
            expected: { Double(pre[$0]) + Double(before[$0]) * Double(255 - mask[$0]) / 255 }, before: before)
        for opacity in [1, 100, 254, 255] as [UInt8] {
            // Three roundings: of the source, of its alpha, of the target.
            check(
                width, 1, { RowKernels.over(pre, alpha: mask, opacity: opacity, onto: $0, count: width) },
                expected: {
                    let o = Double(opacity) / 255
                    return Double(pre[$0]) * o + Double(before[$0]) * (1 - Double(mask[$0]) / 255 * o)
                }, before: before)
        }
    }

    private func check(
        _ width: Int, _ kernel: (UnsafeMutablePointer<UInt8>) -> Void, expected: (Int) -> Double, before: [UInt8]
    ) { check(width, 0, kernel, expected: expected, before: before) }
}
