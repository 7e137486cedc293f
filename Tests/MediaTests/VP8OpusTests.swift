// VP8 and Opus there and back, and what they make of rubbish.

import Foundation
import Media
import Testing

@Suite("VP8")
struct VP8Tests {
    private func picture(_ width: Int, _ height: Int, step: Int) -> VideoFrame {
        let frame = VideoFrame(width: width, height: height)
        frame.fill(y: 60, u: 100, v: 150)
        for y in 0..<frame.height {
            for x in 0..<frame.width { frame.y[y * frame.lumaStride + x] = UInt8(40 + (x + y + 3 * step) / 4 % 160) }
        }
        return frame
    }

    private func psnr(_ a: VideoFrame, _ b: VideoFrame) -> Double {
        var sum = 0.0
        for y in 0..<a.height {
            for x in 0..<a.width {
                let d = Double(a.y[y * a.lumaStride + x]) - Double(b.y[y * b.lumaStride + x])
                sum += d * d
            }
        }
        return 10 * log10(255 * 255 / max(1e-9, sum / Double(a.width * a.height)))
    }

    @Test("a sequence comes back close to what went in, with key frames where asked")
    func roundTrip() throws {
        var encoder = try VP8Encoder(
            width: 320, height: 180, bitrate: 1_500_000, frameRate: FrameRate(30), keyframeInterval: 600)
        var decoder = try VP8Decoder()
        var held: [VideoFrame] = []
        for step in 0..<20 {
            let source = picture(320, 180, step: step)
            let encoded = try encoder.encode(source, forceKeyframe: step == 10)
            let frame = try #require(encoded)
            #expect(frame.codec == .vp8 && frame.isKeyframe == (step == 0 || step == 10))
            #expect(frame.pts == Int64(step) * 3000)
            if frame.isKeyframe {
                let size = frame.payload.withBytes { VP8Decoder.keyframeSize($0) }
                #expect(size?.width == 320 && size?.height == 180)
            }
            let back = try decoder.decodeBlock(frame.payload, timestamp: Int64(step))
            let decoded = try #require(back)
            #expect(decoded.width == 320 && decoded.height == 180 && decoded.color == .vp8)
            #expect(decoded.timestampNanoseconds == Int64(step))
            #expect(psnr(source, decoded) > 30)
            held.append(decoded)
            if held.count > 3 { held.removeFirst() }
        }
        // What is held is never written over.
        #expect(psnr(picture(320, 180, step: 17), held[0]) > 30)
    }

    @Test("rubbish, truncated frames and oversized pictures are refused, and decoding goes on")
    func hostile() throws {
        var encoder = try VP8Encoder(
            width: 64, height: 64, bitrate: 300_000, frameRate: FrameRate(30), keyframeInterval: 30)
        let encoded = try encoder.encode(picture(64, 64, step: 0))
        let good = try #require(encoded).payload.array
        var decoder = try VP8Decoder(maximumPixels: 640 * 480)
        #expect(throws: VP8Error.self) { try decoder.decodeBlock(ByteBlock([UInt8](repeating: 0xff, count: 30))) }
        #expect(throws: VP8Error.self) { try decoder.decodeBlock(ByteBlock([])) }
        var large = good
        large[6] = 0xff
        large[7] = 0x3f
        #expect(throws: VP8Error.tooLarge(width: 16383, height: 64)) { try decoder.decodeBlock(ByteBlock(large)) }
        var state: UInt64 = 42
        for _ in 0..<400 {
            var bytes = good
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 25)
            }
            if state & 7 == 0 { bytes.removeLast(Int(state >> 40) % bytes.count) }
            _ = try? decoder.decodeBlock(ByteBlock(bytes))
        }
        let after = try decoder.decodeBlock(ByteBlock(good))
        #expect(after?.width == 64)
    }

    @Test("the decoder says so when every frame is held")
    func exhausted() throws {
        var encoder = try VP8Encoder(
            width: 64, height: 64, bitrate: 300_000, frameRate: FrameRate(30), keyframeInterval: 30)
        var decoder = try VP8Decoder(framesInUse: 2)
        let encoded = try encoder.encode(picture(64, 64, step: 0))
        let block = try #require(encoded).payload
        let first = try decoder.decodeBlock(block), second = try decoder.decodeBlock(block)
        #expect(first !== second)
        #expect(throws: VP8Error.noFreeFrame) { try decoder.decodeBlock(block) }
        withExtendedLifetime((first, second)) {}
    }
}

extension VP8Decoder {
    @discardableResult
    fileprivate mutating func decodeBlock(_ block: ByteBlock, timestamp: Int64 = 0) throws -> VideoFrame? {
        let bytes = block.array
        return try bytes.withUnsafeBytes { try decode($0, timestampNanoseconds: timestamp) }
    }
}

@Suite("Opus")
struct OpusTests {
    private func tone(_ block: Int, _ length: Int = 960) -> [Float] {
        (0..<length).flatMap { i -> [Float] in
            let s = Float(0.5 * sin(2 * Double.pi * 440 * Double(block * length + i) / 48_000))
            return [s, s * 0.5]
        }
    }

    private func rms(_ samples: [Float], channel: Int) -> Float {
        let own = stride(from: channel, to: samples.count, by: 2).map { samples[$0] * samples[$0] }
        return (own.reduce(0, +) / Float(max(1, own.count))).squareRoot()
    }

    @Test("a tone keeps its level in both channels")
    func roundTrip() throws {
        var encoder = try OpusEncoder(bitrate: 96_000)
        var decoder = try OpusDecoder()
        var last: [Float] = []
        for block in 0..<25 {
            let packet = try tone(block).withUnsafeBufferPointer { try encoder.encode($0) }
            #expect(packet.pts == Int64(block) * 960 && packet.timescale == 48_000)
            let bytes = packet.payload.array
            #expect(bytes.withUnsafeBytes { OpusDecoder.sampleCount($0) } == 960)
            last = try bytes.withUnsafeBytes { try decoder.decode($0) { Array($0) } }
            #expect(last.count == 1920)
        }
        #expect(abs(rms(last, channel: 0) - 0.3535) < 0.02)
        #expect(abs(rms(last, channel: 1) - 0.1768) < 0.02)
    }

    @Test("a lost packet is made up for at about its level, with and without the next one")
    func loss() throws {
        for hasNext in [false, true] {
            var encoder = try OpusEncoder(bitrate: 48_000)
            var decoder = try OpusDecoder()
            let packets = try (0..<30).map { block in
                try tone(block).withUnsafeBufferPointer { try encoder.encode($0) }.payload.array
            }
            for packet in packets[..<20] { try packet.withUnsafeBytes { try decoder.decode($0) { _ in } } }
            let made = try packets[21].withUnsafeBytes {
                try decoder.conceal(samples: 960, next: hasNext ? $0 : nil) { Array($0) }
            }
            #expect(made.count == 1920)
            #expect(rms(made, channel: 0) > 0.15)
        }
    }

    @Test("what is not Opus is refused, and decoding goes on")
    func hostile() throws {
        var encoder = try OpusEncoder()
        var decoder = try OpusDecoder()
        let good = try tone(0).withUnsafeBufferPointer { try encoder.encode($0) }.payload.array
        let rubbish = [UInt8](repeating: 0xff, count: 2), short = [Float](repeating: 0, count: 100)
        #expect(throws: OpusError.self) { try rubbish.withUnsafeBytes { try decoder.decode($0) { _ in } } }
        #expect(throws: OpusError.wrongLength) { try decoder.conceal(samples: 961, next: nil) { _ in } }
        #expect(throws: OpusError.wrongLength) { try short.withUnsafeBufferPointer { try encoder.encode($0) } }
        var state: UInt64 = 9
        for _ in 0..<500 {
            var bytes = good
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 25)
            _ = try? bytes.withUnsafeBytes { try decoder.decode($0) { $0.count } }
        }
        #expect(try good.withUnsafeBytes { try decoder.decode($0) { $0.count } } == 1920)
    }
}
