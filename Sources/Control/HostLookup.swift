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

    /// A lookup that hangs holds up other names' lookups, and nothing else.
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 4)
        pool.start()
        return pool
    }()

    /// Looks a name up; literals come back as they are and at once, in every form that the system's resolver takes.
    ///
    /// - Parameters:
    ///   - host: a name, or an address without brackets.
    ///   - port: what the addresses carry.
    ///   - eventLoop: where the answer comes.
    /// - Returns: all addresses in the resolver's order, or a failed future with `Failure`.
    public static func addresses(
        of host: String, port: UInt16, on eventLoop: any EventLoop
    ) -> EventLoopFuture<[NetworkAddress]> {
        // Nobody is asked for what an address is, so it does not wait behind names that nobody answers.
        if let addresses = try? resolve(host, port, flags: AI_NUMERICHOST) {
            return eventLoop.makeSucceededFuture(addresses)
        }
        return pool.runIfActive(eventLoop: eventLoop) { try resolve(host, port) }
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
