// The pictures since the last key frame, for those who come later: pure, in the times that it is told.

import Media
import RTC

/// Where a layer's last group of pictures begins; its packets lie in the layer's store, and nothing is kept twice.
struct GroupOfPictures: Sendable {
    /// A group that is older is not worth its bytes: with another key frame a joiner is shown less that is over.
    static let maximumAgeMs: Int64 = 3000
    /// More packets are not taken; the store has twice as many, so that none is lost while they are sent.
    static let maximumPackets: Int64 = 512
    /// About three seconds of 1.5 Mbit/s.
    static let maximumBytes = 600_000

    /// The first packet of the key frame; nil while there is none to begin with.
    private(set) var begin: Int64?
    private var timestamp: UInt32 = 0, beganAt: MonotonicTime?, bytes = 0

    /// Takes note of a packet that is stored.
    @inline(__always)
    mutating func note(_ entry: PacketStore.Entry, now: MonotonicTime) {
        if entry.startsKeyframe {
            guard let begin, timestamp == entry.header.timestamp else { return start(entry, now: now) }
            // Parameter sets in packets of their own, in whichever order they came.
            if entry.sequence < begin { self.begin = entry.sequence }
        }
        bytes &+= entry.payloadLength
    }

    private mutating func start(_ entry: PacketStore.Entry, now: MonotonicTime) {
        // A key frame that comes behind a newer one begins nothing.
        if let begin, entry.sequence < begin { return }
        (begin, timestamp, beganAt, bytes) = (entry.sequence, entry.header.timestamp, now, entry.payloadLength)
    }

    /// Forgets the group: what it holds is not for everybody.
    mutating func forget() { begin = nil }

    /// Looks whether the group can be sent to somebody who comes now.
    ///
    /// - Parameters:
    ///   - highest: the newest number of the layer.
    ///   - store: where its packets lie.
    /// - Returns: how it is sent; nil when it is too old or too large, or a packet is missing.
    func replay(of layer: Int, upTo highest: Int64, in store: PacketStore, now: MonotonicTime) -> GroupReplay? {
        guard let begin, let beganAt, highest >= begin, highest - begin < Self.maximumPackets,
            bytes <= Self.maximumBytes, now.milliseconds(since: beganAt) <= Self.maximumAgeMs
        else { return nil }
        var pictures: UInt32 = 0, last: UInt32?, size = 0
        for sequence in begin...highest {
            guard let entry = store.entry(sequence) else { return nil }
            guard entry.payloadLength > 0 else { continue }
            if last != entry.header.timestamp { pictures &+= 1 }
            last = entry.header.timestamp
            size += entry.payloadLength
        }
        guard let last, size <= Self.maximumBytes else { return nil }
        return GroupReplay(
            layer: layer, begin: begin, end: highest, keyTimestamp: timestamp, lastTimestamp: last,
            pictures: pictures, bytes: size, ageMs: now.milliseconds(since: beganAt))
    }
}

/// A group on its way to one subscriber: faster than it came, and not all at once.
///
/// Its pictures are stamped so close behind each other that the last one keeps its own time: a player that got them with their own
/// times would show them at their own pace, and be as far behind as the group is long.
struct GroupReplay: Sendable {
    /// Ticks between two pictures: a millisecond.
    static let step: UInt32 = 90
    /// How much faster than it came a group is sent.
    static let speed: Int64 = 8
    /// The most rounds over which it is spread, and the least that goes out in one: a few packets.
    static let maximumRounds: Int64 = 25, minimumRoundBytes = 12_000

    /// The layer that is sent.
    let layer: Int
    /// The next number that goes out.
    private(set) var next: Int64
    /// The last number of the group, as far as it was there at the beginning.
    private let end: Int64
    /// The first number that came behind the group and has yet to go out.
    var firstHeld: Int64 { max(next, end + 1) }
    private let keyTimestamp: UInt32, lastTimestamp: UInt32
    private let roundBytes: Int
    /// The pictures that follow the one of which packets go out.
    private var following: UInt32
    private var timestamp: UInt32?

    fileprivate init(
        layer: Int, begin: Int64, end: Int64, keyTimestamp: UInt32, lastTimestamp: UInt32, pictures: UInt32, bytes: Int,
        ageMs: Int64
    ) {
        self.layer = layer
        self.end = end
        (self.keyTimestamp, self.lastTimestamp) = (keyTimestamp, lastTimestamp)
        next = begin
        following = pictures
        let rounds = min(max(1, ageMs / (Self.speed * ShardCore.tickMs)), Self.maximumRounds)
        roundBytes = max(Self.minimumRoundBytes, bytes / Int(rounds))
    }

    /// What may go out in one round: in the first the key frame whatever its size, because with it there is a picture.
    func mayGoOn(after sent: Int, _ entry: PacketStore.Entry) -> Bool {
        sent < roundBytes || entry.header.timestamp == keyTimestamp
    }

    /// Takes the next packet; returns what is added to its timestamp beyond what the layer's is moved by.
    mutating func take(_ entry: PacketStore.Entry) -> UInt32 {
        next = entry.sequence + 1
        guard entry.sequence <= end else { return 0 }
        if timestamp != entry.header.timestamp {
            if following > 0 { following -= 1 }
            timestamp = entry.header.timestamp
        }
        return lastTimestamp &- following &* Self.step &- entry.header.timestamp
    }

    /// Steps over a number of which there is nothing to send.
    mutating func skip() { next += 1 }

    /// Goes on at a number, where that is not behind.
    mutating func skip(to number: Int64) { next = max(next, number) }
}
