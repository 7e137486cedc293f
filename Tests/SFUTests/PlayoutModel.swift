// What a browser shows of pictures that come when they come: each at its time, those that are late at once, and what it calls a freeze.

/// A receiver's clock for pictures, in milliseconds; as libwebrtc has it, but for jitter of its own.
struct PlayoutModel {
    /// The wait moves by no more than this part of the time.
    private static let change = 0.1
    private(set) var shown = 0, freezes = 0, frozenMs = 0.0
    /// Pictures that were shown later than they should have been, and the longest pause between two.
    private(set) var late = 0, longestMs = 0.0
    private(set) var delayMs = 0.0
    private var shortest: Double?, lastCaptured: Double?, lastShown: Double?
    private var intervals: [Double] = []

    /// Takes the next picture when it can be decoded.
    ///
    /// - Parameters:
    ///   - captured: when it was captured.
    ///   - told: how long the sender wants pictures to wait.
    mutating func decode(captured: Double, now: Double, told: Double) {
        // What the way takes at the least; a way that has become longer is known after a while.
        shortest = min((shortest ?? .infinity) + 0.5, now - captured)
        let step = max(0, captured - (lastCaptured ?? captured)) * Self.change
        delayMs += min(step, max(-step, told - delayMs))
        lastCaptured = captured
        let due = captured + (shortest ?? 0) + delayMs
        if now > due + 1 { late += 1 }
        let at = max(now, due, lastShown ?? 0)
        if let lastShown { note(at - lastShown) }
        lastShown = at
        shown += 1
    }

    /// A freeze is three times as long as usual, and 150 ms more than that at least.
    private mutating func note(_ interval: Double) {
        longestMs = max(longestMs, interval)
        let mean = intervals.reduce(0, +) / Double(max(1, intervals.count))
        if intervals.count >= 5, interval >= max(3 * mean, mean + 150) {
            freezes += 1
            frozenMs += interval
        }
        intervals.append(interval)
        if intervals.count > 30 { intervals.removeFirst() }
    }

    /// Forgets what was counted.
    mutating func restart() { (shown, freezes, frozenMs, late, longestMs) = (0, 0, 0, 0, 0) }
}
