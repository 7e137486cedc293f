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
/// gap is given up, or a frame is damaged, video skips to the next keyframe that is whole; audio goes on behind the gap.
///
/// Frames of VP9 with several layers come out as one superframe. Access units of H.264 come out with 4-byte lengths, and
/// an IDR always with its parameter sets; one whose sets are not known is no keyframe.
public struct FrameAssembler {
    private struct Piece {
        var sequence: Int64 = -1
        var timestamp: Int64 = 0
        var bytes: [UInt8] = []
        var startsFrame = false, startsLayer = false, isKeyframe = false, startsIDR = false, marker = false
        /// Whether its number is all that it has: nobody waits for it any more.
        var isEmpty = false
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
    /// Whether `next` follows the end of a frame: where H.264 tells no beginning, it is one.
    private var followsFrame = false
    private var parameterSets = H264ParameterSets()
    /// Whether a keyframe must be asked for; stays true until one came out.
    public var needsKeyframe: Bool { waitsForKeyframe }
    /// Packets that came too late, or after one with the same number had become part of a frame.
    public private(set) var late: UInt64 = 0
    /// Packets that are none of the codec's, or parts of frames that can't be put together.
    public private(set) var damaged: UInt64 = 0
    /// Packets of pictures between a gap and the keyframe behind it, those that never came too.
    public private(set) var abandoned: UInt64 = 0

    /// Creates an empty buffer.
    ///
    /// - Parameters:
    ///   - codec: `.vp8`, `.vp9`, `.h264` or `.opus`.
    ///   - maximumWaitMs: how long a missing packet is waited for.
    public init(codec: Codec, maximumWaitMs: Int64) {
        self.codec = codec
        self.maximumWaitMs = maximumWaitMs
        ring = Array(repeating: Piece(), count: Self.capacity)
        waitsForKeyframe = codec.isVideo
    }

    /// Takes one packet's payload; of pictures also one without any, which only says that nothing is missing there.
    public mutating func insert(
        sequence: Int64, timestamp: UInt32, marker: Bool, payload: UnsafeRawBufferPointer, now: MonotonicTime
    ) {
        guard sequence >= 0, payload.count > 0 || codec.isVideo, next < 0 || sequence >= next else {
            late &+= 1
            return
        }
        var piece = Piece(sequence: sequence, marker: marker, arrival: now)
        piece.timestamp = timestamps.unwrap(timestamp)
        if payload.count == 0 {
            (piece.isEmpty, piece.marker) = (true, false)
        } else if codec.isVideo {
            guard let told = VideoPayload(payload, codec: codec) else {
                damaged &+= 1
                return
            }
            piece.bytes = Array(payload[told.offset...])
            (piece.startsFrame, piece.startsLayer) = (told.startsFrame, told.startsLayer)
            (piece.isKeyframe, piece.startsIDR) = (told.startsKeyframe, told.startsIDR)
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
            if waitsForKeyframe {
                guard let start = firstWholeKeyframe() else { return nil }
                followsFrame = start == next && followsFrame
                if next >= 0 { abandoned &+= UInt64(start - next) }
                next = start
            }
            guard next >= 0 else { return nil }
            stepOverEmpty()
            if let range = wholeFrame(at: next) {
                gapSince = nil
                if let frame = take(range) { return frame }
                continue
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

    private mutating func stepOverEmpty() {
        while let piece = piece(next), piece.isEmpty {
            ring[Int(next % Int64(Self.capacity))] = Piece()
            next += 1
        }
    }

    private func piece(_ sequence: Int64) -> Piece? {
        guard sequence >= 0 else { return nil }
        let piece = ring[Int(sequence % Int64(Self.capacity))]
        return piece.sequence == sequence ? piece : nil
    }

    /// The sequence numbers of the frame that begins at a number, if all of it is there.
    private func wholeFrame(at start: Int64) -> ClosedRange<Int64>? {
        run(at: start).flatMap { $0.isWhole ? start...$0.end : nil }
    }

    /// The packets of one frame that follow each other from a number on, where a frame begins with it.
    ///
    /// - Returns: the last packet of a whole frame, or where what is there breaks off.
    private func run(at start: Int64) -> (end: Int64, isWhole: Bool)? {
        guard let first = piece(start), first.startsFrame || codec == .h264 && begins(first, at: start) else {
            return nil
        }
        var end = start
        while let current = piece(end), current.isEmpty || current.timestamp == first.timestamp {
            if current.marker { return (end, true) }
            end += 1
        }
        return (end, false)
    }

    /// Whether a packet of H.264 is the first one of its access unit.
    private func begins(_ first: Piece, at start: Int64) -> Bool {
        if start == next, followsFrame { return true }
        guard let before = piece(start - 1) else { return false }
        return before.timestamp != first.timestamp
    }

    private func firstWholeKeyframe() -> Int64? {
        guard highest >= 0 else { return nil }
        var sequence = max(next, highest - Int64(Self.capacity) + 1, 0)
        while sequence <= highest {
            if let piece = piece(sequence),
                piece.startsFrame && piece.isKeyframe || piece.startsIDR && parameterSets.areComplete,
                let run = run(at: sequence)
            {
                if run.isWhole { return sequence }
                // Whatever else begins before the break has no end either: each packet is looked at once.
                sequence = max(sequence + 1, run.end)
            } else {
                sequence += 1
            }
        }
        return nil
    }

    /// Gives up what is missing at `next`.
    private mutating func skip() {
        gapSince = nil
        hasGap = true
        followsFrame = false
        if codec.isVideo {
            waitsForKeyframe = true
            return
        }
        while next <= highest, piece(next) == nil { next += 1 }
    }

    /// Takes a whole frame out; nil when it is damaged, or decoding can't begin with it and has to.
    private mutating func take(_ range: ClosedRange<Int64>) -> AssembledFrame? {
        var completed = MonotonicTime(nanoseconds: Int64.min)
        for sequence in range { if let piece = piece(sequence) { completed = max(completed, piece.arrival) } }
        let first = piece(range.lowerBound)
        let (payload, isKeyframe) = codec == .h264 ? accessUnit(range) : join(range)
        for sequence in range { ring[Int(sequence % Int64(Self.capacity))] = Piece() }
        next = range.upperBound + 1
        followsFrame = true
        guard let payload, isKeyframe || !waitsForKeyframe else {
            damaged &+= UInt64(range.count)
            hasGap = true
            waitsForKeyframe = codec.isVideo
            return nil
        }
        waitsForKeyframe = false
        defer { hasGap = false }
        return AssembledFrame(
            payload: payload, timestamp: first?.timestamp ?? 0, isKeyframe: isKeyframe, completedAt: completed,
            followsGap: hasGap)
    }

    private func join(_ range: ClosedRange<Int64>) -> (ByteBlock?, isKeyframe: Bool) {
        var count = 0, layers: [Int] = []
        for sequence in range {
            guard let piece = piece(sequence) else { continue }
            if piece.startsLayer { layers.append(0) }
            if !layers.isEmpty { layers[layers.count - 1] += piece.bytes.count }
            count += piece.bytes.count
        }
        let index = layers.count > 1 ? superframeIndex(layers, last: range.upperBound) : []
        let block = ByteBlock(count: count + index.count) { target in
            var offset = 0
            for sequence in range {
                guard let piece = piece(sequence) else { continue }
                piece.bytes.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: $0)
                }
                offset += piece.bytes.count
            }
            for byte in index {
                target[offset] = byte
                offset += 1
            }
        }
        return (block, piece(range.lowerBound)?.isKeyframe ?? false)
    }

    /// The index that tells a decoder where the layers' frames begin; empty when the last packet has brought one.
    private func superframeIndex(_ sizes: [Int], last: Int64) -> [UInt8] {
        guard let marker = piece(last)?.bytes.last, marker & 0xE0 != 0xC0 else { return [] }
        return VP9Superframe.index(sizes: sizes)
    }

    private mutating func accessUnit(_ range: ClosedRange<Int64>) -> (ByteBlock?, isKeyframe: Bool) {
        var unit = H264AccessUnit()
        for sequence in range {
            guard let piece = piece(sequence), piece.bytes.withUnsafeBytes({ unit.append($0) }) else {
                return (nil, false)
            }
        }
        guard unit.isWhole else { return (nil, false) }
        unit.complete(with: &parameterSets)
        return (ByteBlock(unit.bytes), unit.hasIDR && parameterSets.areComplete)
    }

    private mutating func reset() {
        ring = Array(repeating: Piece(), count: Self.capacity)
        next = -1
        highest = -1
        gapSince = nil
        hasGap = true
        followsFrame = false
        waitsForKeyframe = codec.isVideo
    }
}
