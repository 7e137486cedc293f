// 48 kHz float stereo to Opus, by libopus.

import CMediaShims
import COpus

/// An Opus encoder for 48 kHz stereo, owned by one thread.
public struct OpusEncoder: ~Copyable {
    private let handle: OpaquePointer
    private var sampleIndex: Int64 = 0

    /// Sets up an encoder with in-band redundancy for 10 % loss.
    ///
    /// - Parameters:
    ///   - bitrate: bits per second, 6000…510000.
    ///   - complexity: 0…10; 5 costs half of 10 and is hard to tell apart at 64 kbit/s.
    ///   - isVoice: whether it is set up for speech, as browsers do, whose packets carry redundancy at low rates.
    ///   - pauses: whether it sends next to nothing in silence (discontinuous transmission).
    ///   - hasRedundancy: whether packets carry what a lost one before them said; libopus leaves its mode for music for it.
    /// - Throws: `OpusError.setup` when libopus refuses.
    public init(
        bitrate: Int = 64_000, complexity: Int = 5, isVoice: Bool = false, pauses: Bool = false,
        hasRedundancy: Bool = true
    ) throws(OpusError) {
        var code: Int32 = 0
        let application = isVoice ? OPUS_APPLICATION_VOIP : OPUS_APPLICATION_AUDIO
        guard let handle = opus_encoder_create(48_000, 2, application, &code), code == OPUS_OK else {
            throw .setup(code: code)
        }
        code = proscenium_opus_set_bitrate(handle, Int32(clamping: bitrate))
        if code == OPUS_OK { code = proscenium_opus_set_complexity(handle, Int32(clamping: complexity)) }
        let (redundancy, lossPercent): (Int32, Int32) = hasRedundancy ? (1, 10) : (0, 0)
        if code == OPUS_OK { code = proscenium_opus_set_inband_fec(handle, redundancy, lossPercent) }
        if code == OPUS_OK, pauses { code = proscenium_opus_set_dtx(handle, 1) }
        guard code == OPUS_OK else {
            opus_encoder_destroy(handle)
            throw .setup(code: code)
        }
        self.handle = handle
    }

    deinit { opus_encoder_destroy(handle) }

    /// Encodes one block.
    ///
    /// - Parameter samples: left and right in turn, in −1…1; 480, 960, 1920 or 2880 per channel.
    /// - Returns: the packet, with `pts` in samples since the start.
    /// - Throws: `OpusError.wrongLength` for another length, `.corrupt` when libopus fails.
    public mutating func encode(_ samples: UnsafeBufferPointer<Float>) throws(OpusError) -> EncodedFrame {
        let perChannel = samples.count / 2
        guard [480, 960, 1920, 2880].contains(perChannel), samples.count == 2 * perChannel,
            let base = samples.baseAddress
        else { throw .wrongLength }
        // RFC 6716 §3.4: a frame is at most 1275 bytes; 60 ms are three.
        let (bytes, count) = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4000) { out in
            guard let bytes = out.baseAddress else { return ([UInt8](), Int32(0)) }
            let count = opus_encode_float(handle, base, Int32(perChannel), bytes, Int32(out.count))
            return (Array(out.prefix(max(0, Int(count)))), count)
        }
        guard count > 0 else { throw .corrupt(code: count) }
        let pts = sampleIndex
        sampleIndex += Int64(perChannel)
        return EncodedFrame(
            codec: .opus, pts: pts, dts: pts, timescale: 48_000, isKeyframe: true, payload: ByteBlock(bytes))
    }
}
