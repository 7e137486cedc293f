// Which layers one track may be sent in to one subscriber: down at once, up only when it holds.

import Media

/// The layers that a subscriber's line has room for; pure, in the times that it is told.
struct LayerGrant: Sendable, Hashable {
    /// How long there must have been room for more before more is sent; longer for a while after it turned out to be too much.
    static let holdMs: Int64 = 500, cautiousHoldMs: Int64 = 2500, cautionMs: Int64 = 10_000
    /// A layer that was sent for less than this was too much: it is not tried again for so long, and twice as long each time.
    static let provenMs: Int64 = 30_000, firstWaitMs: Int64 = 5000, maximumWaitMs: Int64 = 60_000

    /// A bit for each layer that may be sent.
    private(set) var allowed = UInt8.max
    /// The largest layer that may be sent where not all may, -1 for none.
    private var top = -1
    private var isFresh = true
    private var roomSince: MonotonicTime?, lastDown: MonotonicTime?, lastUp: MonotonicTime?
    private var waitMs: Int64 = 0
    /// The same of the smallest layer, where there was no picture before.
    private var pausedWaitMs: Int64 = 0, wasPaused = false
    /// Whether the last step up was one for which there was ample room, and whether such a step has turned out to be too much.
    private var wasAmple = false, isMisled = false

    /// Whether all may be sent.
    var isWhole: Bool { allowed == .max }
    /// Whether nothing may be sent: not even the smallest fits.
    var isPaused: Bool { allowed == 0 }
    /// The largest layer that may be sent; nil where all may, or none.
    var largest: Int? { top >= 0 ? top : nil }

    /// Lets everything be sent.
    mutating func release() {
        guard !isWhole || roomSince != nil else { return }
        allowed = .max
        top = -1
        roomSince = nil
    }

    /// Which of the layers that can be chosen from may be sent now, as a number of them.
    ///
    /// - Parameter order: the layers that come, the smallest first, up to the one that fills what is shown.
    func level(of order: some Collection<Int>) -> Int {
        guard !isWhole else { return order.count }
        guard let place = order.firstIndex(of: top) else {
            return order.reduce(0) { $0 + (allowed >> UInt8($1 & 7) & 1 == 1 ? 1 : 0) }
        }
        return order.distance(from: order.startIndex, to: place) + 1
    }

    /// Follows an allocation.
    ///
    /// - Parameters:
    ///   - order: the layers that come, the smallest first, up to the one that fills what is shown.
    ///   - fitting: how many of them fit.
    ///   - raised: how many would still fit with some room to spare, all that is sent to others counted.
    ///   - ample: how many would fit with so much to spare that it is another line than the one that had no room.
    ///   - steadySince: since when the line has carried no less; nil where that is not known. What went up behind that and does not fit
    ///     now gives way to another picture, and was not too much.
    mutating func follow(
        _ order: some Collection<Int>, fitting: Int, raised: Int, ample: Int = 0, steadySince: MonotonicTime? = nil,
        now: MonotonicTime
    ) {
        let level = level(of: order)
        if isFresh || fitting < level {
            if !isFresh { fall(steadySince, now) }
            isFresh = false
            roomSince = nil
            set(fitting, order)
        } else if raised > level {
            let since = roomSince ?? now
            roomSince = since
            let sinceDown = lastDown.map { now.milliseconds(since: $0) } ?? .max
            let isAmple = ample > level
            let hold = sinceDown < Self.cautionMs ? Self.cautiousHoldMs : Self.holdMs
            // Any picture is better than none, but not one that comes and goes every few seconds.
            var wait = level == 0 ? pausedWaitMs : waitMs
            if isAmple { wait = isMisled ? min(wait, Self.cautionMs) : 0 }
            guard now.milliseconds(since: since) >= hold, sinceDown >= wait else { return }
            roomSince = nil
            lastUp = now
            wasAmple = isAmple
            wasPaused = level == 0
            set(isAmple ? min(ample, raised) : raised, order)
        } else {
            roomSince = nil
            // Layers come and go: what holds is said anew of those that come.
            set(level, order)
        }
    }

    /// Forgets the last step down: it was for nothing.
    mutating func forgive() {
        lastDown = nil
        waitMs = 0
        pausedWaitMs = 0
        isMisled = false
    }

    private mutating func fall(_ steadySince: MonotonicTime?, _ now: MonotonicTime) {
        lastDown = now
        guard let up = lastUp else { return }
        lastUp = nil
        if let steadySince, steadySince <= up { return }
        let age = now.milliseconds(since: up), isShort = age < Self.provenMs
        waitMs = isShort ? Self.longer(waitMs) : 0
        pausedWaitMs = isShort ? (wasPaused ? Self.longer(pausedWaitMs) : pausedWaitMs) : 0
        isMisled = isShort && (isMisled || wasAmple && age < Self.cautionMs)
    }

    private static func longer(_ wait: Int64) -> Int64 { min(max(2 * wait, firstWaitMs), maximumWaitMs) }

    private mutating func set(_ level: Int, _ order: some Collection<Int>) {
        guard level < order.count else {
            allowed = .max
            top = -1
            return
        }
        allowed = 0
        top = -1
        for layer in order.prefix(level) {
            allowed |= 1 << UInt8(layer & 7)
            top = layer
        }
    }
}
