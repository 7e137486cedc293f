// How long to wait before the next attempt to connect. Pure.

/// Lets the wait grow from a shortest to a longest one, with jitter, and starts again after a connection that lasted.
struct PublishBackoff: Sendable {
    /// A connection that ran for so long was a good one.
    static let lastingMilliseconds: Int64 = 5000
    private let shortestMilliseconds: Int64, longestMilliseconds: Int64
    /// How much longer each wait is than the last, in percent.
    private let growthPercent: Int64
    private var step: Int64

    /// Creates a backoff; by default that of our own pipeline: 0.1 s, doubled up to 2 s.
    init(shortestMilliseconds: Int64 = 100, longestMilliseconds: Int64 = 2000, growthPercent: Int64 = 200) {
        self.shortestMilliseconds = shortestMilliseconds
        self.longestMilliseconds = longestMilliseconds
        self.growthPercent = growthPercent
        step = shortestMilliseconds
    }

    /// Returns the wait after a connection has ended, or could not be made, in milliseconds.
    ///
    /// - Parameters:
    ///   - ranMilliseconds: how long the stream ran; 0 when it never did.
    ///   - isRefused: whether the stream's name was refused: Output may only not know the event yet, and a server may
    ///     still hold the last session.
    ///   - generator: for the jitter.
    mutating func delay(
        ranMilliseconds: Int64, isRefused: Bool, using generator: inout some RandomNumberGenerator
    ) -> Int64 {
        if isRefused {
            step = max(step, min(2000, longestMilliseconds))
            defer { step = min(step * growthPercent / 100, longestMilliseconds) }
            return step
        }
        if ranMilliseconds >= Self.lastingMilliseconds { step = shortestMilliseconds }
        defer { step = min(step * growthPercent / 100, longestMilliseconds) }
        return .random(in: step / 2...step, using: &generator)
    }
}
