// Simulcast in session descriptions: `a=rid` (RFC 8851) and `a=simulcast` (RFC 8853).

import Media

/// The names of the streams that one section sends or receives at once, in the order that the writer gave them.
public struct Simulcast: Sendable, Hashable {
    /// More streams than this are not carried; the first ones are.
    public static let maximumLayers = 3
    /// The longest name: it must fit into a header extension of the one-byte form (RFC 8285 section 4.2).
    static let maximumNameBytes = 16
    static let maximumNames = 16

    /// The streams that the writer sends.
    public var sends: [String] = []
    /// The streams that the writer receives.
    public var receives: [String] = []

    /// Creates a section's streams.
    public init(sends: [String] = [], receives: [String] = []) {
        self.sends = sends
        self.receives = receives
    }

    /// Whether there are none.
    public var isEmpty: Bool { sends.isEmpty && receives.isEmpty }

    /// Whether a name can stand in a description and in a packet (RFC 8851 section 10, RFC 8852 section 3).
    static func isName(_ text: some StringProtocol) -> Bool {
        (1...maximumNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: "_")
            }
    }
}

/// What the lines of one section say, before it is known whether they fit each other.
struct SimulcastLines {
    private var sending: [String] = [], receiving: [String] = []
    private var listed: Simulcast?

    /// Takes the value of `a=rid`: a name, a direction, and restrictions, which are not read.
    ///
    /// The same name again is no error: Firefox writes some twice. The first direction holds.
    mutating func takeName(_ value: Substring, _ line: Int) throws(SDPError) {
        let parts = value.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, Simulcast.isName(parts[0]), parts[1] == "send" || parts[1] == "recv" else {
            throw .badLine(line: line, expected: "a=rid:name send or recv, with a name of 1 to 16 letters and digits")
        }
        let name = String(parts[0])
        guard !sending.contains(name), !receiving.contains(name) else { return }
        guard sending.count + receiving.count < Simulcast.maximumNames else {
            throw .badLine(line: line, expected: "at most \(Simulcast.maximumNames) rids")
        }
        if parts[1] == "send" { sending.append(name) } else { receiving.append(name) }
    }

    /// Takes the value of `a=simulcast`: `send` and `recv`, each once, with streams between semicolons, their alternatives
    /// between commas, and a tilde before those that are paused.
    mutating func takeList(_ value: Substring, _ line: Int) throws(SDPError) {
        let expected = "a=simulcast:send q;h;f"
        let parts = value.split(separator: " ")
        guard listed == nil else { throw .badLine(line: line, expected: "one a=simulcast in a section") }
        guard parts.count == 2 || parts.count == 4, value.utf8.count <= 1024 else {
            throw .badLine(line: line, expected: expected)
        }
        var list = Simulcast(), hasSends = false, hasReceives = false
        for index in stride(from: 0, to: parts.count, by: 2) {
            var names: [String] = []
            let streams = parts[index + 1].split(separator: ";", omittingEmptySubsequences: false)
            guard streams.count <= Simulcast.maximumNames else {
                throw .badLine(line: line, expected: "at most \(Simulcast.maximumNames) streams")
            }
            for stream in streams {
                // Of alternatives, which are other forms of the same stream, the first is the writer's favourite.
                let first = stream.prefix { $0 != "," }
                let name = first.hasPrefix("~") ? first.dropFirst() : first
                guard Simulcast.isName(name) else { throw .badLine(line: line, expected: expected) }
                if !names.contains(String(name)) { names.append(String(name)) }
            }
            switch parts[index] {
            case "send" where !hasSends: (list.sends, hasSends) = (names, true)
            case "recv" where !hasReceives: (list.receives, hasReceives) = (names, true)
            default: throw .badLine(line: line, expected: expected)
            }
        }
        listed = list
    }

    /// What is both listed and named; the rest does not count (RFC 8853 section 5.2).
    var simulcast: Simulcast {
        guard let listed else { return Simulcast() }
        return Simulcast(
            sends: listed.sends.filter { sending.contains($0) },
            receives: listed.receives.filter { receiving.contains($0) })
    }
}

extension MediaSection {
    /// The layers of an offered section that we take, lowest number first as they were named; none where it sends one stream.
    ///
    /// A layer is told from the others by its name alone, so the offer must have the extensions that carry it; and VP9 has
    /// layers of its own, which are not switched between here.
    public var acceptedLayers: [String] {
        guard kind == .video, simulcast.sends.count > 1, extensionID(RTPExtensionURI.mid) != nil,
            extensionID(RTPExtensionURI.rid) != nil,
            let codec = acceptedCodecs().first?.carried, codec == .vp8 || codec == .h264
        else { return [] }
        return Array(simulcast.sends.prefix(Simulcast.maximumLayers))
    }

    func writeSimulcast(to lines: inout [String]) {
        for name in simulcast.sends { lines.append("a=rid:\(name) send") }
        for name in simulcast.receives { lines.append("a=rid:\(name) recv") }
        var parts: [String] = []
        if !simulcast.sends.isEmpty { parts.append("send " + simulcast.sends.joined(separator: ";")) }
        if !simulcast.receives.isEmpty { parts.append("recv " + simulcast.receives.joined(separator: ";")) }
        if !parts.isEmpty { lines.append("a=simulcast:" + parts.joined(separator: " ")) }
    }
}
