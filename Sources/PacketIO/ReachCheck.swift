// Whether the addresses that peers are told lead here: tried before anybody is told.

import Glibc
public import Media

/// Sends datagrams to addresses, and looks which of them come back to a port.
public enum ReachCheck {
    private static let bytes = 16, roundUs: useconds_t = 10_000, againMs: Int64 = 100

    /// Finds the addresses that lead nowhere.
    ///
    /// Where a router does not lead back what comes from inside (RFC 4787 section 6), its outer address is one of them though others
    /// reach it. Blocks until all have come back, or the time is over.
    ///
    /// - Parameters:
    ///   - announced: a port 0 stands for the bound one.
    ///   - bind: where they should lead; nothing else may have the port yet.
    ///   - patienceMs: how long is waited, in milliseconds.
    /// - Returns: those by which nothing has come.
    /// - Throws: `SocketError` when the port can't be had.
    public static func unreached(
        _ announced: [NetworkAddress], bind: NetworkAddress, patienceMs: Int64 = 300
    ) throws(SocketError) -> [NetworkAddress] {
        let socket = try UDPSocket(bind, bufferBytes: 1 << 16)
        var random = SystemRandomNumberGenerator()
        var missing = announced.map { address in
            (address, mark: (0..<bytes).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        }
        let end = SystemClock.monotonic().advanced(byMilliseconds: patienceMs)
        var next = SystemClock.monotonic()
        repeat {
            if SystemClock.monotonic() >= next {
                next = next.advanced(byMilliseconds: againMs)
                for (address, mark) in missing {
                    var target = address
                    if target.port == 0 { target.port = socket.address.port }
                    socket.send(mark, to: target)
                }
                socket.flush()
            }
            usleep(roundUs)
            // A stranger's datagrams are no reason to go on for longer.
            while socket.receive(
                now: SystemClock.monotonic(),
                { datagram, _ in
                    missing.removeAll { $0.mark.elementsEqual(datagram) }
                }) > 0, SystemClock.monotonic() < end
            {}
        } while !missing.isEmpty && SystemClock.monotonic() < end
        return missing.map(\.0)
    }
}
