// Music that is read from a file: pass after pass on a thread of its own, given out in blocks by who asks.

import Media
import NIOPosix
import Synchronization

/// Plays the sound of one file from one place on, again and again while it loops.
///
/// Its pace is that of who asks: a block begins where the one before ended, and while nobody asks it keeps its place. The
/// next pass is read while the end of the one before waits to be heard, so that nothing lies between them. What is short
/// enough to wait as a whole is read once and repeated from memory: a jingle of a second would else be a process a second.
final class MusicPlayer: StartPlayer {
    /// Samples that wait to be heard: 20 s; and those that are there before it begins.
    static let soundLimit = 20 * 48_000, readySamples = 24_000
    /// Pieces that wait to be heard: a file may have a single sample.
    static let chunkLimit = 4096
    /// How often a pass goes on where its process has died, without ten seconds of music in between.
    static let deathLimit = 3
    private static let progressSamples: Int64 = 10 * 48_000

    private struct State {
        var line: MusicLine
        var pass: (any MusicPass)?
        var failure: String?
        var isStopped = false
        /// Whether the reader waits for room.
        var isFull = false
        /// Whether a block was given.
        var hasBegun = false

        var hasRoom: Bool {
            line.waiting < MusicPlayer.soundLimit && line.chunkCount < MusicPlayer.chunkLimit
        }

        var end: RollEnd? {
            guard line.isOver || (line.waiting == 0 && line.isComplete) else { return nil }
            return failure.map { .failed($0) } ?? .over
        }
    }

    private enum PassEnd {
        /// All of the pass, if it is short and began at the start; and whether there was anything.
        case over(whole: [Float]?, isEmpty: Bool)
        case failed(String)
        case stopped
    }

    private enum Reading {
        case end, failed(String), broken(String), stopped
    }

    let settled = FirstAnswer<Void>()
    /// Counts the blocks that were not there when they were due.
    let faults: RollFaults
    private let open: @Sendable (Int64) -> (any MusicPass)?
    private let pauseMs: Int64
    private let state: Mutex<State>
    /// Wakes the reader: something was heard, or is to go on.
    private let woken = BoundedQueue<Bool>(capacity: 1)
    private let thread = Mutex<MediaThread?>(nil)

    /// Starts to read.
    ///
    /// - Parameters:
    ///   - fromMs: where the first pass begins; each one after it begins at the start.
    ///   - pauseMs: how long to wait after a process has died, doubled each time.
    ///   - faults: counts the blocks that are not there when they are due.
    ///   - open: begins a pass at a place, in milliseconds; nil when that can't be.
    init(
        fromMs: Int64, pauseMs: Int64 = 200, faults: RollFaults = RollFaults(),
        open: @escaping @Sendable (Int64) -> (any MusicPass)?
    ) {
        self.faults = faults
        self.open = open
        self.pauseMs = pauseMs
        state = Mutex(State(line: MusicLine(position: fromMs * 48)))
        thread.withLock {
            $0 = MediaThread(name: "music") { [self] in read(from: fromMs) }
        }
    }

    /// Starts to read a file that stays open while this lives.
    convenience init(executable: String, file: RollFile, fromMs: Int64, faults: RollFaults = RollFaults()) {
        self.init(fromMs: fromMs, faults: faults) {
            RollProcess(executable: executable, file: file.descriptor, fromMs: $0, soundOnly: true)
        }
    }

    /// Whether there is something to be heard.
    var isReady: Bool { settled.isGiven && waiting > 0 }
    /// How it ended, once everything was heard; nil while it goes on.
    var end: RollEnd? { state.withLock { $0.end } }
    var positionMs: Int64 { state.withLock { max(0, $0.line.position) / 48 } }
    /// How many samples wait to be heard.
    var waiting: Int { state.withLock { $0.line.waiting } }
    /// Whether the next block lies ready, or nothing comes any more.
    var hasAhead: Bool { state.withLock { $0.line.waiting >= 960 || $0.line.isComplete } }

    /// Ends it; it has no samples any more, and may be asked for them.
    func stop() {
        let (isFirst, pass) = state.withLock { state in
            defer { state.isStopped = true }
            return (!state.isStopped, state.pass)
        }
        guard isFirst else { return }
        pass?.kill()
        woken.close()
        settled.give()
        // The end of a killed process takes a moment, which none of those who call this have.
        NIOThreadPool.singleton.submit { [self] _ in thread.withLock { $0 }?.join() }
    }

    // MARK: - The sound's thread

    /// Writes the next 480 stereo samples; false when it has none, and has kept what it had.
    ///
    /// - Parameters:
    ///   - block: left and right in turn.
    ///   - loops: whether the music begins again at its end.
    func read(into block: UnsafeMutableBufferPointer<Float>, loops: Bool) -> Bool {
        let (isAny, isGap, wakes) = state.withLock { state in
            var wakes = state.line.loops != loops
            state.line.loops = loops
            // The reader goes on as soon as it can.
            if wakes, loops, state.failure == nil { state.line.isComplete = false }
            let isAny = state.line.read(into: block)
            state.hasBegun = state.hasBegun || isAny
            if state.isFull, state.line.waiting < Self.soundLimit * 7 / 8, state.hasRoom {
                state.isFull = false
                wakes = true
            }
            return (isAny, !isAny && state.hasBegun && state.end == nil, wakes)
        }
        if isGap { faults.soundGaps.wrappingAdd(1, ordering: .relaxed) }
        if wakes { woken.push(true) }
        return isAny
    }

    // MARK: - The reader's thread

    private func read(from fromMs: Int64) {
        defer { settled.give() }
        var from = fromMs, beginsAgain = false, whole: [Float]?
        while true {
            if let whole {
                guard put(.init(samples: whole, position: 0, beginsAgain: true)) else { return }
            } else {
                switch readPass(from: from, beginsAgain: beginsAgain) {
                case .stopped: return
                case .failed(let reason): return fail(reason)
                case .over(let short, let isEmpty):
                    if isEmpty, from == 0 { return fail("There is no sound in it.") }
                    whole = short
                }
            }
            guard waitToBeginAgain() else { return }
            (from, beginsAgain) = (0, true)
        }
    }

    /// Reads the file once; where its process dies another goes on.
    private func readPass(from fromMs: Int64, beginsAgain: Bool) -> PassEnd {
        var whole: [Float]? = fromMs == 0 ? [] : nil
        var next: Int64?, from = fromMs, deaths = 0, last: Int64 = 0
        while true {
            let reading = listen(from: from) { samples, position in
                var samples = samples, position = position
                // Who goes on begins somewhat earlier.
                if deaths > 0, let next, position < next {
                    samples.removeFirst(min(samples.count, 2 * Int(next - position)))
                    position = next
                }
                guard !samples.isEmpty else { return true }
                let isFirst = next == nil
                next = position + Int64(samples.count / 2)
                let isShort = (whole?.count ?? 0) + samples.count <= 2 * Self.soundLimit
                if isShort { whole?.append(contentsOf: samples) } else { whole = nil }
                return put(.init(samples: samples, position: position, beginsAgain: isFirst && beginsAgain))
            }
            switch reading {
            case .end: return .over(whole: whole, isEmpty: next == nil)
            case .stopped: return .stopped
            case .failed(let reason): return .failed(reason)
            case .broken(let reason):
                let place = next ?? fromMs * 48
                if place - last > Self.progressSamples { deaths = 0 }
                (deaths, last) = (deaths + 1, place)
                guard deaths <= Self.deathLimit else { return .failed(reason) }
                guard pause(pauseMs << Int64(deaths - 1)) else { return .stopped }
                from = max(0, place) / 48
            }
        }
    }

    /// Hands on what one process gives; `take` says whether to go on.
    private func listen(from fromMs: Int64, _ take: ([Float], Int64) -> Bool) -> Reading {
        guard let pass = open(fromMs) else { return .broken("The process that reads it could not be started.") }
        let isStopped = state.withLock { state in
            state.pass = pass
            return state.isStopped
        }
        if isStopped { pass.kill() }
        var reading: Reading?
        while reading == nil {
            switch pass.nextPiece() {
            case .samples(let samples, let position)?: if !take(samples, position) { reading = .stopped }
            case .end?: reading = .end
            case .failure(let reason)?: reading = .failed(reason)
            case nil: reading = .broken("")
            }
        }
        let isInOrder = pass.finish()
        return state.withLock { state -> Reading in
            state.pass = nil
            if state.isStopped { return .stopped }
            guard case .broken? = reading else { return reading ?? .stopped }
            return .broken(isInOrder ? "It ended before its end." : "The process that read it has died.")
        }
    }

    private func put(_ chunk: MusicLine.Chunk) -> Bool {
        while true {
            let isTaken = state.withLock { state -> Bool? in
                if state.isStopped { return nil }
                state.isFull = !state.hasRoom
                if !state.isFull { state.line.append(chunk) }
                return !state.isFull
            }
            guard let isTaken else { return false }
            if isTaken {
                if waiting >= Self.readySamples { settled.give() }
                return true
            }
            settled.give()
            // Room comes when something was heard.
            _ = woken.pop()
        }
    }

    /// Waits until the music is to begin again, which it is at once while it loops; false when it has been stopped.
    private func waitToBeginAgain() -> Bool {
        while true {
            let loops = state.withLock { state -> Bool? in
                if state.isStopped { return nil }
                state.line.isComplete = !state.line.loops
                return state.line.loops
            }
            guard let loops else { return false }
            if loops { return true }
            settled.give()
            _ = woken.pop()
        }
    }

    /// Waits; false when it has been stopped.
    private func pause(_ milliseconds: Int64) -> Bool {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: milliseconds)
        while true {
            if state.withLock({ $0.isStopped }) { return false }
            guard SystemClock.monotonic() < deadline else { return true }
            _ = woken.pop(until: deadline)
        }
    }

    private func fail(_ reason: String) {
        state.withLock { state in
            state.failure = reason
            state.line.isComplete = true
        }
    }
}
