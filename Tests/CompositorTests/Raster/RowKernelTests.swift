import CRaster
import Media
import Testing

@testable import Compositor

@Suite("Row kernels agree with plain arithmetic at every width")
struct RowKernelTests {
    static let widths = Array(1...64) + [65, 127, 128, 129, 255, 640, 1921]

    private func check(
        _ width: Int, _ tolerance: Int = 0, slack: Double = 0, _ kernel: (UnsafeMutablePointer<UInt8>) -> Void,
        expected: (Int) -> Double, before: [UInt8]? = nil, _ location: SourceLocation = #_sourceLocation
    ) {
        // A guard byte on each side shows a kernel that writes outside its row.
        var row = [UInt8](repeating: 0xA5, count: width + 2)
        if let before { row.replaceSubrange(1...width, with: before) }
        row.withUnsafeMutableBufferPointer { kernel($0.baseAddress! + 1) }
        #expect(row.first == 0xA5 && row.last == 0xA5, sourceLocation: location)
        for x in 0..<width {
            let off = abs(Double(row[x + 1]) - expected(x))
            if off > 0.5001 + slack + Double(tolerance) {
                Issue.record("width \(width), x \(x): \(row[x + 1]) for \(expected(x))", sourceLocation: location)
                return
            }
        }
    }

    /// The plain loops, and those for AVX2 where the processor has it.
    private static func each<Kernel>(_ plain: Kernel, _ avx2: Kernel) -> [Kernel] {
        proscenium_raster_has_avx2() ? [plain, avx2] : [plain]
    }

    @Test("means of two and four pixels", arguments: widths)
    func halves(width: Int) {
        var random = SeededRandom(UInt64(width))
        let a = random.bytes(2 * width), b = random.bytes(2 * width)
        func d(_ x: UInt8) -> Double { Double(x) }
        for kernel in Self.each(proscenium_raster_halve_both_plain, proscenium_raster_halve_both_avx2) {
            check(width) {
                kernel(a, b, $0, width)
            } expected: {
                (d(a[2 * $0]) + d(a[2 * $0 + 1]) + d(b[2 * $0]) + d(b[2 * $0 + 1])) / 4
            }
        }
        for kernel in Self.each(proscenium_raster_halve_across_plain, proscenium_raster_halve_across_avx2) {
            check(width) {
                kernel(a, $0, width)
            } expected: {
                (d(a[2 * $0]) + d(a[2 * $0 + 1])) / 2
            }
        }
        for kernel in Self.each(proscenium_raster_halve_down_plain, proscenium_raster_halve_down_avx2) {
            check(width) {
                kernel(a, b, $0, width)
            } expected: {
                (d(a[$0]) + d(b[$0])) / 2
            }
        }
    }

    @Test("weighted rows", arguments: widths)
    func mixes(width: Int) {
        var random = SeededRandom(UInt64(width) + 1000)
        let rows = (0..<4).map { _ in random.bytes(width) }
        for kernel in Self.each(proscenium_raster_mix_two_plain, proscenium_raster_mix_two_avx2) {
            for second in [0, 1, 77, 8192, 16383, 16384] as [UInt16] {
                // Products are rounded down to 1/256 before they are added.
                check(width, slack: 0.01) {
                    kernel(rows[0], rows[1], second, $0, width)
                } expected: {
                    (Double(rows[0][$0]) * Double(16384 - second) + Double(rows[1][$0]) * Double(second)) / 16384
                }
            }
        }
        for kernel in Self.each(proscenium_raster_mix_four_plain, proscenium_raster_mix_four_avx2) {
            for weights in [[16383, 1, 0, 0], [4096, 4096, 4096, 4096], [99, 8000, 8000, 285], [0, 1, 16383, 0]] {
                var tap = ScaleTap(index: 0, weight: (0, 0, 0, 0))
                tap.weight = (UInt16(weights[0]), UInt16(weights[1]), UInt16(weights[2]), UInt16(weights[3]))
                check(width, slack: 0.01) {
                    kernel(rows[0], rows[1], rows[2], rows[3], &tap, $0, width)
                } expected: { x in
                    (0..<4).reduce(0.0) { $0 + Double(rows[$1][x]) * Double(weights[$1]) } / 16384
                }
                // One colour stays that colour, whatever the weights.
                for value in [0, 1, 128, 254, 255] as [UInt8] {
                    let plain = [UInt8](repeating: value, count: width)
                    check(width) {
                        kernel(plain, plain, plain, plain, &tap, $0, width)
                    } expected: { _ in
                        Double(value)
                    }
                }
            }
        }
    }

    @Test("gathers, and reads and writes nothing past the end", arguments: widths)
    func gathers(width: Int) {
        var random = SeededRandom(UInt64(width) + 2000)
        for ratio in [0.3, 1.0, 1.43, 2.0, 2.857, 3.0] {
            let length = max(1, Int((Double(width) * ratio).rounded()))
            let row = random.bytes(length)
            for isMirrored in [false, true] {
                let table = ScaleTable(source: length, target: width, isMirrored: isMirrored)
                guard table.halvings == 0, let taps = table.taps.baseAddress else { continue }
                #expect((table.blocks != nil) == (length >= 16 && proscenium_raster_has_avx2()))
                let kernels: [(Bool) -> (UnsafeMutablePointer<UInt8>) -> Void] = [
                    { far in { proscenium_raster_gather_plain(row, taps, nil, far, $0, width) } },
                    { far in { proscenium_raster_gather(row, taps, table.blocks, far, $0, width) } },
                ]
                for kernel in kernels {
                    for usesFar in table.usesFar ? [true] : [false, true] {
                        check(
                            width, 0, kernel(usesFar),
                            expected: { x in
                                let tap = taps[x]
                                let weights = [tap.weight.0, tap.weight.1, tap.weight.2, tap.weight.3]
                                #expect(weights.reduce(0) { $0 + Int($1) } == ScaleTable.one)
                                return weights.enumerated().reduce(0.0) {
                                    $0 + ($1.element == 0 ? 0 : Double(row[Int(tap.index) + $1.offset]))
                                        * Double($1.element)
                                } / 16384
                            })
                    }
                }
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
        for kernel in Self.each(proscenium_raster_blend_mask_plain, proscenium_raster_blend_mask_avx2) {
            check(
                width, { kernel(source, mask, $0, width) }, expected: { mix($0, Double(mask[$0])) }, before: before)
        }
        for kernel in Self.each(proscenium_raster_blend_weight_plain, proscenium_raster_blend_weight_avx2) {
            for weight in [0, 1, 128, 254, 255] as [UInt8] {
                check(
                    width, { kernel(source, weight, $0, width) }, expected: { mix($0, Double(weight)) },
                    before: before)
            }
        }
        // Premultiplied: the source never exceeds its alpha.
        let pre = zip(source, mask).map { RGBABitmap.product(UInt16($0), UInt16($1)) }
        for kernel in Self.each(proscenium_raster_over_plain, proscenium_raster_over_avx2) {
            check(
                width, { kernel(pre, mask, $0, width) },
                expected: { Double(pre[$0]) + Double(before[$0]) * Double(255 - mask[$0]) / 255 }, before: before)
        }
        for kernel in Self.each(proscenium_raster_over_faint_plain, proscenium_raster_over_faint_avx2) {
            for opacity in [1, 100, 254, 255] as [UInt8] {
                // Three roundings: of the source, of its alpha, of the target.
                check(
                    width, 1, { kernel(pre, mask, opacity, $0, width) },
                    expected: {
                        let o = Double(opacity) / 255
                        return Double(pre[$0]) * o + Double(before[$0]) * (1 - Double(mask[$0]) / 255 * o)
                    }, before: before)
            }
        }
    }

    @Test("the colour kernels for AVX2 are the plain ones, to the bit", arguments: widths)
    func colors(width: Int) {
        var random = SeededRandom(UInt64(width) + 4000)
        let luma = random.bytes(2 * width), u = random.bytes(width), v = random.bytes(width)
        for from in [
            .vp8, ColorDescription(matrix: .bt601, isFullRange: true), .init(matrix: .bt709, isFullRange: true),
        ] {
            var color = proscenium_raster_color(ColorMatrix.convert(from, to: .program))
            var results: [[UInt8]] = []
            for (chroma, row) in zip(
                Self.each(proscenium_raster_convert_chroma_plain, proscenium_raster_convert_chroma_avx2),
                Self.each(proscenium_raster_convert_luma_plain, proscenium_raster_convert_luma_avx2))
            {
                var y = luma + [0xA5], u = u + [0xA5], v = v + [0xA5],
                    shift = [Int16](repeating: 77, count: 2 * width + 1)
                chroma(&u, &v, &color, &shift, width)
                row(&y, shift, &color, 2 * width)
                #expect(y.last == 0xA5 && u.last == 0xA5 && v.last == 0xA5 && shift.last == 77)
                results.append(y + u + v)
            }
            #expect(results.allSatisfy { $0 == results[0] })
        }
    }

    @Test("turns rows into columns at every size, with any stride", arguments: widths.filter { $0 < 200 })
    func transposes(width: Int) {
        var random = SeededRandom(UInt64(width) + 5000)
        for height in [1, 2, 15, 16, 17, 33, 64] {
            let stride = width + 5, source = random.bytes(stride * height)
            for isUpward in [false, true] {
                let targetStride = height + 3
                var target = [UInt8](repeating: 0xA5, count: targetStride * width)
                source.withUnsafeBufferPointer { bytes in
                    guard let start = bytes.baseAddress else { return }
                    proscenium_raster_transpose(
                        start + (isUpward ? (height - 1) * stride : 0), isUpward ? -stride : stride, &target,
                        targetStride, width, height)
                }
                for x in 0..<width {
                    let line = target[(x * targetStride)..<((x + 1) * targetStride)]
                    let want = (0..<height).map { source[(isUpward ? height - 1 - $0 : $0) * stride + x] }
                    #expect(Array(line) == want + [0xA5, 0xA5, 0xA5], "\(width)×\(height), column \(x)")
                }
            }
        }
    }

    private func check(
        _ width: Int, _ kernel: (UnsafeMutablePointer<UInt8>) -> Void, expected: (Int) -> Double, before: [UInt8]
    ) { check(width, 0, kernel, expected: expected, before: before) }
}
