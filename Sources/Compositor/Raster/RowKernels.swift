// Row by row arithmetic on bytes: plain loops with wrapping integers, which the compiler turns into vectors.

// Swift's SIMD types convert element by element and are 50 to 100 times slower here; these loops are not.
// Weights are in 1/256 and sum to 256, so that 255 * 256 + 128 still fits 16 bits.

/// Kernels over single rows; every pointer holds at least as many elements as the kernel's count says.
enum RowKernels {
    /// The mean of 2×2 source pixels for each of `count` destination pixels.
    @inline(never)
    static func halveBoth(
        _ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>,
        count: Int
    ) {
        // Two neighbours are read as one 16-bit word, little-endian or not: loads two bytes apart do not become vectors.
        let above = UnsafeRawPointer(upper), below = UnsafeRawPointer(lower)
        for x in 0..<count {
            let a = above.loadUnaligned(fromByteOffset: 2 &* x, as: UInt16.self)
            let b = below.loadUnaligned(fromByteOffset: 2 &* x, as: UInt16.self)
            let sum = (a & 255) &+ (a &>> 8) &+ (b & 255) &+ (b &>> 8)
            target[x] = UInt8(truncatingIfNeeded: (sum &+ 2) &>> 2)
        }
    }

    /// The mean of two neighbours in a row.
    @inline(never)
    static func halveAcross(
        _ source: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let pairs = UnsafeRawPointer(source)
        for x in 0..<count {
            let pair = pairs.loadUnaligned(fromByteOffset: 2 &* x, as: UInt16.self)
            target[x] = UInt8(truncatingIfNeeded: ((pair & 255) &+ (pair &>> 8) &+ 1) &>> 1)
        }
    }

    /// The mean of two rows.
    @inline(never)
    static func halveDown(
        _ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>,
        count: Int
    ) {
        for x in 0..<count {
            let sum = UInt16(truncatingIfNeeded: upper[x]) &+ UInt16(truncatingIfNeeded: lower[x])
            target[x] = UInt8(truncatingIfNeeded: (sum &+ 1) &>> 1)
        }
    }

    /// Two rows weighted; `second` is the weight of the lower one.
    @inline(never)
    static func mixTwo(
        _ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>, second: UInt16,
        into target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let first = 256 &- second
        for x in 0..<count {
            let sum =
                UInt16(truncatingIfNeeded: upper[x]) &* first &+ UInt16(truncatingIfNeeded: lower[x]) &* second &+ 128
            target[x] = UInt8(truncatingIfNeeded: sum &>> 8)
        }
    }

    /// Three rows weighted.
    @inline(never)
    static func mixThree(
        _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ c: UnsafePointer<UInt8>, _ weights: ScaleTap,
        into target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let first = weights.first, second = weights.second, third = weights.third
        for x in 0..<count {
            let sum =
                UInt16(truncatingIfNeeded: a[x]) &* first &+ UInt16(truncatingIfNeeded: b[x]) &* second
                &+ UInt16(truncatingIfNeeded: c[x]) &* third &+ 128
            target[x] = UInt8(truncatingIfNeeded: sum &>> 8)
        }
    }

    /// Lays a premultiplied row over a row: `target = source + target · (255 − alpha) / 255`, exact at both ends.
    @inline(never)
    static func over(
        _ source: UnsafePointer<UInt8>, alpha: UnsafePointer<UInt8>, onto target: UnsafeMutablePointer<UInt8>,
        count: Int
    ) {
        for x in 0..<count {
            let t =
                UInt16(truncatingIfNeeded: target[x]) &* (255 &- UInt16(truncatingIfNeeded: alpha[x])) &+ 128
            target[x] = source[x] &+ UInt8(truncatingIfNeeded: (t &+ (t &>> 8)) &>> 8)
        }
    }

    /// Lays a premultiplied row over a row, made fainter as a whole by `opacity` in 0…255.
    @inline(never)
    static func over(
        _ source: UnsafePointer<UInt8>, alpha: UnsafePointer<UInt8>, opacity: UInt8,
        onto target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let factor = UInt16(opacity)
        for x in 0..<count {
            let s = UInt16(truncatingIfNeeded: source[x]) &* factor &+ 128
            let a = UInt16(truncatingIfNeeded: alpha[x]) &* factor &+ 128
            let faint = (a &+ (a &>> 8)) &>> 8
            let t = UInt16(truncatingIfNeeded: target[x]) &* (255 &- faint) &+ 128
            let sum = ((s &+ (s &>> 8)) &>> 8) &+ ((t &+ (t &>> 8)) &>> 8)
            target[x] = UInt8(truncatingIfNeeded: min(sum, 255))
        }
    }

    /// Mixes a row towards another by a mask: 0 keeps the target, 255 takes the source, exact at both ends.
    @inline(never)
    static func blend(
        _ source: UnsafePointer<UInt8>, mask: UnsafePointer<UInt8>, onto target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        for x in 0..<count {
            let a = UInt16(truncatingIfNeeded: mask[x])
            let t =
                UInt16(truncatingIfNeeded: source[x]) &* a &+ UInt16(truncatingIfNeeded: target[x]) &* (255 &- a) &+ 128
            target[x] = UInt8(truncatingIfNeeded: (t &+ (t &>> 8)) &>> 8)
        }
    }

    /// Mixes a row towards another by one weight in 0…255, exact at both ends.
    @inline(never)
    static func blend(
        _ source: UnsafePointer<UInt8>, weight: UInt8, onto target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        let a = UInt16(weight)
        for x in 0..<count {
            let t =
                UInt16(truncatingIfNeeded: source[x]) &* a &+ UInt16(truncatingIfNeeded: target[x]) &* (255 &- a) &+ 128
            target[x] = UInt8(truncatingIfNeeded: (t &+ (t &>> 8)) &>> 8)
        }
    }
}

/// Where a destination pixel takes its source pixels from: `index` and the two after it, with weights in 1/256.
struct ScaleTap: Hashable {
    var index: Int32
    var first: UInt16, second: UInt16, third: UInt16
}
