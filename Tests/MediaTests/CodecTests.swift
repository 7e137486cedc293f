// The codec wrappers, by going there and back.

import Media
import Testing

@Suite("H.264 codecs")
struct H264CodecTests {
    private let size = PictureSize(width: 160, height: 90)

    private func picture(_ index: Int) -> VideoFrame {
        let frame = VideoFrame(width: 160, height: 90)
        frame.fill(y: 60, u: 128, v: 128)
        for row in 20..<60 {
            for column in 0..<30 { frame.y[row * frame.lumaStride + (column + index * 3) % 160] = 200 }
        }
        return frame
    }

    private func encode(_ count: Int, settings: X264Settings? = nil) throws -> (
        frames: [EncodedFrame], configuration: AVCConfiguration
    ) {
        var encoder = try X264Encoder(
            settings: settings ?? .rung(size: size, frameRate: FrameRate(30), bitrateKbps: 300, preset: .veryfast),
            timescale: 30)
        var frames: [EncodedFrame] = []
        for index in 0..<count {
            if let frame = try encoder.encode(picture(index), pts: Int64(index), forcesIDR: index % 10 == 0) {
                frames.append(frame)
            }
        }
        while let frame = try encoder.flush() { frames.append(frame) }
        return (frames, encoder.configuration)
    }

    @Test("IDRs lie where they were asked for, every picture comes out in order, decoding gives them back")
    func roundTrip() throws {
        let (frames, configuration) = try encode(25)
        #expect(frames.map(\.pts) == (0..<25).map(Int64.init))
        #expect(frames.filter(\.isKeyframe).map(\.pts) == [0, 10, 20])
        #expect(configuration.pictureSize == size)
        #expect(configuration.codecString.hasPrefix("avc1.64"))
        #expect(try AVCConfiguration(configuration.record) == configuration)

        var decoder = try H264Decoder(configuration: configuration.record)
        var stamps: [Int64] = []
        var worst = 0
        for frame in frames {
            try decoder.decode(frame) { decoded in
                let original = picture(stamps.count)
                for row in 0..<90 {
                    for column in 0..<160 {
                        worst = max(
                            worst,
                            abs(
                                Int(decoded.y[row * decoded.lumaStride + column])
                                    - Int(original.y[row * original.lumaStride + column])))
                    }
                }
                #expect(decoded.color == .program)
                stamps.append(decoded.timestampNanoseconds)
            }
        }
        decoder.finish { stamps.append($0.timestampNanoseconds) }
        #expect(stamps == (0..<25).map { Int64($0) * 1_000_000_000 / 30 })
        #expect(worst < 90)
    }

    @Test(
        "who waits for each picture gets it at once: a constrained baseline that describes itself wherever one can begin"
    )
    func live() throws {
        let settings = X264Settings.live(size: size, frameRate: FrameRate(30), bitrateKbps: 300)
        var encoder = try X264Encoder(settings: settings, timescale: 90_000)
        // The level may be any that is not above 3.1, which descriptions name.
        let sps = encoder.configuration.sps[0]
        #expect(sps[1] == 66 && sps[2] & 0xC0 == 0xC0 && sps[3] <= 31, "\(sps)")
        var decoder = try H264Decoder(maximumPixels: 1 << 16, color: .program, poolCapacity: 4), decoded = 0, bytes = 0
        for index in 0..<90 {
            let frame = try #require(
                try encoder.encode(picture(index), pts: Int64(index) * 3000, forcesIDR: index == 40))
            #expect(frame.pts == Int64(index) * 3000 && frame.isKeyframe == (index == 0 || index == 40))
            var types: [UInt8] = [], rest = frame.payload.array[...]
            while rest.count > 4 {
                let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
                types.append(rest[rest.startIndex + 4] & 31)
                rest = rest.dropFirst(4 + length)
            }
            #expect(types.filter { $0 != 6 } == (frame.isKeyframe ? [7, 8, 5] : [1]), "\(types)")
            bytes += frame.payload.count
            // The matrix is the stream's own word.
            try decoder.decode(frame) { picture in
                #expect(picture.color == .vp8)
                decoded += 1
            }
        }
        decoder.finish { _ in decoded += 1 }
        #expect(decoded == 90)
        // Three seconds at the rate, and the buffer once.
        #expect(bytes * 8 <= 300_000 * 3 + 150_000)
    }

    @Test(
        "a quicker preset has the parameter sets of the one that it stands in for",
        arguments: X264Settings.Preset.allCases)
    func standsIn(_ signaled: X264Settings.Preset) throws {
        var settings = X264Settings.program(size: size, frameRate: FrameRate(30), preset: signaled)
        let record = try X264Encoder(settings: settings, timescale: 30).configuration.record.array
        settings.signaledPreset = signaled
        for preset in X264Settings.Preset.allCases.prefix(while: { $0 != signaled }) {
            settings.preset = preset
            let other = try X264Encoder(settings: settings, timescale: 30).configuration.record.array
            #expect(other == record, "\(preset) for \(signaled)")
        }
    }

    @Test("one stream goes on through another analysis and another encoder, decoded by one configuration")
    func changesPace() throws {
        var settings = X264Settings.program(size: size, frameRate: FrameRate(30), bitrateKbps: 400)
        settings.signaledPreset = .veryfast
        var frames: [EncodedFrame] = []
        func encode(_ range: Range<Int>, _ encoder: inout X264Encoder) throws {
            for index in range {
                let frame = try encoder.encode(picture(index), pts: Int64(index), forcesIDR: index % 20 == 0)
                if let frame { frames.append(frame) }
            }
        }
        var first = try X264Encoder(settings: settings, timescale: 30)
        try encode(0..<10, &first)
        try first.analyse(as: .ultrafast)
        try encode(10..<20, &first)
        while let frame = try first.flush() { frames.append(frame) }
        settings.preset = .superfast
        var second = try X264Encoder(settings: settings, timescale: 30)
        try encode(20..<40, &second)
        while let frame = try second.flush() { frames.append(frame) }
        #expect(frames.map(\.pts) == (0..<40).map(Int64.init))
        #expect(frames.filter(\.isKeyframe).map(\.pts) == [0, 20])

        var decoder = try H264Decoder(configuration: first.configuration.record)
        var shown = 0, worst = 0
        func look(_ decoded: VideoFrame) {
            let original = picture(shown)
            for row in 0..<90 {
                for column in 0..<160 {
                    let (a, b) = (
                        decoded.y[row * decoded.lumaStride + column], original.y[row * original.lumaStride + column]
                    )
                    worst = max(worst, abs(Int(a) - Int(b)))
                }
            }
            shown += 1
        }
        for frame in frames { try decoder.decode(frame, output: look) }
        decoder.finish(output: look)
        #expect(shown == 40)
        #expect(worst < 90)
    }

    @Test("the same pictures give the same bytes")
    func deterministic() throws {
        #expect(try encode(12).frames.map(\.payload.array) == encode(12).frames.map(\.payload.array))
    }

    @Test("user data rides as an SEI in its own picture")
    func userData() throws {
        var encoder = try X264Encoder(
            settings: .program(size: size, frameRate: FrameRate(30), bitrateKbps: 200), timescale: 30)
        let mark = [UInt8](repeating: 0xA5, count: 24)
        var frames: [EncodedFrame] = []
        for index in 0..<3 {
            if let frame = try encoder.encode(
                picture(index), pts: Int64(index), forcesIDR: index == 0, userData: index == 1 ? mark : [])
            {
                frames.append(frame)
            }
        }
        while let frame = try encoder.flush() { frames.append(frame) }
        let found = frames.map { frame in
            let bytes = frame.payload.array
            return bytes.indices.contains {
                $0 + mark.count <= bytes.count && Array(bytes[$0..<($0 + mark.count)]) == mark
            }
        }
        #expect(found == [false, true, false])
    }

    @Test("damaged configurations and frames are refused, and decoding goes on with the next IDR")
    func damage() throws {
        let (frames, configuration) = try encode(25)
        #expect(throws: AVError.invalidData) { try AVCConfiguration(ByteBlock([1, 100, 0])) }
        let record = configuration.record.array
        for cut in 0..<(record.count - 4) { _ = try? AVCConfiguration(ByteBlock(Array(record[..<cut]))) }
        var decoder = try H264Decoder(configuration: configuration.record)
        var shown = 0
        var seed: UInt32 = 7
        for (index, frame) in frames.enumerated() {
            var damaged = frame
            if index < 20 {
                var bytes = frame.payload.array
                for _ in 0..<8 {
                    seed = seed &* 1_664_525 &+ 1_013_904_223
                    bytes[Int(seed >> 8) % bytes.count] = UInt8(seed >> 24)
                }
                damaged.payload = ByteBlock(bytes)
            }
            do {
                try decoder.decode(damaged) { if $0.timestampNanoseconds >= 20 * 1_000_000_000 / 30 { shown += 1 } }
            } catch {}
        }
        decoder.finish { if $0.timestampNanoseconds >= 20 * 1_000_000_000 / 30 { shown += 1 } }
        #expect(shown == 5)
    }

    @Test("a picture of another shape gets black bars, colour is converted to the program's")
    func scaling() throws {
        let source = VideoFrame(width: 80, height: 80)
        source.fill(y: 235, u: 128, v: 128)
        source.color = ColorDescription(matrix: .bt601, isFullRange: false)
        let scaler = try Scaler(source: PictureSize(width: 80, height: 80), color: source.color, target: size)
        let target = VideoFrame(width: 160, height: 90)
        scaler.scale(source, into: target)
        #expect(target.y[45 * target.lumaStride + 4] == 16)
        #expect(target.y[45 * target.lumaStride + 155] == 16)
        #expect(abs(Int(target.y[45 * target.lumaStride + 80]) - 235) <= 2)
        #expect(target.color == .program)
    }
}

@Suite("AAC codecs")
struct AACCodecTests {
    @Test("a tone survives, in place by the stated priming")
    func roundTrip() throws {
        var encoder = try AACEncoder()
        #expect(try AudioSpecificConfig(encoder.configuration).isProgramFormat)
        #expect(encoder.primingSamples == 1024)
        var frames: [EncodedFrame] = []
        // Silence, then a loud start at sample 9600.
        let samples = (0..<48_000).map { $0 < 9600 ? Float(0) : 0.5 * ((($0 / 24) & 1 == 0) ? 1 : -1) }
        for start in stride(from: 0, to: 48_000, by: 480) {
            try samples[start..<(start + 480)].withUnsafeBufferPointer { block in
                try encoder.encode(left: block, right: block) { frames.append($0) }
            }
        }
        #expect(frames.first?.pts == -1024)
        #expect(zip(frames, frames.dropFirst()).allSatisfy { $1.pts - $0.pts == 1024 })
        var decoder = try AACDecoder(configuration: encoder.configuration)
        var heard: [Float] = []
        for frame in frames {
            try decoder.decode(frame) { left, right in
                #expect(left.count == right.count)
                heard += left
            }
        }
        let onset = try #require(heard.firstIndex { abs($0) > 0.25 })
        #expect(abs(onset - 1024 - 9600) < 64)
    }

    @Test("other rates come out as 48 kHz stereo; noise is refused")
    func formats() throws {
        #expect(try AudioSpecificConfig(ByteBlock([0x12, 0x10])) == AudioSpecificConfig(ByteBlock([0x12, 0x10])))
        #expect(try AudioSpecificConfig(ByteBlock([0x12, 0x10])).sampleRate == 44100)
        #expect(try !AudioSpecificConfig(ByteBlock([0x12, 0x10])).isProgramFormat)
        // 48 kHz stereo with SBR signalled behind it is not the program's format.
        #expect(try AudioSpecificConfig(ByteBlock([0x11, 0x90, 0x56, 0xE5, 0x80])).hasExtension)
        #expect(throws: AVError.invalidData) { try AudioSpecificConfig(ByteBlock([0x17])) }
        let silence = try AACEncoder.silentFrame()
        var decoder = try AACDecoder(configuration: AudioSpecificConfig.program)
        var peak: Float = 0
        for index in 0..<4 {
            try decoder.decode(
                EncodedFrame(
                    codec: .aac, pts: Int64(index), dts: Int64(index), timescale: 1000, isKeyframe: true,
                    payload: silence)
            ) { left, _ in peak = max(peak, left.map(abs).max() ?? 0) }
        }
        #expect(peak < 0.0001)
    }
}
