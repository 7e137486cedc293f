// Acknowledging received bytes, window by window.

/// Counts received bytes; some encoders stop when their windows are not acknowledged.
struct ReceiptCounter: Sendable {
    private(set) var total: UInt64 = 0
    private var acknowledged: UInt64 = 0
    var window: UInt32

    init(window: UInt32) { self.window = window }

    mutating func received(_ count: Int) { total &+= UInt64(count) }

    /// The acknowledgement that is due, if one is.
    mutating func due() -> RTMPMessage? {
        guard window > 0, total - acknowledged >= UInt64(window) else { return nil }
        acknowledged = total
        return ControlMessage.acknowledgement(UInt32(truncatingIfNeeded: total)).message
    }
}
