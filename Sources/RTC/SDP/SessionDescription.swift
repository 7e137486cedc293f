// A session description (RFC 8866) as JSEP uses it (RFC 9429), written as text.

/// A session description.
public struct SessionDescription: Sendable, Hashable {
    /// The session's id and version, for `o=`.
    public var sessionID: UInt64 = 1, version: UInt64 = 1
    /// Whether the writer is an ICE-lite agent.
    public var isLite = false
    /// The mids that share one transport.
    public var bundle: [String] = []
    /// The media sections.
    public var media: [MediaSection] = []

    /// What an ICE-lite agent says of itself: candidates may come to it late, and it makes no checks of its own.
    static let liteAttributes = ["a=ice-lite", "a=ice-options:trickle"]

    /// Creates an empty description.
    public init() {}

    /// Writes the description, lines ended by CR LF.
    public func text() -> String {
        var lines = ["v=0", "o=- \(sessionID) \(version) IN IP4 127.0.0.1", "s=-", "t=0 0"]
        if !bundle.isEmpty { lines.append("a=group:BUNDLE " + bundle.joined(separator: " ")) }
        lines.append("a=msid-semantic: WMS *")
        // What is said of ICE when it begins anew has to be the same (RFC 9725 section 4.3.3).
        if isLite { lines += SessionDescription.liteAttributes }
        // In every section, although those of the first would be enough (RFC 9143 section 7.1.3): aiortc looks at the last one.
        for section in media { section.write(to: &lines, endsCandidates: isLite) }
        return lines.joined(separator: "\r\n") + "\r\n"
    }
}

extension MediaSection {
    func write(to lines: inout [String], endsCandidates: Bool) {
        let types = codecs.isEmpty ? "0" : codecs.map { String($0.payloadType) }.joined(separator: " ")
        lines.append("m=\(kind.rawValue) \(isRejected ? 0 : 9) \(transport) \(types)")
        lines.append("c=IN IP4 0.0.0.0")
        if !mid.isEmpty { lines.append("a=mid:\(mid)") }
        guard !isRejected else {
            lines.append("a=inactive")
            return
        }
        lines.append("a=rtcp:9 IN IP4 0.0.0.0")
        lines.append("a=ice-ufrag:\(ufrag)")
        lines.append("a=ice-pwd:\(password)")
        if let fingerprint { lines.append("a=fingerprint:\(fingerprint.text)") }
        lines.append("a=setup:\(setup.rawValue)")
        if allowsMixedExtensions { lines.append("a=extmap-allow-mixed") }
        for element in extensions { lines.append("a=extmap:\(element.id) \(element.uri)") }
        lines.append("a=\(direction.rawValue)")
        if direction.sends, !track.isEmpty { lines.append("a=msid:\(stream.isEmpty ? "-" : stream) \(track)") }
        if hasRTCPMux { lines.append("a=rtcp-mux") }
        if isRTCPMuxOnly { lines.append("a=rtcp-mux-only") }
        for codec in codecs {
            let channels = codec.channels > 1 ? "/\(codec.channels)" : ""
            lines.append("a=rtpmap:\(codec.payloadType) \(codec.name)/\(codec.clockRate)\(channels)")
            for feedback in codec.feedback { lines.append("a=rtcp-fb:\(codec.payloadType) \(feedback)") }
            if !codec.parameters.isEmpty { lines.append("a=fmtp:\(codec.payloadType) \(codec.parameters)") }
        }
        writeSimulcast(to: &lines)
        for source in sources {
            if let rtx = source.rtx { lines.append("a=ssrc-group:FID \(source.ssrc) \(rtx)") }
            for ssrc in [source.ssrc] + (source.rtx.map { [$0] } ?? []) {
                lines.append("a=ssrc:\(ssrc) cname:\(source.cname)")
                if !track.isEmpty { lines.append("a=ssrc:\(ssrc) msid:\(stream.isEmpty ? "-" : stream) \(track)") }
            }
        }
        for candidate in candidates { lines.append("a=candidate:\(candidate.text)") }
        if endsCandidates, !candidates.isEmpty { lines.append("a=end-of-candidates") }
    }
}
