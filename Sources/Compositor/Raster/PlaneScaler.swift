// Scales one plane of bytes into a rectangle of another, with scratch memory that is kept.

import CRaster
import Media

/// Scales planes; one per thread, because it owns scratch rows.
final class PlaneScaler {
    private var tables: [TableKey: ScaleTable] = [:]
    private var scratch: UnsafeMutablePointer<UInt8>
    private var scratchCount = 0
    /// What is scaled before it is turned by a quarter.
    private var lying: UnsafeMutablePointer<UInt8>
    private var lyingCount = 0

    private struct TableKey: Hashable {
        let source: Int, target: Int, isMirrored: Bool
    }

    /// A plane, or a part of one, to read; a negative stride reads it from below.
    struct Source {
        var pointer: UnsafePointer<UInt8>
        var stride: Int
        var width: Int, height: Int

        func row(_ y: Int) -> UnsafePointer<UInt8> { pointer + min(y, height &- 1) &* stride }
    }

    /// A plane, or a part of one, to write.
    struct Target {
        var pointer: UnsafeMutablePointer<UInt8>
        var stride: Int
        var width: Int, height: Int

        func row(_ y: Int) -> UnsafeMutablePointer<UInt8> { pointer + y &* stride }
    }

    /// How many rows before its use a row of the source is asked for: pictures come from another core's cache.
    private static let rowsAhead = 8

    init() {
        scratch = .allocate(capacity: 1)
        lying = .allocate(capacity: 1)
    }

    deinit {
        scratch.deallocate()
        lying.deallocate()
    }

    /// Scales the whole source onto the whole target and turns it on the way; nothing outside either is touched.
    ///
    /// A quarter turn is made after scaling, because there are mostly fewer pixels then, by squares of 16×16; a half one
    /// costs nothing.
    ///
    /// - Parameters:
    ///   - source: the picture as it is stored.
    ///   - rotation: how it is turned.
    ///   - target: where it goes, with the sides that it has afterwards.
    ///   - isMirrored: whether left and right change places after it was turned.
    func scale(_ source: Source, turned rotation: PictureRotation, onto target: Target, isMirrored: Bool) {
        guard source.width > 0, source.height > 0, target.width > 0, target.height > 0 else { return }
        switch rotation {
        case .none: scale(source, onto: target, isMirrored: isMirrored)
        case .half:
            var source = source
            source.pointer += (source.height - 1) * source.stride
            source.stride = -source.stride
            scale(source, onto: target, isMirrored: !isMirrored)
        case .clockwise90, .clockwise270:
            let width = target.height, height = target.width, stride = width + 64
            if lyingCount < stride * height {
                lying.deallocate()
                lyingCount = stride * height
                lying = .allocate(capacity: lyingCount)
            }
            // Column x of the target is a row of the scratch: the last one first for 90° and for a mirrored 270°.
            scale(
                source, onto: Target(pointer: lying, stride: stride, width: width, height: height),
                isMirrored: rotation == .clockwise270)
            let isUpward = (rotation == .clockwise90) != isMirrored
            proscenium_raster_transpose(
                lying + (isUpward ? (height - 1) * stride : 0), isUpward ? -stride : stride, target.pointer,
                target.stride, width, height)
        }
    }

    /// Scales the whole source onto the whole target; nothing outside either is touched.
    func scale(_ source: Source, onto target: Target, isMirrored: Bool = false) {
        guard source.width > 0, source.height > 0, target.width > 0, target.height > 0 else { return }
        let across = table(source.width, target.width, isMirrored: isMirrored)
        let down = table(source.height, target.height, isMirrored: false)
        let isReduced = across.halvings > 0 || down.halvings > 0
        if across.isIdentity && down.isIdentity && !isReduced {
            for y in 0..<target.height { target.row(y).update(from: source.row(y), count: target.width) }
            return
        }
        // Layout of the scratch: the reduced plane, then two rows for the passes.
        let planeBytes =
            isReduced
            ? ((across.halvings > 0 ? source.width / 2 : source.width) + 64)
                * (down.halvings > 0 ? source.height / 2 : source.height) : 0
        let rowBytes = max(source.width, target.width) + 64
        reserve(planeBytes + 2 * rowBytes)
        let from: Source
        if isReduced {
            let isAll = across.isIdentity && down.isIdentity
            from = reduce(source, across: across.halvings, down: down.halvings, lastOnto: isAll ? target : nil)
            if isAll { return }
        } else {
            from = source
        }
        let rows = (scratch + planeBytes, scratch + planeBytes + rowBytes)
        if down.isGrowing {
            growDown(from, across: across, down: down, onto: target, rows: rows)
        } else {
            shrinkDown(from, across: across, down: down, onto: target, row: rows.0)
        }
    }

    private func table(_ source: Int, _ target: Int, isMirrored: Bool) -> ScaleTable {
        let key = TableKey(source: source, target: target, isMirrored: isMirrored)
        if let table = tables[key] { return table }
        // A move animation asks for many sizes, each for a frame.
        if tables.count >= 256 { tables.removeAll(keepingCapacity: true) }
        let table = ScaleTable(source: source, target: target, isMirrored: isMirrored)
        tables[key] = table
        return table
    }

    private func reserve(_ count: Int) {
        guard count > scratchCount else { return }
        scratch.deallocate()
        scratch = .allocate(capacity: count)
        scratchCount = count
    }

    /// Averages in place, pass by pass: a pass never writes beyond what it has read.
    ///
    /// - Parameters:
    ///   - source: what is averaged.
    ///   - across: how often neighbours in a row are.
    ///   - down: how often rows are.
    ///   - last: where the last pass goes instead of the scratch.
    private func reduce(_ source: Source, across: Int, down: Int, lastOnto last: Target?) -> Source {
        var from = source
        let passes = max(across, down)
        for pass in 0..<passes {
            let isAcross = pass < across, isDown = pass < down
            let width = isAcross ? from.width / 2 : from.width, height = isDown ? from.height / 2 : from.height
            var stride = pass == 0 ? width + 64 : from.stride, target = scratch
            if pass == passes - 1, let last { (target, stride) = (last.pointer, last.stride) }
            for y in 0..<height {
                let row = target + y &* stride
                let upper = from.row(isDown ? 2 &* y : y), lower = from.row(2 &* y &+ 1)
                if pass == 0 {
                    proscenium_raster_prefetch(from.row((isDown ? 2 &* y : y) &+ Self.rowsAhead), from.width)
                    if isDown { proscenium_raster_prefetch(from.row(2 &* y &+ 1 &+ Self.rowsAhead), from.width) }
                }
                switch (isAcross, isDown) {
                case (true, true): RowKernels.halveBoth(upper, lower, into: row, count: width)
                case (true, false): RowKernels.halveAcross(upper, into: row, count: width)
                default: RowKernels.halveDown(upper, lower, into: row, count: width)
                }
            }
            from = Source(pointer: UnsafePointer(target), stride: stride, width: width, height: height)
        }
        return from
    }

    /// Rows first, because there are fewer destination rows than source rows, then across.
    private func shrinkDown(
        _ source: Source, across: ScaleTable, down: ScaleTable, onto target: Target, row: UnsafeMutablePointer<UInt8>
    ) {
        guard let taps = down.taps.baseAddress else { return }
        var asked = 0
        for y in 0..<target.height {
            let tap = taps + y, index = Int(tap.pointee.index), ahead = min(index &+ Self.rowsAhead, source.height)
            while asked < ahead {
                proscenium_raster_prefetch(source.row(asked), source.width)
                asked &+= 1
            }
            if tap.pointee.weight.0 >= UInt16(ScaleTable.one) {
                if across.isIdentity {
                    target.row(y).update(from: source.row(index), count: target.width)
                } else {
                    gather(source.row(index), across, into: target.row(y), count: target.width)
                }
                continue
            }
            let out = across.isIdentity ? target.row(y) : row
            if tap.pointee.weight.2 == 0 && tap.pointee.weight.3 == 0 {
                proscenium_raster_mix_two(
                    source.row(index), source.row(index &+ 1), tap.pointee.weight.1, out, source.width)
            } else {
                proscenium_raster_mix_four(
                    source.row(index), source.row(index &+ 1), source.row(index &+ 2), source.row(index &+ 3), tap, out,
                    source.width)
            }
            if !across.isIdentity { gather(row, across, into: target.row(y), count: target.width) }
        }
    }

    /// Across first, once per source row, then between the two rows at hand.
    private func growDown(
        _ source: Source, across: ScaleTable, down: ScaleTable, onto target: Target,
        rows: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt8>)
    ) {
        // Even rows lie in the first, odd ones in the second: neighbours never meet.
        var held = (-1, -1)
        func stretched(_ index: Int) -> UnsafePointer<UInt8> {
            let index = min(index, source.height &- 1)
            if across.isIdentity { return source.row(index) }
            let isEven = index & 1 == 0, row = isEven ? rows.0 : rows.1
            if (isEven ? held.0 : held.1) != index {
                proscenium_raster_prefetch(source.row(index &+ Self.rowsAhead), source.width)
                gather(source.row(index), across, into: row, count: target.width)
                if isEven { held.0 = index } else { held.1 = index }
            }
            return UnsafePointer(row)
        }
        for y in 0..<target.height {
            let tap = down.taps[y], index = Int(tap.index)
            let upper = stretched(index), lower = tap.weight.1 == 0 ? upper : stretched(index + 1)
            proscenium_raster_mix_two(upper, lower, tap.weight.1, target.row(y), target.width)
        }
    }

    @inline(__always)
    private func gather(
        _ row: UnsafePointer<UInt8>, _ table: ScaleTable, into target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        guard let taps = table.taps.baseAddress else { return }
        proscenium_raster_gather(row, taps, table.blocks, table.usesFar, target, count)
    }
}
