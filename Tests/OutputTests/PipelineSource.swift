// A generated source for pipelines: a moving bar and silent AAC, as an ingest would hand it over.

import Media
import Synchronization

@testable import Output

/// Time that only a test moves.
final class ManualClock: PipelineClock {
    private let now = Mutex<(monotonic: MonotonicTime, wall: Int64)>(
        (MonotonicTime(milliseconds: 5000), 1_767_225_600_000))
    func monotonic() -> MonotonicTime { now.withLock { $0.monotonic } }
    func wallMilliseconds() -> Int64 { now.withLock { $0.wall } }
    func advance(_ milliseconds: Int64) {
        now.withLock { $0 = ($0.monotonic.advanced(byMilliseconds: milliseconds), $0.wall + milliseconds) }
    }
}

/// What callbacks said.
final class Heard: Sendable {
    struct All {
        var segments: [SegmentPublished] = []
        var faults: [PipelineFault] = []
        var holds: [Bool] = []
        var clocks: [(ProgramTime, Int64)] = []
        var rooms = 0
    }
    let all = Mutex(All())
    var segments: [SegmentPublished] { all.withLock { $0.segments } }
    var holds: [Bool] { all.withLock { $0.holds } }
    var callbacks: PipelineCallbacks {
        var callbacks = PipelineCallbacks()
        callbacks.onSegment = { [self] segment in all.withLock { $0.segments.append(segment) } }
        callbacks.onFault = { [self] fault in all.withLock { $0.faults.append(fault) } }
        callbacks.onHold = { [self] hold in all.withLock { $0.holds.append(hold) } }
        callbacks.onClock = { [self] time, wall in all.withLock { $0.clocks.append((time, wall)) } }
        callbacks.onRoom = { [self] in all.withLock { $0.rooms += 1 } }
        return callbacks
    }
}

/// Encodes test pictures; every 60th is an IDR.
struct PipelineSource {
    let frames: [EncodedFrame]
    let configuration: AVCConfiguration
    let silence: ByteBlock

    init(count: Int, width: Int = 160, height: Int = 90, framesPerSecond: Int = 30) throws {
        var encoder = try X264Encoder(
            settings: .rung(
                size: PictureSize(width: width, height: height), frameRate: FrameRate(Int32(framesPerSecond)),
                bitrateKbps: 200, preset: .ultrafast),
            timescale: 1000)
        let picture = VideoFrame(width: width, height: height)
        var frames: [EncodedFrame] = []
        for index in 0..<count {
            picture.fill(y: 40, u: 128, v: 128)
            for row in 0..<height { picture.y[row * picture.lumaStride + index % width] = 220 }
            if let frame = try encoder.encode(
                picture, pts: Int64(index) * 1000 / Int64(framesPerSecond),
                forcesIDR: index % (2 * framesPerSecond) == 0)
            {
                frames.append(frame)
            }
        }
        while let frame = try encoder.flush() { frames.append(frame) }
        self.frames = frames
        configuration = encoder.configuration
        silence = try AACEncoder.silentFrame()
    }

    /// The events of a stream whose stamps start at 0.
    ///
    /// - Parameters:
    ///   - programStart: the program time of stamp 0, for a source that tells it.
    ///   - withSound: whether AAC frames run beside.
    func events(programStart: ProgramTime? = nil, withSound: Bool = true) -> [StreamEvent] {
        var events: [StreamEvent] = [.videoConfiguration(configuration.record)]
        if withSound { events.append(.audioConfiguration(AudioSpecificConfig.program)) }
        if let programStart { events.append(.programTime(programStart, pts: 0)) }
        var sample: Int64 = 0
        for frame in frames {
            events.append(.frame(frame))
            while withSound, sample * 1000 / 48_000 <= frame.pts {
                let pts = sample * 1000 / 48_000
                events.append(
                    .frame(
                        EncodedFrame(
                            codec: .aac, pts: pts, dts: pts, timescale: 1000, isKeyframe: true, payload: silence)))
                sample += 1024
            }
        }
        return events
    }
}
