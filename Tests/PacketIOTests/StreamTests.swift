// Packets over TCP: framing under all splits, bounded queues, and connections that mean no good.

import Glibc
import Media
import Synchronization
import Testing

@testable import PacketIO

/// The same numbers on every run.
private struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

private func framed(_ packets: [[UInt8]]) -> [UInt8] {
    packets.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }
}

@Suite("Stream framing")
struct StreamFramingTests {
    /// Feeds a stream in pieces, as a connection does.
    private func cut(_ stream: [UInt8], pieces: (Int) -> Int) -> (packets: [[UInt8]], outcome: StreamDeframer.Outcome) {
        var deframer = StreamDeframer(), packets: [[UInt8]] = [], offset = 0
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 70_000, alignment: 1)
        defer { memory.deallocate() }
        while offset < stream.count {
            let kept = deframer.restore(to: memory)
            let piece = min(max(1, pieces(offset)), stream.count - offset, memory.count - kept)
            for index in 0..<piece { memory[kept + index] = stream[offset + index] }
            offset += piece
            let outcome = deframer.cut(UnsafeMutableRawBufferPointer(rebasing: memory[..<(kept + piece)])) {
                packets.append(Array($0))
                return true
            }
            if outcome != .kept { return (packets, outcome) }
        }
        return (packets, .kept)
    }

    @Test("packets come out as they went in, however the stream is split", arguments: 1...20)
    func splits(seed: Int) {
        var dice = Dice(state: UInt64(seed))
        let packets = (0..<200).map { index in
            [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: Int.random(in: 0...2048, using: &dice))
        }
        let result = cut(framed(packets)) { _ in Int.random(in: 1...3000, using: &dice) }
        #expect(result.packets == packets.filter { !$0.isEmpty } && result.outcome == .kept)
        let bytewise = cut(framed(Array(packets.prefix(20)))) { _ in 1 }
        #expect(bytewise.packets == packets.prefix(20).filter { !$0.isEmpty })
    }

    @Test("a packet that is too large ends the stream, and those before it are whole")
    func oversize() {
        let good: [UInt8] = [1, 2, 3]
        for length in [2049, 4096, 0xFFFF] {
            let bad = [UInt8(length >> 8), UInt8(length & 255)] + [UInt8](repeating: 9, count: length)
            let result = cut(framed([good]) + bad) { _ in 7 }
            #expect(result.packets == [good] && result.outcome == .oversize, "\(length)")
        }
    }

    @Test("random bytes never trap, and nothing larger than a packet is kept", arguments: 1...50)
    func noise(seed: Int) {
        var dice = Dice(state: UInt64(seed) << 20), deframer = StreamDeframer(), rounds = 0
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8000, alignment: 1)
        defer { memory.deallocate() }
        for _ in 0..<500 {
            let kept = deframer.restore(to: memory), count = Int.random(in: 0...4000, using: &dice)
            // Short lengths mostly, so that packets come out too.
            for index in 0..<count {
                memory[kept + index] = UInt8.random(in: 0...(index % 3 == 0 ? 255 : 4), using: &dice)
            }
            var sizes: [Int] = []
            let outcome = deframer.cut(UnsafeMutableRawBufferPointer(rebasing: memory[..<(kept + count)])) {
                sizes.append($0.count)
                return true
            }
            #expect(deframer.keptCount < StreamDeframer.keptCapacity + 1)
            #expect(sizes.allSatisfy { (1...2048).contains($0) })
            rounds += 1
            if outcome == .oversize { deframer = StreamDeframer() }
        }
        #expect(rounds == 500)
    }

    @Test("a queue gives what it was given, in order, whatever part of it leaves at a time", arguments: 1...10)
    func queue(seed: Int) {
        var dice = Dice(state: UInt64(seed)), queue = PacketQueue(capacity: 5000), waiting: [[UInt8]] = []
        var left: [UInt8] = [], expected: [UInt8] = [], refused = 0
        for index in 0..<5000 {
            if Bool.random(using: &dice) {
                let packet = [UInt8](
                    repeating: UInt8(truncatingIfNeeded: index), count: Int.random(in: 1...1400, using: &dice))
                if packet.withUnsafeBytes({ queue.append($0, at: Int64(index)) }) {
                    expected += framed([packet])
                    waiting.append(packet)
                } else {
                    refused += 1
                    #expect(queue.count + packet.count + 2 > 5000)
                }
            } else {
                let (first, second) = queue.pieces()
                let both = Array(first) + Array(second)
                #expect(both.count == queue.count)
                let sent = Int.random(in: 0...both.count, using: &dice)
                left += both.prefix(sent)
                queue.consume(sent)
            }
        }
        let (first, second) = queue.pieces()
        left += Array(first) + Array(second)
        #expect(left == expected && refused > 0)
    }

    @Test("old packets are thrown away whole, but never one that has left in part")
    func discard() {
        var queue = PacketQueue(capacity: 5000)
        for stamp in Int64(1)...4 {
            [UInt8](repeating: UInt8(stamp), count: 100).withUnsafeBytes { _ = queue.append($0, at: stamp) }
        }
        queue.consume(50)
        #expect(queue.discard(before: 3) == 0 && queue.remainderOfFirst == 52)
        queue.consume(52)
        #expect(queue.discard(before: 4) == 2 && queue.packets == 1 && queue.oldest == 4)
        queue.consume(1000)
        #expect(queue.isEmpty && queue.count == 0 && queue.discard(before: .max) == 0)
    }
}

/// Sends packets back to connections whose first byte was 7, and does what messages say.
private final class StreamEcho: PacketHandler {
    enum Message: Sendable {
        case flood(NetworkAddress, count: Int, isVideo: Bool)
        case send(NetworkAddress, [UInt8])
        case statistics(@Sendable (StreamStatistics) -> Void)
    }

    let socket: UDPSocket, seen: BoundedQueue<(NetworkAddress, [UInt8])>, lost: BoundedQueue<NetworkAddress>
    let echoes: Bool
    private var known: Set<NetworkAddress> = []

    init(
        _ socket: UDPSocket, seen: BoundedQueue<(NetworkAddress, [UInt8])>, lost: BoundedQueue<NetworkAddress>,
        echoes: Bool
    ) {
        self.socket = socket
        self.seen = seen
        self.lost = lost
        self.echoes = echoes
    }

    func receive(_ datagram: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime) {
        if datagram.first == 7 { known.insert(source) }
        seen.push((source, Array(datagram)))
        if echoes, known.contains(source) { socket.send(Array(datagram), to: source) }
    }

    func accepts(stream: NetworkAddress) -> Bool { known.contains(stream) }
    func lost(stream: NetworkAddress, now: MonotonicTime) { lost.push(stream) }

    func receive(_ message: Message, now: MonotonicTime) {
        switch message {
        case .flood(let target, let count, let isVideo):
            for index in 0..<count {
                let room = socket.reserve()
                for byte in 0..<1200 { room[byte] = UInt8(truncatingIfNeeded: index) }
                socket.commit(1200, to: target, isVideo: isVideo)
            }
        case .send(let target, let bytes): socket.send(bytes, to: target)
        case .statistics(let reply): reply(socket.streamStatistics)
        }
    }

    func handleTimeout(now: MonotonicTime) -> MonotonicTime? { nil }
    func stop(_ unread: [Message]) {}
}

/// A loop that listens, or dials, with what its handler has seen.
private final class StreamEnd: Sendable {
    let loop: PacketLoop<StreamEcho.Message>
    let seen = BoundedQueue<(NetworkAddress, [UInt8])>(capacity: 10_000),
        lost = BoundedQueue<NetworkAddress>(capacity: 100)

    init(_ address: NetworkAddress, _ options: StreamOptions) throws {
        let seen = seen, lost = lost
        loop = try PacketLoop(name: "stream", address: address, streams: options) {
            StreamEcho($0, seen: seen, lost: lost, echoes: options.listens)
        }
    }

    func statistics() -> StreamStatistics {
        let answers = BoundedQueue<StreamStatistics>(capacity: 1)
        loop.post(.statistics { answers.push($0) })
        return answers.pop(until: SystemClock.monotonic().advanced(byMilliseconds: 10_000)) ?? StreamStatistics()
    }

    func wait(_ holds: (StreamStatistics) -> Bool) -> Bool {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while SystemClock.monotonic() < deadline { if holds(statistics()) { return true } }
        return false
    }
}

/// A blocking TCP connection of the test's own.
private struct RawStream {
    let descriptor: Int32

    init?(port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, result == 0 else { return nil }
    }

    func write(_ bytes: [UInt8]) { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// Reads up to so many bytes; empty at the end of the connection.
    func read(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &bytes, count, 0)
        return Array(bytes.prefix(max(0, got)))
    }

    /// Whether the other end has closed it, without or with a word.
    func isEnded() -> Bool {
        while true {
            var byte: UInt8 = 0
            let got = recv(descriptor, &byte, 1, 0)
            if got == 0 || (got < 0 && errno == ECONNRESET) { return true }
            if got < 0 { return false }
        }
    }

    func end() { close(descriptor) }
}

@Suite("Streams of a packet loop")
struct StreamLoopTests {
    private static let addresses = ["127.0.0.1", "::1"].compactMap { NetworkAddress(ip: $0, port: 0) }

    private func soon() -> MonotonicTime { SystemClock.monotonic().advanced(byMilliseconds: 30_000) }

    @Test("packets go round over TCP on the port of the datagrams, by IPv4 and IPv6", arguments: addresses)
    func echo(address: NetworkAddress) throws {
        let server = try StreamEnd(address, StreamOptions(listens: true))
        let client = try StreamEnd(address, StreamOptions(dials: true))
        let target = server.loop.address.by(.tcp)
        let sent = (0..<300).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 1 + $0 * 4) }
        client.loop.post(.send(target, [7]))
        #expect(client.seen.pop(until: soon())?.1 == [7])
        for packet in sent {
            client.loop.post(.send(target, packet))
            let back = client.seen.pop(until: soon())
            #expect(back?.0 == target && back?.1 == packet)
        }
        #expect(server.statistics().accepted == 1 && server.statistics().received == 301)
        client.loop.stop()
        #expect(server.lost.pop(until: soon()) != nil, "the end of a connection is told")
        server.loop.stop()
    }

    @Test(
        "who says nothing, or says it byte by byte, is closed in time; the first packet must be of somebody who is known"
    )
    func unproven() throws {
        var options = StreamOptions(listens: true)
        options.proofMs = 300
        let server = try StreamEnd(Self.addresses[0], options)
        let silent = try #require(RawStream(port: server.loop.address.port))
        let slow = try #require(RawStream(port: server.loop.address.port))
        let stranger = try #require(RawStream(port: server.loop.address.port))
        let huge = try #require(RawStream(port: server.loop.address.port))
        slow.write([0, 200, 7, 7])
        stranger.write([0, 1, 9, 0, 1, 7])
        huge.write([0xFF, 0xFF, 7])
        for stream in [silent, slow, stranger, huge] {
            #expect(stream.isEnded())
            stream.end()
        }
        #expect(server.seen.popNow()?.1 == [9], "the packet behind a refused one is not read")
        #expect(server.seen.popNow() == nil)
        #expect(server.wait { $0.unproven == 3 && $0.malformed == 1 && $0.open == 0 })
        server.loop.stop()
    }

    @Test("connections of one host are bounded, and the oldest that says nothing makes way")
    func bounds() throws {
        var options = StreamOptions(listens: true)
        options.maximumOfHost = 6
        options.maximumUnprovenOfHost = 3
        let server = try StreamEnd(Self.addresses[0], options), port = server.loop.address.port
        let silent = try (0..<10).map { _ in try #require(RawStream(port: port)) }
        #expect(server.wait { $0.accepted == 10 })
        #expect(server.statistics().open == 3)
        let known = try (0..<6).map { _ in
            let stream = try #require(RawStream(port: port))
            stream.write([0, 1, 7])
            #expect(stream.read(3) == [0, 1, 7])
            return stream
        }
        let late = try #require(RawStream(port: port))
        #expect(late.isEnded())
        #expect(server.statistics().open == 6 && server.statistics().refused >= 1)
        for stream in silent + known + [late] { stream.end() }
        #expect(server.wait { $0.open == 0 })
        server.loop.stop()
    }

    @Test("behind a reader that is too slow video is dropped whole, and everything else still comes")
    func slowReader() throws {
        let server = try StreamEnd(Self.addresses[0], StreamOptions(listens: true))
        let reader = try #require(RawStream(port: server.loop.address.port))
        reader.write([0, 1, 7])
        let source = try #require(server.seen.pop(until: soon())?.0)
        var rounds = 0
        // More than the kernel takes for it, so that the queue fills.
        while server.statistics().videoDropped < 100, rounds < 2000 {
            server.loop.post(.flood(source, count: 100, isVideo: true))
            rounds += 1
        }
        #expect(server.statistics().videoDropped >= 100)
        server.loop.post(.send(source, [7, 7, 7]))
        #expect(server.statistics().otherDropped == 0)
        // All that comes is whole packets, and among them the one that is not video.
        var rest: [UInt8] = [], found = false, video = 0
        while !found {
            let more = reader.read(1 << 16)
            guard !more.isEmpty else { break }
            rest += more
            var offset = 0
            while rest.count - offset >= 2 {
                let length = Int(rest[offset]) << 8 | Int(rest[offset + 1])
                guard [1, 3, 1200].contains(length) else {
                    Issue.record("a packet of \(length) bytes: the stream is torn")
                    return
                }
                guard rest.count - offset - 2 >= length else { break }
                let packet = rest[(offset + 2)..<(offset + 2 + length)]
                if length == 1200 { video += 1 }
                if length == 3 { found = Array(packet) == [7, 7, 7] }
                #expect(Set(packet).count == 1)
                offset += 2 + length
            }
            rest.removeFirst(offset)
        }
        #expect(found && video > 0)
        reader.end()
        server.loop.stop()
    }

    @Test("a peer that is gone costs no signal: its end is told, and what was for it is counted")
    func gone() throws {
        let server = try StreamEnd(Self.addresses[0], StreamOptions(listens: true))
        let peer = try #require(RawStream(port: server.loop.address.port))
        peer.write([0, 1, 7])
        let source = try #require(server.seen.pop(until: soon())?.0)
        peer.end()
        #expect(server.lost.pop(until: soon()) == source)
        for _ in 0..<10 { server.loop.post(.flood(source, count: 10, isVideo: true)) }
        #expect(server.wait { $0.goneDropped == 100 && $0.open == 0 })
        server.loop.stop()
    }

    @Test("what still waits for a connection that ends is counted", arguments: [true, false])
    func waiting(hangsUp: Bool) throws {
        var options = StreamOptions(listens: true)
        // The other end of it: one who says nothing any more.
        if !hangsUp { options.idleMs = 2000 }
        let server = try StreamEnd(Self.addresses[0], options)
        let peer = try #require(RawStream(port: server.loop.address.port))
        peer.write([0, 1, 7])
        let source = try #require(server.seen.pop(until: soon())?.0)
        var sent: UInt64 = 1
        // So many that neither the kernel nor the other end takes any more.
        while server.statistics().otherDropped < 20_000, sent < 100_000 {
            server.loop.post(.flood(source, count: 100, isVideo: false))
            sent += 100
        }
        #expect(server.statistics().otherDropped >= 20_000)
        if hangsUp { peer.end() }
        #expect(server.wait { $0.open == 0 })
        let seen = server.statistics()
        #expect(seen.goneDropped > 0)
        #expect(seen.sent + seen.otherDropped + seen.goneDropped == sent)
        if !hangsUp { peer.end() }
        server.loop.stop()
    }
}
