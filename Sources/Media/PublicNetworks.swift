// Which addresses belong to the public internet: the special-purpose registries of IANA (RFC 6890) as data.

extension NetworkAddress {
    /// Whether this is an address of the public internet, to which a stream may be sent that somebody asked for.
    ///
    /// Loopback, private, link-local, shared (CGNAT), multicast, documentation and reserved networks are not, nor are
    /// forms of IPv6 that carry another address inside (IPv4-mapped ones count as the IPv4 address).
    public var isPublic: Bool {
        if isIPv4 { return !Self.specialIPv4.contains { ipv4 & $0.mask == $0.network } }
        // Only 2000::/3 is global unicast (RFC 4291 §2.4, RFC 3513).
        guard high >> 61 == 1 else { return false }
        return !Self.specialIPv6.contains { high & $0.mask == $0.network }
    }

    private struct Network<Bits: FixedWidthInteger & Sendable>: Sendable {
        let network: Bits, mask: Bits

        init(_ network: Bits, _ length: Int) {
            mask = length == 0 ? 0 : ~0 << Bits(Bits.bitWidth - length)
            self.network = network & mask
        }
    }

    private static let specialIPv4: [Network<UInt32>] = [
        .init(0x0000_0000, 8),  // this network
        .init(0x0A00_0000, 8),  // private
        .init(0x6440_0000, 10),  // shared, RFC 6598
        .init(0x7F00_0000, 8),  // loopback
        .init(0xA9FE_0000, 16),  // link-local
        .init(0xAC10_0000, 12),  // private
        .init(0xC000_0000, 24),  // protocol assignments
        .init(0xC000_0200, 24),  // documentation
        .init(0xC058_6300, 24),  // 6to4 relays
        .init(0xC0A8_0000, 16),  // private
        .init(0xC612_0000, 15),  // benchmarks
        .init(0xC633_6400, 24),  // documentation
        .init(0xCB00_7100, 24),  // documentation
        .init(0xE000_0000, 3),  // multicast and reserved
    ]

    private static let specialIPv6: [Network<UInt64>] = [
        .init(0x2001_0000_0000_0000, 23),  // protocol assignments, Teredo among them
        .init(0x2001_0DB8_0000_0000, 32),  // documentation
        .init(0x2002_0000_0000_0000, 16),  // 6to4: another address inside
        .init(0x3FFF_0000_0000_0000, 20),  // documentation
    ]
}
