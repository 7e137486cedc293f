// Reading a session description that a stranger wrote: bounded, with the line named that is wrong.

extension SessionDescription {
    /// The largest description that is read: a browser's answer in a room of 60 has 120 sections of 1 to 1.8 kB and up to 50 lines.
    public static let maximumBytes = 224 << 10
    static let maximumLines = 8000, maximumSections = 128, maximumCandidates = 20
    static let maximumCodecs = 128, maximumExtensions = 64, maximumSources = 64, maximumTextBytes = 256

    /// Reads a description; unknown attributes are stepped over.
    ///
    /// - Throws: `SDPError` for what is too large, damaged, or lacks what a WebRTC transport needs.
    public init(parsing text: String) throws(SDPError) {
        self.init()
        guard text.utf8.count <= Self.maximumBytes else { throw .tooLarge }
        // Swift takes CR LF for one character, so both line ends split alike.
        let lines = text.split(omittingEmptySubsequences: true) { $0 == "\r\n" || $0 == "\n" || $0 == "\r" }
        guard lines.count <= Self.maximumLines else { throw .tooManyLines }
        guard lines.first == "v=0" else { throw .notSDP(line: 1) }
        var parser = SDPLineParser()
        for (index, line) in lines.enumerated() { try parser.take(line, number: index + 1) }
        self = try parser.finish()
    }
}

private struct SDPLineParser {
    var description = SessionDescription()
    var defaults = MediaSection(kind: .application, mid: "")
    var current: MediaSection?
    var sources: [(ssrc: UInt32, cname: String)] = [], groups: [(media: UInt32, rtx: UInt32)] = []
    var simulcast = SimulcastLines()
    /// The texts of all candidates: in a bundle every section may repeat them.
    var candidates: Set<Substring> = []

    mutating func take(_ line: Substring, number: Int) throws(SDPError) {
        let bytes = line.utf8
        guard bytes.count >= 2, bytes[bytes.index(after: bytes.startIndex)] == UInt8(ascii: "=") else {
            throw .notSDP(line: number)
        }
        let value = line.dropFirst(2)
        switch line.first {
        case "m": try begin(value, number)
        case "a": try attribute(value, number)
        case "o":
            let parts = value.split(separator: " ")
            if parts.count >= 3, let id = UInt64(parts[1]), let version = UInt64(parts[2]) {
                (description.sessionID, description.version) = (id, version)
            }
        default: break
        }
    }

    mutating func finish() throws(SDPError) -> SessionDescription {
        end()
        guard !description.media.isEmpty else { throw .missing("a media section") }
        return description
    }

    private mutating func begin(_ value: Substring, _ number: Int) throws(SDPError) {
        end()
        simulcast = SimulcastLines()
        guard description.media.count < SessionDescription.maximumSections else { throw .tooManySections }
        let parts = value.split(separator: " ")
        guard parts.count >= 4, let port = UInt16(parts[1].split(separator: "/").first ?? "") else {
            throw .badLine(line: number, expected: "m=kind port transport formats")
        }
        guard let kind = MediaSection.Kind(rawValue: String(parts[0])) else {
            throw .unsupported("m=\(parts[0].prefix(20))")
        }
        var section = defaults
        section.kind = kind
        section.transport = String(parts[2].prefix(40))
        section.isRejected = port == 0
        if kind != .application {
            guard parts.count - 3 <= SessionDescription.maximumCodecs else {
                throw .badLine(line: number, expected: "at most \(SessionDescription.maximumCodecs) formats")
            }
            for part in parts[3...] {
                guard let type = UInt8(part), type < 128 else {
                    throw .badLine(line: number, expected: "payload types below 128")
                }
                section.codecs.append(.init(payloadType: type, name: "", clockRate: 0))
            }
        }
        current = section
    }

    private mutating func end() {
        guard var section = current else { return }
        // Static payload types come without a=rtpmap; none of them is used here.
        section.codecs.removeAll { $0.name.isEmpty }
        let repeats = Set(groups.map(\.rtx))
        section.sources = sources.filter { !repeats.contains($0.ssrc) }.map { source in
            .init(ssrc: source.ssrc, rtx: groups.first { $0.media == source.ssrc }?.rtx, cname: source.cname)
        }
        section.simulcast = simulcast.simulcast
        description.media.append(section)
        sources = []
        groups = []
        current = nil
    }

    private mutating func attribute(_ text: Substring, _ number: Int) throws(SDPError) {
        let split = text.firstIndex(of: ":")
        let name = split.map { text[..<$0] } ?? text
        let value = split.map { text[text.index(after: $0)...] } ?? ""
        if current == nil, name == "ice-lite" { description.isLite = true }
        if current == nil, name == "group" {
            let parts = value.split(separator: " ")
            if parts.first == "BUNDLE" {
                description.bundle = parts.dropFirst().prefix(128).map { String($0.prefix(32)) }
            }
            return
        }
        var section = current ?? defaults
        try read(name, value, number, &section)
        if current != nil { current = section } else { defaults = section }
    }

    private mutating func read(
        _ name: Substring, _ value: Substring, _ number: Int, _ section: inout MediaSection
    ) throws(SDPError) {
        switch name {
        case "mid": section.mid = try Self.token(value, 32, number, "a short mid")
        case "ice-ufrag": section.ufrag = try Self.token(value, 256, number, "a user name fragment")
        case "ice-pwd": section.password = try Self.token(value, 256, number, "a password")
        case "fingerprint":
            // Several may be offered; the first of a known function is taken.
            if let fingerprint = DTLSFingerprint(text: value), section.fingerprint == nil || current == nil {
                section.fingerprint = fingerprint
            }
        case "setup":
            guard let setup = MediaSection.Setup(rawValue: String(value)) else {
                throw .badLine(line: number, expected: "actpass, active or passive")
            }
            section.setup = setup
        case "sendrecv", "sendonly", "recvonly", "inactive":
            section.direction = MediaSection.Direction(rawValue: String(name)) ?? .sendrecv
        case "rtcp-mux": section.hasRTCPMux = true
        case "rtcp-mux-only": section.isRTCPMuxOnly = true
        // Port 0 says here that the section has no transport but the bundle's (RFC 9143 section 6), as in Firefox's offers.
        case "bundle-only": section.isRejected = false
        case "msid":
            let parts = value.split(separator: " ")
            section.stream = String(parts.first?.prefix(128) ?? "")
            section.track = String(parts.count > 1 ? parts[1].prefix(128) : "")
        case "candidate":
            // A machine with many networks offers more than anybody needs, in both components: the first ones are taken.
            guard section.candidates.count < SessionDescription.maximumCandidates,
                candidates.count < SessionDescription.maximumCandidates || candidates.contains(value)
            else { return }
            candidates.insert(value)
            if let candidate = ICECandidate(text: value) { section.candidates.append(candidate) }
        case "rtpmap", "fmtp", "rtcp-fb": try codec(name, value, number, &section)
        case "extmap":
            let parts = value.split(separator: " ")
            guard parts.count >= 2, let id = UInt8(parts[0].split(separator: "/").first ?? "") else {
                throw .badLine(line: number, expected: "a=extmap:id URI")
            }
            guard section.extensions.count < SessionDescription.maximumExtensions else {
                throw .badLine(line: number, expected: "at most \(SessionDescription.maximumExtensions) extensions")
            }
            section.extensions.append(.init(id: id, uri: String(parts[1].prefix(SessionDescription.maximumTextBytes))))
        case "extmap-allow-mixed": section.allowsMixedExtensions = true
        case "rid": try simulcast.takeName(value, number)
        case "simulcast": try simulcast.takeList(value, number)
        case "ssrc": try source(value, number)
        case "ssrc-group":
            let parts = value.split(separator: " ")
            if parts.count == 3, parts[0] == "FID", let media = UInt32(parts[1]), let rtx = UInt32(parts[2]),
                groups.count < SessionDescription.maximumSources
            {
                groups.append((media, rtx))
            }
        default: break
        }
    }

    private func codec(_ name: Substring, _ value: Substring, _ number: Int, _ section: inout MediaSection)
        throws(SDPError)
    {
        guard let space = value.firstIndex(of: " ") else {
            throw .badLine(line: number, expected: "a payload type and a value")
        }
        let rest = value[value.index(after: space)...].prefix(SessionDescription.maximumTextBytes)
        let type = value[..<space]
        let affected = section.codecs.indices.filter { type == "*" || UInt8(type) == section.codecs[$0].payloadType }
        for index in affected {
            switch name {
            case "rtpmap":
                let parts = rest.split(separator: "/")
                guard parts.count >= 2, let rate = Int(parts[1]), (1...1_000_000).contains(rate) else {
                    throw .badLine(line: number, expected: "name/clock rate")
                }
                section.codecs[index].name = String(parts[0].prefix(32))
                section.codecs[index].clockRate = rate
                section.codecs[index].channels = parts.count > 2 ? min(max(Int(parts[2]) ?? 1, 1), 255) : 1
            case "fmtp": section.codecs[index].parameters = String(rest)
            default:
                if section.codecs[index].feedback.count < 16 { section.codecs[index].feedback.append(String(rest)) }
            }
        }
    }

    private mutating func source(_ value: Substring, _ number: Int) throws(SDPError) {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard let ssrc = UInt32(parts.first ?? "") else { throw .badLine(line: number, expected: "an SSRC below 2^32") }
        var cname = ""
        if parts.count == 2, parts[1].hasPrefix("cname:") { cname = String(parts[1].dropFirst(6).prefix(255)) }
        if let index = sources.firstIndex(where: { $0.ssrc == ssrc }) {
            if !cname.isEmpty { sources[index].cname = cname }
            return
        }
        guard sources.count < SessionDescription.maximumSources else {
            throw .badLine(line: number, expected: "at most \(SessionDescription.maximumSources) sources")
        }
        sources.append((ssrc, cname))
    }

    private static func token(_ value: Substring, _ limit: Int, _ line: Int, _ expected: String) throws(SDPError)
        -> String
    {
        guard !value.isEmpty, value.utf8.count <= limit, value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .badLine(line: line, expected: expected)
        }
        return String(value)
    }
}
