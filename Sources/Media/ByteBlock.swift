// Bytes that many readers share and nobody changes.

/// An immutable, reference-counted block of bytes: one encoded frame or one segment, written once.
public final class ByteBlock: Sendable {
    /// The number of bytes.
    public let count: Int
    private nonisolated(unsafe) let storage: UnsafeMutableRawPointer

    /// Creates a block by letting the caller write it, once.
    ///
    /// - Parameters:
    ///   - count: the number of bytes, not negative.
    ///   - write: fills the whole buffer.
    public init(count: Int, writing write: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        self.count = max(0, count)
        storage = .allocate(byteCount: max(1, count), alignment: 16)
        do {
            try write(UnsafeMutableRawBufferPointer(start: storage, count: self.count))
        } catch {
            storage.deallocate()
            throw error
        }
    }

    /// Copies the bytes of a buffer.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// Copies the bytes of an array.
    public convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count) { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
    }

    deinit { storage.deallocate() }

    /// Calls a closure with the bytes, valid while it runs.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: storage, count: count))
    }

    /// A copy of the bytes as an array.
    public var array: [UInt8] { withBytes { Array($0) } }
}
