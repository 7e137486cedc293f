// Bytes that have arrived and are not understood yet.

/// A queue of received bytes with a cheap front.
struct InputBuffer: Sendable {
    private var bytes: [UInt8] = []
    private var head = 0

    var count: Int { bytes.count - head }

    /// The byte `offset` places from the front; the caller has checked `count`.
    subscript(offset: Int) -> UInt8 { bytes[head + offset] }

    mutating func append(_ new: UnsafeRawBufferPointer) {
        if head > 0, head == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 256 << 10)
            head = 0
        } else if head > 64 << 10 {
            bytes.removeFirst(head)
            head = 0
        }
        bytes.append(contentsOf: new)
    }

    mutating func drop(_ length: Int) { head += min(length, count) }

    /// Moves bytes from the front to the end of an array.
    mutating func move(_ length: Int, to target: inout [UInt8]) {
        let end = head + min(length, count)
        target.append(contentsOf: bytes[head..<end])
        head = end
    }

    mutating func removeAll() {
        bytes = []
        head = 0
    }

    func big24(at offset: Int) -> UInt32 {
        UInt32(self[offset]) << 16 | UInt32(self[offset + 1]) << 8 | UInt32(self[offset + 2])
    }

    func big32(at offset: Int) -> UInt32 { UInt32(self[offset]) << 24 | big24(at: offset + 1) }
}
