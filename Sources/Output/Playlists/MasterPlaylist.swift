// The multivariant playlist of an event, as a value and as text (RFC 8216bis, 4.4.6).

public import Media

/// A multivariant playlist.
public struct MasterPlaylist: Sendable, Equatable {
    /// One rung.
    public struct Variant: Sendable, Equatable, Codable {
        /// Where its media playlist is, relative to this one.
        public var uri: String
        /// Bits per second that no segment exceeds, and the mean.
        public var bandwidth: Int, averageBandwidth: Int
        /// The codec strings of RFC 6381.
        public var codecs: [String]
        /// The picture size.
        public var resolution: PictureSize
        /// Pictures per second.
        public var frameRate: FrameRate

        /// Creates a rung's entry.
        public init(
            uri: String, bandwidth: Int, averageBandwidth: Int, codecs: [String], resolution: PictureSize,
            frameRate: FrameRate
        ) {
            self.uri = uri
            self.bandwidth = bandwidth
            self.averageBandwidth = averageBandwidth
            self.codecs = codecs
            self.resolution = resolution
            self.frameRate = frameRate
        }
    }

    /// The rungs, the one to start with first.
    public var variants: [Variant]

    /// Creates a playlist.
    public init(variants: [Variant]) { self.variants = variants }

    /// The text, with a line feed after each line.
    public func render() -> String {
        var text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        for variant in variants {
            let thousandths = Int64(variant.frameRate.numerator) * 1000 / Int64(variant.frameRate.denominator)
            text += "#EXT-X-STREAM-INF:BANDWIDTH=\(variant.bandwidth),AVERAGE-BANDWIDTH=\(variant.averageBandwidth),"
            text += "CODECS=\"\(variant.codecs.joined(separator: ","))\","
            text += "RESOLUTION=\(variant.resolution.width)x\(variant.resolution.height),"
            text +=
                "FRAME-RATE=\(thousandths / 1000).\(ProgramDate.digits(thousandths % 1000, 3)),CLOSED-CAPTIONS=NONE\n"
            text += "\(variant.uri)\n"
        }
        return text
    }
}

/// What a rung needs on the wire, from what its encoder is set to.
public enum DeclaredBandwidth {
    /// Audio in ADTS and transport packets: 47 frames a second in two packets each, at 128 kbit/s.
    private static func audio(kbps: Int) -> Int { kbps * 1000 + 47 * 56 * 8 }
    /// 4 of 188 bytes, and per picture the PES header, delimiter, clock and half a packet of stuffing.
    private static func transport(_ video: Int, framesPerSecond: Int) -> Int {
        video + video * 4 / 184 + framesPerSecond * 130 * 8
    }

    /// The peak over one segment: 1.1 times the nominal rate, and a full decoder buffer of 1 s spent within 6 s.
    public static func peak(videoKbps: Int, audioKbps: Int, framesPerSecond: Int) -> Int {
        transport(videoKbps * 1100 + videoKbps * 1000 / 6, framesPerSecond: framesPerSecond) + audio(kbps: audioKbps)
    }

    /// The mean.
    public static func average(videoKbps: Int, audioKbps: Int, framesPerSecond: Int) -> Int {
        transport(videoKbps * 1000, framesPerSecond: framesPerSecond) + audio(kbps: audioKbps)
    }
}
