// What publishers replay: pictures and sound, encoded once and cut into payloads.

import Foundation
import Media
import RTC

/// A few seconds of VP8 and Opus that can follow themselves without end.
struct Recording: Sendable {
    /// A picture: its payloads in order, and whether it is a key frame.
    struct Picture: Sendable {
        let payloads: [[UInt8]], isKeyframe: Bool
    }

    /// A packet of sound, and how loud it is: 0 for full scale to 127 for silence (RFC 6464).
    struct Sound: Sendable {
        let payload: [UInt8], level: UInt8
    }

    /// How long packets of sound are.
    static let soundNanoseconds: Int64 = 20_000_000
    static let framesPerSecond = 30

    /// The pictures, from a key frame on, and the packets of sound.
    let pictures: [Picture], sounds: [Sound]
    /// How long a picture is shown.
    let pictureNanoseconds: Int64

    /// The bytes that a second of it has as payloads.
    var bytesPerSecond: Double {
        let video = pictures.reduce(0) { $0 + $1.payloads.reduce(0) { $0 + $1.count } }
        let audio = sounds.reduce(0) { $0 + $1.payload.count }
        return Double(video) / (Double(pictures.count) * Double(pictureNanoseconds) / 1e9)
            + Double(audio) / (Double(sounds.count) * Double(Self.soundNanoseconds) / 1e9)
    }

    /// The sizes of all payloads of pictures and sound, in the order and mixture in which they are sent.
    var payloadSizes: [Int] {
        var sizes: [Int] = [], sound: Int64 = 0
        for (index, picture) in pictures.enumerated() {
            sizes += picture.payloads.map(\.count)
            while sound * Self.soundNanoseconds < Int64(index + 1) * pictureNanoseconds {
                sizes.append(sounds[Int(sound) % sounds.count].payload.count)
                sound += 1
            }
        }
        return sizes
    }

    /// The first key frame at or after a picture, going round at the end.
    func keyframe(from index: Int) -> Int {
        for offset in pictures.indices where pictures[(index + offset) % pictures.count].isKeyframe {
            return (index + offset) % pictures.count
        }
        return 0
    }

    /// Encodes four seconds of a moving scene and of speech-like sound; takes a second or two.
    ///
    /// - Parameters:
    ///   - width: of the pictures, even.
    ///   - height: of the pictures, even.
    ///   - bitrate: of the pictures, in bits per second.
    /// - Throws: `VideoCodecError` or `OpusError` when a library fails.
    static func synthetic(width: Int, height: Int, bitrate: Int) throws -> Recording {
        let seconds = 4, count = seconds * framesPerSecond
        var encoder = try VPXEncoder(
            codec: .vp8, width: width, height: height, bitrate: bitrate, frameRate: FrameRate(Int32(framesPerSecond)),
            keyframeInterval: count, live: VPXEncoder.Live())
        let scene = MovingScene(width: width, height: height)
        let frame = VideoFrame(width: width, height: height)
        var frames: [(bytes: [UInt8], isKeyframe: Bool)] = []
        for index in 0..<count {
            scene.draw(index, to: frame)
            // A key frame each two seconds; what the rate control leaves out would be a hole, so the last is shown longer.
            guard let picture = try encoder.encode(frame, forceKeyframe: index % (2 * framesPerSecond) == 0) else {
                continue
            }
            frames.append((picture.payload.array, picture.isKeyframe))
        }
        return try Recording(frames: frames, pictureNanoseconds: 1_000_000_000 / Int64(framesPerSecond))
    }

    /// Takes the pictures of an IVF file, and the same sound.
    ///
    /// - Throws: `LoadError` when the file does not fit, `OpusError` when libopus fails.
    static func reading(_ path: String) throws -> Recording {
        let url = URL(filePath: path)
        let size = try? url.resourceValues(forKeys: [.fileSizeKey]).fileSize
        guard let size, size <= IVFFile.limitBytes, let data = try? Data(contentsOf: url) else {
            throw LoadError("The file \(path) can't be read, or is larger than \(IVFFile.limitBytes >> 20) MB.")
        }
        let file = try IVFFile(Array(data))
        guard file.codec == "VP80" else { throw LoadError("\(path) holds \(file.codec); VP8 is replayed.") }
        // In VP8 the lowest bit of the first byte is 0 in a key frame (RFC 6386 section 9.1).
        let frames = file.frames.map { ($0.bytes, $0.bytes[0] & 1 == 0) }
        let first = file.frames[0].timestamp, last = file.frames[file.frames.count - 1].timestamp
        let ticks = file.frames.count > 1 ? Double(last &- first) / Double(file.frames.count - 1) : 1
        let interval = Int64((ticks / file.ticksPerSecond * 1e9).rounded())
        guard (4_000_000...1_000_000_000).contains(interval) else {
            throw LoadError("\(path) has no frame rate between 1 and 250.")
        }
        return try Recording(frames: frames, pictureNanoseconds: interval)
    }

    init(frames: [([UInt8], Bool)], pictureNanoseconds: Int64) throws {
        var packetizer = FramePacketizer(codec: .vp8, pictureID: 0)
        let start = frames.firstIndex { $0.1 }
        guard let start else { throw LoadError("The recording has no key frame.") }
        pictures = frames[start...].map { bytes, isKeyframe in
            Picture(payloads: bytes.withUnsafeBytes { packetizer.packetize($0) }, isKeyframe: isKeyframe)
        }
        self.pictureNanoseconds = pictureNanoseconds
        sounds = try Self.speech(seconds: 4)
    }

    /// Syllables of a buzzing voice with pauses, as Opus at 32 kbit/s.
    private static func speech(seconds: Int) throws -> [Sound] {
        var encoder = try OpusEncoder(bitrate: 32_000, isVoice: true)
        var sounds: [Sound] = [], block = [Float](repeating: 0, count: 1920), phase = 0.0
        for packet in 0..<(seconds * 50) {
            var energy = 0.0
            for sample in 0..<960 {
                let time = Double(packet * 960 + sample) / 48_000
                // Four syllables a second, a pause in each fourth half second, a pitch that moves.
                let syllable = max(0, sin(2 * .pi * 4 * time)), speaks = Int(time * 2) % 4 != 3
                phase += (120 + 30 * sin(2 * .pi * 0.7 * time)) / 48_000
                var value = 0.0
                for harmonic in 1...8 { value += sin(2 * .pi * phase * Double(harmonic)) / Double(harmonic) }
                value *= speaks ? 0.15 * syllable : 0
                energy += value * value
                (block[2 * sample], block[2 * sample + 1]) = (Float(value), Float(value))
            }
            let encoded = try block.withUnsafeBufferPointer { try encoder.encode($0) }
            let decibels = energy > 0 ? -10 * log10(energy / 960) : 127
            sounds.append(Sound(payload: encoded.payload.array, level: UInt8(min(127, max(0, decibels)))))
        }
        return sounds
    }
}

/// A scene with enough grain and motion to need the bits of a camera.
private struct MovingScene {
    let width: Int, height: Int
    private let grain: [UInt8]

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        grain = (0..<(width * height / 16 + 4096)).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 60)
        }
    }

    /// Draws a picture: slow waves, a head that sways over them, grain that changes.
    func draw(_ index: Int, to frame: VideoFrame) {
        let shift = index * 2, sway = Int(Double(width) * 0.05 * sin(Double(index) / 9))
        let middle = width / 2 + sway, top = height / 5, radius = height / 4
        for y in 0..<height {
            let row = frame.y + y * frame.lumaStride, noise = (y * 37 + index * 1009) % 4096
            for x in 0..<width {
                let wave = 60 + ((x + shift) >> 3 & 31) + (y >> 2 & 63)
                let dx = x - middle, dy = y - top - radius
                let head = dx * dx + dy * dy < radius * radius ? 50 : 0
                row[x] = UInt8(truncatingIfNeeded: min(235, wave + head + Int(grain[(noise + x) % grain.count])))
            }
        }
        for y in 0..<(height / 2) {
            (frame.u + y * frame.chromaStride).update(repeating: UInt8(110 + y % 24), count: width / 2)
            (frame.v + y * frame.chromaStride).update(repeating: UInt8(130 + index % 16), count: width / 2)
        }
    }
}
