// A few seconds of a speaker, encoded once.

import Media

/// Encoded pictures and sound that can follow themselves without end.
///
/// It is counted in beats of 100 ms, the shortest time in which 30 pictures a second and packets of 20 ms both come out
/// whole: 3 pictures and 5 packets. Where a key frame begins a beat, playing can go on from any other beat.
struct MediaLoop: Sendable {
    /// Pictures a second.
    static let framesPerSecond = 30
    /// What a beat holds.
    static let framesPerBeat = 3, packetsPerBeat = 5
    /// Samples of a packet, at 48 kHz.
    static let samplesPerPacket = 960
    /// By how many samples Opus is late when it encodes at 48 kHz for music (RFC 6716 §2.1.9: the look-ahead).
    static let opusDelaySamples = 312

    /// A picture.
    struct Picture: Sendable {
        let payload: ByteBlock, isKeyframe: Bool
    }

    /// The pictures and the Opus packets.
    private(set) var pictures: [Picture] = [], packets: [ByteBlock] = []
    /// How many beats it lasts.
    let beats: Int
    /// The beats that begin with a key frame, from the first.
    private(set) var keyBeats: [Int] = []

    /// Encodes a loop; takes some tenths of a second, so it belongs on a thread of its own.
    ///
    /// - Parameters:
    ///   - look: what is encoded.
    ///   - seconds: how long the loop is.
    ///   - keyframeSeconds: how far key frames are apart.
    /// - Throws: `VideoCodecError` or `OpusError` when a library fails.
    init(_ look: SpeakerLook, seconds: Int = 4, keyframeSeconds: Int = 2) throws {
        beats = 10 * max(1, seconds)
        try encodePictures(look, keyframeEvery: max(1, keyframeSeconds) * Self.framesPerSecond)
        try encodeSound(look)
        keyBeats = (0..<beats).filter { pictures[$0 * Self.framesPerBeat].isKeyframe }
    }

    private mutating func encodePictures(_ look: SpeakerLook, keyframeEvery interval: Int) throws {
        let count = beats * Self.framesPerBeat
        var encoder = try VPXEncoder(
            codec: .vp8,
            width: SpeakerLook.width, height: SpeakerLook.height, bitrate: 600_000,
            frameRate: FrameRate(Int32(Self.framesPerSecond)), keyframeInterval: count)
        let background = look.background(), frame = VideoFrame(width: SpeakerLook.width, height: SpeakerLook.height)
        for index in 0..<count {
            look.draw(index, of: count, over: background, to: frame)
            // A picture that the rate control drops would leave a hole in the loop.
            guard let picture = try encoder.encode(frame, forceKeyframe: index % interval == 0) else {
                throw VideoCodecError.corrupt(code: 0)
            }
            pictures.append(Picture(payload: picture.payload, isKeyframe: picture.isKeyframe))
        }
    }

    private mutating func encodeSound(_ look: SpeakerLook) throws {
        var encoder = try OpusEncoder(bitrate: 48_000)
        var block = [Float](repeating: 0, count: 2 * Self.samplesPerPacket)
        // A few packets ahead bring the encoder to the state in which the loop's end leaves it.
        for packet in -5..<(beats * Self.packetsPerBeat) {
            for index in 0..<Self.samplesPerPacket {
                let sample = look.sample(packet * Self.samplesPerPacket + index + Self.opusDelaySamples)
                (block[2 * index], block[2 * index + 1]) = (sample, sample)
            }
            let encoded = try block.withUnsafeBufferPointer { try encoder.encode($0) }
            if packet >= 0 { packets.append(encoded.payload) }
        }
    }

    /// The first beat at or after another that begins with a key frame, going round at the end.
    func keyBeat(from beat: Int) -> Int { keyBeats.first { $0 >= beat } ?? keyBeats.first ?? 0 }
}
