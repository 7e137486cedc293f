// How much sound a WAV file says that it has, which libavformat keeps to itself when the file is shorter.

/// Reads the list of chunks of a WAV file (RIFF, and ITU-R BS.2088 for lengths of 64 bits).
enum WaveHeader {
    /// The bytes of sound that the header tells; nil when it tells none, as one that was written without an end.
    static func soundBytes(_ cursor: FileCursor) -> Int64? {
        let isLong = !cursor.bytes(4, at: 0).elementsEqual("RIFF".utf8)
        var place: Int64 = 12, told: UInt64?
        for _ in 0..<1000 {
            let head = cursor.bytes(8, at: place)
            guard head.count == 8 else { return nil }
            let length = number(head[4...])
            if head.starts(with: "data".utf8) {
                if !isLong { told = length == 0 || length == UInt64(UInt32.max) ? nil : length }
                // Far more than there is room for, so that sums can't overflow.
                return told.map { Int64(min($0, 1 << 50)) }
            }
            if isLong, head.starts(with: "ds64".utf8) {
                let lengths = cursor.bytes(16, at: place + 8)
                if lengths.count == 16 { told = number(lengths[8...]) }
            }
            // Chunks begin at even places.
            place += 8 + Int64(length + length % 2)
        }
        return nil
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
