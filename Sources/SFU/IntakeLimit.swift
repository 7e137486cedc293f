// How much is taken of one session: a bound on its bytes and on its packets, far above what anybody needs.

import Media
import RTC

/// What is taken of a session, and how much at once: as much as comes in a second.
struct IntakeRate: Sendable, Hashable {
    /// On the wire, without the headers of UDP and IP.
    var bitsPerSecond: Int64
    var packetsPerSecond: Int64

    /// What is taken of one who sends: four times what it is told that it may, because a browser asks the line for more than that
    /// before it settles, an encoder that is told nothing keeps its own rate, and all that is lost is sent again.
    ///
    /// - Parameters:
    ///   - told: bits per second that a publisher is told.
    ///   - tracks: how many it sends; each has packets of its own, 50 a second where it is sound.
    static func publishing(told: Int, tracks: Int) -> Self {
        Self(
            bitsPerSecond: 4 * Int64(clamping: told) + 500_000 * Int64(clamping: tracks),
            packetsPerSecond: 3000 + 200 * Int64(clamping: tracks))
    }

    /// What is taken of one who only receives: reports, feedback, and requests for what was lost, fifty a second of a bad line
    /// for each track.
    static func receiving(sections: Int) -> Self {
        Self(
            bitsPerSecond: 2_000_000 + 200_000 * Int64(clamping: sections),
            packetsPerSecond: 500 + 100 * Int64(clamping: sections))
    }
}

/// Two leaky buckets of a session, and a third for its checks.
///
/// Each is one moment: until when what was taken would last at the rate. So there is nothing to fill up, and no allocation. Checks
/// (STUN) have their own, because consent must not be lost with media that is too much, nor media with checks.
struct IntakeLimit: Sendable {
    /// How much may come at once, as time at the rate.
    static let burstNanoseconds: Int64 = 1_000_000_000
    /// Checks of one session: a browser sends 20 a second for each path while it looks for one.
    static let checksPerSecond: Int64 = 200

    private var bytesUntil = Int64.min, packetsUntil = Int64.min, checksUntil = Int64.min
    /// The latest moment that was told.
    private var clock = Int64.min

    /// Takes a datagram, unless it is too much.
    ///
    /// - Parameters:
    ///   - datagram: as it came; nothing of it is trusted yet.
    ///   - rate: what is taken of this session now.
    ///   - now: when it came.
    /// - Returns: whether it is taken; what is not takes nothing from what follows.
    @inline(__always)
    mutating func takes(_ datagram: UnsafeRawBufferPointer, _ rate: IntakeRate, now: MonotonicTime) -> Bool {
        // Behind a long pause the oldest are told as of now, for the kernel's word on them is not believed, and what follows as of
        // before: that must not count as if nothing had passed.
        clock = max(clock, now.nanoseconds)
        let now = clock
        if case .stun = DatagramKind(datagram) {
            let checks = max(checksUntil, now) &+ 1_000_000_000 / Self.checksPerSecond
            guard checks &- now <= Self.burstNanoseconds else { return false }
            checksUntil = checks
            return true
        }
        let bytes =
            max(bytesUntil, now) &+ Int64(datagram.count) &* 8_000_000_000 / max(1, rate.bitsPerSecond)
        let packets = max(packetsUntil, now) &+ 1_000_000_000 / max(1, rate.packetsPerSecond)
        guard bytes &- now <= Self.burstNanoseconds, packets &- now <= Self.burstNanoseconds else { return false }
        (bytesUntil, packetsUntil) = (bytes, packets)
        return true
    }
}

extension Session {
    /// Takes a datagram for the session, unless more comes than anybody needs to send.
    ///
    /// - Parameters:
    ///   - told: bits per second that publishers are told.
    ///   - now: when it came; what waited here while the shard was late was not sent at once.
    @inline(__always)
    func takes(_ datagram: UnsafeRawBufferPointer, told: Int, now: MonotonicTime) -> Bool {
        let rate: IntakeRate =
            isPublisher
            ? .publishing(told: told, tracks: producers.count)
            : .receiving(sections: max(sections.count, seats.count))
        return intake.takes(datagram, rate, now: now)
    }
}
