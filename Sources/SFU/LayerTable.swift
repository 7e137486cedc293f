// What is known of a track's layers, and which of them fits what a subscriber shows.

import Media

/// What a subscriber wants of a track.
enum LayerWish: Sendable, Hashable {
    /// The largest picture.
    case top
    /// A picture that is shown in a box of this many pixels.
    case fill(PictureSize)
    /// No picture: it is not shown.
    case nothing

    /// Pixels that are to be filled; of the largest picture more than of any box.
    var area: Int {
        switch self {
        case .top: 1 << 40
        case .fill(let size): size.width * size.height
        case .nothing: 0
        }
    }
}

/// What one layer's packets have told.
struct LayerFacts: Sendable, Hashable {
    /// The size of its last key frame.
    var size: PictureSize?
    /// The newest sequence number.
    var highest: Int64 = -1
    var lastPacket: MonotonicTime?
    /// Since when it comes without a pause.
    var activeSince: MonotonicTime?
    /// The last sender report: nanoseconds on the publisher's clock, and the timestamp of that moment.
    var reportNanoseconds: Int64?, reportTimestamp: UInt32 = 0
}

/// The layers of one track; pure, in the times that it is told.
///
/// A layer may never come (Chrome sends no small one of a small picture, and no large one over a thin line), and any may stop.
/// So nothing here waits for a layer by its name: they are told apart by their packets, and ordered by the sizes of their key
/// frames; where one that comes has not told its size, by the order of the offer.
struct LayerTable: Sendable {
    /// A layer that is silent for so long while another one comes has stopped; all may be silent together, as a still screen is.
    static let silenceMs: Int64 = 600

    private(set) var facts: [LayerFacts]
    private var newest: MonotonicTime?

    init(count: Int) { facts = Array(repeating: LayerFacts(), count: max(1, count)) }

    /// Takes note of a number that arrived, be it once more.
    @inline(__always)
    mutating func note(_ layer: Int, sequence: Int64) {
        if layer < facts.count, sequence > facts[layer].highest { facts[layer].highest = sequence }
    }

    /// Takes note of a packet that is no repeat: probes are filled with old packets, and say nothing of whether a layer comes.
    @inline(__always)
    mutating func note(_ layer: Int, now: MonotonicTime) {
        guard layer < facts.count else { return }
        let wasActive = isActive(layer)
        newest = now
        if !wasActive || facts[layer].activeSince == nil { facts[layer].activeSince = now }
        facts[layer].lastPacket = now
    }

    /// Takes note of a key frame's size.
    mutating func note(_ layer: Int, size: PictureSize) { if layer < facts.count { facts[layer].size = size } }

    /// Takes note of a sender report.
    mutating func note(_ layer: Int, reportNanoseconds: Int64, timestamp: UInt32) {
        guard layer < facts.count else { return }
        facts[layer].reportNanoseconds = reportNanoseconds
        facts[layer].reportTimestamp = timestamp
    }

    /// Whether a layer comes, as far as anything does.
    @inline(__always)
    func isActive(_ layer: Int) -> Bool {
        guard layer < facts.count, let last = facts[layer].lastPacket, let newest else { return false }
        return facts.count == 1 || newest.milliseconds(since: last) < Self.silenceMs
    }

    /// How many layers come.
    var activeCount: Int { facts.indices.count { isActive($0) } }

    /// Whether both layers' timestamps can be laid on one clock.
    func areComparable(_ one: Int, _ other: Int) -> Bool {
        one < facts.count && other < facts.count && facts[one].reportNanoseconds != nil
            && facts[other].reportNanoseconds != nil
    }

    /// Whether a layer is larger than another.
    func isAbove(_ one: Int, _ other: Int) -> Bool {
        guard let size = facts[one].size, let otherSize = facts[other].size else { return one > other }
        let pixels = size.width * size.height, others = otherSize.width * otherSize.height
        return pixels == others ? one > other : pixels > others
    }

    /// The smallest layer that fills the wish, else the largest, of those that come; nil when none does.
    ///
    /// A picture fills a box when it is not enlarged to be shown whole in it, so one of its sides must be as long as the box's.
    ///
    /// - Parameter allowed: a bit for each layer that may be chosen.
    func choose(_ wish: LayerWish, allowed: UInt8 = .max) -> Int? {
        guard wish != .nothing else { return nil }
        var top: Int?, fitting: Int?
        for index in facts.indices where isActive(index) && allowed >> UInt8(truncatingIfNeeded: index) & 1 == 1 {
            if top.map({ isAbove(index, $0) }) ?? true { top = index }
            guard case .fill(let box) = wish, let size = facts[index].size,
                size.height >= box.height || size.width >= box.width
            else { continue }
            if fitting.map({ isAbove($0, index) }) ?? true { fitting = index }
        }
        return fitting ?? top
    }

    /// The layers that come, the smallest first, up to the one that fills the wish.
    func order(_ wish: LayerWish, into order: inout [Int]) {
        order.removeAll(keepingCapacity: true)
        guard let chosen = choose(wish) else { return }
        for index in facts.indices where isActive(index) && (index == chosen || !isAbove(index, chosen)) {
            let place = order.firstIndex { isAbove($0, index) } ?? order.count
            order.insert(index, at: place)
        }
    }
}
