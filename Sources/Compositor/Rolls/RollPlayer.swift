// A roll that is read from a file: pictures and sound of its process, given out by one clock.

import Glibc
import Media
import NIOPosix
import Synchronization

/// Plays one file from one position on.
///
/// Its clock is the program's: what has the stamp s is due at the moment of the first picture plus s. Of its pictures a
/// frame of the program shows the nearest one, so that they are as often early as late by up to half a frame, and the
/// sound needs no shift. Pictures that come late are left out, sound that comes late is a gap; neither waits for the other.
final class RollPlayer: Roll {
    /// Pictures that wait to be shown.
    static let pictureLimit = 8
    /// Samples that wait to be heard: 20 s.
    static let soundLimit = 20 * 48_000

    private struct Chunk {
        var position: Int64
        var samples: [Float]
        var end: Int64 { position + Int64(samples.count / 2) }
    }

    private struct State {
        var process: RollProcess?
        var isStopped = false
        var shown: VideoFrame?, next: VideoFrame?
        /// The moment of the roll's zero while it runs.
        var zero: MonotonicTime?
        /// Where it stands while it does not run.
        var position: Int64
        var chunks: [Chunk] = []
        var soundSamples = 0
        /// Where the last picture or sample ends, once everything is here.
        var endStamp: Int64?
        var pictureLength: Int64 = 33_333_333, lastStamp: Int64?
        var failure: String?
        var end: RollEnd?
    }

    /// Stamps are rounded, by up to a millisecond in WebM: what is due within two is due.
    private static let rounding: Int64 = 2_000_000

    let settled = FirstAnswer<Void>()
    /// How far ahead of a moment a picture may be due to be shown at it.
    private let reach: Int64
    private let state: Mutex<State>
    private let queue = BoundedQueue<VideoFrame>(capacity: pictureLimit)
    private let heard = BoundedQueue<Bool>(capacity: 1)
    private let thread = Mutex<MediaThread?>(nil)
    private let faults: RollFaults

    /// Starts to read.
    ///
    /// - Parameters:
    ///   - executable: the program that has the `roll` command.
    ///   - file: gives the open file, which stays open while this lives.
    ///   - fromMs: where to begin.
    ///   - frameRate: of the program.
    ///   - faults: counts what it misses.
    init(
        executable: String, file: RollFile, fromMs: Int64, frameRate: FrameRate = FrameRate(30),
        faults: RollFaults = RollFaults()
    ) {
        self.faults = faults
        // Less than half a frame by the rounding, so that two pictures of a frame's length are not shown in one.
        reach = max(Self.rounding, Int64(500_000_000 / frameRate.perSecond) - Self.rounding)
        state = Mutex(State(position: fromMs * 1_000_000))
        thread.withLock {
            $0 = MediaThread(name: "roll") { [self] in read(executable, file, fromMs) }
        }
    }

    /// Whether something lies ready for the next moment, or nothing comes any more.
    var hasAhead: Bool { queue.count > 2 || settled.isGiven && state.withLock { $0.process == nil } }

    var isReady: Bool { state.withLock { $0.shown != nil && $0.end?.failure == nil } }
    var shown: VideoFrame? { state.withLock { $0.end?.failure == nil ? $0.shown : nil } }
    var end: RollEnd? { state.withLock { $0.end } }
    var positionMs: Int64 { state.withLock { max(0, $0.position) / 1_000_000 } }

    func stop() {
        let process = state.withLock { state in
            state.isStopped = true
            return state.process
        }
        process?.kill()
        queue.close()
        heard.close()
        settled.give()
        // The end of a killed process takes a moment, which none of those who call this have.
        NIOThreadPool.singleton.submit { [self] _ in thread.withLock { $0 }?.join() }
    }

    // MARK: - The program's threads

    func picture(_ showing: ProgramVideo.Showing, isPlaying: Bool) -> VideoFrame? {
        state.withLock { state in
            guard state.shown != nil, state.end?.failure == nil else { return nil }
            guard isPlaying, state.end == nil else {
                if let zero = state.zero { state.position = showing.begin.nanoseconds(since: zero) }
                state.zero = nil
                return state.shown
            }
            let zero = state.zero ?? showing.begin.advanced(byNanoseconds: -state.position)
            state.zero = zero
            let now = showing.moment.nanoseconds(since: zero)
            state.position = now
            var steps = 0
            while let candidate = state.next ?? queue.popNow() {
                state.next = candidate
                let ahead = candidate.timestampNanoseconds - now
                let passed = now - (state.shown?.timestampNanoseconds ?? candidate.timestampNanoseconds)
                guard ahead <= reach, ahead <= 0 || ahead <= passed else { break }
                state.shown = candidate
                state.next = nil
                steps += 1
            }
            if steps > 3 { faults.latePictures.wrappingAdd(UInt64(steps - 3), ordering: .relaxed) }
            if state.next == nil, queue.isFinished, now + Self.rounding >= state.endStamp ?? 0 {
                state.end = state.failure.map { .failed($0) } ?? .over
                state.zero = nil
                if state.failure != nil { return nil }
            }
            return state.shown
        }
    }

    func sound(at moment: MonotonicTime, into block: UnsafeMutableBufferPointer<Float>) -> Bool {
        state.withLock { state in
            guard let zero = state.zero, state.end == nil else { return false }
            let elapsed = moment.nanoseconds(since: zero)
            guard elapsed >= 0 else { return false }
            let begin = elapsed / 1_000_000 * 48 + elapsed % 1_000_000 * 48 / 1_000_000
            let count = Int64(block.count / 2), end = begin + count
            while let first = state.chunks.first, first.end <= begin {
                state.chunks.removeFirst()
                state.soundSamples -= first.samples.count / 2
                heard.push(true)
            }
            block.update(repeating: 0)
            var isAny = false
            for chunk in state.chunks {
                guard chunk.position < end else { break }
                let from = max(begin, chunk.position), until = min(end, chunk.end)
                guard from < until else { continue }
                for at in 2 * from..<2 * until {
                    block[Int(at - 2 * begin)] = chunk.samples[Int(at - 2 * chunk.position)]
                }
                isAny = true
            }
            if !isAny, state.endStamp == nil, state.lastStamp != nil {
                faults.soundGaps.wrappingAdd(1, ordering: .relaxed)
            }
            return isAny
        }
    }

    // MARK: - The reader's thread

    private func read(_ executable: String, _ file: RollFile, _ fromMs: Int64) {
        defer { settled.give() }
        // A process that dies while a slot is given back must not end this one.
        var broken = sigset_t()
        sigemptyset(&broken)
        sigaddset(&broken, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &broken, nil)
        guard let process = RollProcess(executable: executable, file: file.descriptor, fromMs: fromMs) else {
            state.withLock { $0.end = .failed("The process that reads it could not be started.") }
            return
        }
        let isStopped = state.withLock { state in
            state.process = process
            return state.isStopped
        }
        if isStopped { process.kill() }
        let isComplete = listen(to: process)
        // All is here: the process's own end, which takes a while, is nobody's business.
        if isComplete { queue.close() }
        let isInOrder = process.finish()
        state.withLock { state in
            if !isComplete, state.failure == nil {
                state.failure = isInOrder ? "It ended before its end." : "The process that read it has died."
            }
            guard state.shown == nil, state.next == nil else { return }
            // Without a picture there is nothing that could be over later.
            if let failure = state.failure { state.end = .failed(failure) } else if isComplete { state.end = .over }
        }
        queue.close()
        state.withLock { $0.process = nil }
        _ = file
    }

    /// Takes everything in; says whether the end was told.
    private func listen(to process: RollProcess) -> Bool {
        var pool: VideoFramePool?, size = (width: 0, height: 0)
        var soundEnd: Int64 = 0
        while let record = process.next() {
            switch record.kind {
            case .picture:
                let given = (width: Int(record.width), height: Int(record.height))
                if given != size || pool == nil {
                    size = given
                    pool = VideoFramePool(width: given.width, height: given.height, capacity: Self.pictureLimit + 8)
                }
                let frame = pool?.take() ?? VideoFrame(width: given.width, height: given.height)
                process.copy(record, to: frame)
                frame.color = ColorDescription(
                    matrix: record.color & 1 == 1 ? .bt709 : .bt601, isFullRange: record.color & 2 == 2)
                frame.rotation = PictureRotation(rawValue: UInt8(record.rotation)) ?? PictureRotation.none
                frame.timestampNanoseconds = record.stamp
                guard take(frame) else { return false }
            case .sound:
                guard let samples = process.samples(record), take(Chunk(position: record.stamp, samples: samples))
                else { return false }
                soundEnd = record.stamp + record.count
            case .end:
                state.withLock { state in
                    let pictureEnd = (state.lastStamp ?? 0) + state.pictureLength
                    state.endStamp = max(pictureEnd, soundEnd / 48 * 1_000_000)
                }
                return true
            case .failure:
                let reason = process.text(record)
                state.withLock { $0.failure = reason }
                return false
            }
        }
        return false
    }

    private func take(_ frame: VideoFrame) -> Bool {
        let isFirst = state.withLock { state in
            if let last = state.lastStamp {
                state.pictureLength = min(max(frame.timestampNanoseconds - last, 1_000_000), 1_000_000_000)
            }
            state.lastStamp = frame.timestampNanoseconds
            guard state.shown == nil else { return false }
            state.shown = frame
            return true
        }
        if isFirst {
            settled.give()
            return true
        }
        return queue.push(frame, until: nil)
    }

    private func take(_ chunk: Chunk) -> Bool {
        while true {
            let isTaken = state.withLock { state -> Bool? in
                if state.isStopped { return nil }
                guard state.soundSamples < Self.soundLimit else { return false }
                state.chunks.append(chunk)
                state.soundSamples += chunk.samples.count / 2
                return true
            }
            if let isTaken, isTaken { return true }
            if isTaken == nil { return false }
            // Room comes when something was heard.
            _ = heard.pop()
        }
    }
}

/// An open file that is closed when nobody needs it any more.
final class RollFile: Sendable {
    let descriptor: Int32
    let bytes: Int

    init(descriptor: Int32, bytes: Int) {
        self.descriptor = descriptor
        self.bytes = bytes
    }

    deinit { closeDescriptor(descriptor) }
}
