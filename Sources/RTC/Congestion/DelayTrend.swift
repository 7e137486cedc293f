// Whether a queue grows on the way, by the trend of the packets' delays (draft-ietf-rmcat-gcc-02 sections 5.3 and 5.4, with
// a least-squares line in the place of the Kalman filter, as browsers have it).

/// What the delays say of the use of the path.
enum PathUse: Sendable, Hashable { case normal, over, under }

/// The trend of the delays, and the threshold that moves with it; pure.
struct DelayTrend: Sendable {
    /// Points that the line is laid through, and the weight of what was in the smoothing of each.
    private static let window = 20, smoothing = 0.9
    /// The slope is weighed by how many points there are, up to so many, and by a gain.
    private static let maximumWeight = 60, gain = 4.0
    /// How fast the threshold follows, per millisecond, up and down; its bounds; and what lies so far above that it is let be.
    private static let upward = 0.0087, downward = 0.039, bounds = 6.0...600.0, outlier = 15.0
    /// For how long over-use must last, in milliseconds.
    private static let patience = 10.0

    private var points: [(x: Double, y: Double)] = []
    private var oldest = 0, count = 0
    private var delay = 0.0, smoothed = 0.0, origin: Double?
    private var threshold = 12.5, lastChange: Double?
    private var overMs: Double?, overCount = 0, previous = 0.0
    /// What the last gap said.
    private(set) var use = PathUse.normal

    init() {}

    /// Takes the gap between two groups.
    mutating func note(_ gap: ArrivalGroups.Gap) {
        let origin = origin ?? gap.atMs
        self.origin = origin
        delay += gap.arrivedMs - gap.sentMs
        smoothed = Self.smoothing * smoothed + (1 - Self.smoothing) * delay
        count = min(count + 1, 1000)
        if points.count < Self.window {
            points.append((gap.atMs - origin, smoothed))
        } else {
            points[oldest] = (gap.atMs - origin, smoothed)
            oldest = (oldest + 1) % Self.window
        }
        let trend = points.count == Self.window ? slope() ?? previous : previous
        judge(trend, gap)
    }

    private func slope() -> Double? {
        let number = Double(points.count)
        let meanX = points.reduce(0) { $0 + $1.x } / number, meanY = points.reduce(0) { $0 + $1.y } / number
        var over = 0.0, under = 0.0
        for point in points {
            over += (point.x - meanX) * (point.y - meanY)
            under += (point.x - meanX) * (point.x - meanX)
        }
        return under > 0 ? over / under : nil
    }

    private mutating func judge(_ trend: Double, _ gap: ArrivalGroups.Gap) {
        guard count >= 2 else { return }
        let weighed = Double(min(count, Self.maximumWeight)) * trend * Self.gain
        if weighed > threshold {
            overMs = overMs.map { $0 + gap.sentMs } ?? gap.sentMs / 2
            overCount += 1
            if (overMs ?? 0) > Self.patience, overCount > 1, trend >= previous {
                overMs = 0
                overCount = 0
                use = .over
            }
        } else {
            overMs = nil
            overCount = 0
            use = weighed < -threshold ? .under : .normal
        }
        previous = trend
        follow(weighed, atMs: gap.atMs)
    }

    private mutating func follow(_ weighed: Double, atMs: Double) {
        let elapsed = min(max(0, atMs - (lastChange ?? atMs)), 100)
        lastChange = atMs
        let size = abs(weighed)
        guard size <= threshold + Self.outlier else { return }
        let speed = size < threshold ? Self.downward : Self.upward
        threshold = min(
            max(threshold + speed * (size - threshold) * elapsed, Self.bounds.lowerBound), Self.bounds.upperBound)
    }
}
