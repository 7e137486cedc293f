// A candidate address in a session description (RFC 8839 section 5.1).

public import Media

/// A UDP candidate of component 1.
public struct ICECandidate: Sendable, Hashable {
    /// Where it lies.
    public var address: NetworkAddress
    /// Its priority (RFC 8445 section 5.1.2).
    public var priority: UInt32
    /// `host`, `srflx`, `prflx` or `relay`.
    public var kind: String
    /// Candidates of one base and kind share it.
    public var foundation: String

    /// Creates a host candidate.
    ///
    /// - Parameters:
    ///   - address: where it lies.
    ///   - localPreference: the higher of two host candidates is tried first.
    public init(host address: NetworkAddress, localPreference: UInt16 = .max) {
        self.address = address
        kind = "host"
        foundation = "\(address.isIPv4 ? 1 : 2)"
        priority = 126 << 24 | UInt32(localPreference) << 8 | 255
    }

    /// Reads the value of an `a=candidate` line; nil for TCP, other components and host names, which are left alone.
    public init?(text: some StringProtocol) {
        let parts = text.split(separator: " ", maxSplits: 20, omittingEmptySubsequences: true)
        guard parts.count >= 8, parts[1] == "1", parts[2].lowercased() == "udp", let priority = UInt32(parts[3]),
            let port = UInt16(parts[5]), port > 0, let address = NetworkAddress(ip: String(parts[4]), port: port),
            parts[6] == "typ", parts[0].utf8.count <= 32
        else { return nil }
        self.address = address
        self.priority = priority
        kind = String(parts[7])
        foundation = String(parts[0])
    }

    /// The value of an `a=candidate` line.
    public var text: String { "\(foundation) 1 udp \(priority) \(address.ip) \(address.port) typ \(kind)" }
}
