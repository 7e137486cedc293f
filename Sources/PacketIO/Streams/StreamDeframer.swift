// Packets in a byte stream: a length of two bytes before each (RFC 4571 section 2); pure, without a socket.

/// Cuts the bytes of a stream into packets, and keeps what is not whole yet.
///
/// Bytes are read behind what was kept, in memory that all connections of a loop share; so a connection holds one unfinished
/// packet and no more.
package struct StreamDeframer: ~Copyable {
    /// What came of the bytes.
    package enum Outcome: Sendable, Hashable {
        /// All was cut, the rest is kept.
        case kept
        /// A packet is larger than any that is sent here.
        case oversize
        /// Who takes the packets wants no more.
        case stopped
    }

    /// The largest packet, as for datagrams.
    package static let maximumBytes = UDPSocket.slotSize
    /// The room that `restore` needs at most.
    package static let keptCapacity = maximumBytes + 1

    private let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: keptCapacity)
    /// How many bytes wait for the rest of their packet.
    package private(set) var keptCount = 0

    /// Creates one that has kept nothing.
    package init() {}

    deinit { kept.deallocate() }

    /// Lays what was kept at the beginning of memory into which more is read, and returns how many bytes those are.
    package func restore(to memory: UnsafeMutableRawBufferPointer) -> Int {
        guard keptCount > 0, keptCount <= memory.count, let base = memory.baseAddress else { return 0 }
        base.copyMemory(from: kept, byteCount: keptCount)
        return keptCount
    }

    /// Cuts bytes, which begin with what `restore` returned, into packets.
    ///
    /// - Parameter take: gets each packet, which it may change; false ends the cutting. Packets of no length are stepped over.
    package mutating func cut(
        _ bytes: UnsafeMutableRawBufferPointer, _ take: (UnsafeMutableRawBufferPointer) -> Bool
    ) -> Outcome {
        var offset = 0
        keptCount = 0
        while bytes.count - offset >= 2 {
            let length = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
            guard length <= Self.maximumBytes else { return .oversize }
            guard bytes.count - offset - 2 >= length else { break }
            let start = offset + 2
            offset = start + length
            guard length > 0 else { continue }
            if !take(UnsafeMutableRawBufferPointer(rebasing: bytes[start..<offset])) { return .stopped }
        }
        keptCount = bytes.count - offset
        if keptCount > 0, let base = bytes.baseAddress {
            kept.update(from: (base + offset).assumingMemoryBound(to: UInt8.self), count: keptCount)
        }
        return .kept
    }
}
