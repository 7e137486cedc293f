// How long packets wait on the way now, beyond what the way itself takes: what tells a full queue from noise.

/// The waiting time of a path; pure.
///
/// The quickest packet of a moment has waited as long as every other one has at least: jitter, packets that were overtaken and
/// the bursts of large pictures leave it alone, and a queue that does not empty does not.
struct QueueDelay: Sendable {
    /// The quickest of so much time is what waits now, and of so much more the way itself: clocks drift by 100 ppm, and ways change.
    private static let momentNs: Int64 = 100_000_000, pathNs: Int64 = 30_000_000_000

    private struct Quickest: Sendable {
        let length: Int64
        private var begin: Int64?, current = Int64.max, before = Int64.max

        init(length: Int64) { self.length = length }

        var value: Int64 { min(current, before) }
        mutating func note(_ delay: Int64, at time: Int64) {
            let since = begin ?? time
            if begin == nil { begin = time }
            let age = time &- since
            if age >= length {
                before = age >= 2 * length ? .max : current
                current = .max
                begin = time
            }
            current = min(current, delay)
        }
    }

    private var moment = Quickest(length: momentNs), path = Quickest(length: pathNs), longer = LongerWay()
    private var busy = BusyPeriod()

    init() {}

    /// Takes note of a packet, in nanoseconds on the sender's and on the receiver's clock.
    ///
    /// - Parameter size: its bytes; 0 where they were noted before.
    /// - Returns: whether the way turns out to have become longer: what seemed to wait has not.
    mutating func note(sentAt: Int64, arrivedAt: Int64, size: Int) -> Bool {
        let delay = arrivedAt &- sentAt
        moment.note(delay, at: sentAt)
        path.note(delay, at: sentAt)
        busy.note(sentAt: sentAt, arrivedAt: arrivedAt, waitedNs: delay &- path.value)
        guard let way = longer.note(delay: delay, size: size, at: sentAt, path: path.value) else { return false }
        path = Quickest(length: Self.pathNs)
        path.note(way, at: sentAt)
        busy.restart()
        return true
    }

    /// Takes note of a packet that is lost, or that nothing is told of.
    mutating func note(lost size: Int) { longer.note(lost: size) }

    /// How long one packet has waited, in nanoseconds.
    func waited(sentAt: Int64, arrivedAt: Int64) -> Int64 { arrivedAt &- sentAt &- path.value }

    /// For how long packets have come out of a queue one after the other, in milliseconds.
    var busyMs: Double { Double(busy.lengthNs) / 1e6 }

    /// How long every packet of the last moment has waited, in milliseconds.
    var waitingMs: Double {
        guard moment.value != .max, path.value != .max else { return 0 }
        return Double(moment.value &- path.value) / 1e6
    }
}
