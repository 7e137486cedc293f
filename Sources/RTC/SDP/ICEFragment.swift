// The part of a session description that trickles (RFC 8840): credentials and candidates, read from strangers and written.

/// The body of an `application/trickle-ice-sdpfrag` (RFC 8840 section 9), as WHIP sends and answers it (RFC 9725 section 4.3).
public struct ICEFragment: Sendable, Hashable {
    /// The generation that it is of; nil where it does not say.
    public var credentials: ICECredentials?
    /// The first media section that it names: its kind, and its mid.
    public var kind = MediaSection.Kind.audio
    /// The name of that section; empty where it does not say.
    public var mid = ""
    /// Where its writer can be reached, as far as we can read it.
    public var candidates: [ICECandidate] = []
    /// Whether no candidate will follow.
    public var isComplete = false

    static let maximumBytes = 65_536, maximumLines = 2000

    /// Creates a fragment.
    public init(credentials: ICECredentials? = nil, candidates: [ICECandidate] = [], isComplete: Bool = false) {
        self.credentials = credentials
        self.candidates = candidates
        self.isComplete = isComplete
    }

    /// Reads a fragment; attributes that are not of ICE are stepped over.
    ///
    /// - Throws: `SDPError` for what is too large or damaged, and for a name without its password.
    public init(parsing text: String) throws(SDPError) {
        guard text.utf8.count <= Self.maximumBytes else { throw .tooLarge }
        let lines = text.split(omittingEmptySubsequences: true) { $0 == "\r\n" || $0 == "\n" || $0 == "\r" }
        guard lines.count <= Self.maximumLines else { throw .tooManyLines }
        guard !lines.isEmpty else { throw .missing("a line") }
        var ufrag: String?, password: String?, seen: Set<Substring> = [], sections = 0
        for (index, line) in lines.enumerated() {
            let number = index + 1, value = line.dropFirst(2)
            if line.hasPrefix("m=") {
                sections += 1
                guard sections <= SessionDescription.maximumSections else { throw .tooManySections }
                let name = value.prefix { $0 != " " }
                guard let kind = MediaSection.Kind(rawValue: String(name)), value.contains(" ") else {
                    throw .badLine(line: number, expected: "m=kind port transport formats")
                }
                if sections == 1 { self.kind = kind }
                continue
            }
            guard line.hasPrefix("a=") else {
                throw .badLine(line: number, expected: "a=name:value or m=kind port transport formats")
            }
            let split = value.firstIndex(of: ":")
            let rest = split.map { value[value.index(after: $0)...] } ?? ""
            switch split.map({ value[..<$0] }) ?? value {
            case "ice-ufrag":
                let name = try Self.text(rest, 4...256, number, "a user name fragment of 4 to 256 characters")
                // In a bundle every section has the same (RFC 9143 section 7.1.3); another is another transport.
                guard ufrag == nil || ufrag == name else { throw .unsupported("sections with transports of their own") }
                ufrag = name
            case "ice-pwd": password = try Self.text(rest, 22...256, number, "a password of 22 to 256 characters")
            case "mid" where mid.isEmpty && sections <= 1: mid = try Self.text(rest, 1...32, number, "a short mid")
            case "end-of-candidates": isComplete = true
            case "candidate":
                guard seen.insert(rest).inserted else { continue }
                guard seen.count <= SessionDescription.maximumCandidates else {
                    throw .badLine(
                        line: number, expected: "at most \(SessionDescription.maximumCandidates) candidates")
                }
                // The same one may come with other attributes that we step over.
                if let candidate = ICECandidate(text: rest), !candidates.contains(candidate) {
                    candidates.append(candidate)
                }
            default: break
            }
        }
        guard let ufrag else { return }
        guard let password else { throw .missing("a=ice-pwd beside its a=ice-ufrag") }
        credentials = ICECredentials(ufrag: ufrag, password: password)
    }

    /// Writes the fragment of an ICE-lite agent, lines ended by CR LF.
    public func text() -> String {
        var lines = SessionDescription.liteAttributes
        if let credentials { lines += ["a=ice-ufrag:\(credentials.ufrag)", "a=ice-pwd:\(credentials.password)"] }
        lines.append("m=\(kind.rawValue) 9 UDP/TLS/RTP/SAVPF 0")
        lines.append("a=mid:\(mid.isEmpty ? "0" : mid)")
        lines += candidates.map { "a=candidate:\($0.text)" }
        if isComplete { lines.append("a=end-of-candidates") }
        return lines.joined(separator: "\r\n") + "\r\n"
    }

    private static func text(_ value: Substring, _ lengths: ClosedRange<Int>, _ line: Int, _ expected: String)
        throws(SDPError) -> String
    {
        guard lengths.contains(value.utf8.count), value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .badLine(line: line, expected: expected)
        }
        return String(value)
    }
}
