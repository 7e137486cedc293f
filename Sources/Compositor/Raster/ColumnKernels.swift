// Eight rows of bytes turned into columns of eight, weighed with their neighbours, and turned back.

// Neighbours in a row cannot be weighed many at a time, because each destination pixel takes other ones; the same
// column of eight rows can. Only wrapping arithmetic and bitwise steps between lanes of one width are used: those of
// Swift's SIMD types are single instructions, while their conversions between widths are calls, element by element.

/// The same pixel of eight rows, one per lane.
typealias Column = SIMD8<UInt16>

/// Kernels over eight rows at once; row pointers may repeat, and hold at least `count` bytes each.
enum ColumnKernels {
    /// Eight rows as columns: lane `r` of column `x` is byte `x` of row `r`.
    ///
    /// - Parameters:
    ///   - rows: eight pointers.
    ///   - columns: room for `count` columns.
    ///   - count: bytes per row, at least 1.
    @inline(never)
    static func pack(
        _ rows: UnsafePointer<UnsafePointer<UInt8>>, into columns: UnsafeMutablePointer<Column>, count: Int
    ) {
        guard count >= 8 else {
            for x in 0..<count {
                var column = Column()
                for row in 0..<8 { column[row] = UInt16(truncatingIfNeeded: rows[row][x]) }
                columns[x] = column
            }
            return
        }
        let (r0, r1, r2, r3) = (rows[0], rows[1], rows[2], rows[3])
        let (r4, r5, r6, r7) = (rows[4], rows[5], rows[6], rows[7])
        var x = 0
        while x < count {
            // The last eight overlap those before them, so that nothing past the end is read.
            let at = min(x, count &- 8)
            let even = halves(pair(r0, r4, at), pair(r2, r6, at)), odd = halves(pair(r1, r5, at), pair(r3, r7, at))
            let out = columns + at
            split(quarters(even.0, odd.0), into: out)
            split(quarters(even.1, odd.1), into: out + 4)
            x &+= 8
        }
    }

    /// Weighs two neighbours for each destination pixel of eight rows; the third is not looked at.
    @inline(never)
    static func gatherTwo(
        _ source: UnsafePointer<Column>, taps: UnsafePointer<ScaleTap>,
        into rows: UnsafePointer<UnsafeMutablePointer<UInt8>>, count: Int
    ) { gather(source, taps, usesThird: false, into: rows, count: count) }

    /// Weighs three neighbours for each destination pixel of eight rows.
    @inline(never)
    static func gatherThree(
        _ source: UnsafePointer<Column>, taps: UnsafePointer<ScaleTap>,
        into rows: UnsafePointer<UnsafeMutablePointer<UInt8>>, count: Int
    ) { gather(source, taps, usesThird: true, into: rows, count: count) }

    /// One destination column: the weights sum to 256, so that differences may wrap but the sum never leaves 16 bits.
    @inline(__always)
    private static func weigh(_ source: UnsafePointer<Column>, _ tap: ScaleTap, usesThird: Bool) -> Column {
        let at = source + Int(truncatingIfNeeded: tap.index), middle = at[1]
        var sum = (middle &<< 8) &+ (at[0] &- middle) &* Column(repeating: tap.first) &+ 128
        if usesThird { sum = sum &+ (at[2] &- middle) &* Column(repeating: tap.third) }
        return sum &>> 8
    }

    @inline(__always)
    private static func gather(
        _ source: UnsafePointer<Column>, _ taps: UnsafePointer<ScaleTap>, usesThird: Bool,
        into rows: UnsafePointer<UnsafeMutablePointer<UInt8>>, count: Int
    ) {
        guard count >= 8 else {
            for x in 0..<count {
                let column = weigh(source, taps[x], usesThird: usesThird)
                for row in 0..<8 { rows[row][x] = UInt8(truncatingIfNeeded: column[row]) }
            }
            return
        }
        let (r0, r1, r2, r3) = (rows[0], rows[1], rows[2], rows[3])
        let (r4, r5, r6, r7) = (rows[4], rows[5], rows[6], rows[7])
        var x = 0
        while x < count {
            let at = min(x, count &- 8)
            // Pairs of columns as bytes of one lane, then two pairs, then four: a transposition in three steps.
            let near = taps + at
            let a = both(source, near, usesThird), b = both(source, near + 2, usesThird)
            let c = both(source, near + 4, usesThird), d = both(source, near + 6, usesThird)
            let left = quarters(words(a), words(b)), right = quarters(words(c), words(d))
            let even = halves(longs(left.0), longs(right.0)), odd = halves(longs(left.1), longs(right.1))
            store(longs(even.0), r0, r4, at)
            store(longs(even.1), r2, r6, at)
            store(longs(odd.0), r1, r5, at)
            store(longs(odd.1), r3, r7, at)
            x &+= 8
        }
    }

    /// Two destination columns as the bytes of one lane.
    @inline(__always)
    private static func both(
        _ source: UnsafePointer<Column>, _ taps: UnsafePointer<ScaleTap>, _ usesThird: Bool
    ) -> Column {
        weigh(source, taps[0], usesThird: usesThird) | (weigh(source, taps[1], usesThird: usesThird) &<< 8)
    }

    @inline(__always)
    private static func words(_ value: Column) -> SIMD4<UInt32> { unsafeBitCast(value, to: SIMD4<UInt32>.self) }

    @inline(__always)
    private static func longs(_ value: SIMD4<UInt32>) -> SIMD2<UInt64> { unsafeBitCast(value, to: SIMD2<UInt64>.self) }

    /// Lower halves of two vectors' lanes side by side, and upper halves.
    @inline(__always)
    private static func halves(_ a: SIMD2<UInt64>, _ b: SIMD2<UInt64>) -> (SIMD4<UInt32>, SIMD4<UInt32>) {
        let low = SIMD2<UInt64>(repeating: 0xFFFF_FFFF)
        let lower = (a & low) | (b &<< 32), upper = (a &>> 32) | (b & ~low)
        return (unsafeBitCast(lower, to: SIMD4<UInt32>.self), unsafeBitCast(upper, to: SIMD4<UInt32>.self))
    }

    /// The same for lanes of half the width.
    @inline(__always)
    private static func quarters(_ a: SIMD4<UInt32>, _ b: SIMD4<UInt32>) -> (SIMD4<UInt32>, SIMD4<UInt32>) {
        let low = SIMD4<UInt32>(repeating: 0xFFFF)
        return ((a & low) | (b &<< 16), (a &>> 16) | (b & ~low))
    }

    /// Two pairs of columns, written as four columns.
    @inline(__always)
    private static func split(
        _ pairs: (SIMD4<UInt32>, SIMD4<UInt32>), into columns: UnsafeMutablePointer<Column>
    ) {
        let first = unsafeBitCast(pairs.0, to: Column.self), second = unsafeBitCast(pairs.1, to: Column.self)
        columns[0] = first & 255
        columns[1] = first &>> 8
        columns[2] = second & 255
        columns[3] = second &>> 8
    }

    /// Eight bytes of two rows.
    @inline(__always)
    private static func pair(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ at: Int) -> SIMD2<UInt64> {
        SIMD2(
            UInt64(littleEndian: UnsafeRawPointer(a + at).loadUnaligned(as: UInt64.self)),
            UInt64(littleEndian: UnsafeRawPointer(b + at).loadUnaligned(as: UInt64.self)))
    }

    /// Writes eight bytes of two rows.
    @inline(__always)
    private static func store(
        _ bytes: SIMD2<UInt64>, _ a: UnsafeMutablePointer<UInt8>, _ b: UnsafeMutablePointer<UInt8>, _ at: Int
    ) {
        UnsafeMutableRawPointer(a + at).storeBytes(of: bytes[0].littleEndian, as: UInt64.self)
        UnsafeMutableRawPointer(b + at).storeBytes(of: bytes[1].littleEndian, as: UInt64.self)
    }
}
