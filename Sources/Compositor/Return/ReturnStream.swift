// One codec of the program's picture on its way back, with an encoder that is there only while somebody gets it.

import Logging
import Media

/// Encodes pictures to one codec; confined to the thread that encodes.
final class ReturnStream {
    let codec: Codec
    private let format: ReturnFormat
    private let counters: ReturnCounters
    private let logger: Logger
    private let send: (EncodedFrame) -> Bool
    private var pace = ReturnPace()
    private var encoder: (any ReturnEncoder)?

    /// - Parameters:
    ///   - codec: `.vp8` or `.h264`.
    ///   - format: size and rate.
    ///   - counters: what is counted.
    ///   - logger: for what goes wrong.
    ///   - send: takes a frame; returns false when it can't.
    init(
        codec: Codec, format: ReturnFormat, counters: ReturnCounters, logger: Logger,
        send: @escaping (EncodedFrame) -> Bool
    ) {
        self.codec = codec
        self.format = format
        self.counters = counters
        self.logger = logger
        self.send = send
    }

    /// Lets go of the encoder; whoever comes next begins with a key frame.
    func rest() {
        guard encoder != nil else { return }
        drop()
        pace = ReturnPace()
    }

    /// Somebody can't go on without a key frame.
    func requestKeyframe() { pace.requestKeyframe() }

    /// Encodes and sends a picture, unless it is left out.
    ///
    /// - Parameters:
    ///   - number: its number in the program.
    ///   - arrival: when the oldest of what is new in it had come.
    ///   - canvas: gives the picture in the feed's size and colours; drawing it is part of what it costs.
    func show(number: Int64, arrival: MonotonicTime?, canvas: () -> VideoFrame) {
        let begin = SystemClock.monotonic(), used = SystemClock.threadNanoseconds()
        switch pace.next(at: begin) {
        case .rest: counters.add(.framesRested)
        case .await: counters.add(.framesAwaiting)
        case .encode(let isKeyframe):
            let result = encode(canvas(), number: number, isKeyframe: isKeyframe)
            let now = SystemClock.monotonic(), cost = max(0, SystemClock.threadNanoseconds() &- used)
            counters.add(.encodeNanoseconds, UInt64(cost))
            switch result {
            case .failure(let error):
                if counters.value(.encoderFailures) == 0 {
                    logger.error(
                        "the return feed can't be encoded", metadata: ["codec": "\(codec)", "error": "\(error)"])
                }
                counters.add(.encoderFailures)
                pace.encoded(from: begin, to: now, cost: cost, isKeyframe: nil)
                pace.lost()
            case .success(nil):
                counters.add(.framesLeftOut)
                pace.encoded(from: begin, to: now, cost: cost, isKeyframe: nil)
            case .success(let frame?):
                pace.encoded(from: begin, to: now, cost: cost, isKeyframe: frame.isKeyframe)
                guard send(frame) else {
                    counters.add(.framesRefused)
                    pace.lost()
                    return
                }
                counters.add(.framesSent)
                if frame.isKeyframe { counters.add(.keyframesSent) }
                if let arrival { counters.note(delayNanoseconds: now.nanoseconds(since: arrival)) }
            }
        }
    }

    private func encode(_ canvas: VideoFrame, number: Int64, isKeyframe: Bool) -> Result<EncodedFrame?, any Error> {
        do {
            if encoder == nil {
                encoder = codec == .h264 ? try ReturnH264(format) : try ReturnVP8(format)
                counters.addEncoders(1, of: codec)
            }
            return .success(try encoder?.encode(canvas, number: number, isKeyframe: isKeyframe))
        } catch {
            // The next picture begins with a new one.
            drop()
            return .failure(error)
        }
    }

    private func drop() {
        guard encoder != nil else { return }
        encoder = nil
        counters.addEncoders(-1, of: codec)
    }
}

/// An encoder that makes a frame of each picture at once, or leaves it out.
private protocol ReturnEncoder: AnyObject {
    func encode(_ canvas: VideoFrame, number: Int64, isKeyframe: Bool) throws -> EncodedFrame?
}

private final class ReturnVP8: ReturnEncoder {
    private var encoder: VPXEncoder

    init(_ format: ReturnFormat) throws(VideoCodecError) {
        encoder = try VPXEncoder(
            codec: .vp8, width: format.size.width, height: format.size.height, bitrate: ReturnFormat.bitrate,
            frameRate: format.frameRate, keyframeInterval: Int(Int32.max), live: .init())
    }

    func encode(_ canvas: VideoFrame, number: Int64, isKeyframe: Bool) throws -> EncodedFrame? {
        try encoder.encode(canvas, forceKeyframe: isKeyframe, number: number)
    }
}

private final class ReturnH264: ReturnEncoder {
    private static let timescale: Int32 = 90_000
    private let frameRate: FrameRate
    private var encoder: X264Encoder

    init(_ format: ReturnFormat) throws(AVError) {
        frameRate = format.frameRate
        encoder = try X264Encoder(
            settings: .live(
                size: PictureSize(width: format.size.width, height: format.size.height), frameRate: format.frameRate,
                bitrateKbps: ReturnFormat.bitrate / 1000),
            timescale: Self.timescale)
    }

    func encode(_ canvas: VideoFrame, number: Int64, isKeyframe: Bool) throws -> EncodedFrame? {
        // The same stamps as in VP8.
        let pts = ProgramClock.offset(ofFrame: number, timescale: Int64(Self.timescale), frameRate: frameRate)
        return try encoder.encode(canvas, pts: pts, forcesIDR: isKeyframe)
    }
}
