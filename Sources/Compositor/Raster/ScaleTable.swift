// How one axis of a picture is scaled: halvings as long as it shrinks much, then weights that cover the rest of the area.

import CRaster

/// Where a destination pixel takes its source pixels from: `index` and the three after it, with weights in 1/16384.
typealias ScaleTap = proscenium_raster_tap

/// The plan for one axis: `halvings` times a mean of two, then one tap per destination pixel.
///
/// Shrinking is true to area (each destination pixel is the mean of the source interval that it covers, at the
/// precision of the halved row); growing is bilinear between pixel centres. After the halvings the rest of the
/// ratio is at most 3, so four source pixels always suffice.
final class ScaleTable {
    /// The sum of each tap's weights.
    static let one = 16384
    /// How often two neighbours are averaged first.
    let halvings: Int
    /// The length after the halvings.
    let reducedLength: Int
    /// One entry per destination pixel; indices are into the reduced row, and a pixel of weight 0 may lie outside it.
    let taps: UnsafeBufferPointer<ScaleTap>
    /// The taps for AVX2; nil where there is none, or the reduced row is too short for it.
    let blocks: UnsafePointer<proscenium_raster_block>?
    /// Whether any tap weighs its third or fourth pixel.
    let usesFar: Bool
    /// Whether every destination pixel is one pixel of the reduced row, in order.
    let isIdentity: Bool
    /// Whether there are more destination than source pixels.
    let isGrowing: Bool

    /// Plans an axis.
    ///
    /// - Parameters:
    ///   - source: source length in pixels, at least 1.
    ///   - target: destination length in pixels, at least 1.
    ///   - isMirrored: whether the destination runs the other way.
    init(source: Int, target: Int, isMirrored: Bool = false) {
        let source = max(1, source), target = max(1, target)
        var halvings = 0
        while source >> halvings > 3 * target { halvings += 1 }
        // A whole power of two needs nothing but halvings.
        var exact = halvings
        while target << exact < source { exact += 1 }
        if target << exact == source { halvings = exact }
        self.halvings = halvings
        let reduced = source >> halvings
        reducedLength = reduced
        isGrowing = reduced < target
        isIdentity = reduced == target && !isMirrored
        let memory = UnsafeMutableBufferPointer<ScaleTap>.allocate(capacity: target)
        for x in 0..<target {
            let tap =
                reduced < target
                ? Self.bilinear(at: x, from: reduced, to: target)
                : Self.area(at: x, from: source, to: target, halvings: halvings)
            memory.initializeElement(at: isMirrored ? target - 1 - x : x, to: tap)
        }
        taps = UnsafeBufferPointer(memory)
        usesFar = memory.contains { $0.weight.2 != 0 || $0.weight.3 != 0 }
        blocks = proscenium_raster_has_avx2() ? Self.blocks(taps, length: reduced) : nil
    }

    deinit {
        taps.deallocate()
        blocks?.deallocate()
    }

    private static func bilinear(at x: Int, from source: Int, to target: Int) -> ScaleTap {
        // The centre of the pixel, in 1/16384 source pixels from the centre of the first one.
        let centre = ((2 * x + 1) * source * one / target - one) / 2
        let clamped = min(max(0, centre), (source - 1) * one)
        let index = min(clamped / one, max(0, source - 2)), second = clamped - index * one
        return ScaleTap(index: Int32(index), weight: (UInt16(one - second), UInt16(second), 0, 0))
    }

    private static func area(at x: Int, from source: Int, to target: Int, halvings: Int) -> ScaleTap {
        // In units of which `unit` are a pixel of the reduced row; the interval is one `target`-th of the source.
        let unit = target << halvings, from = x * source, to = from + source
        let last = (source >> halvings) - 1, index = min(from / unit, last)
        // What an odd length left over at the end counts for the last pixel. Rounded at the edges, so that weights sum up.
        func edge(_ pixel: Int) -> Int {
            let place = index + pixel > last ? to : min(to, max(from, (index + pixel) * unit))
            return ((place - from) * one + source / 2) / source
        }
        let edges = (edge(1), edge(2), edge(3))
        return ScaleTap(
            index: Int32(index),
            weight: (
                UInt16(edges.0), UInt16(edges.1 - edges.0), UInt16(edges.2 - edges.1), UInt16(one - edges.2)
            ))
    }

    /// The taps, eight at a time, each half with the sixteen bytes that it reads from.
    static func blocks(
        _ taps: UnsafeBufferPointer<ScaleTap>, length: Int
    ) -> UnsafePointer<proscenium_raster_block>? {
        guard length >= 16 else { return nil }
        // In fours, because 32 pixels are written at once; what is past the end stands for nothing.
        let count = (taps.count + 31) / 32 * 4
        let blocks = UnsafeMutablePointer<proscenium_raster_block>.allocate(capacity: count)
        let bytes = UnsafeMutableRawPointer(blocks)
        bytes.initializeMemory(
            as: UInt8.self, repeating: 0, count: count * MemoryLayout<proscenium_raster_block>.stride)
        typealias Block = proscenium_raster_block
        guard let base = MemoryLayout<Block>.offset(of: \.base),
            let near = MemoryLayout<Block>.offset(of: \.near), let far = MemoryLayout<Block>.offset(of: \.far),
            let nearWeight = MemoryLayout<Block>.offset(of: \.near_weight),
            let farWeight = MemoryLayout<Block>.offset(of: \.far_weight)
        else {
            blocks.deallocate()
            return nil
        }
        for half in 0..<(2 * count) {
            let block = bytes + half / 2 * MemoryLayout<Block>.stride, lane = half & 1
            let inside = 4 * half < taps.count ? taps[(4 * half)..<min(taps.count, 4 * half + 4)] : taps[0..<0]
            let start = min(inside.map { Int($0.index) }.min() ?? 0, length - 16)
            block.storeBytes(of: Int32(start), toByteOffset: base + 4 * lane, as: Int32.self)
            for (at, tap) in inside.enumerated() {
                let weights = [tap.weight.0, tap.weight.1, tap.weight.2, tap.weight.3]
                for (pixel, weight) in weights.enumerated() {
                    let word = 8 * lane + 2 * at + pixel & 1
                    let place = Int(tap.index) + pixel - start
                    let selects = pixel < 2 ? near : far, weighs = pixel < 2 ? nearWeight : farWeight
                    // The upper byte of each word is nothing, and so is the lower one of a pixel that does not count.
                    block.storeBytes(
                        of: weight == 0 ? 0x80 : UInt8(truncatingIfNeeded: place), toByteOffset: selects + 2 * word,
                        as: UInt8.self)
                    block.storeBytes(of: 0x80, toByteOffset: selects + 2 * word + 1, as: UInt8.self)
                    block.storeBytes(of: Int16(weight), toByteOffset: weighs + 2 * word, as: Int16.self)
                }
            }
        }
        return UnsafePointer(blocks)
    }
}
