// Scales one plane of bytes into a rectangle of another, with scratch memory that is kept.

import Control

/// Scales planes; one per thread, because it owns scratch rows.
final class PlaneScaler {
    private var tables: [TableKey: ScaleTable] = [:]
    private var scratch: UnsafeMutablePointer<UInt8>
    private var scratchCount = 0
    /// Four rows side by side, before and after they are gathered.
    private var packed: UnsafeMutablePointer<UInt64>
    private var packedCount = 0

    private struct TableKey: Hashable {
        let source: Int, target: Int, isMirrored: Bool
    }

    /// A plane, or a part of one, to read.
    struct Source {
        var pointer: UnsafePointer<UInt8>
        var stride: Int
        var width: Int, height: Int
    }

    /// A plane, or a part of one, to write.
    struct Target {
        var pointer: UnsafeMutablePointer<UInt8>
        var stride: Int
        var width: Int, height: Int
    }

    init() {
        scratch = .allocate(capacity: 1)
        packed = .allocate(capacity: 1)
    }

    deinit {
        scratch.deallocate()
        packed.deallocate()
    }

    /// Scales the whole source onto the whole target; nothing outside either is touched.
    func scale(_ source: Source, onto target: Target, isMirrored: Bool = false) {
        guard source.width > 0, source.height > 0, target.width > 0, target.height > 0 else { return }
        let across = table(source.width, target.width, isMirrored: isMirrored)
        let down = table(source.height, target.height, isMirrored: false)
        if across.isIdentity && down.isIdentity && across.halvings == 0 && down.halvings == 0 {
            for y in 0..<target.height {
                (target.pointer + y &* target.stride).update(
                    from: source.pointer + y &* source.stride, count: target.width)
            }
            return
        }
        // Layout of the scratch: the reduced plane (two halves used in turn), then rows for the passes.
        let firstWidth = across.halvings > 0 ? source.width / 2 : source.width
        let firstHeight = down.halvings > 0 ? source.height / 2 : source.height
        let isReduced = across.halvings > 0 || down.halvings > 0
        let planeBytes = isReduced ? (firstWidth + 64) * firstHeight : 0
        let rowBytes = max(source.width, target.width) + 64
        reserve(planeBytes + 8 * rowBytes)
        let reduced = reduce(source, across: across.halvings, down: down.halvings)
        reservePacked(source.width + 2 + target.width)
        let rows = scratch + planeBytes
        if down.isGrowing {
            growDown(reduced, across: across, down: down, onto: target, rows: rows, rowBytes: rowBytes)
        } else {
            shrinkDown(reduced, across: across, down: down, onto: target, rows: rows, rowBytes: rowBytes)
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

    private func reservePacked(_ count: Int) {
        guard count > packedCount else { return }
        packed.deallocate()
        packed = .allocate(capacity: count)
        packedCount = count
    }

    /// Averages in place, pass by pass: a pass never writes beyond what it has read.
    private func reduce(_ source: Source, across: Int, down: Int) -> Source {
        var from = source
        for pass in 0..<max(across, down) {
            let isAcross = pass < across, isDown = pass < down
            let width = isAcross ? from.width / 2 : from.width, height = isDown ? from.height / 2 : from.height
            let stride = pass == 0 ? width + 64 : from.stride
            for y in 0..<height {
                let row = scratch + y &* stride
                let upper = from.pointer + (isDown ? 2 &* y : y) &* from.stride
                switch (isAcross, isDown) {
                case (true, true): RowKernels.halveBoth(upper, upper + from.stride, into: row, count: width)
                case (true, false): RowKernels.halveAcross(upper, into: row, count: width)
                default: RowKernels.halveDown(upper, upper + from.stride, into: row, count: width)
                }
            }
            from = Source(pointer: UnsafePointer(scratch), stride: stride, width: width, height: height)
        }
        return from
    }

    /// Rows first, because there are fewer destination rows than source rows, then across, four rows at a time.
    private func shrinkDown(
        _ source: Source, across: ScaleTable, down: ScaleTable, onto target: Target,
        rows: UnsafeMutablePointer<UInt8>, rowBytes: Int
    ) {
        let last = source.height - 1
        func mix(_ y: Int, into out: UnsafeMutablePointer<UInt8>) {
            let tap = down.taps[y], index = Int(tap.index)
            func line(_ offset: Int) -> UnsafePointer<UInt8> {
                source.pointer + min(index &+ offset, last) &* source.stride
            }
            if tap.first == 256 {
                out.update(from: line(0), count: source.width)
            } else if tap.third != 0 {
                RowKernels.mixThree(line(0), line(1), line(2), tap, into: out, count: source.width)
            } else {
                RowKernels.mixTwo(line(0), line(1), second: tap.second, into: out, count: source.width)
            }
        }
        if across.isIdentity {
            for y in 0..<target.height { mix(y, into: target.pointer + y &* target.stride) }
            return
        }
        for first in stride(from: 0, to: target.height, by: 4) {
            let count = min(4, target.height - first)
            for at in 0..<count { mix(first + at, into: rows + at &* rowBytes) }
            // At the end the last row goes along more than once, and the copies are written to scratch.
            func row(_ at: Int) -> UnsafePointer<UInt8> { UnsafePointer(rows + min(at, count - 1) &* rowBytes) }
            func out(_ at: Int) -> UnsafeMutablePointer<UInt8> {
                at < count ? target.pointer + (first + at) &* target.stride : rows + (4 + at) &* rowBytes
            }
            gather(
                FourRows(a: row(0), b: row(1), c: row(2), d: row(3)), length: source.width, across,
                into: FourRows(a: out(0), b: out(1), c: out(2), d: out(3)), count: target.width)
        }
    }

    /// Across first, once per source row and four at a time, then between the two rows at hand.
    private func growDown(
        _ source: Source, across: ScaleTable, down: ScaleTable, onto target: Target,
        rows: UnsafeMutablePointer<UInt8>, rowBytes: Int
    ) {
        let last = source.height - 1
        // Rows 4 n … 4 n + 3 lie in the first or the second half of the scratch, by whether n is even: neighbours never meet.
        var held = (-1, -1)
        func stretched(_ index: Int) -> UnsafePointer<UInt8> {
            let index = min(index, last)
            if across.isIdentity { return source.pointer + index &* source.stride }
            let group = index >> 2, half = rows + (group & 1) &* 4 &* rowBytes
            if group & 1 == 0 ? held.0 != group : held.1 != group {
                func line(_ at: Int) -> UnsafePointer<UInt8> {
                    source.pointer + min(group &* 4 &+ at, last) &* source.stride
                }
                gather(
                    FourRows(a: line(0), b: line(1), c: line(2), d: line(3)), length: source.width, across,
                    into: FourRows(a: half, b: half + rowBytes, c: half + 2 &* rowBytes, d: half + 3 &* rowBytes),
                    count: target.width)
                if group & 1 == 0 { held.0 = group } else { held.1 = group }
            }
            return UnsafePointer(half + (index & 3) &* rowBytes)
        }
        for y in 0..<target.height {
            let tap = down.taps[y], index = Int(tap.index)
            let upper = stretched(index), lower = tap.second == 0 ? upper : stretched(index + 1)
            RowKernels.mixTwo(
                upper, lower, second: tap.second, into: target.pointer + y &* target.stride, count: target.width)
        }
    }

    /// Weighs neighbours in four rows; the last pixel stands for those past the end.
    private func gather(
        _ rows: FourRows<UnsafePointer<UInt8>>, length: Int, _ table: ScaleTable,
        into out: FourRows<UnsafeMutablePointer<UInt8>>, count: Int
    ) {
        let result = packed + length + 2
        RowKernels.pack(rows, into: packed, count: length)
        packed[length] = packed[length - 1]
        packed[length + 1] = packed[length - 1]
        table.taps.withUnsafeBufferPointer { taps in
            guard let taps = taps.baseAddress else { return }
            if table.usesThird {
                RowKernels.gatherThree(packed, taps: taps, into: result, count: count)
            } else {
                RowKernels.gatherTwo(packed, taps: taps, into: result, count: count)
            }
        }
        RowKernels.unpack(result, into: out, count: count)
    }
}
