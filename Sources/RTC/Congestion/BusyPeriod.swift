// For how long a queue on the way has not been empty, as its packets tell: each goes in before the one ahead has come out.

/// The time in which a queue has let packets out one after the other; pure.
///
/// A receiver that is short of time, and a radio that is silent for a moment, let all out at once that came meanwhile: what has waited
/// there says nothing of the rate of the way.
struct BusyPeriod: Sendable {
    /// What goes in so much later than the one ahead has come out finds an empty queue: nanoseconds, for clocks are read late.
    private static let idleNs: Int64 = 2_000_000

    private var emptyAt: Int64?, firstArrived: Int64 = 0, lastArrived: Int64 = 0

    init() {}

    /// From the arrival of the first packet of the period to that of the last, in nanoseconds.
    var lengthNs: Int64 { lastArrived &- firstArrived }

    /// Takes note of a packet.
    ///
    /// - Parameters:
    ///   - sentAt: when it left, in nanoseconds on the sender's clock.
    ///   - arrivedAt: when it came, in nanoseconds on the receiver's clock.
    ///   - waitedNs: how long it has waited on the way.
    mutating func note(sentAt: Int64, arrivedAt: Int64, waitedNs: Int64) {
        let out = sentAt &+ waitedNs
        guard let emptyAt, sentAt &- emptyAt <= Self.idleNs else {
            emptyAt = out
            (firstArrived, lastArrived) = (arrivedAt, arrivedAt)
            return
        }
        self.emptyAt = max(emptyAt, out)
        lastArrived = max(lastArrived, arrivedAt)
    }

    /// Begins anew where the way itself is another one.
    mutating func restart() { emptyAt = nil }
}
