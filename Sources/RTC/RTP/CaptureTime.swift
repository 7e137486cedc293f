// When what a packet carries was captured, as a header extension (libwebrtc, `docs/native-code/rtp-hdrext/abs-capture-time`).

/// An `abs-capture-time` element.
public struct CaptureTime: Sendable, Hashable {
    /// How many bytes it has with an offset, and without one.
    public static let elementLength = 16, shortLength = 8

    /// The moment, as NTP time of the capturer's clock, 32.32.
    public var ntp: UInt64
    /// What brings it to the clock of who sent the packet, signed 32.32; nil where that is not known.
    public var offset: Int64?

    /// Creates an element.
    public init(ntp: UInt64, offset: Int64? = nil) {
        self.ntp = ntp
        self.offset = offset
    }

    /// Reads an element; nil when its length is wrong.
    @inline(__always)
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.shortLength || bytes.count == Self.elementLength else { return nil }
        func number(_ offset: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
        }
        ntp = number(0)
        if bytes.count == Self.elementLength { offset = Int64(bitPattern: number(8)) }
    }

    /// The moment in nanoseconds since the Unix epoch: on the sender's clock where the offset is known, else on the capturer's.
    @inline(__always)
    public var unixNanoseconds: Int64 { NTPTime.unixNanoseconds(ntp &+ UInt64(bitPattern: offset ?? 0)) }

    /// Writes an element whose moment is of the writer's own clock: an offset of zero says so.
    ///
    /// - Parameter bytes: room for 16 bytes.
    /// - Returns: false when there is less.
    @inline(__always)
    public static func write(unixNanoseconds: Int64, to bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard bytes.count >= elementLength else { return false }
        bytes.storeBytes(of: NTPTime.from(unixNanoseconds: unixNanoseconds).bigEndian, as: UInt64.self)
        bytes.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
        return true
    }
}
