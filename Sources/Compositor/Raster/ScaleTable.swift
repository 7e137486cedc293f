// How one axis of a picture is scaled: whole halvings first, then weights that cover the rest of the area.

/// The plan for one axis: `halvings` times a mean of two, then one tap per destination pixel.
///
/// Shrinking is true to area (each destination pixel is the mean of the source interval that it covers, at the
/// precision of the halved row); growing is bilinear between pixel centres. After the halvings the rest of the
/// ratio is below 2, so three source pixels always suffice.
struct ScaleTable: Hashable {
    /// How often two neighbours are averaged first.
    let halvings: Int
    /// The length after the halvings.
    let reducedLength: Int
    /// One entry per destination pixel; indices are into the reduced row, and `index + 2` may lie up to 2 past its
    /// end, with weight 0.
    let taps: [ScaleTap]
    /// Whether any tap weighs its third pixel.
    let usesThird: Bool
    /// Whether every destination pixel is one source pixel, in order.
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
        while source >> (halvings + 1) >= target && source >> halvings >= 2 { halvings += 1 }
        self.halvings = halvings
        // An odd rest is dropped at the far end: at most one pixel of the reduced row in a picture ≥ 2 × smaller.
        let reduced = source >> halvings
        reducedLength = reduced
        isGrowing = reduced < target
        isIdentity = reduced == target && !isMirrored
        var taps: [ScaleTap] = []
        taps.reserveCapacity(target)
        for x in 0..<target {
            taps.append(
                reduced < target
                    ? Self.bilinear(at: x, from: reduced, to: target) : Self.area(at: x, from: reduced, to: target))
        }
        if isMirrored { taps.reverse() }
        self.taps = taps
        usesThird = taps.contains { $0.third != 0 }
    }

    private static func bilinear(at x: Int, from source: Int, to target: Int) -> ScaleTap {
        // The centre of the pixel, in 1/256 source pixels from the centre of the first one.
        let centre = ((2 * x + 1) * source * 256 / target - 256) / 2
        let clamped = min(max(0, centre), (source - 1) * 256)
        let index = min(clamped >> 8, max(0, source - 2)), second = clamped - index * 256
        return ScaleTap(index: Int32(index), first: UInt16(256 - second), second: UInt16(second), third: 0)
    }

    private static func area(at x: Int, from source: Int, to target: Int) -> ScaleTap {
        // In units of 1/target source pixels: the interval is [x · source, (x + 1) · source).
        let from = x * source, to = from + source
        let index = from / target
        func overlap(_ pixel: Int) -> Int { max(0, min(to, (pixel + 1) * target) - max(from, pixel * target)) }
        // Rounded so that the weights sum to 256 exactly, the rest going to the middle one, which weighs most.
        let first = (overlap(index) * 512 + source) / (2 * source)
        let third = (overlap(index + 2) * 512 + source) / (2 * source)
        return ScaleTap(
            index: Int32(index), first: UInt16(first), second: UInt16(256 - first - third), third: UInt16(third))
    }
}
