// An ingest's pictures: frames that wait to be decoded, pictures that wait to be due, and the one that is shown.

internal import Media
internal import Synchronization

/// The H.264 of one ingest.
///
/// Nobody can be asked for a key frame here. So while the ingest is not seen the frames since the last one are kept,
/// undecoded, and when it is wanted they are decoded as fast as that goes.
final class IngestPictures: DecodeWork {
    static let track = 0
    /// Ten seconds between key frames are more than encoders make; what waits longer could not be shown in time.
    static let maximumFrames = 600, maximumBytes = 16 << 20, maximumPictures = 4
    /// A picture that is due later than this has a broken stamp.
    static let latest: Int64 = 3_000_000_000

    private enum Item {
        case configuration(ByteBlock)
        case frame(EncodedFrame)

        var bytes: Int {
            switch self {
            case .configuration(let record): record.count
            case .frame(let frame): frame.payload.count
            }
        }
    }

    private struct State {
        var items: [Item] = []
        var bytes = 0
        var pictures: [VideoFrame] = []
        var current: VideoFrame?
        var configuration: ByteBlock?
        /// Counts the streams, so that a picture of the last one is not shown by the clock of the next.
        var stream: UInt64 = 0
        var isScheduled = false, isVisible = false, awaitsKeyframe = true
        var goneAt: MonotonicTime?
        var lastAsked: MonotonicTime?
        var hiddenSince: MonotonicTime?
        /// Counts how often it was hidden: what the decoder still holds back then is never seen.
        var hides: UInt64 = 0

        /// Leaves out what waits, but not what decoding begins with.
        mutating func clear() -> UInt64 {
            let count = items.count { if case .frame = $0 { true } else { false } }
            items = configuration.map { [.configuration($0)] } ?? []
            bytes = items.reduce(0) { $0 + $1.bytes }
            return UInt64(count)
        }

        mutating func append(_ item: Item) {
            items.append(item)
            bytes += item.bytes
        }

        mutating func schedules() -> Bool {
            guard isVisible, !isScheduled, !items.isEmpty, pictures.count < maximumPictures else { return false }
            isScheduled = true
            return true
        }
    }

    private let state = Mutex(State())
    private let playout: SharedPlayout
    private let counters: IngestCounters
    private let pool: DecodePool
    private let thread: Int
    /// Touched by the thread of the pool alone.
    private nonisolated(unsafe) var decoder: H264Decoder?
    private nonisolated(unsafe) var decoding: [UInt8] = []
    private nonisolated(unsafe) var hidesDecoded: UInt64 = 0

    init(playout: SharedPlayout, pool: DecodePool, counters: IngestCounters) {
        self.playout = playout
        self.pool = pool
        self.counters = counters
        thread = pool.assign()
    }

    // MARK: - The connection's thread

    func configure(_ record: ByteBlock) {
        state.withLock { state in
            state.configuration = record
            if state.items.count >= Self.maximumFrames { counters.add(.framesQueueFull, state.clear()) }
            state.append(.configuration(record))
        }
    }

    func receive(_ frame: EncodedFrame, arrival: MonotonicTime) {
        counters.add(.framesReceived)
        playout.note(
            Self.track, stamp: Self.nanoseconds(frame.dts, frame.timescale), arrival: arrival, isPicture: true)
        let schedules = state.withLock { state -> Bool in
            if frame.isKeyframe {
                state.awaitsKeyframe = false
                // What nobody has seen by now is not seen any more.
                if !state.isVisible { counters.add(.framesHidden, state.clear()) }
            }
            if state.items.count >= Self.maximumFrames || state.bytes + frame.payload.count > Self.maximumBytes {
                counters.add(.framesQueueFull, state.clear())
                state.awaitsKeyframe = !frame.isKeyframe
            }
            guard !state.awaitsKeyframe else {
                counters.add(.framesNoKeyframe)
                return false
            }
            state.append(.frame(frame))
            return state.schedules()
        }
        if schedules { schedule() }
    }

    /// The stream has ended: its last picture goes at a moment, unless another stream comes first.
    func end(goneAt moment: MonotonicTime) {
        state.withLock { state in
            state.stream &+= 1
            state.configuration = nil
            _ = state.clear()
            state.pictures = []
            state.awaitsKeyframe = true
            if state.current != nil { state.goneAt = moment }
        }
    }

    private func schedule() {
        if !pool.schedule(self, on: thread) { state.withLock { $0.isScheduled = false } }
    }

    static func nanoseconds(_ ticks: Int64, _ timescale: Int32) -> Int64 {
        let scale = Int64(max(1, timescale))
        return ticks / scale &* 1_000_000_000 &+ ticks % scale &* 1_000_000_000 / scale
    }

    // MARK: - The pool's thread

    func decodeStep() -> Bool {
        let next = state.withLock { state -> (item: Item, stream: UInt64, hides: UInt64)? in
            guard state.isVisible, !state.items.isEmpty, state.pictures.count < Self.maximumPictures else {
                state.isScheduled = false
                return nil
            }
            let item = state.items.removeFirst()
            state.bytes -= item.bytes
            return (item, state.stream, state.hides)
        }
        guard let next else { return false }
        let (pictures, isBroken) = decode(next.item, hides: next.hides)
        return state.withLock { state in
            if next.stream == state.stream, next.hides == state.hides {
                if isBroken { skipToKeyframe(&state) }
                for picture in pictures { store(picture, &state) }
            }
            state.isScheduled = state.isVisible && !state.items.isEmpty && state.pictures.count < Self.maximumPictures
            return state.isScheduled
        }
    }

    private func decode(_ item: Item, hides: UInt64) -> (pictures: [VideoFrame], isBroken: Bool) {
        var pictures: [VideoFrame] = []
        do throws(AVError) {
            switch item {
            case .configuration(let record):
                guard record.array != decoding || decoder == nil || hides != hidesDecoded else { break }
                hidesDecoded = hides
                decoder = nil
                decoder = try H264Decoder(configuration: record, poolCapacity: Self.maximumPictures + 8)
                decoding = record.array
            case .frame(let frame):
                let before = decoder?.droppedWithoutMemory ?? 0
                try decoder?.decode(frame) { pictures.append($0) }
                counters.add(.framesNoMemory, (decoder?.droppedWithoutMemory ?? 0) - before)
                counters.add(.framesDecoded, UInt64(pictures.count))
            }
            return (pictures, false)
        } catch {
            counters.add(.framesCorrupt)
            return (pictures, true)
        }
    }

    /// What follows a broken frame refers to it.
    private func skipToKeyframe(_ state: inout State) {
        let start = state.items.firstIndex { if case .frame(let frame) = $0 { frame.isKeyframe } else { true } }
        if let start {
            counters.add(.framesNoKeyframe, UInt64(start))
            state.items.removeFirst(start)
            state.bytes = state.items.reduce(0) { $0 + $1.bytes }
        } else {
            counters.add(.framesNoKeyframe, state.clear())
            state.awaitsKeyframe = true
        }
    }

    private func store(_ picture: VideoFrame, _ state: inout State) {
        if let asked = state.lastAsked, let due = playout.time(Self.track, stamp: picture.timestampNanoseconds),
            due < asked
        {
            // What was due before is seen no more; this one is the newest of those.
            counters.add(.framesSkipped, UInt64(state.pictures.count))
            counters.add(.framesLate)
            state.pictures = []
            // A catch-up after it was hidden is no fault of the way.
            if state.items.count < 3 { playout.noteLate(by: asked.nanoseconds(since: due), at: asked, isPicture: true) }
        }
        state.pictures.append(picture)
    }

    // MARK: - The program's thread

    /// The newest picture that is due at a moment; nil when there is none yet, or none any more.
    func picture(at moment: MonotonicTime) -> VideoFrame? {
        let (picture, schedules) = state.withLock { state -> (VideoFrame?, Bool) in
            state.lastAsked = moment
            var taken = 0
            for picture in state.pictures {
                if let due = playout.time(Self.track, stamp: picture.timestampNanoseconds), due > moment {
                    if due.nanoseconds(since: moment) < Self.latest { break }
                } else {
                    state.current = picture
                    state.goneAt = nil
                }
                taken += 1
            }
            state.pictures.removeFirst(taken)
            if let gone = state.goneAt, moment >= gone {
                state.current = nil
                state.goneAt = nil
            }
            return (state.current, state.schedules())
        }
        if schedules { schedule() }
        return picture
    }

    /// Whether there is no picture yet, but what it is made from.
    var isComing: Bool { state.withLock { $0.isVisible && $0.current == nil && !$0.awaitsKeyframe } }

    /// Begins or ceases to decode; the last picture stays.
    func setVisible(_ isVisible: Bool) {
        let schedules = state.withLock { state -> Bool in
            guard state.isVisible != isVisible else { return false }
            state.isVisible = isVisible
            let now = SystemClock.monotonic()
            // What was seen a while ago is not what is there now.
            if isVisible, let hidden = state.hiddenSince, now.milliseconds(since: hidden) > 500 { state.current = nil }
            state.hiddenSince = isVisible ? nil : now
            if !isVisible {
                // The decoder has seen a part of what it would need again: the next key frame begins anew.
                state.pictures = []
                state.awaitsKeyframe = true
                state.hides &+= 1
                counters.add(.framesHidden, state.clear())
            }
            return state.schedules()
        }
        if schedules { schedule() }
    }
}
