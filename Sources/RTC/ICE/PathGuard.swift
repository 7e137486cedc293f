// Which of a peer's paths media takes: one that is proven, and no other before there is a reason.

public import Media

/// The paths to one peer that have passed an authentic check, and the one among them that media takes.
///
/// The peer controls ICE and says by nominations and by what it sends which path it means; but some nominate every path that
/// answers (Firefox), and none looks at what is lost on the way to it. So a nomination counts once for each path, media is
/// followed once a second at most, and a path on which much is lost is left for another that is proven, and not taken again
/// for a time that grows with each such move.
///
/// Only `noteCheck` makes a path; so what is forged can't lead media anywhere (RFC 7675 section 3).
public struct PathGuard: Sendable {
    /// How many paths of one peer are kept.
    public static let maximumPaths = 8
    /// Without an authentic check for this long, consent to a path has ended (RFC 7675 section 5.1).
    public static let consentMs: Int64 = 30_000
    /// Media is followed to another path at most this often.
    static let followMs: Int64 = 1000
    /// A nominated path takes over from one that was not checked for this long: checks come every 5 s (RFC 7675 section 5.1).
    static let staleMs: Int64 = 12_000
    /// A path is left when so much of 256 is lost in so many reports in a row, over so long.
    static let lossyFraction: UInt8 = 38, lossyReports = 3, lossyMs: Int64 = 2000
    /// A path that is moved to must have been checked so lately.
    static let freshMs: Int64 = 15_000
    /// For how long a path that was left is not taken again, at first and at most.
    static let avoidMs: Int64 = 30_000, longestAvoidMs: Int64 = 600_000

    private struct Path: Sendable {
        var address: NetworkAddress, checked: MonotonicTime
        var isNominated = false
    }

    /// The path that media takes; nil where none has consent.
    public private(set) var selected: NetworkAddress?
    /// How often media has gone over to another path.
    public private(set) var moves = 0
    /// Changes whenever `addresses` does.
    public private(set) var version: UInt32 = 0
    private var paths: [Path] = []
    private var lastFollowed: MonotonicTime?
    /// The paths that were left, and until when: of more than there are, as one that is forgotten may be found again.
    private var avoided: [(address: NetworkAddress, until: MonotonicTime)] = []
    private var nextAvoidMs = avoidMs
    private var lossy: (reports: Int, since: MonotonicTime)?

    /// Starts without a path.
    public init() {}

    /// The paths with consent.
    public var addresses: [NetworkAddress] { paths.map(\.address) }

    /// Whether a path has passed an authentic check.
    @inline(__always)
    public func isValidated(_ address: NetworkAddress) -> Bool {
        for path in paths where path.address == address { return true }
        return false
    }

    /// Whether the last report told of much loss.
    public var isLossy: Bool { lossy != nil }

    /// When the first path runs out of consent.
    public var deadline: MonotonicTime? {
        paths.map { $0.checked.advanced(byMilliseconds: Self.consentMs) }.min()
    }

    /// Takes note of an authentic check.
    ///
    /// - Parameters:
    ///   - nominates: whether the peer means this path, in the generation of credentials that counts.
    public mutating func noteCheck(from address: NetworkAddress, nominates: Bool, now: MonotonicTime) {
        var index = paths.firstIndex { $0.address == address } ?? -1
        if index < 0 {
            if paths.count >= Self.maximumPaths {
                let oldest = paths.indices.filter { paths[$0].address != selected }.min {
                    paths[$0].checked < paths[$1].checked
                }
                paths.remove(at: oldest ?? 0)
            }
            paths.append(Path(address: address, checked: now))
            version &+= 1
            index = paths.count - 1
        }
        paths[index].checked = now
        let isNew = nominates && !paths[index].isNominated
        if nominates { paths[index].isNominated = true }
        guard selected != nil else { return move(to: address) }
        guard nominates else { return }
        guard address != selected, !isAvoided(address, now: now) else { return }
        let current = paths.first { $0.address == selected }
        let isStale = current.map { now.milliseconds(since: $0.checked) >= Self.staleMs } ?? true
        if isNew || isStale { move(to: address) }
    }

    /// Follows authentic media to another path: the peer may nominate several, and send by one.
    public mutating func noteMedia(from address: NetworkAddress, now: MonotonicTime) {
        guard address != selected, isValidated(address), !isAvoided(address, now: now) else { return }
        if let last = lastFollowed, now.milliseconds(since: last) < Self.followMs { return }
        lastFollowed = now
        move(to: address)
    }

    /// Takes note of what a receiver says that it has lost, and leaves a path on which much is.
    ///
    /// - Parameter fraction: of 256, as in a receiver report.
    /// - Returns: whether media takes another path now.
    @discardableResult
    public mutating func noteLoss(_ fraction: UInt8, now: MonotonicTime) -> Bool {
        guard fraction >= Self.lossyFraction else {
            lossy = nil
            return false
        }
        let seen = (reports: (lossy?.reports ?? 0) + 1, since: lossy?.since ?? now)
        lossy = seen
        guard seen.reports >= Self.lossyReports, now.milliseconds(since: seen.since) >= Self.lossyMs,
            let left = selected
        else { return false }
        let others = paths.filter {
            $0.address != left && !isAvoided($0.address, now: now)
                && now.milliseconds(since: $0.checked) < Self.freshMs
        }
        guard let best = others.max(by: { $0.checked < $1.checked }) else { return false }
        avoided.removeAll { $0.address == left || $0.until <= now }
        if avoided.count >= 2 * Self.maximumPaths { avoided.removeFirst() }
        avoided.append((left, now.advanced(byMilliseconds: nextAvoidMs)))
        nextAvoidMs = min(nextAvoidMs * 2, Self.longestAvoidMs)
        move(to: best.address)
        return true
    }

    /// Forgets a path that is gone for certain, as a TCP connection that was closed.
    public mutating func lost(_ address: NetworkAddress) {
        paths.removeAll { $0.address == address }
        version &+= 1
        avoided.removeAll { $0.address == address }
        if selected == address { selectFreshest() }
    }

    /// Forgets the paths whose consent has ended.
    public mutating func expire(now: MonotonicTime) {
        guard paths.contains(where: { now.milliseconds(since: $0.checked) >= Self.consentMs }) else { return }
        paths.removeAll { now.milliseconds(since: $0.checked) >= Self.consentMs }
        version &+= 1
        if let selected, !isValidated(selected) { selectFreshest() }
    }

    /// Begins another generation of credentials: every path may be nominated again.
    public mutating func restart() {
        for index in paths.indices { paths[index].isNominated = false }
        avoided = []
        lossy = nil
    }

    private func isAvoided(_ address: NetworkAddress, now: MonotonicTime) -> Bool {
        avoided.contains { $0.address == address && now < $0.until }
    }

    private mutating func selectFreshest() {
        guard let best = paths.max(by: { $0.checked < $1.checked }) else {
            selected = nil
            return
        }
        move(to: best.address)
    }

    private mutating func move(to address: NetworkAddress) {
        if selected != nil, selected != address { moves += 1 }
        selected = address
        lossy = nil
    }
}
