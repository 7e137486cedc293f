// Opus from the wire to 48 kHz float stereo, by libopus.

import COpus

/// Why an Opus codec refused to work; `code` is libopus's own.
public enum OpusError: Error, Equatable, Sendable {
    /// The library could not be set up.
    case setup(code: Int32)
    /// The packet is not Opus.
    case corrupt(code: Int32)
    /// The block given to the encoder has a length that Opus does not know.
    case wrongLength
}

/// An Opus decoder that always gives 48 kHz stereo, owned by one thread.
public struct OpusDecoder: ~Copyable {
    /// Samples per second and channel.
    public static let sampleRate = 48_000
    /// The longest packet that RFC 6716 allows, 120 ms, in samples per channel.
    public static let maximumSamples = 5760
    /// Samples by which what is decoded lags behind the packet's stamp: encoders look 6.5 ms ahead (libopus does in every mode
    /// but restricted low delay), and nothing in RTP tells of it.
    public static let lookahead = 312
    /// A packet of at most this many bytes says that the sender pauses (discontinuous transmission).
    public static let pauseBytes = 2

    private let handle: OpaquePointer
    private let buffer: UnsafeMutablePointer<Float>

    /// Sets up a decoder.
    ///
    /// - Throws: `OpusError.setup` when libopus refuses.
    public init() throws(OpusError) {
        var code: Int32 = 0
        guard let handle = opus_decoder_create(Int32(Self.sampleRate), 2, &code), code == OPUS_OK else {
            throw .setup(code: code)
        }
        self.handle = handle
        buffer = .allocate(capacity: 2 * Self.maximumSamples)
        buffer.initialize(repeating: 0, count: 2 * Self.maximumSamples)
    }

    deinit {
        opus_decoder_destroy(handle)
        buffer.deallocate()
    }

    /// Returns how many samples per channel a packet holds, or nil when it is not Opus.
    public static func sampleCount(_ packet: UnsafeRawBufferPointer) -> Int? {
        guard packet.count > 0, let bytes = packet.bindMemory(to: UInt8.self).baseAddress else { return nil }
        let count = opus_packet_get_nb_samples(bytes, Int32(clamping: packet.count), Int32(sampleRate))
        return count > 0 ? Int(count) : nil
    }

    /// Returns whether a packet carries redundancy for the one before it.
    ///
    /// Only SILK and hybrid frames can; the flag follows those of voice activity in their header (RFC 6716 §4.2.4).
    public static func hasRedundancy(_ packet: UnsafeRawBufferPointer) -> Bool {
        guard packet.count > 1, let bytes = packet.bindMemory(to: UInt8.self).baseAddress, bytes[0] & 0x80 == 0 else {
            return false
        }
        var configuration: UInt8 = 0, payload: Int32 = 0
        var sizes = [Int16](repeating: 0, count: 48)
        var frames = [UnsafePointer<UInt8>?](repeating: nil, count: 48)
        let count = opus_packet_parse(
            bytes, Int32(clamping: packet.count), &configuration, &frames, &sizes, &payload)
        guard count > 0, sizes[0] > 0, let first = frames[0]?.pointee else { return false }
        let samples = opus_packet_get_samples_per_frame(bytes, Int32(sampleRate))
        let pieces = max(1, Int(samples) / 960)
        if first >> (7 - pieces) & 1 == 1 { return true }
        return opus_packet_get_nb_channels(bytes) == 2 && pieces <= 3 && first >> (6 - 2 * pieces) & 1 == 1
    }

    /// Decodes one packet.
    ///
    /// - Parameters:
    ///   - packet: one Opus packet.
    ///   - body: gets the samples, left and right in turn, in −1…1; they are valid while it runs.
    /// - Throws: `OpusError.corrupt` for what is not Opus.
    public mutating func decode<Result>(
        _ packet: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<Float>) -> Result
    ) throws(OpusError) -> Result {
        try decode(packet, samples: Self.maximumSamples, usesFEC: false, body)
    }

    /// Makes up for a lost packet, from the redundancy in the one after it where that is at hand.
    ///
    /// - Parameters:
    ///   - samples: how many per channel were lost: a multiple of 120, at most 5760.
    ///   - next: the packet that followed the lost one, or nil.
    ///   - body: gets the samples.
    /// - Throws: `OpusError.corrupt` when libopus cannot; the caller then plays silence.
    public mutating func conceal<Result>(
        samples: Int, next: UnsafeRawBufferPointer?, _ body: (UnsafeBufferPointer<Float>) -> Result
    ) throws(OpusError) -> Result {
        guard samples > 0, samples <= Self.maximumSamples, samples % 120 == 0 else { throw .wrongLength }
        guard let next, next.count > 0 else {
            return try decode(UnsafeRawBufferPointer(start: nil, count: 0), samples: samples, usesFEC: false, body)
        }
        return try decode(next, samples: samples, usesFEC: true, body)
    }

    private mutating func decode<Result>(
        _ packet: UnsafeRawBufferPointer, samples: Int, usesFEC: Bool, _ body: (UnsafeBufferPointer<Float>) -> Result
    ) throws(OpusError) -> Result {
        let count = opus_decode_float(
            handle, packet.bindMemory(to: UInt8.self).baseAddress, Int32(clamping: packet.count), buffer,
            Int32(samples), usesFEC ? 1 : 0)
        guard count > 0 else { throw .corrupt(code: count) }
        return body(UnsafeBufferPointer(start: buffer, count: 2 * Int(count)))
    }
}
