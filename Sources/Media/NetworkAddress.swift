// Where a datagram comes from or goes to, as a plain value.

import Glibc

/// An IP address and a port; IPv4 is kept in its IPv6-mapped form, so that one table serves both.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    /// The first and the last 8 bytes of the IPv6 address, as big-endian numbers.
    public var high: UInt64, low: UInt64
    /// The port.
    public var port: UInt16

    /// Creates an address from the two halves of its IPv6 form.
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// Creates an IPv4 address from its 32 bits.
    public init(ipv4: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(ipv4), port: port)
    }

    /// Reads an IPv4 or IPv6 literal; nil when the text is neither.
    public init?(ip: String, port: UInt16) {
        var four = in_addr()
        if inet_pton(AF_INET, ip, &four) == 1 {
            self.init(ipv4: UInt32(bigEndian: four.s_addr), port: port)
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, ip, &six) == 1 else { return nil }
        let halves = withUnsafeBytes(of: &six) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        self.init(high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1), port: port)
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

    /// Address and port, as text.
    public var description: String { isIPv4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }
}
