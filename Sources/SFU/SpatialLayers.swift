// The layers that VP9 carries in one stream: which come, and up to which of them a subscriber's wish reaches.

import Media
import RTC

/// How much of a stream with layers is let through.
struct LayerLimits: Sendable, Hashable {
    /// Every layer, those too that have not come yet.
    static let all = LayerLimits(spatial: 7, temporal: 7)
    /// The highest layers that are.
    var spatial: UInt8, temporal: UInt8
}

/// The layers of one stream; pure, in the times that it is told.
struct SpatialLayers: Sendable {
    /// A picture so many times as wide and as high as its box may come less often.
    static let excess = 4
    /// How long a larger layer must have come before a key frame is asked for to go up to it.
    static let stabilityMs = LayerForwarder.stabilityMs

    private(set) var table = LayerTable(count: VP9Structure.maximumLayers)
    /// How many the publisher says there are, else the highest that came and one.
    private(set) var count = 1
    /// The traffic of each.
    var measured = [Measured](repeating: Measured(), count: VP9Structure.maximumLayers)
    /// What each takes on the way to a subscriber.
    private var rates = [RateMeter](repeating: RateMeter(windowMs: 2000), count: VP9Structure.maximumLayers)
    /// The highest temporal layer since the last key frame.
    private var temporalTop: UInt8 = 0

    /// Takes note of a packet.
    ///
    /// - Parameters:
    ///   - isRepeat: whether it came once more, which says nothing of whether the layer comes.
    ///   - bytes: of its payload.
    mutating func note(_ place: VP9Place, startsKeyframe: Bool, isRepeat: Bool, bytes: Int, now: MonotonicTime) {
        let layer = Int(place.spatial)
        measured[layer].bytes &+= UInt64(bytes)
        if startsKeyframe { temporalTop = 0 }
        temporalTop = max(temporalTop, place.temporal)
        guard !isRepeat else { return }
        table.note(layer, now: now)
        count = max(count, layer + 1)
    }

    /// Takes note of what a packet, each once, takes on the way to a subscriber.
    @inline(__always)
    mutating func carry(_ bytes: Int, of layer: UInt8, now: MonotonicTime) {
        rates[Int(layer & 7)].note(bytes, at: now.nanoseconds)
    }

    /// What the layers up to one take together, in bits per second; nil while one of them has only begun.
    mutating func bitrate(upTo layer: Int, now: MonotonicTime) -> Int? {
        var sum = 0
        for index in rates.indices where index <= layer && table.isActive(index) {
            guard let rate = rates[index].bitrate(at: now.nanoseconds) else { return nil }
            sum += rate
        }
        return sum
    }

    /// Takes note of what a publisher says of its layers.
    mutating func note(_ structure: VP9Structure) {
        guard structure.count > 0 else { return }
        count = structure.count
        for layer in 0..<structure.count {
            if let size = structure.size(layer) { table.note(layer, size: size) }
        }
    }

    /// How far a wish reaches.
    ///
    /// A wish that no layer fills reaches beyond all: what begins later begins where it can be decoded, and is let through.
    ///
    /// - Parameter keepsRate: whether pictures may not come less often, however small they are shown.
    func limits(_ wish: LayerWish, keepsRate: Bool) -> LayerLimits {
        var limits = LayerLimits.all
        guard case .fill(let box) = wish, let chosen = table.choose(wish), let size = table.facts[chosen].size else {
            return limits
        }
        if size.height >= box.height || size.width >= box.width { limits.spatial = UInt8(chosen) }
        if !keepsRate, temporalTop > 0, size.height >= Self.excess * box.height,
            size.width >= Self.excess * box.width
        {
            limits.temporal = temporalTop - 1
        }
        return limits
    }

    /// Whether a layer comes that lies within reach, and above what is let through now: a key frame leads there.
    func isAbove(_ limits: LayerLimits, upTo reach: UInt8, now: MonotonicTime) -> Bool {
        table.facts.indices.contains { layer in
            layer > limits.spatial && layer <= reach && table.isActive(layer)
                && table.facts[layer].activeSince.map { now.milliseconds(since: $0) >= Self.stabilityMs } ?? false
        }
    }

    /// The highest layer that comes within these limits.
    func highest(within limits: LayerLimits) -> Int? {
        table.facts.indices.last { $0 <= limits.spatial && table.isActive($0) }
    }
}
