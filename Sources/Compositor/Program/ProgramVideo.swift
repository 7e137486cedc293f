// The pictures of the program: drawn on the program's thread, encoded on another.

public import Control
public import Logging
public import Media
import Synchronization

/// What the program's pictures are like.
public struct ProgramFormat: Sendable, Hashable {
    /// The size in pixels, both even.
    public var canvas: PixelSize
    /// Frames per second.
    public var frameRate: FrameRate
    /// The video's rate, constant, and the sound's, in kbit/s.
    public var videoKbps: Int, audioKbps: Int
    /// x264's preset.
    public var preset: X264Settings.Preset

    /// Creates a format; the program is 1080p30 at 4000 + 128 kbit/s with x264 veryfast.
    public init(
        canvas: PixelSize = PixelSize(width: 1920, height: 1080), frameRate: FrameRate = FrameRate(30),
        videoKbps: Int = 4000, audioKbps: Int = 128, preset: X264Settings.Preset = .veryfast
    ) {
        self.canvas = canvas
        self.frameRate = frameRate
        self.videoKbps = videoKbps
        self.audioKbps = audioKbps
        self.preset = preset
    }
}

/// Draws and encodes the pictures of one event's program.
public final class ProgramVideo: Sendable {
    /// Marks the SEI messages with the program time (ISO/IEC 14496-10 D.1.7): milliseconds, eight bytes, big endian.
    public static let programTimeUUID: [UInt8] = [
        0x1d, 0x8a, 0x6e, 0x52, 0x0f, 0x3b, 0x4c, 0x55, 0x9a, 0x27, 0x63, 0xc1, 0xe8, 0x40, 0x77, 0x0b,
    ]
    /// Ticks per second of the video's stamps.
    public static let timescale: Int32 = 90_000
    /// How many pictures wait for the encoder at most: for as long as it may take longer than it has.
    static let queueLength = 12

    /// When a frame of the program is shown, on the monotonic clock.
    public struct Showing: Sendable, Hashable {
        /// When it begins.
        public var begin: MonotonicTime
        /// The moment that it shows: its beginning, or its middle where it stands for the frame that is left out after it, too.
        public var moment: MonotonicTime
    }

    /// Where the pictures come from, and where they go.
    public struct Callbacks: Sendable {
        /// The newest picture of each source that is due; on the program's thread.
        public var pictures: @Sendable (Showing) -> [SceneSource: VideoFrame]
        /// The level in dBFS of each participant who speaks now; on the program's thread.
        public var speakers: @Sendable () -> [String: Float]
        /// Told on the program's thread what to draw when graphics are missing.
        public var onMissing: @Sendable ([DrawOperation]) -> Void
        /// Gets the AVC decoder configuration record, once, on the encoder's thread.
        public var onConfiguration: @Sendable (ByteBlock) -> Void
        /// Gets the encoded frames on the encoder's thread, stamped from the clock's anchor.
        public var onFrame: @Sendable (EncodedFrame) -> Void

        /// Gets each picture as it is drawn, with its number, and when the oldest of what is new in it had come.
        ///
        /// It is called on the program's thread and must not wait.
        public var onPicture: @Sendable (VideoFrame, Int64, MonotonicTime?) -> Void

        /// Told on the encoder's thread that it can't go on; nothing is encoded after that.
        public var onFailure: @Sendable () -> Void

        /// Creates callbacks.
        public init(
            pictures: @escaping @Sendable (Showing) -> [SceneSource: VideoFrame],
            speakers: @escaping @Sendable () -> [String: Float] = { [:] },
            onMissing: @escaping @Sendable ([DrawOperation]) -> Void,
            onConfiguration: @escaping @Sendable (ByteBlock) -> Void,
            onFrame: @escaping @Sendable (EncodedFrame) -> Void,
            onPicture: @escaping @Sendable (VideoFrame, Int64, MonotonicTime?) -> Void = { _, _, _ in },
            onFailure: @escaping @Sendable () -> Void = {}
        ) {
            self.onPicture = onPicture
            self.pictures = pictures
            self.speakers = speakers
            self.onMissing = onMissing
            self.onConfiguration = onConfiguration
            self.onFrame = onFrame
            self.onFailure = onFailure
        }
    }

    private let line: ProgramLine
    private let driver: ProgramDriver
    private let encoder: MediaThread

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - clock: the program clock.
    ///   - format: size, rate and quality.
    ///   - board: what to show.
    ///   - store: stills, slides and graphics.
    ///   - callbacks: where the pictures come from, and where they go.
    ///   - logger: for what goes wrong.
    public init(
        clock: ProgramClock, format: ProgramFormat, board: ProgramBoard, store: GraphicsStore, callbacks: Callbacks,
        logger: Logger
    ) {
        let line = ProgramLine(capacity: Self.queueLength)
        self.line = line
        encoder = MediaThread(name: "encoder") {
            do throws(AVError) {
                var encoder = try ProgramEncoder(line: line, format: format, callbacks: callbacks, logger: logger)
                try encoder.run()
            } catch {
                logger.critical("the program can't be encoded", metadata: ["code": "\(error.code)"])
                // Nobody takes pictures any more: the program's thread must not wait for room.
                line.close()
                callbacks.onFailure()
            }
        }
        let artist = ProgramArtist(clock: clock, format: format, board: board, store: store, callbacks: callbacks)
        driver = ProgramDriver(clock: clock, frameRate: format.frameRate) { frame in artist.put(frame, into: line) }
    }

    /// The newest picture of the program, and what it was made from.
    var newest: (program: VideoFrame?, sources: ProgramLine.Sources) { line.newest }

    /// Counters by Prometheus name.
    public var counters: [String: Double] {
        let counts = driver.counts
        return line.counters.merging(
            [
                "proscenium_compositor_frames_emitted_total": Double(counts.emitted),
                "proscenium_compositor_frames_late_total": Double(counts.late),
                "proscenium_compositor_frames_missed_total": Double(counts.missed) + Double(line.dropped),
            ]) { $1 }
    }

    /// Ends the threads and waits for them: what was drawn is still encoded.
    public func stop() {
        driver.stop()
        line.close()
        encoder.join()
    }
}
