// H.264 payloads in packetization mode 1 (RFC 6184): single units, STAP-A and FU-A.

import Media

/// What a packet carries.
public struct H264Payload: Sendable, Hashable {
    /// How units lie in packets.
    public enum Kind: Sendable, Hashable {
        /// One unit.
        case single
        /// Several units, each with its length before it (section 5.7.1).
        case aggregate
        /// A part of one unit (section 5.8).
        case fragment(isFirst: Bool, isLast: Bool)
    }

    /// How the units lie in it.
    public var kind: Kind
    /// Whether a sequence parameter set is in it.
    public var hasParameterSet = false
    /// Whether a slice of an IDR begins in it.
    public var startsIDR = false

    static let sequenceSet: UInt8 = 7, pictureSet: UInt8 = 8, idrSlice: UInt8 = 5
    static let aggregation: UInt8 = 24, fragmentation: UInt8 = 28

    /// Reads a payload; nil for what is damaged, or not of mode 1.
    public init?(_ payload: UnsafeRawBufferPointer) {
        guard let first = payload.first, first & 0x80 == 0 else { return nil }
        switch first & 31 {
        case 1...23:
            kind = .single
            note(first)
        case Self.aggregation:
            kind = .aggregate
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: payload[1...]))
            repeat {
                guard let unit = Self.nextUnit(&reader), let head = unit.first else { return nil }
                note(head)
            } while reader.remaining > 0
        case Self.fragmentation:
            guard payload.count > 2, (1...23).contains(payload[1] & 31) else { return nil }
            let isFirst = payload[1] & 0x80 != 0, isLast = payload[1] & 0x40 != 0
            guard !isFirst || !isLast else { return nil }
            kind = .fragment(isFirst: isFirst, isLast: isLast)
            if isFirst { note(payload[1]) }
        default: return nil
        }
    }

    /// The picture's size by the sequence parameter set in a packet; nil where there is none that is whole and can be read.
    static func pictureSize(_ payload: UnsafeRawBufferPointer) -> PictureSize? {
        guard let first = payload.first else { return nil }
        if first & 31 == sequenceSet { return SequenceParameterSet.pictureSize(of: Array(payload.prefix(1024))) }
        guard first & 31 == aggregation else { return nil }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: payload[1...]))
        while let unit = nextUnit(&reader) {
            if unit[0] & 31 == sequenceSet { return SequenceParameterSet.pictureSize(of: Array(unit.prefix(1024))) }
        }
        return nil
    }

    /// Takes the next unit of an aggregation packet; nil when it is empty, cut short or of a kind that can't be in there.
    static func nextUnit(_ reader: inout ByteReader) -> UnsafeRawBufferPointer? {
        guard let length = reader.u16(), length > 0, let unit = reader.take(Int(length)), unit[0] & 0x80 == 0,
            (1...23).contains(unit[0] & 31)
        else { return nil }
        return unit
    }

    private mutating func note(_ head: UInt8) {
        if head & 31 == Self.sequenceSet { hasParameterSet = true }
        if head & 31 == Self.idrSlice { startsIDR = true }
    }
}

/// The parameter sets that a stream told last, bounded.
struct H264ParameterSets {
    private static let maximumSets = 16, maximumBytes = 1024
    private var sequence: [[UInt8]] = [], picture: [[UInt8]] = []

    /// Whether an IDR can be decoded with them.
    var areComplete: Bool { !sequence.isEmpty && !picture.isEmpty }

    /// Sets that begin a new group take the place of the old one's.
    mutating func begin() {
        sequence = []
        picture = []
    }

    mutating func note(_ unit: UnsafeRawBufferPointer) {
        guard let head = unit.first, unit.count <= Self.maximumBytes else { return }
        let bytes = Array(unit)
        if head & 31 == H264Payload.sequenceSet, sequence.count < Self.maximumSets, !sequence.contains(bytes) {
            sequence.append(bytes)
        }
        if head & 31 == H264Payload.pictureSet, picture.count < Self.maximumSets, !picture.contains(bytes) {
            picture.append(bytes)
        }
    }

    /// All sets with their lengths before them.
    var units: [UInt8] {
        (sequence + picture).flatMap { unit in H264AccessUnit.length(unit.count) + unit }
    }
}

/// An access unit on its way from packets to units with 4-byte lengths.
struct H264AccessUnit {
    private(set) var bytes: [UInt8] = []
    private(set) var hasIDR = false, hasSequenceSet = false
    /// Where the parameter sets lie.
    private var sets: [Range<Int>] = []
    /// Where the length of the unit goes that has not ended, and its head.
    private var open: (place: Int, head: UInt8)?

    static func length(_ count: Int) -> [UInt8] {
        let value = UInt32(truncatingIfNeeded: count)
        return (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }

    /// Takes the payload of the next packet; returns false when it does not go on where the last one ended.
    mutating func append(_ payload: UnsafeRawBufferPointer) -> Bool {
        guard let parsed = H264Payload(payload) else { return false }
        switch parsed.kind {
        case .single:
            guard open == nil else { return false }
            append(unit: payload)
        case .aggregate:
            guard open == nil else { return false }
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: payload[1...]))
            while let unit = H264Payload.nextUnit(&reader) { append(unit: unit) }
        case .fragment(let isFirst, let isLast):
            // The head's type comes from the fragment's header, the rest from the indicator (section 5.8).
            let head = payload[0] & 0xE0 | payload[1] & 31
            if isFirst {
                guard open == nil else { return false }
                open = (bytes.count, head)
                bytes += [0, 0, 0, 0, head]
            }
            guard let (place, first) = open, first & 31 == head & 31 else { return false }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: payload[2...]))
            guard isLast else { return true }
            open = nil
            let count = bytes.count - place - 4
            bytes.replaceSubrange(place..<place + 4, with: Self.length(count))
            note(first, place + 4..<bytes.count)
        }
        return true
    }

    private mutating func append(unit: UnsafeRawBufferPointer) {
        bytes += Self.length(unit.count)
        let begin = bytes.count
        bytes.append(contentsOf: unit)
        note(unit[0], begin..<bytes.count)
    }

    private mutating func note(_ head: UInt8, _ range: Range<Int>) {
        switch head & 31 {
        case H264Payload.idrSlice: hasIDR = true
        case H264Payload.sequenceSet:
            hasSequenceSet = true
            sets.append(range)
        case H264Payload.pictureSet: sets.append(range)
        default: break
        }
    }

    /// Whether every unit has ended.
    var isWhole: Bool { open == nil && !bytes.isEmpty }

    /// Notes the sets that came, and puts the known ones before an IDR that came without.
    mutating func complete(with known: inout H264ParameterSets) {
        if hasSequenceSet { known.begin() }
        bytes.withUnsafeBytes { all in
            for range in sets.prefix(64) { known.note(UnsafeRawBufferPointer(rebasing: all[range])) }
        }
        if hasIDR, !hasSequenceSet { bytes.insert(contentsOf: known.units, at: 0) }
    }
}
