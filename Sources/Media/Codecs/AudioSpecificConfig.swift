// The configuration of an AAC stream, ISO/IEC 14496-3, 1.6.2.1.

/// What an AudioSpecificConfig says, as far as the pipeline must know it.
public struct AudioSpecificConfig: Sendable, Equatable {
    /// The audio object type; 2 is AAC-LC.
    public let objectType: Int
    /// Samples per second of the core coder.
    public let sampleRate: Int
    /// The channel configuration; 2 is stereo.
    public let channelConfiguration: Int
    /// Whether spectral band replication or parametric stereo is signalled.
    public let hasExtension: Bool

    private static let rates = [
        96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
    ]

    /// AAC-LC, 48 kHz, stereo: the audio of every rung.
    public static let program = ByteBlock([0x11, 0x90])

    /// Reads a configuration; throws `AVError.invalidData` when it is cut short or uses a reserved rate.
    public init(_ block: ByteBlock) throws(AVError) {
        var bits = BitReader(block.array)
        func need(_ value: Int?) throws(AVError) -> Int {
            guard let value else { throw AVError.invalidData }
            return value
        }
        func type() throws(AVError) -> Int {
            let value = try need(bits.read(5))
            return value == 31 ? 32 + (try need(bits.read(6))) : value
        }
        func rate() throws(AVError) -> Int {
            let index = try need(bits.read(4))
            if index == 15 { return try need(bits.read(24)) }
            guard index < Self.rates.count else { throw AVError.invalidData }
            return Self.rates[index]
        }
        var objectType = try type()
        sampleRate = try rate()
        channelConfiguration = try need(bits.read(4))
        var isExtended = false
        if objectType == 5 || objectType == 29 {
            isExtended = true
            _ = try rate()
            objectType = try type()
        } else if objectType == 2, bits.bitsLeft >= 3 + 11 + 5 + 1 {
            // Backward compatible signalling: a sync word behind the core's own configuration.
            _ = bits.read(3)
            if bits.read(11) == 0x2B7, bits.read(5) == 5, bits.read(1) == 1 { isExtended = true }
        }
        self.objectType = objectType
        hasExtension = isExtended
    }

    /// Whether frames of this stream can go into every rung as they are.
    public var isProgramFormat: Bool {
        objectType == 2 && sampleRate == 48000 && channelConfiguration == 2 && !hasExtension
    }
}
