// Reading IVF, the plainest container of VP8: a header, then each frame behind its length and time.

/// The frames of an IVF file.
struct IVFFile: Sendable {
    /// A frame and when it is shown, in units of the file's time base.
    struct Frame: Sendable {
        let bytes: [UInt8], timestamp: UInt64
    }

    /// The largest file that is read whole.
    static let limitBytes = 256 << 20
    /// The codec's four letters.
    let codec: String
    /// The time base: ticks per second.
    let ticksPerSecond: Double
    /// All whole frames.
    let frames: [Frame]

    /// Reads a file's bytes.
    ///
    /// - Throws: `LoadError` when they are not IVF, or hold no frame.
    init(_ bytes: [UInt8]) throws(LoadError) {
        func number(_ offset: Int, _ count: Int) -> UInt64 {
            guard offset >= 0, offset + count <= bytes.count else { return 0 }
            return bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.count >= 32, bytes.starts(with: Array("DKIF".utf8)) else {
            throw LoadError("The file is not IVF.")
        }
        codec = String(decoding: bytes[8..<12], as: UTF8.self)
        let rate = Double(number(16, 4)), scale = Double(number(20, 4))
        ticksPerSecond = rate > 0 && scale > 0 ? rate / scale : 30
        var frames: [Frame] = [], offset = max(32, Int(number(6, 2)))
        while offset + 12 <= bytes.count {
            let length = Int(number(offset, 4))
            guard length > 0, offset + 12 + length <= bytes.count else { break }
            frames.append(
                Frame(bytes: Array(bytes[(offset + 12)..<(offset + 12 + length)]), timestamp: number(offset + 4, 8)))
            offset += 12 + length
        }
        guard !frames.isEmpty else { throw LoadError("The file holds no frame.") }
        self.frames = frames
    }
}
