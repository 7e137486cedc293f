// One track's pictures: frames that wait to be decoded, pictures that wait to be due, and the one that is shown.

import Media
import RTCClient
import Synchronization

/// A received track of pictures.
///
/// Frames come on the client's thread, are decoded on the track's thread of the pool, and pictures are taken by the
/// program's thread. A frame that can't be decoded is never shown: the last good picture stays until a keyframe came.
final class VideoTrack: DecodeWork {
    static let maximumFrames = 30, maximumPictures = 8
    /// How long the last picture of a track that nobody sees stays: who is back within a moment is back at once.
    static let hiddenMs: Int64 = 1000

    private struct Waiting {
        var stamp: Int64
        var payload: ByteBlock
        var isKeyframe: Bool
        var signal: PictureSignal
        var arrival: MonotonicTime
    }

    private struct Picture {
        var stamp: Int64
        var frame: VideoFrame
    }

    private struct State {
        var frames: [Waiting] = []
        var pictures: [Picture] = []
        var current: VideoFrame?
        var isScheduled = false, isVisible = true, awaitsKeyframe = true, hasEnded = false
        var lastRequest: MonotonicTime?
        var requestInterval: Int64 = 500
        var lastAsked: MonotonicTime?
        var goneAt: MonotonicTime?
        /// Since when nobody sees it; nil while somebody does.
        var hiddenAt: MonotonicTime?

        /// Forgets what has not been seen for longer than a moment: it must not come back as if it were of now.
        mutating func forget(at now: MonotonicTime) {
            if let hiddenAt, now.milliseconds(since: hiddenAt) > VideoTrack.hiddenMs { current = nil }
        }
    }

    let id: Int
    private let codec: Codec
    private let state = Mutex(State())
    private let playout: SharedPlayout
    private let pool: DecodePool
    private let thread: Int
    private let counters: RoomCounters
    private let requestKeyframe: @Sendable () -> Void
    private let maximumPixels: Int
    /// Touched by the track's thread of the pool alone.
    private nonisolated(unsafe) var decoder: VideoDecoder?

    init(
        id: Int, codec: Codec, maximumPixels: Int, playout: SharedPlayout, pool: DecodePool, counters: RoomCounters,
        requestKeyframe: @escaping @Sendable () -> Void
    ) {
        self.id = id
        self.codec = codec
        self.maximumPixels = maximumPixels
        self.playout = playout
        self.pool = pool
        thread = pool.assign()
        self.counters = counters
        self.requestKeyframe = requestKeyframe
    }

    // MARK: - The client's thread

    func receive(_ received: ReceivedFrame) {
        counters.add(.framesReceived)
        let frame = received.frame
        let stamp = playout.note(id, received)
        let (drop, schedules, asks) = state.withLock { state -> (RoomCounterName?, Bool, Bool) in
            guard state.isVisible else {
                state.awaitsKeyframe = true
                return (.framesHidden, false, false)
            }
            if frame.isKeyframe {
                // Nothing before a keyframe matters to what comes after it; what waits is still to be shown.
                state.awaitsKeyframe = false
                state.requestInterval = 500
                state.lastRequest = nil
            } else if received.followsGap {
                state.awaitsKeyframe = true
            }
            guard !state.awaitsKeyframe else {
                return (.framesNoKeyframe, false, Self.mayAsk(&state, received.arrival))
            }
            guard state.frames.count < Self.maximumFrames else {
                state.awaitsKeyframe = true
                return (.framesQueueFull, false, Self.mayAsk(&state, received.arrival))
            }
            state.frames.append(
                Waiting(
                    stamp: stamp, payload: frame.payload, isKeyframe: frame.isKeyframe, signal: received.signal,
                    arrival: received.arrival))
            return (nil, Self.maySchedule(&state), false)
        }
        if let drop { counters.add(drop) }
        if asks { ask() }
        if schedules { schedule() }
    }

    /// Lets what waits be shown, and the picture go at a moment.
    func end(at moment: MonotonicTime) {
        state.withLock { state in
            state.hasEnded = true
            state.goneAt = moment
        }
    }

    private static func maySchedule(_ state: inout State) -> Bool {
        guard !state.isScheduled, !state.frames.isEmpty, state.pictures.count < maximumPictures else { return false }
        state.isScheduled = true
        return true
    }

    /// At once, then after 0.5 s, 1 s, and every 2 s.
    private static func mayAsk(_ state: inout State, _ now: MonotonicTime) -> Bool {
        guard !state.hasEnded else { return false }
        if let last = state.lastRequest {
            guard now.milliseconds(since: last) >= state.requestInterval else { return false }
            state.requestInterval = min(2000, state.requestInterval * 2)
        }
        state.lastRequest = now
        return true
    }

    private func ask() {
        counters.add(.keyframeRequests)
        requestKeyframe()
    }

    private func schedule() {
        if !pool.schedule(self, on: thread) { state.withLock { $0.isScheduled = false } }
    }

    // MARK: - The track's thread

    func decodeStep() -> Bool {
        let next = state.withLock { state -> Waiting? in
            guard !state.frames.isEmpty, state.pictures.count < Self.maximumPictures else {
                state.isScheduled = false
                return nil
            }
            return state.frames.removeFirst()
        }
        guard let next else { return false }
        let result = decode(next)
        let (goesOn, asks, due) = state.withLock { state -> (Bool, Bool, MonotonicTime?) in
            var asks = false
            var late: MonotonicTime?
            switch result {
            case .success(let frame?):
                frame.arrival = next.arrival
                state.pictures.append(Picture(stamp: frame.timestampNanoseconds, frame: frame))
                late = state.lastAsked
            case .success(nil), .failure(.noFreeFrame): break
            case .failure:
                // What follows refers to what is broken.
                if let keyframe = state.frames.firstIndex(where: \.isKeyframe) {
                    state.frames.removeFirst(keyframe)
                } else {
                    state.frames.removeAll()
                    state.awaitsKeyframe = true
                    asks = Self.mayAsk(&state, SystemClock.monotonic())
                }
            }
            state.isScheduled = !state.frames.isEmpty && state.pictures.count < Self.maximumPictures
            return (state.isScheduled, asks, late)
        }
        if asks { ask() }
        if let due { playout.noteUse(id, stamp: next.stamp, asked: due, counters: counters) }
        return goesOn
    }

    private func decode(_ frame: Waiting) -> Result<VideoFrame?, VideoCodecError> {
        do throws(VideoCodecError) {
            if decoder == nil {
                decoder = try VideoDecoder(
                    codec: codec, maximumPixels: maximumPixels, framesInUse: Self.maximumPictures + 8)
            }
            guard let picture = try decoder?.decode(frame.payload, timestampNanoseconds: frame.stamp) else {
                return .success(nil)
            }
            counters.add(.framesDecoded)
            counters.add(.pixelsDecoded, UInt64(picture.width * picture.height))
            picture.rotation = frame.signal.rotation
            // What the sender tells goes before what the codec stands for; a browser reads it in the same order.
            picture.color = frame.signal.color.description(otherwise: picture.color)
            return .success(picture)
        } catch {
            switch error {
            case .noFreeFrame: counters.add(.framesNoMemory)
            case .tooLarge: counters.add(.framesTooLarge)
            default: counters.add(.framesCorrupt)
            }
            return .failure(error)
        }
    }

    // MARK: - The program's thread

    /// The newest picture that is due at a moment, or nil when there is none yet, or none any more.
    func picture(at moment: MonotonicTime) -> VideoFrame? {
        let (picture, skipped, schedules, asks) = state.withLock { state -> (VideoFrame?, Int, Bool, Bool) in
            state.lastAsked = moment
            var taken = 0
            for picture in state.pictures {
                guard let due = playout.time(id, stamp: picture.stamp), due <= moment else { break }
                state.current = picture.frame
                taken += 1
            }
            state.pictures.removeFirst(taken)
            if let gone = state.goneAt, moment >= gone { state.current = nil }
            state.forget(at: moment)
            let asks = state.awaitsKeyframe && state.isVisible && Self.mayAsk(&state, moment)
            return (state.current, max(0, taken - 1), Self.maySchedule(&state), asks)
        }
        counters.add(.framesSkipped, UInt64(skipped))
        if schedules { schedule() }
        if asks { ask() }
        return picture
    }

    /// Whether the track has ended and its last picture has gone.
    func isOver(at moment: MonotonicTime) -> Bool { state.withLock { $0.goneAt.map { moment >= $0 } ?? false } }

    /// Begins or ceases to decode; the last picture stays, for a moment only while nobody sees it.
    func setVisible(_ isVisible: Bool, now: MonotonicTime) {
        let asks = state.withLock { state -> Bool in
            guard state.isVisible != isVisible else { return false }
            state.isVisible = isVisible
            state.awaitsKeyframe = true
            state.frames.removeAll()
            guard isVisible else {
                state.pictures.removeAll()
                state.hiddenAt = now
                return false
            }
            state.forget(at: now)
            state.hiddenAt = nil
            state.lastRequest = nil
            state.requestInterval = 500
            return Self.mayAsk(&state, now)
        }
        if asks { ask() }
    }
}
