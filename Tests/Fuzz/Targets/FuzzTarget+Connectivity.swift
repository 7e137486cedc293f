// STUN, packets in streams, and a whole peer: demultiplexing, ICE, DTLS by OpenSSL.

import Media
import PacketIO
import RTC

extension FuzzTarget {
    static let stun = FuzzTarget("stun") {
        var request = STUNBuilder(.request, transaction: STUNTransaction(high: 1, low: 2))
        request.username("server:client")
        request.priority(77)
        request.useCandidate()
        request.role(isControlling: true, tieBreaker: 99)
        var success = STUNBuilder(.success, transaction: STUNTransaction(high: 3, low: 4))
        success.mappedAddress(NetworkAddress(ipv4: 0x7F00_0001, port: 7882))
        var failure = STUNBuilder(.error, transaction: STUNTransaction(high: 5, low: 6))
        failure.errorCode(420, "Unknown Attribute")
        failure.unknownAttributes([0x7FFF, 1])
        return [
            request.finish(password: "password"), success.finish(password: "password"), failure.finish(password: nil),
        ]
    } run: { bytes in
        guard let message = try? STUNMessage(bytes) else { return }
        _ = message.isAuthentic(bytes, password: "password")
    }

    /// The first byte says into which pieces a stream is cut.
    static let framing = FuzzTarget("framing") {
        [[3, 0, 4, 1, 2, 3, 4, 0, 0, 0, 1, 9], [1, 0, 20] + [UInt8](repeating: 7, count: 20), [0, 0xFF, 0xFF, 1]]
    } run: { bytes in
        var input = FuzzInput(bytes)
        let step = Int(input.byte()) + 1, stream = input.rest()
        let whole = cut(stream, step: max(1, stream.count)), pieces = cut(stream, step: step)
        // However the network cuts it, the same packets come out.
        never(whole.packets != pieces.packets, "other packets from the same stream")
        never(whole.isOversize != pieces.isOversize, "a size is refused once and taken once")
    }

    private static func cut(_ stream: [UInt8], step: Int) -> (packets: [[UInt8]], isOversize: Bool) {
        var deframer = StreamDeframer(), packets: [[UInt8]] = [], offset = 0
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: StreamDeframer.keptCapacity + step, alignment: 1)
        defer { memory.deallocate() }
        while offset < stream.count {
            let kept = deframer.restore(to: memory), piece = stream[offset..<min(stream.count, offset + step)]
            UnsafeMutableRawBufferPointer(rebasing: memory[kept...]).copyBytes(from: piece)
            offset += piece.count
            let outcome = deframer.cut(UnsafeMutableRawBufferPointer(rebasing: memory[..<(kept + piece.count)])) {
                packets.append(Array($0))
                return true
            }
            if outcome == .oversize { return (packets, true) }
        }
        return (packets, false)
    }

    /// What a peer says whose certificate is our own.
    private static func remote(_ identity: DTLSIdentity) -> RemoteTransport? {
        let lines = [
            "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:client", "a=ice-pwd:0123456789012345678901",
            "a=fingerprint:\(identity.fingerprint.text)", "a=setup:active", "a=rtcp-mux", "a=mid:0",
        ]
        return try? SessionDescription(parsing: lines.joined(separator: "\r\n")).remoteTransport()
    }

    /// Datagrams with two bytes of length each, from a peer whose path has been checked.
    static let peer = FuzzTarget("peer") {
        // The head of a ClientHello, as a record and in a fragment; an alert; RTP; RTCP; a STUN request of nobody's.
        let hello: [UInt8] = [
            22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 254, 253,
        ]
        let random = [UInt8](repeating: 5, count: 32)
        let tail: [UInt8] = [0, 0, 0, 2, 0xC0, 0x2B, 1, 0]
        var request = STUNBuilder(.request, transaction: STUNTransaction(high: 1, low: 2))
        request.username("server:client")
        let datagrams = [
            hello + random + tail, Array((hello + random + tail).prefix(40)),
            [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40],
            [128, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9] + random, [128, 200, 0, 6] + random,
            request.finish(password: "password"),
        ]
        func framed(_ datagram: [UInt8]) -> [UInt8] {
            [UInt8(datagram.count >> 8), UInt8(datagram.count & 255)] + datagram
        }
        return datagrams.map(framed) + [datagrams.flatMap(framed)]
    } run: { bytes in
        guard let identity = DTLSIdentity(), let remote = remote(identity) else { fatalError("no certificate") }
        var input = FuzzInput(bytes), now = MonotonicTime(nanoseconds: 1_000_000_000)
        let transport = PeerTransport(identity: identity, isServer: true)
        let source = NetworkAddress(ipv4: 0x7F00_0001, port: 4000)
        var check = STUNBuilder(.request, transaction: STUNTransaction(high: 1, low: 2))
        check.username("\(transport.credentials.ufrag):client")
        check.priority(1)
        check.useCandidate()
        check.role(isControlling: true, tieBreaker: 1)
        var request = check.finish(password: transport.credentials.password)
        _ = request.withUnsafeMutableBytes { transport.receive($0, from: source, now: now) }
        transport.connect(remote, role: .server, now: now)
        for _ in 0..<64 where !input.isAtEnd {
            var datagram = input.take(Int(input.word()))
            _ = datagram.withUnsafeMutableBytes { transport.receive($0, from: source, now: now) }
            now = now.advanced(byMilliseconds: 7)
            if let deadline = transport.deadline, deadline <= now { transport.handleTimeout(now: now) }
            _ = transport.takeOutgoing()
        }
        // Without our own certificate's key nobody is believed.
        never(transport.state == .connected, "connected to a peer without its key")
        transport.close("end")
    }
}
