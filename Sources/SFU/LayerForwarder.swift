// Which layer of a track a subscriber gets, and how the layers become one stream: pure, in the times that it is told.

import Media
import RTC

/// One subscriber's way through the layers of one track.
///
/// Invariants: a layer begins with a key frame; outgoing numbers go up by one per packet, leave one out where a picture was
/// broken off, and none is ever used for two packets; timestamps go up from picture to picture.
struct LayerForwarder: Sendable {
    /// How a packet goes out.
    struct Outgoing: Sendable {
        /// The unwrapped sequence number.
        var number: Int64
        /// What is added to the timestamp.
        var timestampDelta: UInt32
        /// What is added to the numbers of a VP8 descriptor.
        var shift: VP8Shift
        /// Whether a layer begins with it: what came after it already is to follow.
        var begins = false
        /// Whether it ends its picture; where layers are taken out another packet does than at the publisher.
        var marks = false
        /// Whether only its number goes out: what it carried is not wanted.
        var isFiller = false
    }

    /// How long a subscriber without a picture waits for the layer that fits, before it takes any.
    static let graceMs: Int64 = 1000
    /// How long a larger layer must have come before it is gone up to.
    static let stabilityMs: Int64 = 1000
    /// A key frame whose later packets came before it may begin a layer up to so many packets behind.
    static let maximumLead: Int64 = 512
    /// A key frame that lies too far back in time is refused this often, before the clocks are taken to be wrong.
    static let maximumRefusals = 2
    /// No packet of sound is longer, in ticks: 120 ms (RFC 6716 section 3.2.5).
    static let maximumStep: UInt32 = 5760

    private(set) var wish = LayerWish.top
    /// A bit for each layer that the subscriber's line has room for.
    private(set) var allowed = UInt8.max
    /// The layer that is sent.
    private(set) var current: Int?
    /// What is added to the timestamps of the layer that was begun last.
    private(set) var timestampDelta: UInt32
    /// What would be, had none of its pictures to be moved behind one that was sent: so no move outlives its layer.
    private var reportedDelta: UInt32
    /// How often a layer was begun.
    private(set) var begun: UInt64 = 0
    /// The number that the newest one began with.
    private(set) var begin: Int64 = 0
    /// The number after the newest one.
    private(set) var next: Int64
    private let isVideo: Bool
    private let clockRate: Int64
    private var map = SequenceMap(from: 0, out: 0)
    private var shift = VP8Shift()
    /// The layer that was begun last, while none is sent too.
    private var reference: Int?, before: Int?
    /// The newest packet that was sent.
    private var hasMarker = true, newestTimestamp: UInt32 = 0, newestAt: MonotonicTime?
    private var newestIndices = VP8Indices()
    /// The length of a packet of sound, in ticks: nothing that follows one lies within it.
    private var step: UInt32 = 1
    /// The newest number of each layer that was sent.
    private var newestSources: (Int64, Int64, Int64) = (-1, -1, -1)
    private var waitsSince: MonotonicTime?, refusals = 0
    /// Whether what was sent last is of another track than what comes.
    private var isOther = false
    /// What the last sender report said of it, where both have the same clock.
    private var formerReport: (nanoseconds: Int64, timestamp: UInt32)?

    /// - Parameters:
    ///   - clockRate: ticks per second.
    ///   - next: the first outgoing number.
    ///   - timestampDelta: what is added to the timestamps of the first layer.
    init(isVideo: Bool, clockRate: Int, next: Int64, timestampDelta: UInt32) {
        self.isVideo = isVideo
        self.clockRate = Int64(max(1, clockRate))
        self.next = next
        self.timestampDelta = timestampDelta
        reportedDelta = timestampDelta
    }

    /// Takes another wish.
    mutating func setWish(_ wish: LayerWish) {
        self.wish = wish
        if wish == .nothing { hold() }
    }

    /// Takes another bound of the layers; with none nothing is sent.
    mutating func setAllowed(_ layers: UInt8) {
        allowed = layers
        if layers == 0 { hold() }
    }

    /// Sends nothing more, until a packet comes that decoding can begin at.
    mutating func hold() {
        if let current { before = current }
        current = nil
        waitsSince = nil
    }

    /// Whether nothing was ever sent.
    var hasNotBegun: Bool { reference == nil }

    /// Goes on with the packets of another track.
    ///
    /// - Parameter table: what is known of the track of before where both have the same clock; nil where it is not known how their
    ///   clocks lie to each other.
    mutating func changeTrack(from table: LayerTable? = nil) {
        hold()
        before = nil
        if table == nil || !isOther { formerReport = nil }
        if !isOther, let table, let reference { formerReport = report(of: reference, table) }
        isOther = true
        newestSources = (-1, -1, -1)
    }

    /// Whether a packet of another track would begin what comes next; where its moment lies too far back, only the third time.
    mutating func mayChangeTrack(
        from former: LayerTable, with entry: PacketStore.Entry, of layer: Int, _ table: LayerTable, now: MonotonicTime
    ) -> Bool {
        var changed = self
        changed.changeTrack(from: former)
        if case .success = changed.forward(entry, of: layer, table, now: now) { return true }
        refusals = changed.refusals
        return false
    }

    /// The layer of which a key frame is needed now.
    func wanted(_ table: LayerTable, now: MonotonicTime) -> Int? {
        guard isVideo, let desired = table.choose(wish, allowed: allowed), desired != current else {
            return nil
        }
        guard let current else { return desired }
        return maySwitch(from: current, to: desired, table, now) ? desired : nil
    }

    /// Says how a packet goes out, or why it does not.
    ///
    /// - Parameter table: what is known of the track's layers; asked for only where another one may begin.
    @inline(__always)
    mutating func forward(
        _ entry: PacketStore.Entry, of layer: Int, _ table: @autoclosure () -> LayerTable, now: MonotonicTime,
        movedBy: UInt32 = 0
    )
        -> Result<Outgoing, DropReasonError>
    {
        if layer == current { return goOn(entry, layer, now: now, begins: false, movedBy) }
        return beginOrDrop(entry, layer, table(), now: now, movedBy)
    }

    /// Closes the hole that a packet without payload would leave.
    mutating func skip(_ sequence: Int64, of layer: Int) {
        guard layer == current, sequence > newestSource(layer) else { return }
        map.skip(sequence)
    }

    @inline(__always)
    private mutating func goOn(
        _ entry: PacketStore.Entry, _ layer: Int, now: MonotonicTime, begins: Bool, _ movedBy: UInt32
    )
        -> Result<Outgoing, DropReasonError>
    {
        guard let number = map.out(entry.sequence) else { return .failure(.init(.late)) }
        if number >= next {
            next = number &+ 1
            hasMarker = entry.header.marker
            let timestamp = entry.header.timestamp &+ timestampDelta &+ movedBy
            if !isVideo, timestamp &- newestTimestamp <= Self.maximumStep { step = timestamp &- newestTimestamp }
            newestTimestamp = timestamp
            newestAt = now
            newestIndices = entry.indices.moved(by: shift)
        }
        if entry.sequence > newestSource(layer) { setNewestSource(layer, entry.sequence) }
        return .success(
            Outgoing(
                number: number, timestampDelta: timestampDelta &+ movedBy, shift: shift, begins: begins,
                marks: entry.header.marker))
    }

    private mutating func beginOrDrop(
        _ entry: PacketStore.Entry, _ layer: Int, _ table: LayerTable, now: MonotonicTime, _ movedBy: UInt32
    ) -> Result<Outgoing, DropReasonError> {
        guard wish != .nothing else { return .failure(.init(.notWanted)) }
        guard allowed != 0 else { return .failure(.init(.noRoom)) }
        if current == nil, waitsSince == nil { waitsSince = now }
        let isStart = !isVideo || entry.startsKeyframe
        guard isStart, mayBegin(entry, layer, table, now), let timestamp = timestamp(entry, layer, table, now) else {
            if !isVideo || layer == before && entry.sequence < newestSource(layer) { return .failure(.init(.late)) }
            return .failure(.init(current == nil ? .awaitingKeyframe : .otherLayer))
        }
        // A picture that was broken off leaves a hole, so that nobody takes it for a whole one.
        let isBroken = isVideo && reference != nil && !hasMarker
        begin = next &+ (isBroken ? 1 : 0)
        map = SequenceMap(from: entry.sequence, out: begin)
        if reference != nil { shift = VP8Shift(from: entry.indices, behind: newestIndices) }
        if let current, current != layer { before = current }
        timestampDelta = timestamp.given &- entry.header.timestamp
        reportedDelta = timestamp.told &- entry.header.timestamp
        current = layer
        reference = layer
        waitsSince = nil
        refusals = 0
        isOther = false
        begun &+= 1
        return goOn(entry, layer, now: now, begins: true, movedBy)
    }

    private func mayBegin(_ entry: PacketStore.Entry, _ layer: Int, _ table: LayerTable, _ now: MonotonicTime) -> Bool {
        guard layer < table.facts.count, entry.sequence > newestSource(layer),
            let desired = table.choose(wish, allowed: allowed),
            !isVideo || entry.sequence &+ Self.maximumLead >= table.facts[layer].highest
        else { return false }
        guard let current else {
            guard layer != desired else { return true }
            return allowed >> UInt8(truncatingIfNeeded: layer) & 1 == 1
                && waitsSince.map { now.milliseconds(since: $0) >= Self.graceMs } ?? false
        }
        return layer == desired && maySwitch(from: current, to: layer, table, now)
    }

    /// Without sender reports of both the timestamps would jump; only where the current one has stopped that is no worse.
    private func maySwitch(from current: Int, to layer: Int, _ table: LayerTable, _ now: MonotonicTime) -> Bool {
        guard table.isActive(current) else { return true }
        guard table.areComparable(current, layer) else { return false }
        guard table.isAbove(layer, current), let since = table.facts[layer].activeSince else { return true }
        return now.milliseconds(since: since) >= Self.stabilityMs
    }

    // MARK: - Timestamps

    /// The timestamp that a layer's first packet gets, and that of its moment; nil when it lies too far back.
    private mutating func timestamp(
        _ entry: PacketStore.Entry, _ layer: Int, _ table: LayerTable, _ now: MonotonicTime
    ) -> (given: UInt32, told: UInt32)? {
        guard let reference, let newestAt else {
            let first = entry.header.timestamp &+ timestampDelta
            return (first, first)
        }
        let elapsed = max(0, now.nanoseconds(since: newestAt)) / 1000 * clockRate / 1_000_000
        let expected = newestTimestamp &+ UInt32(truncatingIfNeeded: max(Int64(step), elapsed))
        guard let told = told(entry, layer, reference, table) else { return (expected, expected) }
        let ahead = Int64(Int32(bitPattern: told &- expected))
        // So far from what the time says, the reports are wrong, or the publisher has begun anew.
        guard ahead < clockRate / 2, ahead > -2 * clockRate else { return (expected, expected) }
        if elapsed + ahead > 0 { return (told, told) }
        // The same sound from another connection: it goes on with the packet behind what was sent.
        if !isVideo, isOther, elapsed + ahead > -clockRate / 5 { return nil }
        // The same picture in another layer, or one that was under way a little longer.
        if elapsed + ahead > -clockRate / 20 || refusals >= Self.maximumRefusals || !isVideo {
            return (newestTimestamp &+ step, told)
        }
        refusals += 1
        return nil
    }

    /// The packet's timestamp on the outgoing clock, by the sender reports of both layers.
    private func told(_ entry: PacketStore.Entry, _ layer: Int, _ reference: Int, _ table: LayerTable) -> UInt32? {
        if !isOther, layer == reference { return entry.header.timestamp &+ reportedDelta }
        guard layer < table.facts.count, let here = table.facts[layer].reportNanoseconds,
            let there = isOther ? formerReport : report(of: reference, table)
        else { return nil }
        let (distance, isTooFar) = here.subtractingReportingOverflow(there.nanoseconds)
        guard !isTooFar, distance.magnitude < 3_600_000_000_000 else { return nil }
        let ticks = UInt32(truncatingIfNeeded: distance * clockRate / 1_000_000_000)
        return entry.header.timestamp &- table.facts[layer].reportTimestamp &+ there.timestamp &+ ticks &+ reportedDelta
    }

    private func report(of layer: Int, _ table: LayerTable) -> (nanoseconds: Int64, timestamp: UInt32)? {
        guard layer < table.facts.count, let nanoseconds = table.facts[layer].reportNanoseconds else { return nil }
        return (nanoseconds, table.facts[layer].reportTimestamp)
    }

    // MARK: - The newest of each layer

    @inline(__always)
    private func newestSource(_ layer: Int) -> Int64 {
        switch layer {
        case 0: newestSources.0
        case 1: newestSources.1
        default: newestSources.2
        }
    }

    @inline(__always)
    private mutating func setNewestSource(_ layer: Int, _ sequence: Int64) {
        switch layer {
        case 0: newestSources.0 = sequence
        case 1: newestSources.1 = sequence
        default: newestSources.2 = sequence
        }
    }
}
