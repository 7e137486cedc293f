// Datagrams of equal size go to the kernel as one message, so packets of a picture are made equal.

import RTC

/// How packets of one picture become equally long.
///
/// Senders cut a picture into pieces that differ by a byte, and segmentation (UDP_SEGMENT) takes equal ones only; the last of
/// a run may be shorter. Padding that receivers take off (RFC 3550 section 5.1) makes up for the byte.
enum EqualSizes {
    /// Payloads are filled up to a multiple of so many bytes.
    static let step = 8

    /// The padding of a payload, 0 where its slot has no room for any.
    ///
    /// The entry that is stored must be the one that is sent: with and without padding are different bytes.
    @inline(__always)
    static func padding(of length: Int, behind offset: Int) -> UInt8 {
        guard length > 0, offset + length + step <= PacketStore.slotSize else { return 0 }
        return UInt8(truncatingIfNeeded: (step - length % step) % step)
    }
}
