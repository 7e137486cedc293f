// VP8, VP9 and H.264 there and back as speakers send them, and what their decoders make of rubbish.

import Foundation
import Media
import Testing

/// A codec of speakers with an encoder of its own, for tests.
struct SpeakerEncoder {
    static let codecs: [Codec] = [.vp8, .vp9, .h264]

    /// A picture with edges that move.
    static func picture(_ width: Int, _ height: Int, step: Int) -> VideoFrame {
        let frame = VideoFrame(width: width, height: height)
        frame.fill(y: 60, u: 100, v: 150)
        for y in 0..<frame.height {
            for x in 0..<frame.width { frame.y[y * frame.lumaStride + x] = UInt8(40 + (x + y + 3 * step) / 4 % 160) }
        }
        return frame
    }

    /// Encodes pictures; the first, and those that are named, are keyframes, which bring their parameter sets.
    static func encode(
        _ codec: Codec, _ width: Int, _ height: Int, count: Int, keyframes: Set<Int> = [],
        color: ColorDescription? = nil
    ) throws -> [EncodedFrame] {
        if codec == .h264 { return try encodeH264(width, height, count, keyframes) }
        var encoder = try VPXEncoder(
            codec: codec, width: width, height: height, bitrate: 1_500_000, frameRate: FrameRate(30),
            keyframeInterval: 600, color: color)
        return try (0..<count).map { step in
            let frame = try encoder.encode(picture(width, height, step: step), forceKeyframe: keyframes.contains(step))
            return try #require(frame)
        }
    }

    private static func encodeH264(_ width: Int, _ height: Int, _ count: Int, _ keyframes: Set<Int>) throws
        -> [EncodedFrame]
    {
        var settings = X264Settings.rung(
            size: PictureSize(width: width, height: height), frameRate: FrameRate(30), bitrateKbps: 1500,
            preset: .ultrafast)
        settings.lookaheadFrames = 0
        var encoder = try X264Encoder(settings: settings, timescale: 90_000), result: [EncodedFrame] = []
        for step in 0..<count {
            let frame = try encoder.encode(
                picture(width, height, step: step), pts: Int64(step) * 3000,
                forcesIDR: step == 0 || keyframes.contains(step))
            if let frame { result.append(frame) }
        }
        while let frame = try encoder.flush() { result.append(frame) }
        let sets = (encoder.configuration.sps + encoder.configuration.pps).flatMap { set in
            (0..<4).map { UInt8(truncatingIfNeeded: set.count >> (24 - 8 * $0)) } + set
        }
        return result.map { frame in
            guard frame.isKeyframe else { return frame }
            var frame = frame
            frame.payload = ByteBlock(sets + frame.payload.array)
            return frame
        }
    }
}

@Suite("The codecs of speakers")
struct SpeakerCodecTests {
    private func psnr(_ a: VideoFrame, _ b: VideoFrame) -> Double {
        guard a.width == b.width, a.height == b.height else { return 0 }
        var sum = 0.0
        for y in 0..<a.height {
            for x in 0..<a.width {
                let d = Double(a.y[y * a.lumaStride + x]) - Double(b.y[y * b.lumaStride + x])
                sum += d * d
            }
        }
        return 10 * log10(255 * 255 / max(1e-9, sum / Double(a.width * a.height)))
    }

    private func open(_ codec: Codec, maximumPixels: Int = 640 * 480, framesInUse: Int = 8) throws -> VideoDecoder {
        try VideoDecoder(codec: codec, maximumPixels: maximumPixels, framesInUse: framesInUse)
    }

    @Test(
        "each picture comes back with its own frame, close to what went in, and what is held is never written over",
        arguments: SpeakerEncoder.codecs)
    func roundTrip(codec: Codec) throws {
        let frames = try SpeakerEncoder.encode(codec, 320, 180, count: 20, keyframes: [10])
        #expect(frames.map(\.isKeyframe) == (0..<20).map { $0 % 10 == 0 } && frames.allSatisfy { $0.codec == codec })
        #expect(frames.map(\.pts) == (0..<20).map { $0 * 3000 })
        var decoder = try open(codec), held: [VideoFrame] = []
        for (step, frame) in frames.enumerated() {
            let picture = try decoder.decode(frame.payload, timestampNanoseconds: Int64(step) * 33_333_333)
            let decoded = try #require(picture)
            #expect(decoded.width == 320 && decoded.height == 180)
            #expect(decoded.timestampNanoseconds == Int64(step) * 33_333_333)
            #expect(psnr(SpeakerEncoder.picture(320, 180, step: step), decoded) > 30)
            held.append(decoded)
            if held.count > 3 { held.removeFirst() }
        }
        #expect(psnr(SpeakerEncoder.picture(320, 180, step: 17), held[0]) > 30)
    }

    @Test("the colour is what the bitstream says, else that of browsers")
    func color() throws {
        func color(_ codec: Codec, _ said: ColorDescription?) throws -> ColorDescription? {
            let frames = try SpeakerEncoder.encode(codec, 64, 64, count: 1, color: said)
            var decoder = try open(codec)
            return try decoder.decode(frames[0].payload, timestampNanoseconds: 0)?.color
        }
        #expect(try color(.vp8, nil) == .vp8)
        #expect(try color(.vp9, nil) == .vp8)
        #expect(try color(.vp9, .program) == .program)
        #expect(try color(.h264, nil) == .program)
        let full = ColorDescription(matrix: .bt601, isFullRange: true)
        #expect(try color(.vp9, full) == full)
    }

    @Test("a camera that changes its size again and again is followed", arguments: SpeakerEncoder.codecs)
    func sizes(codec: Codec) throws {
        var decoder = try open(codec), seen: [PictureSize] = []
        let sizes = [(320, 180), (180, 320), (64, 64), (640, 360), (322, 182)]
        for round in 0..<10 {
            let (width, height) = sizes[round % sizes.count]
            for frame in try SpeakerEncoder.encode(codec, width, height, count: 3) {
                let picture = try decoder.decode(frame.payload, timestampNanoseconds: 0)
                seen.append(PictureSize(width: picture?.width ?? 0, height: picture?.height ?? 0))
            }
        }
        #expect(seen == (0..<30).map { PictureSize(width: sizes[$0 / 3 % 5].0, height: sizes[$0 / 3 % 5].1) })
    }

    @Test("a picture in the middle, and a stream of another codec, is refused", arguments: SpeakerEncoder.codecs)
    func beginning(codec: Codec) throws {
        let frames = try SpeakerEncoder.encode(codec, 64, 64, count: 3)
        var decoder = try open(codec)
        #expect(throws: VideoCodecError.self) { try decoder.decode(frames[1].payload, timestampNanoseconds: 0) }
        let first = try decoder.decode(frames[0].payload, timestampNanoseconds: 0)
        #expect(first != nil)
        for other in SpeakerEncoder.codecs where other != codec {
            let foreign = try SpeakerEncoder.encode(other, 64, 64, count: 1)
            #expect(throws: VideoCodecError.self) { try decoder.decode(foreign[0].payload, timestampNanoseconds: 0) }
        }
        #expect(throws: VideoCodecError.self) { try decoder.decode(ByteBlock([]), timestampNanoseconds: 0) }
        let again = try decoder.decode(frames[0].payload, timestampNanoseconds: 0)
        #expect(again != nil)
    }

    @Test("the decoder says so when every frame is held", arguments: SpeakerEncoder.codecs)
    func exhausted(codec: Codec) throws {
        let block = try SpeakerEncoder.encode(codec, 64, 64, count: 1)[0].payload
        var decoder = try open(codec, framesInUse: 2)
        let first = try decoder.decode(block, timestampNanoseconds: 0)
        let second = try decoder.decode(block, timestampNanoseconds: 0)
        #expect(first !== second)
        #expect(throws: VideoCodecError.noFreeFrame) { try decoder.decode(block, timestampNanoseconds: 0) }
        withExtendedLifetime((first, second)) {}
    }

    @Test("a picture in slices comes out whole, and not at all when a slice is missing or cut")
    func slices() throws {
        func units(_ text: String) throws -> [[UInt8]] {
            var bytes = [UInt8](try #require(Data(base64Encoded: text)))[...], result: [[UInt8]] = []
            while bytes.count > 4 {
                let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
                result.append(Array(bytes.prefix(4 + length)))
                bytes = bytes.dropFirst(4 + length)
            }
            return result
        }
        let key = try units(Self.slicedKeyframe), next = try units(Self.slicedFrame)
        #expect(key.count == 4 && next.count == 2)
        var decoder = try open(.h264)
        for _ in 0..<2 {
            let first = try decoder.decode(ByteBlock(key.flatMap { $0 }), timestampNanoseconds: 0)
            let second = try decoder.decode(ByteBlock(next.flatMap { $0 }), timestampNanoseconds: 1)
            #expect(first?.width == 64 && second?.timestampNanoseconds == 1)
        }
        let lacking = Array(key.prefix(3).joined())
        #expect(throws: VideoCodecError.self) { try decoder.decode(ByteBlock(lacking), timestampNanoseconds: 0) }
        let whole = try decoder.decode(ByteBlock(key.flatMap { $0 }), timestampNanoseconds: 0)
        #expect(whole?.height == 64)
        #expect(throws: VideoCodecError.self) { try decoder.decode(ByteBlock(next[0]), timestampNanoseconds: 0) }
    }

    /// Bars of 64 × 64 pixels in constrained baseline, two slices a picture: parameter sets and IDR, then what follows.
    private static let slicedKeyframe =
        "AAAAFmdCwAraEJsBEAAAAwAQAAADA8DxImoAAAAFaM4DHIAAAABrZYiEP/4f+GooB8v8QAAgFmwPIVyHkK5///4axR8vxAEANEAIB48DYDzFcHgb"
        + "AeYrgOgmMHQTH//8EcUfEAAPgNEAAEAcAN///DUv+KPEAQeIAVgeQrg8DYDyFcHgbEHQTEHQTCd07p3TiuAAAADZZRIiEP/4Y4AHigHy/wOg"
        + "Q7L5fxAACIRlcDyFcA6Y5YHURjbN//AcAAFxR8v4mRvCYma4HC4BgiADQ48DYDzFchNDtGikWYHQTGAJ+RM3d4FB6eGfAf8A4QhCKP93BimX"
        + "MIEgKYEAAXAj3cquWzdlOWHIQkv/wwh5f8UeEIotJuN4HgYjLITmAMIgGhgPIVweBsICuAVXT6IOgmAD9biEoLZVXefAIf8NRfxQABAE4gAI"
        + "eNAeXxeIWIhYgGAf/BHFAfBh2GKHhw/+gVRCAcFAzyxiSxnWdRVvgA=="
    private static let slicedFrame = "AAAABUGaI8TAAAAABUESaI8T"

    @Test("no picture of sound, and no decoder of what is not sent by speakers")
    func otherCodecs() {
        for codec in [Codec.opus, .aac] {
            #expect(throws: VideoCodecError.self) {
                _ = try VideoDecoder(codec: codec, maximumPixels: 100, framesInUse: 1)
            }
        }
    }
}
