// Where a datagram comes from or goes to, as a plain value.

import Glibc

/// An IP address and a port; IPv4 is kept in its IPv6-mapped form, so that one table serves both.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    /// What carries the bytes.
    public enum Transport: UInt8, Sendable { case udp, tcp }

    /// The first and the last 8 bytes of the IPv6 address, as big-endian numbers.
    public var high: UInt64, low: UInt64
    /// The port.
    public var port: UInt16
    /// What carries the bytes: one port of each is not the other's.
    public var transport: Transport

    /// Creates an address from the two halves of its IPv6 form.
    public init(high: UInt64, low: UInt64, port: UInt16, transport: Transport = .udp) {
        self.high = high
        self.low = low
        self.port = port
        self.transport = transport
    }

    /// Creates an IPv4 address from its 32 bits.
    public init(ipv4: UInt32, port: UInt16, transport: Transport = .udp) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(ipv4), port: port, transport: transport)
    }

    /// Reads an IPv4 or IPv6 literal; nil when the text is neither.
    public init?(ip: String, port: UInt16, transport: Transport = .udp) {
        var four = in_addr()
        if inet_pton(AF_INET, ip, &four) == 1 {
            self.init(ipv4: UInt32(bigEndian: four.s_addr), port: port, transport: transport)
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, ip, &six) == 1 else { return nil }
        let halves = withUnsafeBytes(of: &six) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        self.init(
            high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1), port: port, transport: transport)
    }

    /// Feeds the whole value in three numbers.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(low)
        hasher.combine(high)
        hasher.combine(UInt32(port) | UInt32(transport.rawValue) << 16)
    }

    /// The same place by another transport.
    public func by(_ transport: Transport) -> Self {
        Self(high: high, low: low, port: port, transport: transport)
    }

    /// Whether it stands for every address of the machine.
    public var isWildcard: Bool { high == 0 && (low == 0 || low == 0xFFFF_0000_0000) }

    /// Whether it is of this machine alone.
    public var isLoopback: Bool { isIPv4 ? ipv4 >> 24 == 127 : high == 0 && low == 1 }

    /// What limits count as one caller: an IPv4 address, or the /64 in which an IPv6 host chooses its addresses; without a port.
    public var network: Self { Self(high: high, low: isIPv4 ? low : 0, port: 0) }

    /// The same for an address that is known as text; what is none stays as it is.
    public static func network(of ip: some StringProtocol) -> String {
        // A link's name may stand behind the address (RFC 4007 section 11).
        guard let address = Self(ip: String(ip.prefix { $0 != "%" }), port: 0) else { return String(ip) }
        return address.isIPv4 ? address.ip : "\(address.network.ip)/64"
    }

    /// Whether this is an IPv4 address.
    public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// The 32 bits of an IPv4 address; meaningless for IPv6.
    public var ipv4: UInt32 { UInt32(truncatingIfNeeded: low) }

    /// The address without its port, as text.
    public var ip: String {
        if isIPv4 { return "\(ipv4 >> 24).\(ipv4 >> 16 & 255).\(ipv4 >> 8 & 255).\(ipv4 & 255)" }
        var six = in6_addr()
        withUnsafeMutableBytes(of: &six) {
            $0.storeBytes(of: high.bigEndian, as: UInt64.self)
            $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &six, &text, socklen_t(INET6_ADDRSTRLEN)) != nil else { return "::" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Address and port, as text, and the transport where that is not UDP.
    public var description: String {
        (isIPv4 ? "\(ip):\(port)" : "[\(ip)]:\(port)") + (transport == .tcp ? "/tcp" : "")
    }
}
