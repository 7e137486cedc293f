import Glibc
import Testing

/// A socket that listens on a port of the loopback that the system chooses.
///
/// Where nobody accepts, connections are taken and never a word is said: a Studio whose files never come.
final class LoopbackListener: Sendable {
    private let descriptor: Int32
    let port: Int

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        descriptor = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Int32 in
                guard bind(listener, pointer, length) == 0, listen(listener, 64) == 0 else { return -1 }
                return getsockname(listener, pointer, &length)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        try #require(bound == 0)
    }

    deinit { close(descriptor) }

    /// Waits for the next connection, which is the caller's to close; nil after `stop`.
    func next() -> Int32? {
        let connection = accept(descriptor, nil, nil)
        return connection >= 0 ? connection : nil
    }

    /// Ends the waiting of whoever accepts.
    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
