// From a host's name to all of its addresses, on threads that may wait.

internal import Glibc
public import Media
public import NIOCore
internal import NIOPosix

/// Looks names up.
public enum HostLookup {
    /// Why there is no address.
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// What the resolver says.
        public let description: String
    }

    /// Whose host it is.
    public enum Kind: Sendable, Hashable {
        /// One of this installation: few names, which its own resolver knows.
        case own
        /// Somebody else's, which people have typed in; nobody knows whether it will ever be answered.
        case foreign
    }

    /// A lookup that hangs holds up others of its kind, and nothing else.
    private static let ownPool = pool(threads: 2), foreignPool = pool(threads: 4)

    private static func pool(threads: Int) -> NIOThreadPool {
        let pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
        return pool
    }

    /// Whether a name is this machine's own (RFC 6761 section 6.3), so that nobody else is asked for it.
    private static func isLocal(_ host: String) -> Bool {
        let name = host.lowercased(), bare = name.hasSuffix(".") ? String(name.dropLast()) : name
        return bare == "localhost" || bare.hasSuffix(".localhost")
    }

    /// Looks a name up; literals come back as they are and at once, in every form that the system's resolver takes.
    ///
    /// - Parameters:
    ///   - host: a name, or an address without brackets.
    ///   - port: what the addresses carry.
    ///   - kind: whose host it is; own ones do not wait for foreign ones.
    ///   - eventLoop: where the answer comes.
    /// - Returns: all addresses in the resolver's order, or a failed future with `Failure`.
    public static func addresses(
        of host: String, port: UInt16, kind: Kind, on eventLoop: any EventLoop
    ) -> EventLoopFuture<[NetworkAddress]> {
        addresses(of: host, port: port, kind: kind, on: eventLoop) { try resolve($0, port) }
    }

    /// The same with another resolver of names.
    static func addresses(
        of host: String, port: UInt16, kind: Kind, on eventLoop: any EventLoop,
        resolve name: @escaping @Sendable (String) throws -> [NetworkAddress]
    ) -> EventLoopFuture<[NetworkAddress]> {
        // Nobody is asked for what an address is, so it does not wait behind names that nobody answers.
        if let addresses = try? resolve(host, port, flags: AI_NUMERICHOST) {
            return eventLoop.makeSucceededFuture(addresses)
        }
        let pool = kind == .own || isLocal(host) ? ownPool : foreignPool
        return pool.runIfActive(eventLoop: eventLoop) { try name(host) }
    }

    private static func resolve(_ host: String, _ port: UInt16, flags: Int32 = 0) throws -> [NetworkAddress] {
        var hints = addrinfo()
        hints.ai_flags = flags
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_family = AF_UNSPEC
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, nil, &hints, &list)
        guard result == 0 else { throw Failure(description: String(cString: gai_strerror(result))) }
        defer { freeaddrinfo(list) }
        var addresses: [NetworkAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let bytes = entry.pointee.ai_addr.map({ UnsafeRawPointer($0) }) else { continue }
            let length = Int(entry.pointee.ai_addrlen)
            switch entry.pointee.ai_family {
            case AF_INET where length >= MemoryLayout<sockaddr_in>.size:
                let address = bytes.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr
                addresses.append(NetworkAddress(ipv4: UInt32(bigEndian: address), port: port))
            case AF_INET6 where length >= MemoryLayout<sockaddr_in6>.size:
                // In sockaddr_in6 the address follows family, port and flow label: bytes 8 to 23.
                let high = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                let low = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                addresses.append(
                    NetworkAddress(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low), port: port))
            default: continue
            }
        }
        guard !addresses.isEmpty else { throw Failure(description: "the name has no address") }
        return Array(addresses.prefix(16))
    }
}
