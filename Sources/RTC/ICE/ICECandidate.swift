// A candidate address in a session description (RFC 8839 section 5.1), by UDP or TCP (RFC 6544 section 4.5).

public import Media

/// A candidate of component 1.
public struct ICECandidate: Sendable, Hashable {
    /// Which side opens the connection, seen by the one who wrote the candidate (RFC 6544 section 4.5).
    public enum TCPType: String, Sendable { case active, passive, so }

    /// Where it lies; its transport says whether by UDP or TCP.
    public var address: NetworkAddress
    /// Who opens the connection; nil for UDP.
    public var tcpType: TCPType?
    /// Its priority (RFC 8445 section 5.1.2).
    public var priority: UInt32
    /// `host`, `srflx`, `prflx` or `relay`.
    public var kind: String
    /// Candidates of one base, kind and transport share it.
    public var foundation: String

    /// Creates a host candidate; by TCP it is a passive one.
    ///
    /// - Parameters:
    ///   - address: where it lies.
    ///   - localPreference: the higher of two host candidates is tried first; any by UDP goes before any by TCP,
    ///     where the lower 13 bits count.
    public init(host address: NetworkAddress, localPreference: UInt16 = .max) {
        self.address = address
        kind = "host"
        let isTCP = address.transport == .tcp
        foundation = "\((address.isIPv4 ? 1 : 2) + (isTCP ? 2 : 0))"
        tcpType = isTCP ? .passive : nil
        // RFC 6544 section 4.2: a type preference below that of UDP, and a direction preference of 4 for passive.
        let preference = isTCP ? 4 << 13 | UInt32(localPreference) & 0x1FFF : UInt32(localPreference)
        priority = (isTCP ? 90 : 126) << 24 | preference << 8 | 255
    }

    /// Reads the value of an `a=candidate` line; nil for other components, transports and host names, which are left alone.
    public init?(text: some StringProtocol) {
        let parts = text.split(separator: " ", maxSplits: 40, omittingEmptySubsequences: true)
        guard parts.count >= 8, parts[1] == "1", let priority = UInt32(parts[3]), let port = UInt16(parts[5]), port > 0,
            parts[6] == "typ", parts[0].utf8.count <= 32
        else { return nil }
        switch parts[2].lowercased() {
        case "udp": tcpType = nil
        case "tcp":
            guard let name = parts.firstIndex(of: "tcptype"), name >= 8, name + 1 < parts.count,
                let type = TCPType(rawValue: String(parts[name + 1]))
            else { return nil }
            tcpType = type
        default: return nil
        }
        guard let address = NetworkAddress(ip: String(parts[4]), port: port, transport: tcpType == nil ? .udp : .tcp)
        else { return nil }
        self.address = address
        self.priority = priority
        kind = String(parts[7])
        foundation = String(parts[0])
    }

    /// Whether a check can be sent to it: who is active by TCP comes by itself.
    public var isReachable: Bool { tcpType == nil || tcpType == .passive }

    /// The value of an `a=candidate` line.
    public var text: String {
        let carried = tcpType == nil ? "udp" : "tcp", end = tcpType.map { " tcptype \($0.rawValue)" } ?? ""
        return "\(foundation) 1 \(carried) \(priority) \(address.ip) \(address.port) typ \(kind)\(end)"
    }
}
