// Source numbers to outgoing numbers, from the packet on at which a layer was begun.

/// One stretch of one layer: in it every source number has one outgoing number, and no two have the same.
struct SequenceMap: Sendable {
    private static let maximumShifts = 16
    private var shifts: [(from: Int64, offset: Int64)]

    /// Begins with a packet and its outgoing number.
    init(from source: Int64, out: Int64) { shifts = [(source, out &- source)] }

    /// The outgoing number; nil for what lies before the first packet, or too far back.
    @inline(__always)
    func out(_ source: Int64) -> Int64? {
        var index = shifts.count - 1
        while index >= 0 {
            if shifts[index].from <= source { return source &+ shifts[index].offset }
            index -= 1
        }
        return nil
    }

    /// Closes the hole that a packet without payload would leave.
    ///
    /// - Parameter source: a number beyond every one that was sent: an outgoing number that was used must never be used again
    ///   with another payload, because it is also the nonce of the encryption (RFC 7714 section 8.1).
    mutating func skip(_ source: Int64) {
        guard let place = shifts.lastIndex(where: { $0.from <= source }) else { return }
        let offset = shifts[place].offset - 1
        for index in shifts.indices where index > place { shifts[index].offset -= 1 }
        shifts.insert((source + 1, offset), at: place + 1)
        if shifts.count > Self.maximumShifts { shifts.removeFirst() }
    }
}
