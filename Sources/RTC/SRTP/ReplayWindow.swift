// Which of the last 1024 packets have been seen (RFC 3711 section 3.3.2).

/// A sliding window over unwrapped packet indices.
struct ReplayWindow {
    static let size: Int64 = 1024
    private var words = InlineArray<16, UInt64>(repeating: 0)
    private(set) var highest: Int64 = -1

    /// Whether an index is new, and not older than the window.
    @inline(__always)
    func admits(_ index: Int64) -> Bool {
        if index > highest { return true }
        guard index > highest &- Self.size, index >= 0 else { return false }
        return words[Int(index >> 6 & 15)] & (1 << UInt64(index & 63)) == 0
    }

    /// Notes an index that was admitted and is authentic.
    @inline(__always)
    mutating func insert(_ index: Int64) {
        if index > highest {
            if highest < 0 || index &- highest >= Self.size {
                for word in 0..<16 { words[word] = 0 }
            } else {
                var skipped = highest &+ 1
                while skipped <= index {
                    words[Int(skipped >> 6 & 15)] &= ~(1 << UInt64(skipped & 63))
                    skipped &+= 1
                }
            }
            highest = index
        }
        words[Int(index >> 6 & 15)] |= 1 << UInt64(index & 63)
    }
}
