// Scales one plane of bytes into a rectangle of another, with scratch memory that is kept.

import Control

/// Scales planes; one per thread, because it owns scratch rows.
final class PlaneScaler {
    private var tables: [TableKey: ScaleTable] = [:]
    private var scratch: UnsafeMutablePointer<UInt8>
    private var scratchCount = 0
    /// Eight rows as columns, before they are gathered.
    private var columns: UnsafeMutablePointer<Column>
    private var columnCount = 0
    /// Which eight rows are read, and which are written.
    private let inputs = UnsafeMutablePointer<UnsafePointer<UInt8>>.allocate(capacity: 8)
    private let outputs = UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>.allocate(capacity: 8)

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
        columns = .allocate(capacity: 1)
    }

    deinit {
        scratch.deallocate()
        columns.deallocate()
        inputs.deallocate()
        outputs.deallocate()
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
        reserve(planeBytes + 16 * rowBytes)
        let reduced = reduce(source, across: across.halvings, down: down.halvings)
        reserveColumns(source.width + 2)
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

    private func reserveColumns(_ count: Int) {
        guard count > columnCount else { return }
        columns.deallocate()
        columns = .allocate(capacity: count)
        columnCount = count
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

    /// Rows first, because there are fewer destination rows than source rows, then across, eight rows at a time.
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
        for first in stride(from: 0, to: target.height, by: 8) {
            let count = min(8, target.height - first)
            for at in 0..<8 {
                // At the end the last row goes along more than once, and the copies are written to scratch.
                inputs[at] = UnsafePointer(rows + min(at, count - 1) &* rowBytes)
                if at < count {
                    mix(first + at, into: rows + at &* rowBytes)
                    outputs[at] = target.pointer + (first + at) &* target.stride
                } else {
                    outputs[at] = rows + (8 + at) &* rowBytes
                }
            }
            gather(length: source.width, across, count: target.width)
        }
    }

    /// Across first, once per source row and eight at a time, then between the two rows at hand.
    private func growDown(
        _ source: Source, across: ScaleTable, down: ScaleTable, onto target: Target,
        rows: UnsafeMutablePointer<UInt8>, rowBytes: Int
    ) {
        let last = source.height - 1
        // Rows 8 n … 8 n + 7 lie in the first or the second half of the scratch, by whether n is even: neighbours never meet.
        var held = (-1, -1)
        func stretched(_ index: Int) -> UnsafePointer<UInt8> {
            let index = min(index, last)
            if across.isIdentity { return source.pointer + index &* source.stride }
            let group = index >> 3, half = rows + (group & 1) &* 8 &* rowBytes
            if group & 1 == 0 ? held.0 != group : held.1 != group {
                for at in 0..<8 {
                    inputs[at] = source.pointer + min(group &* 8 &+ at, last) &* source.stride
                    outputs[at] = half + at &* rowBytes
                }
                gather(length: source.width, across, count: target.width)
                if group & 1 == 0 { held.0 = group } else { held.1 = group }
            }
            return UnsafePointer(half + (index & 7) &* rowBytes)
        }
        for y in 0..<target.height {
            let tap = down.taps[y], index = Int(tap.index)
            let upper = stretched(index), lower = tap.second == 0 ? upper : stretched(index + 1)
            RowKernels.mixTwo(
                upper, lower, second: tap.second, into: target.pointer + y &* target.stride, count: target.width)
        }
    }

    /// Weighs neighbours from the eight inputs into the eight outputs; the last pixel stands for those past the end.
    private func gather(length: Int, _ table: ScaleTable, count: Int) {
        ColumnKernels.pack(inputs, into: columns, count: length)
        columns[length] = columns[length - 1]
        columns[length + 1] = columns[length - 1]
        table.taps.withUnsafeBufferPointer { taps in
            guard let taps = taps.baseAddress else { return }
            if table.usesThird {
                ColumnKernels.gatherThree(columns, taps: taps, into: outputs, count: count)
            } else {
                ColumnKernels.gatherTwo(columns, taps: taps, into: outputs, count: count)
            }
        }
    }
}
