// Which size is asked for of each camera: larger ones at once, smaller ones when they have been enough for a while.

import Control
import Media

/// Follows what is needed of the cameras; pure, in the times that it is told.
struct LayerWishes {
    /// For how long something smaller has to be enough before it is asked for: tiles that glide or change places come back.
    static let patienceMs: Int64 = 2000
    /// For how long a larger picture may be on its way: it takes a key frame, which is asked of a sender once a second at most.
    static let growthMs: Int64 = 1200
    /// For how long a larger one may come after the first one of a camera that was not seen before.
    static let settleMs: Int64 = 400
    /// For how long it is remembered that no larger picture has come.
    static let memoryMs: Int64 = 600_000
    /// A need that is smaller by less than this is the same: rounding must not swing between two layers.
    static let margin = 0.05

    private struct Wish {
        var size: PixelSize
        /// Since when this much is asked for, and which picture was there; nil when there was none.
        var grownAt: MonotonicTime, grownFrom: PixelSize?
        var smallerSince: MonotonicTime?
        /// When the first picture was seen, where there was none.
        var firstAt: MonotonicTime?

        /// Takes another need.
        mutating func take(_ need: CameraNeed, at now: MonotonicTime) {
            let most = 1 - LayerWishes.margin
            func isLess(_ one: PixelSize, than other: PixelSize) -> (either: Bool, both: Bool) {
                let width = Double(one.width) < Double(other.width) * most
                let height = Double(one.height) < Double(other.height) * most
                return (width || height, width && height)
            }
            let before = size
            size = PixelSize(width: max(size.width, need.size.width), height: max(size.height, need.size.height))
            // A little more is no new growth.
            if isLess(before, than: size).either { (grownAt, grownFrom, firstAt) = (now, need.picture, nil) }
            if !isLess(need.size, than: size).both {
                smallerSince = nil
            } else if let since = smallerSince {
                if now.milliseconds(since: since) >= LayerWishes.patienceMs { (size, smallerSince) = (need.size, nil) }
            } else {
                smallerSince = now
            }
        }
    }

    private var wishes: [SceneSource: Wish] = [:]
    /// The largest pictures that cameras send, as far as larger ones were asked for and have not come, and when that was so last.
    private var tops: [SceneSource: (size: PixelSize, at: MonotonicTime)] = [:]

    /// Takes what is needed now.
    mutating func follow(_ needs: [SceneSource: CameraNeed], at now: MonotonicTime) {
        for (source, need) in needs {
            var wish = wishes[source] ?? Wish(size: need.size, grownAt: now, grownFrom: need.picture)
            wish.take(need, at: now)
            wishes[source] = wish
            learn(source, need, now.milliseconds(since: wish.grownAt), at: now)
        }
        tops = tops.filter { now.milliseconds(since: $0.value.at) < Self.memoryMs }
        wishes = wishes.filter { source, wish in
            needs[source] != nil || wish.smallerSince.map { now.milliseconds(since: $0) < Self.patienceMs } ?? true
        }
        for source in wishes.keys where needs[source] == nil && wishes[source]?.smallerSince == nil {
            wishes[source]?.smallerSince = now
        }
    }

    /// What is asked for; the smallest there is of a camera that nobody sees, so that it is there at once when it is seen.
    func size(of source: SceneSource) -> LayerSize {
        guard let size = wishes[source]?.size else { return LayerSize(width: 1, height: 1) }
        let rest = 1 - CameraNeed.tolerance
        func asked(_ side: Int) -> Int { min(LayerSize.maximum, max(1, Int(Double(side) * rest))) }
        return LayerSize(width: asked(size.width), height: asked(size.height))
    }

    /// Those whose pictures are too small, and of which a larger one may be on its way.
    mutating func growing(_ needs: [SceneSource: CameraNeed], at now: MonotonicTime) -> Set<SceneSource> {
        Set(needs.filter { isGrowing($0.key, $0.value, at: now) }.keys)
    }

    private mutating func isGrowing(_ source: SceneSource, _ need: CameraNeed, at now: MonotonicTime) -> Bool {
        guard need.isLayered, let picture = need.picture, !need.isFilled(by: picture), let wish = wishes[source],
            now.milliseconds(since: wish.grownAt) < Self.growthMs
        else { return false }
        if let top = tops[source], picture.height >= top.size.height { return false }
        // The media server goes to the layer that it will stay at in one step.
        if let before = wish.grownFrom { return picture.height <= before.height }
        let first = wish.firstAt ?? now
        wishes[source]?.firstAt = first
        return now.milliseconds(since: first) < Self.settleMs
    }

    /// Learns that there is nothing larger, or that there is.
    private mutating func learn(_ source: SceneSource, _ need: CameraNeed, _ elapsedMs: Int64, at now: MonotonicTime) {
        guard let picture = need.picture else { return }
        if let top = tops[source], picture.height > top.size.height { tops[source] = nil }
        guard !need.isFilled(by: picture), elapsedMs >= Self.growthMs else { return }
        if tops[source].map({ picture.height >= $0.size.height }) ?? true { tops[source] = (picture, now) }
    }
}
