// Token buckets by caller, bounded in number.

public import Media
internal import Synchronization

/// Limits how often each of many callers may do something.
public final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var at: MonotonicTime
    }

    private let perSecond: Double, burst: Double, limit: Int
    private let buckets = Mutex<[String: Bucket]>([:])

    /// Creates a limiter.
    ///
    /// - Parameters:
    ///   - perSecond: how fast a bucket fills.
    ///   - burst: how much it holds.
    ///   - limit: how many callers are remembered; full buckets are forgotten first.
    public init(perSecond: Double, burst: Double, limit: Int = 20_000) {
        self.perSecond = perSecond
        self.burst = burst
        self.limit = limit
    }

    /// Takes one token.
    ///
    /// - Returns: nil when it was there, else after how many milliseconds one will be.
    public func take(_ caller: String, now: MonotonicTime, amount: Double = 1) -> Int64? {
        buckets.withLock { buckets in
            if buckets[caller] == nil, buckets.count >= limit {
                buckets = buckets.filter { !isFull($0.value, now) }
                // Everybody is busy: whoever is new waits, so that memory stays bounded.
                guard buckets.count < limit else { return 1000 }
            }
            var bucket = buckets[caller] ?? Bucket(tokens: burst, at: now)
            bucket.tokens = level(bucket, now)
            bucket.at = now
            defer { buckets[caller] = bucket }
            guard bucket.tokens >= amount else { return Int64((amount - bucket.tokens) / perSecond * 1000) + 1 }
            bucket.tokens -= amount
            return nil
        }
    }

    private func level(_ bucket: Bucket, _ now: MonotonicTime) -> Double {
        min(burst, bucket.tokens + Double(max(0, now.nanoseconds(since: bucket.at))) / 1e9 * perSecond)
    }

    private func isFull(_ bucket: Bucket, _ now: MonotonicTime) -> Bool { level(bucket, now) >= burst }
}
