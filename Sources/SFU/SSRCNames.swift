// The SSRCs of one transport, none of which is ever given twice.

import RTC

/// Names for what one session sends, under one key for all of it: two equal ones would count the same packet indices, and so encrypt
/// two packets under one nonce, which gives the key away (RFC 7714 section 8.1, RFC 3711 section 9.1).
///
/// Drawn each for itself, hundreds of 32 bits meet sometimes, and what has ended would have to be remembered. An odd step from
/// anywhere comes back only after all 2^32.
struct SSRCNames: Sendable {
    /// Chrome probes with 0, and reports are made under 1.
    private static let reserved = 0...Session.reporterSSRC

    private var last: UInt32
    private let step: UInt32

    /// Begins anywhere.
    ///
    /// - Parameters:
    ///   - last: what lies before the first name.
    ///   - step: from one name to the next; an even one counts as the next odd one.
    init(after last: UInt32 = SecureRandom.u32(), step: UInt32 = SecureRandom.u32()) {
        self.last = last
        self.step = step | 1
    }

    /// A name that was not given before.
    mutating func take() -> UInt32 {
        repeat { last &+= step } while Self.reserved.contains(last)
        return last
    }
}
