// Which codecs of a description we carry, and in which form: VP8, VP9 in profile 0, H.264 in its baselines, Opus.

public import Media

/// The profiles of H.264 that every browser decodes (RFC 6184 section 8.1, table 5).
public enum H264Profile: Sendable, Hashable {
    case constrainedBaseline, baseline

    /// Reads the value of `profile-level-id`: three bytes as hexadecimal digits; nil for other profiles.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 6, let number = UInt32(text, radix: 16) else { return nil }
        // The low four constraint bits must be zero, and constraint_set3 says nothing in these profiles.
        let profile = number >> 16, flags = number >> 8 & 0xEF
        switch profile {
        case 0x42 where flags & 0x4F == 0x40: self = .constrainedBaseline
        case 0x42 where flags & 0x4F == 0: self = .baseline
        case 0x4D where flags & 0x8F == 0x80: self = .constrainedBaseline
        case 0x58 where flags & 0xCF == 0xC0: self = .constrainedBaseline
        case 0x58 where flags & 0xCF == 0x80: self = .baseline
        default: return nil
        }
    }
}

extension MediaSection.Codec {
    /// What the codec is to us; nil for those, and for their profiles and modes, that we don't carry.
    public var carried: Media.Codec? {
        switch (name.lowercased(), clockRate) {
        case ("opus", 48000): .opus
        case ("vp8", 90000): .vp8
        case ("vp9", 90000): ["", "0"].contains(parameter("profile-id") ?? "") ? .vp9 : nil
        case ("h264", 90000): parameter("packetization-mode") == "1" && h264Profile != nil ? .h264 : nil
        default: nil
        }
    }

    /// The profile of H.264; a description that names none means baseline (RFC 6184 section 8.1).
    public var h264Profile: H264Profile? { H264Profile(parameter("profile-level-id") ?? "420010") }

    /// One value of `a=fmtp`; names are compared without case.
    func parameter(_ name: String) -> String? {
        for part in parameters.split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, pair[0].filter({ $0 != " " }).lowercased() == name else { continue }
            return String(pair[1].filter { $0 != " " })
        }
        return nil
    }

    /// The codec as we answer it: with the feedback and the parameters that we know.
    var answered: MediaSection.Codec {
        var answer = self
        let known = carried?.isVideo == true ? MediaSection.videoFeedback : [MediaSection.transportFeedback]
        answer.feedback = known.filter { feedback.contains($0) }
        switch carried {
        case .opus: answer.parameters = "minptime=10;useinbandfec=1"
        case .vp9: answer.parameters = "profile-id=0"
        case .h264:
            // The profile must be the offer's; its level does too where the other side allows no asymmetry.
            answer.parameters =
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=\(parameter("profile-level-id") ?? "420010")"
        default: answer.parameters = ""
        }
        return answer
    }
}

extension MediaSection {
    /// The codecs of an offer that we take, in its order, each with its RTX behind it.
    ///
    /// - Parameter all: whether to take every one that we know; else only the first: a sender then has no choice left.
    public func acceptedCodecs(all: Bool = false) -> [Codec] {
        guard kind != .application else { return [] }
        let known = codecs.filter { codec in codec.carried.map { $0.isVideo == (kind == .video) } ?? false }
        return known.prefix(all ? known.count : 1).flatMap { codec -> [Codec] in
            guard kind == .video, var rtx = rtx(for: codec.payloadType) else { return [codec.answered] }
            rtx.feedback = []
            return [codec.answered, rtx]
        }
    }

    /// Finds how a peer takes what somebody else sends; nil when it does not.
    ///
    /// Of H.264 the same profile is best. The other baseline is as good: what no browser does (flexible macroblock order and
    /// redundant slices) is all that lies between the two.
    public func codec(for sent: Codec) -> Codec? {
        let same = codecs.filter { $0.carried != nil && $0.carried == sent.carried }
        return same.first { $0.h264Profile == sent.h264Profile } ?? same.first
    }

    /// What we offer of a codec, with RTX for pictures.
    public static func offered(_ codec: Media.Codec) -> [Codec] {
        func video(_ name: String, _ type: UInt8, _ parameters: String = "") -> [Codec] {
            [
                Codec(
                    payloadType: type, name: name, clockRate: 90000, parameters: parameters, feedback: videoFeedback),
                Codec(payloadType: type + 1, name: "rtx", clockRate: 90000, parameters: "apt=\(type)"),
            ]
        }
        let mode = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id="
        return switch codec {
        case .vp8: video("VP8", OfferedIDs.vp8)
        case .vp9: video("VP9", OfferedIDs.vp9, "profile-id=0")
        case .h264:
            video("H264", OfferedIDs.h264, mode + "42e01f") + video("H264", OfferedIDs.h264Baseline, mode + "42001f")
        case .opus:
            [
                Codec(
                    payloadType: OfferedIDs.opus, name: "opus", clockRate: 48000, channels: 2,
                    parameters: "minptime=10;useinbandfec=1", feedback: [MediaSection.transportFeedback])
            ]
        case .aac: []
        }
    }

    /// What we offer of a track: its codec first, and behind every other one of pictures VP8, which everybody has.
    ///
    /// So a subscriber without the track's codec keeps its section, for the next track in it. A payload type stands for the
    /// same codec in every section.
    public static func offered(carrying codec: Media.Codec) -> [Codec] {
        codec.isVideo && codec != .vp8 ? offered(codec) + offered(.vp8) : offered(codec)
    }

    /// What we offer of a section that nothing is sent in: enough that whoever took what was in it does not reject it.
    ///
    /// - Parameter kind: what the section carries when it is used again.
    public static func offered(free kind: Kind) -> [Codec] {
        kind == .video ? offered(.vp8) + offered(.h264) : offered(.opus)
    }
}
