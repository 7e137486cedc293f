// Row by row arithmetic on bytes, by the C kernels that suit the processor.

import CRaster

/// Kernels over single rows; every pointer holds at least as many elements as the kernel's count says.
enum RowKernels {
    /// The mean of 2×2 source pixels for each of `count` destination pixels.
    @inline(__always)
    static func halveBoth(
        _ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>,
        count: Int
    ) { proscenium_raster_halve_both(upper, lower, target, count) }

    /// The mean of two neighbours in a row.
    @inline(__always)
    static func halveAcross(
        _ source: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>, count: Int
    ) { proscenium_raster_halve_across(source, target, count) }

    /// The mean of two rows.
    @inline(__always)
    static func halveDown(
        _ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>, into target: UnsafeMutablePointer<UInt8>,
        count: Int
    ) { proscenium_raster_halve_down(upper, lower, target, count) }

    /// Lays a premultiplied row over a row: `target = source + target · (255 − alpha) / 255`, exact at both ends.
    @inline(__always)
    static func over(
        _ source: UnsafePointer<UInt8>, alpha: UnsafePointer<UInt8>, onto target: UnsafeMutablePointer<UInt8>,
        count: Int
    ) { proscenium_raster_over(source, alpha, target, count) }

    /// Lays a premultiplied row over a row, made fainter as a whole by `opacity` in 0…255.
    @inline(__always)
    static func over(
        _ source: UnsafePointer<UInt8>, alpha: UnsafePointer<UInt8>, opacity: UInt8,
        onto target: UnsafeMutablePointer<UInt8>, count: Int
    ) { proscenium_raster_over_faint(source, alpha, opacity, target, count) }

    /// Mixes a row towards another by a mask: 0 keeps the target, 255 takes the source, exact at both ends.
    @inline(__always)
    static func blend(
        _ source: UnsafePointer<UInt8>, mask: UnsafePointer<UInt8>, onto target: UnsafeMutablePointer<UInt8>, count: Int
    ) { proscenium_raster_blend_mask(source, mask, target, count) }

    /// Mixes a row towards another by one weight in 0…255, exact at both ends.
    @inline(__always)
    static func blend(
        _ source: UnsafePointer<UInt8>, weight: UInt8, onto target: UnsafeMutablePointer<UInt8>, count: Int
    ) { proscenium_raster_blend_weight(source, weight, target, count) }
}
