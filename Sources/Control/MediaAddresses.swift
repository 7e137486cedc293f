// By which addresses speakers reach an SFU: read strictly, so that nobody finds out when the guests are there.

public import Media

/// What the media port is bound to, and what peers are told.
public struct MediaAddresses: Sendable, Hashable {
    /// Why addresses were refused; one sentence that names the setting.
    public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        /// The sentence.
        public let description: String
    }

    static let maximumAnnounced = 8

    /// What the port is bound to; the IPv6 wildcard takes IPv4 too.
    public let bind: NetworkAddress
    /// What peers are told, best first; port 0 stands for the bound one.
    public let announced: [NetworkAddress]
    /// What is allowed and rarely meant.
    public let warnings: [String]

    /// Reads the settings.
    ///
    /// - Parameters:
    ///   - announced: `media-address`: IP addresses separated by commas, each with a port of its own where a NAT gives it
    ///     another (`192.0.2.1:7000`, `[2001:db8::1]:7000`); empty means the one that is bound.
    ///   - mediaBind: `media-bind-address`; empty means the public one, or every address of both families where that is
    ///     `0.0.0.0` and an IPv6 address is announced.
    ///   - publicBind: the address of the public listeners.
    ///   - port: what is bound.
    /// - Throws: `Refusal` for what is no address, or can't be reached by anybody.
    public init(announced text: String, mediaBind: String, publicBind: String, port: UInt16) throws(Refusal) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
        let given = text.allSatisfy { $0 == " " } ? [mediaBind.isEmpty ? publicBind : mediaBind] : parts
        guard given.count <= Self.maximumAnnounced else {
            throw Refusal(description: "media-address names at most \(Self.maximumAnnounced) addresses.")
        }
        var announced: [NetworkAddress] = []
        for part in given {
            let address = try Self.read(part)
            guard !announced.contains(address) else {
                throw Refusal(description: "media-address names \(part) twice.")
            }
            announced.append(address)
        }
        let hasSix = announced.contains { !$0.isIPv4 }, hasFour = announced.contains(where: \.isIPv4)
        let place = mediaBind.isEmpty ? (publicBind == "0.0.0.0" && hasSix ? "::" : publicBind) : mediaBind
        guard let bind = NetworkAddress(ip: place, port: port) else {
            throw Refusal(description: "media-bind-address is an IP address, not \"\(place)\".")
        }
        if bind.isIPv4 && hasSix {
            throw Refusal(
                description:
                    "media-address names an IPv6 address, but the media port is bound to \(place), which takes IPv4 alone: set media-bind-address to :: or to an IPv6 address."
            )
        }
        if !bind.isIPv4 && !bind.isWildcard && hasFour {
            throw Refusal(
                description:
                    "media-address names an IPv4 address, but the media port is bound to \(place), which takes IPv6 alone: set media-bind-address to ::."
            )
        }
        self.bind = bind
        self.announced = announced
        warnings = Self.warnings(announced, bind)
    }

    private static func read(_ text: String) throws(Refusal) -> NetworkAddress {
        var ip = Substring(text), port: UInt16 = 0
        let colon = text.lastIndex(of: ":")
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            ip = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty { port = try Self.port(rest.hasPrefix(":") ? rest.dropFirst() : "", of: text) }
        } else if let colon, text.firstIndex(of: ":") == colon {
            ip = text[..<colon]
            port = try Self.port(text[text.index(after: colon)...], of: text)
        }
        guard let address = NetworkAddress(ip: String(ip), port: port) else {
            throw Refusal(
                description:
                    "media-address is a list of IP addresses, each with a port or without one (192.0.2.1, 192.0.2.1:7000, [2001:db8::1]:7000), not \"\(text)\"."
            )
        }
        guard !address.isWildcard else {
            throw Refusal(
                description: "media-address is needed: the IP address by which speakers reach this machine, not \(ip).")
        }
        guard !address.isMulticast, !address.isLinkLocal else {
            throw Refusal(description: "media-address: nobody reaches this machine by \(ip).")
        }
        return address
    }

    private static func port(_ text: Substring, of whole: String) throws(Refusal) -> UInt16 {
        guard let port = UInt16(text), port > 0 else {
            throw Refusal(description: "media-address: the port in \"\(whole)\" is not one from 1 to 65535.")
        }
        return port
    }

    private static func warnings(_ announced: [NetworkAddress], _ bind: NetworkAddress) -> [String] {
        var warnings: [String] = []
        if announced.contains(where: \.isPublic) {
            for address in announced where !address.isPublic {
                warnings.append(
                    "media-address announces \(address.ip), which is not of the public internet, beside one that is: who is outside can't reach it, and learns it"
                )
            }
        }
        if bind.isLoopback, announced.contains(where: { !$0.isLoopback }) {
            warnings.append("the media port is bound to \(bind.ip), which only this machine reaches")
        }
        if !bind.isLoopback, announced.allSatisfy(\.isLoopback) {
            warnings.append("media-address announces only this machine to itself: nobody else can join")
        }
        return warnings
    }
}

extension NetworkAddress {
    fileprivate var isMulticast: Bool { isIPv4 ? ipv4 >> 28 == 14 : high >> 56 == 0xFF }
    fileprivate var isLinkLocal: Bool { isIPv4 ? ipv4 >> 16 == 0xA9FE : high >> 54 == 0xFE80 >> 6 }
}
