// The sound of the program: mixed in blocks of 10 ms on the program clock, encoded to AAC.

public import Control
public import Logging
public import Media
import Synchronization

/// Mixes and encodes the sound of one event's program, on a thread of its own.
public final class ProgramAudio: Sendable {
    /// Where the sound comes from, and where it goes; everything on the sound's thread.
    public struct Callbacks: Sendable {
        /// Gives the 480 stereo samples, interleaved, of each source for the 10 ms from a moment of the monotonic clock.
        public var sound: @Sendable (MonotonicTime, (SoundSource, UnsafeBufferPointer<Float>) -> Void) -> Void
        /// Gets the AudioSpecificConfig, once.
        public var onConfiguration: @Sendable (ByteBlock) -> Void
        /// Gets the encoded frames, stamped from the clock's anchor.
        public var onFrame: @Sendable (EncodedFrame) -> Void

        /// Gets on the sound's thread, for each of the `listeners`, the mix without their own sound: the participant, the
        /// number of the first sample since the clock's anchor, and 480 samples per channel, left and right in turn.
        public var onMinus: @Sendable (String, Int64, UnsafeBufferPointer<Float>) -> Void

        /// Told on the sound's thread that it can't go on.
        public var onFailure: @Sendable () -> Void

        /// Creates callbacks.
        public init(
            sound: @escaping @Sendable (MonotonicTime, (SoundSource, UnsafeBufferPointer<Float>) -> Void) -> Void,
            onConfiguration: @escaping @Sendable (ByteBlock) -> Void,
            onFrame: @escaping @Sendable (EncodedFrame) -> Void,
            onMinus: @escaping @Sendable (String, Int64, UnsafeBufferPointer<Float>) -> Void = { _, _, _ in },
            onFailure: @escaping @Sendable () -> Void = {}
        ) {
            self.sound = sound
            self.onConfiguration = onConfiguration
            self.onFrame = onFrame
            self.onMinus = onMinus
            self.onFailure = onFailure
        }
    }

    private final class State: Sendable {
        let isStopped = Atomic(false), blocks = Atomic<UInt64>(0), missing = Atomic<UInt64>(0)
        let lateBlocks = Atomic<UInt64>(0)
        let readings = Mutex(SoundDesk.Readings())
        let listeners = Mutex<Set<String>>([])
    }

    private let state: State
    private let thread: MediaThread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - clock: the program clock.
    ///   - kbps: the rate of the AAC.
    ///   - board: who is heard, and how loud.
    ///   - callbacks: where the sound comes from, and where it goes.
    ///   - logger: for what goes wrong.
    public init(clock: ProgramClock, kbps: Int, board: ProgramBoard, callbacks: Callbacks, logger: Logger) {
        let state = State()
        self.state = state
        thread = MediaThread(name: "sound") {
            do throws(AVError) {
                try Self.run(clock, kbps, board, callbacks, state)
            } catch {
                logger.critical("the program's sound can't be encoded", metadata: ["code": "\(error.code)"])
                callbacks.onFailure()
            }
        }
    }

    /// Counters and gauges by Prometheus name.
    public var counters: [String: Double] {
        let readings = state.readings.withLock { $0 }
        return [
            "proscenium_compositor_sound_blocks_total": Double(state.blocks.load(ordering: .relaxed)),
            "proscenium_compositor_sound_blocks_missing_total": Double(state.missing.load(ordering: .relaxed)),
            "proscenium_compositor_sound_blocks_late_total": Double(state.lateBlocks.load(ordering: .relaxed)),
            "proscenium_compositor_sound_ducking_decibels": Double(readings.ducking),
            "proscenium_compositor_sound_limiting_decibels": Double(readings.limiting),
            "proscenium_compositor_sound_leveling_decibels": Double(readings.leveling),
            "proscenium_compositor_loudness_momentary_lufs": Double(readings.loudness.momentary),
            "proscenium_compositor_loudness_short_term_lufs": Double(readings.loudness.shortTerm),
            "proscenium_compositor_loudness_integrated_lufs": Double(readings.loudness.integrated),
            "proscenium_compositor_loudness_true_peak_dbfs": Double(readings.loudness.truePeak),
        ]
    }

    /// How loud each source comes in, on stage or not, and the program; for any thread.
    ///
    /// Levels are 10 ms old at most, the loudness half a second.
    public var reading: SoundReading { SoundReading(state.readings.withLock { $0 }) }

    /// The participants for whom the mix without their own microphone and screen is made, at most 64; nobody at first.
    public var listeners: Set<String> {
        get { state.listeners.withLock { $0 } }
        set { state.listeners.withLock { $0 = newValue } }
    }

    /// The level in dBFS of each participant who speaks into their microphone now; for any thread.
    var speakers: [String: Float] {
        state.readings.withLock { $0.levels }.reduce(into: [:]) { speakers, entry in
            if case .participant(let id) = entry.key, entry.value.isSpeaking {
                speakers[id] = entry.value.rmsDecibels
            }
        }
    }

    /// Ends the thread and waits for it; at most 100 ms.
    public func stop() {
        state.isStopped.store(true, ordering: .releasing)
        thread.join()
    }

    /// Samples by which the mixer's limiter delays the sound.
    static let mixerDelay: Int64 = 240
    private static let blockNanoseconds: Int64 = 10_000_000

    private static func run(
        _ clock: ProgramClock, _ kbps: Int, _ board: ProgramBoard, _ callbacks: Callbacks, _ state: State
    ) throws(AVError) {
        var encoder = try AACEncoder(settings: AACSettings(bitrateKbps: kbps))
        callbacks.onConfiguration(encoder.configuration)
        var desk = SoundDesk()
        let elapsed = SystemClock.monotonic().nanoseconds &- clock.anchorMonotonicNanoseconds
        // Blocks are numbered from the anchor; the first one lies ahead.
        var block = max(0, elapsed / blockNanoseconds + 1)
        /// The number of the first sample that the encoder was given, and how many it has been given since.
        var base = block &* 480 &- mixerDelay, ahead: Int64 = 0
        var mixed = [Float](repeating: 0, count: 960)
        var left = [Float](repeating: 0, count: 480), right = left
        while !state.isStopped.load(ordering: .acquiring) {
            let due = MonotonicTime(nanoseconds: clock.anchorMonotonicNanoseconds &+ block &* blockNanoseconds)
            let now = SystemClock.monotonic()
            guard now >= due else {
                SystemClock.sleep(until: min(due, now.advanced(byMilliseconds: 100)))
                continue
            }
            let lateMs = now.milliseconds(since: due)
            if lateMs > 20 { state.lateBlocks.wrappingAdd(1, ordering: .relaxed) }
            if lateMs > 10_000 {
                // The machine slept: what was in between is given up, as the pictures are.
                let skipped = lateMs / 10
                block &+= skipped
                base &+= skipped &* 480
                continue
            }
            desk.follow(board)
            desk.mix({ callbacks.sound(due, $0) }, into: &mixed)
            state.readings.withLock { $0 = desk.readings }
            let listeners = state.listeners.withLock { $0 }
            if !listeners.isEmpty { desk.give(to: listeners) { callbacks.onMinus($0, base &+ ahead, $1) } }
            for at in 0..<480 {
                left[at] = mixed[2 * at]
                right[at] = mixed[2 * at + 1]
            }
            let offset = base
            let result = left.withUnsafeBufferPointer { left in
                right.withUnsafeBufferPointer { right in
                    Result { () throws(AVError) in
                        try encoder.encode(left: left, right: right) { frame in
                            let pts = frame.pts &+ offset
                            // What lies before the anchor has no stamp.
                            guard pts >= 0 else { return }
                            callbacks.onFrame(
                                EncodedFrame(
                                    codec: .aac, pts: pts, dts: pts, timescale: frame.timescale,
                                    isKeyframe: frame.isKeyframe, payload: frame.payload))
                        }
                    }
                }
            }
            try result.get()
            block &+= 1
            ahead &+= 480
            state.blocks.wrappingAdd(1, ordering: .relaxed)
            state.missing.store(desk.mixer.missingBlocks, ordering: .relaxed)
        }
    }
}
