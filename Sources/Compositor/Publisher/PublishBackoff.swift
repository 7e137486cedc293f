// How long to wait before the next attempt to connect. Pure.

/// Doubles the wait from 0.1 s to 2 s, with jitter, and starts again after a connection that lasted.
struct PublishBackoff {
    static let shortestMilliseconds: Int64 = 100, longestMilliseconds: Int64 = 2000
    /// A connection that ran for so long was a good one.
    static let lastingMilliseconds: Int64 = 5000
    private var step = shortestMilliseconds

    /// Returns the wait after a connection has ended, or could not be made, in milliseconds.
    ///
    /// - Parameters:
    ///   - ranMilliseconds: how long the stream ran; 0 when it never did.
    ///   - isRefused: whether the stream's name was refused: Output may only not know the event yet.
    ///   - generator: for the jitter.
    mutating func delay(
        ranMilliseconds: Int64, isRefused: Bool, using generator: inout some RandomNumberGenerator
    ) -> Int64 {
        if isRefused {
            step = Self.longestMilliseconds
            return step
        }
        if ranMilliseconds >= Self.lastingMilliseconds { step = Self.shortestMilliseconds }
        defer { step = min(step * 2, Self.longestMilliseconds) }
        return .random(in: step / 2...step, using: &generator)
    }
}
