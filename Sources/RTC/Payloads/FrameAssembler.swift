// The jitter buffer: packets in any order in, whole frames in decoding order out.

public import Media

/// A frame as it came out of the network.
public struct AssembledFrame: Sendable {
    /// The payload without descriptors.
    public var payload: ByteBlock
    /// The unwrapped timestamp.
    public var timestamp: Int64
    /// Whether decoding can begin here.
    public var isKeyframe: Bool
    /// When its last missing packet arrived.
    public var completedAt: MonotonicTime
    /// Whether frames before this one are missing (audio only; video waits for a keyframe).
    public var followsGap: Bool
}

/// Puts the frames of one source together.
///
/// Invariants: frames come out in the order of their sequence numbers; a video frame comes out only if every packet since
/// the last keyframe came out before it; at most `capacity` packets and `maximumWaitMs` of time are kept. When a
/// gap is given up, video skips to the next keyframe that is whole, audio goes on behind the gap.
public struct FrameAssembler {
    private struct Piece {
        var sequence: Int64 = -1
        var timestamp: Int64 = 0
        var bytes: [UInt8] = []
        var startsFrame = false, isKeyframe = false, marker = false
        var arrival = MonotonicTime(nanoseconds: 0)
    }

    private static let capacity = 1024

    private let codec: Codec
    private let maximumWaitMs: Int64
    private var ring: [Piece]
    private var next: Int64 = -1, highest: Int64 = -1
    private var waitsForKeyframe: Bool
    private var timestamps = TimestampUnwrapper()
    private var gapSince: MonotonicTime?
    private var hasGap = false
    /// Whether a keyframe must be asked for; stays true until one came out.
    public var needsKeyframe: Bool { waitsForKeyframe }
    /// Packets that never became part of a frame.
    public private(set) var discarded: UInt64 = 0

    /// Creates an empty buffer.
    ///
    /// - Parameters:
    ///   - codec: `.vp8` or `.opus`.
    ///   - maximumWaitMs: how long a missing packet is waited for.
    public init(codec: Codec, maximumWaitMs: Int64) {
        self.codec = codec
        self.maximumWaitMs = maximumWaitMs
        ring = Array(repeating: Piece(), count: Self.capacity)
        waitsForKeyframe = codec == .vp8
    }

    /// Takes one packet's payload.
    public mutating func insert(
        sequence: Int64, timestamp: UInt32, marker: Bool, payload: UnsafeRawBufferPointer, now: MonotonicTime
    ) {
        guard sequence >= 0, payload.count > 0, next < 0 || sequence >= next else {
            discarded &+= 1
            return
        }
        var piece = Piece(sequence: sequence, marker: marker, arrival: now)
        piece.timestamp = timestamps.unwrap(timestamp)
        if codec == .vp8 {
            guard let descriptor = VP8Descriptor(payload) else {
                discarded &+= 1
                return
            }
            piece.bytes = Array(payload[descriptor.length...])
            piece.startsFrame = descriptor.startsFrame
            piece.isKeyframe = descriptor.isKeyframe
        } else {
            piece.bytes = Array(payload)
            (piece.startsFrame, piece.isKeyframe, piece.marker) = (true, true, true)
        }
        if next < 0, !waitsForKeyframe { next = sequence }
        if highest >= 0, sequence - highest > Int64(Self.capacity) || highest - sequence >= Int64(Self.capacity) {
            reset()
        }
        ring[Int(sequence % Int64(Self.capacity))] = piece
        highest = max(highest, sequence)
        if next >= 0, highest - next >= Int64(Self.capacity) { skip() }
    }

    /// Takes the next whole frame, if there is one.
    public mutating func pop(now: MonotonicTime) -> AssembledFrame? {
        while true {
            if waitsForKeyframe, next < 0 || piece(next)?.isKeyframe != true {
                guard let start = firstWholeKeyframe() else { return nil }
                next = start
            }
            guard next >= 0 else { return nil }
            if let frame = wholeFrame(at: next) {
                gapSince = nil
                return take(frame)
            }
            guard highest > next || piece(next) != nil else {
                gapSince = nil
                return nil
            }
            // Something is missing at or behind `next`.
            guard let since = gapSince else {
                gapSince = now
                return nil
            }
            guard now.milliseconds(since: since) >= maximumWaitMs, highest >= next else { return nil }
            let before = next
            skip()
            guard next != before || waitsForKeyframe else { return nil }
        }
    }

    private func piece(_ sequence: Int64) -> Piece? {
        guard sequence >= 0 else { return nil }
        let piece = ring[Int(sequence % Int64(Self.capacity))]
        return piece.sequence == sequence ? piece : nil
    }

    /// The sequence numbers of the frame that begins at a number, if all of it is there.
    private func wholeFrame(at start: Int64) -> ClosedRange<Int64>? {
        guard let first = piece(start), first.startsFrame else { return nil }
        var end = start
        while let current = piece(end), current.timestamp == first.timestamp {
            if current.marker { return start...end }
            end += 1
        }
        return nil
    }

    private func firstWholeKeyframe() -> Int64? {
        guard highest >= 0 else { return nil }
        var sequence = max(next, highest - Int64(Self.capacity) + 1, 0)
        while sequence <= highest {
            if let piece = piece(sequence), piece.startsFrame, piece.isKeyframe, wholeFrame(at: sequence) != nil {
                return sequence
            }
            sequence += 1
        }
        return nil
    }

    /// Gives up what is missing at `next`.
    private mutating func skip() {
        gapSince = nil
        hasGap = true
        if codec == .vp8 {
            waitsForKeyframe = true
            return
        }
        while next <= highest, piece(next) == nil { next += 1 }
    }

    private mutating func take(_ range: ClosedRange<Int64>) -> AssembledFrame {
        var count = 0, completed = MonotonicTime(nanoseconds: Int64.min)
        for sequence in range {
            guard let piece = piece(sequence) else { continue }
            count += piece.bytes.count
            completed = max(completed, piece.arrival)
        }
        let first = piece(range.lowerBound)
        let block = ByteBlock(count: count) { target in
            var offset = 0
            for sequence in range {
                let slot = Int(sequence % Int64(Self.capacity))
                for byte in ring[slot].bytes {
                    target[offset] = byte
                    offset += 1
                }
            }
        }
        for sequence in range { ring[Int(sequence % Int64(Self.capacity))] = Piece() }
        next = range.upperBound + 1
        waitsForKeyframe = false
        defer { hasGap = false }
        return AssembledFrame(
            payload: block, timestamp: first?.timestamp ?? 0, isKeyframe: first?.isKeyframe ?? false,
            completedAt: completed,
            followsGap: hasGap)
    }

    private mutating func reset() {
        ring = Array(repeating: Piece(), count: Self.capacity)
        next = -1
        highest = -1
        gapSince = nil
        hasGap = true
        waitsForKeyframe = codec == .vp8
    }
}
