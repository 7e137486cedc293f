// Gathers what the encoders of all rungs give until a segment is whole in every one of them. No I/O.

import Media

/// What the ladder says to the segments, in order per rung.
enum LadderOutput: Sendable {
    /// A picture of one rung.
    case video(rung: Int, slot: Int64, EncodedFrame, AVCConfiguration)
    /// An audio frame for all rungs; `position` counts samples at 48 kHz since the epoch.
    case audio(position: Int64, ByteBlock)
    /// A segment starts at a slot; the one before ends at `previousEnd`.
    case boundary(slot: Int64, previousEnd: Int64, isDiscontinuity: Bool)
    /// A rung has given everything before a slot.
    case reached(rung: Int, slot: Int64)
    /// The ladder stops: the open segment ends at a slot.
    case end(slot: Int64)
}

/// A segment that is complete in every rung.
struct AssembledSegment: Sendable {
    struct Picture: Sendable {
        var slot: Int64
        var frame: EncodedFrame
        var configuration: AVCConfiguration
    }

    var start: Int64, end: Int64
    var isDiscontinuity: Bool
    var rungs: [[Picture]]
    var audio: [(position: Int64, payload: ByteBlock)]
}

struct SegmentAssembler {
    private struct Boundary {
        var slot: Int64, previousEnd: Int64
        var isDiscontinuity: Bool, isEnd: Bool
    }

    private let grid: SlotGrid
    private var rungs: [[AssembledSegment.Picture]]
    private var reached: [Int64]
    private var audio: [(position: Int64, payload: ByteBlock)] = []
    private var boundaries: [Boundary] = []
    /// Pictures and audio frames that had no place: before the first boundary, or more than memory may hold.
    private(set) var discarded: UInt64 = 0
    /// Far above what 6 s and a lookahead need, far below what hurts.
    private let capacity = 2400

    init(grid: SlotGrid, rungCount: Int) {
        self.grid = grid
        rungs = Array(repeating: [], count: rungCount)
        reached = Array(repeating: Int64.min, count: rungCount)
    }

    /// Takes one output; returns the segments that became whole by it.
    mutating func accept(_ output: LadderOutput) -> [AssembledSegment] {
        switch output {
        case .video(let rung, let slot, let frame, let configuration):
            guard rung < rungs.count, rungs[rung].count < capacity, let first = boundaries.first,
                slot >= first.slot || first.isEnd
            else {
                discarded &+= 1
                return []
            }
            rungs[rung].append(.init(slot: slot, frame: frame, configuration: configuration))
            reached[rung] = max(reached[rung], slot)
        case .audio(let position, let payload):
            guard audio.count < capacity else {
                discarded &+= 1
                return []
            }
            audio.append((position, payload))
            // Sound alone completes a segment only when the pictures are already there.
            guard boundaries.count > 1 else { return [] }
        case .boundary(let slot, let previousEnd, let isDiscontinuity):
            boundaries.append(
                Boundary(slot: slot, previousEnd: previousEnd, isDiscontinuity: isDiscontinuity, isEnd: false))
        case .reached(let rung, let slot):
            guard rung < rungs.count else { return [] }
            reached[rung] = max(reached[rung], slot)
        case .end(let slot):
            guard !boundaries.isEmpty else { return [] }
            boundaries.append(Boundary(slot: slot, previousEnd: slot, isDiscontinuity: false, isEnd: true))
        }
        var whole: [AssembledSegment] = []
        while let segment = takeWhole() { whole.append(segment) }
        return whole
    }

    private mutating func takeWhole() -> AssembledSegment? {
        while let first = boundaries.first, first.isEnd, boundaries.count > 1 { boundaries.removeFirst() }
        guard boundaries.count > 1, !boundaries[0].isEnd else { return nil }
        let open = boundaries[0], next = boundaries[1]
        let audioEnd = samples(next.previousEnd)
        guard reached.allSatisfy({ $0 >= next.slot }), let lastAudio = audio.last, lastAudio.position >= audioEnd - 1024
        else { return nil }
        boundaries.removeFirst()
        var pictures: [[AssembledSegment.Picture]] = []
        for rung in rungs.indices {
            let count = rungs[rung].firstIndex { $0.slot >= next.slot } ?? rungs[rung].count
            pictures.append(rungs[rung][..<count].filter { $0.slot >= open.slot && $0.slot < next.previousEnd })
            rungs[rung].removeFirst(count)
        }
        let first = samples(open.slot)
        let sound = audio.prefix { $0.position < audioEnd }.filter { $0.position >= first }
        let kept = samples(next.slot)
        audio.removeAll { $0.position < audioEnd || (!next.isEnd && $0.position < kept) }
        return AssembledSegment(
            start: open.slot, end: next.previousEnd, isDiscontinuity: open.isDiscontinuity, rungs: pictures,
            audio: Array(sound))
    }

    private func samples(_ slot: Int64) -> Int64 { slot &* 48_000 / grid.framesPerSecond }
}
