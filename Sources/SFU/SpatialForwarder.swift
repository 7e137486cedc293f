// Which packets of a stream with VP9 layers a subscriber gets (RFC 9628): pure, by what the packets say of themselves.

import RTC

/// One subscriber's view of a stream that carries its layers together.
///
/// Invariants: within a picture the limits don't change. They rise to a higher spatial layer with a key picture only, which refers
/// to nothing before; to a higher temporal layer also behind a picture that says so. They fall with any picture. A layer that
/// is let through has all layers below it, so that what goes out can be decoded. The last packet of what is let through carries the marker.
struct SpatialForwarder: Sendable {
    /// What becomes of a packet.
    enum Fate: Sendable, Hashable {
        /// It goes out as this number of the thinned stream; `marks` where it ends the picture.
        case sent(Int64, marks: Bool)
        /// Others wait for its number, and nothing of it is wanted.
        case filled(Int64)
        case gone, late
    }

    private struct Change: Sendable {
        /// The first timestamp that they hold for.
        var from: UInt32
        var limits: LayerLimits
    }

    /// How far back packets of earlier limits are told apart: so many changes, and so many ticks of 90 kHz.
    private static let maximumChanges = 8, rememberedTicks: UInt32 = 10 * 90_000

    private(set) var limits: LayerLimits
    private var changes: [Change] = []
    private var numbers: ThinnedNumbers
    private var newest: UInt32
    /// Whether what follows the newest picture may have higher temporal layers.
    private var risesBehind = false
    /// Whether packets since it began have had other limits than those that it began with.
    private(set) var hasChanged = false

    /// Begins with a packet that comes next.
    ///
    /// - Parameter first: the first number that is counted; nil for the packet's own. What lies before keeps its own number.
    init(from entry: PacketStore.Entry, _ limits: LayerLimits, first: Int64? = nil) {
        self.limits = limits
        numbers = ThinnedNumbers(from: first ?? entry.sequence)
        newest = entry.header.timestamp
        changes.reserveCapacity(Self.maximumChanges)
        changes.append(Change(from: newest, limits: limits))
    }

    /// Begins with a key frame's first packet.
    mutating func restart(from entry: PacketStore.Entry, _ limits: LayerLimits) {
        self.limits = limits
        numbers.restart(from: entry.sequence)
        newest = entry.header.timestamp
        changes.removeAll(keepingCapacity: true)
        changes.append(Change(from: newest, limits: limits))
        (risesBehind, hasChanged) = (false, false)
    }

    /// Takes note that the packet which it began with has gone out under its own number.
    mutating func begun(with entry: PacketStore.Entry) {
        _ = numbers.place(entry.sequence, isWanted: true)
        let place = entry.place
        if place.spatial == 0, place.switchesUp, place.temporal <= limits.temporal { risesBehind = true }
    }

    /// Says what becomes of a packet, each once.
    ///
    /// - Parameter wanted: the limits that the subscriber would have now.
    mutating func take(_ entry: PacketStore.Entry, wanted: () -> LayerLimits) -> Fate {
        let place = entry.place, timestamp = entry.header.timestamp
        let step = Int32(bitPattern: timestamp &- newest)
        // A stream that has stood still for hours goes on with a stamp that looks like one of before; its number does not.
        if step > 0 || step < 0 && isBehind(entry) { begin(timestamp, place, wanted()) }
        let limits = limits(at: timestamp)
        if timestamp == newest, place.spatial == 0, place.switchesUp, place.temporal <= limits.temporal {
            risesBehind = true
        }
        let isWanted = place.spatial <= limits.spatial && place.temporal <= limits.temporal
        return switch numbers.place(entry.sequence, isWanted: isWanted) {
        case .sent(let number): .sent(number, marks: Self.marks(entry, limits))
        case .filled(let number): .filled(number)
        case .gone: .gone
        case .late: .late
        }
    }

    /// Whether a packet comes behind all that were taken.
    func isBehind(_ entry: PacketStore.Entry) -> Bool { entry.sequence > numbers.newest }

    /// Takes out a packet without payload.
    mutating func skip(_ sequence: Int64) { _ = numbers.place(sequence, isWanted: false) }

    /// Whether a packet is the last one of its picture that is let through.
    static func marks(_ entry: PacketStore.Entry, _ limits: LayerLimits) -> Bool {
        entry.header.marker
            || entry.place.isLayered && entry.place.endsFrame && entry.place.spatial == limits.spatial
    }

    private mutating func begin(_ timestamp: UInt32, _ place: VP9Place, _ wanted: LayerLimits) {
        let behind = Int32(bitPattern: timestamp &- newest) > 0 ? newest &+ 1 : timestamp
        newest = timestamp
        // Stamps tell before from behind for 6.6 hours: what no packet can be of any more is forgotten long before that.
        while changes.count > 1, timestamp &- changes[1].from > Self.rememberedTicks { changes.removeFirst() }
        defer { risesBehind = false }
        if place.spatial == 0, !place.isPredicted { return change(to: wanted, from: timestamp) }
        // From right behind the picture that allows it on: what comes late of those between belongs to it.
        if risesBehind, wanted.temporal > limits.temporal {
            change(to: LayerLimits(spatial: limits.spatial, temporal: wanted.temporal), from: behind)
        }
        change(
            to: LayerLimits(
                spatial: min(limits.spatial, wanted.spatial), temporal: min(limits.temporal, wanted.temporal)),
            from: timestamp)
    }

    private mutating func change(to limits: LayerLimits, from timestamp: UInt32) {
        guard limits != self.limits else { return }
        self.limits = limits
        hasChanged = true
        if changes.count == Self.maximumChanges { changes.removeFirst() }
        changes.append(Change(from: timestamp, limits: limits))
    }

    /// The limits that hold for a picture.
    func limits(at timestamp: UInt32) -> LayerLimits {
        var index = changes.count - 1
        while index > 0 {
            if Int32(bitPattern: timestamp &- changes[index].from) >= 0 { return changes[index].limits }
            index -= 1
        }
        return changes.first?.limits ?? limits
    }
}
