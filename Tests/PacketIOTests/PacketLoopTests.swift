// The packet loop on the loopback interface.

import Media
import Synchronization
import Testing

@testable import PacketIO

/// Sends every datagram back, and counts.
private final class Echo: PacketHandler {
    let socket: UDPSocket
    let seen: BoundedQueue<String>
    var deadline: MonotonicTime?

    init(_ socket: UDPSocket, _ seen: BoundedQueue<String>) {
        self.socket = socket
        self.seen = seen
    }

    func receive(_ datagram: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime) {
        let room = socket.reserve()
        room.copyMemory(from: UnsafeRawBufferPointer(datagram))
        socket.commit(datagram.count, to: source)
    }

    func receive(_ message: String, now: MonotonicTime) {
        seen.push(message)
        if message == "timer" { deadline = now.advanced(byMilliseconds: 5) }
    }

    func handleTimeout(now: MonotonicTime) -> MonotonicTime? {
        if let due = deadline, now >= due {
            deadline = nil
            seen.push("fired")
        }
        return deadline
    }

    func stop(_ unread: [String]) { seen.push("stopped") }
}

/// Sends datagrams and hands on what comes back.
private final class Probe: PacketHandler {
    let socket: UDPSocket, back: BoundedQueue<[UInt8]>

    init(_ socket: UDPSocket, _ back: BoundedQueue<[UInt8]>) {
        self.socket = socket
        self.back = back
    }

    func receive(_ datagram: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime) {
        back.push(Array(datagram))
    }

    func receive(_ message: (NetworkAddress, [[UInt8]]), now: MonotonicTime) {
        for datagram in message.1 { socket.send(datagram, to: message.0) }
    }

    func handleTimeout(now: MonotonicTime) -> MonotonicTime? { nil }
    func stop(_ unread: [(NetworkAddress, [[UInt8]])]) {}
}

@Suite("Packet loop")
struct PacketLoopTests {
    private static let addresses = ["127.0.0.1", "::1"].compactMap { NetworkAddress(ip: $0, port: 0) }

    private func soon() -> MonotonicTime { SystemClock.monotonic().advanced(byMilliseconds: 30_000) }

    @Test("datagrams of all sizes go round unchanged, with and without segmentation", arguments: addresses, [0, 2])
    func echo(address: NetworkAddress, segmentRun: Int) throws {
        let seen = BoundedQueue<String>(capacity: 100), back = BoundedQueue<[UInt8]>(capacity: 1000)
        let echo = try PacketLoop<String>(name: "echo", address: address, segmentRun: segmentRun) { Echo($0, seen) }
        let probe = try PacketLoop<(NetworkAddress, [[UInt8]])>(name: "probe", address: address, segmentRun: segmentRun)
        {
            Probe($0, back)
        }
        let sent: [[UInt8]] = (0..<300).map { index in
            [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: index < 200 ? 1200 : 1 + index * 4)
        }
        var got: [[UInt8]] = []
        for start in stride(from: 0, to: sent.count, by: 50) {
            // No more at once than any socket holds while nobody reads it.
            probe.post((echo.address, Array(sent[start..<start + 50])))
            while got.count < start + 50, let datagram = back.pop(until: soon()) { got.append(datagram) }
        }
        #expect(got.sorted { $0.lexicographicallyPrecedes($1) } == sent.sorted { $0.lexicographicallyPrecedes($1) })
        probe.stop()
        echo.stop()
    }

    @Test("datagrams for many that are queued in turn leave as runs for each, in their order", arguments: addresses)
    func scattered(address: NetworkAddress) throws {
        let sender = try UDPSocket(address, segmentRun: 4)
        let receivers = try (0..<20).map { _ in try UDPSocket(address) }
        // The last one is shorter, and another is for nobody else: neither ends a run of somebody else's.
        let sizes = [900, 900, 900, 900, 500]
        for (number, size) in sizes.enumerated() {
            for receiver in receivers {
                sender.send([UInt8](repeating: UInt8(number), count: size), to: receiver.address)
            }
            if number == 2 { sender.send([9], to: receivers[7].address) }
        }
        sender.flush()
        #expect(sender.statistics.sent == 101 && sender.statistics.sendDropped == 0)
        #expect(sender.statistics.segmented >= 19 * 5)
        for (index, receiver) in receivers.enumerated() {
            var got: [[UInt8]] = []
            let deadline = soon()
            while got.count < (index == 7 ? 6 : 5), SystemClock.monotonic() < deadline {
                _ = receiver.receive(now: SystemClock.monotonic()) { datagram, _ in got.append(Array(datagram)) }
            }
            if index == 7 { got.removeAll { $0 == [9] } }
            #expect(got.map(\.count) == sizes && got.map { Int($0[0]) } == [0, 1, 2, 3, 4])
        }
    }

    @Test("what the kernel throws away before anybody reads it is counted, once and to the last one")
    func unread() throws {
        let receiver = try UDPSocket(Self.addresses[0], bufferBytes: 4096), sender = try UDPSocket(Self.addresses[0])
        var got = 0
        func readAll() {
            while receiver.receive(now: SystemClock.monotonic(), { _, _ in got += 1 }) > 0 {}
        }
        func send(_ count: Int) {
            for _ in 0..<count { sender.send([UInt8](repeating: 1, count: 1000), to: receiver.address) }
            sender.flush()
        }
        send(3)
        readAll()
        #expect(got == 3 && receiver.statistics.receiveDropped == 0)
        for round in 1...2 {
            let before = receiver.statistics.receiveDropped
            send(200)
            readAll()
            // Only what comes behind the gap tells of it.
            send(1)
            readAll()
            let dropped = Int(receiver.statistics.receiveDropped)
            #expect(dropped > Int(before) + 100 && got + dropped == 3 + round * 201)
        }
        send(1)
        readAll()
        #expect(got + Int(receiver.statistics.receiveDropped) == 406, "nothing is counted twice")
    }

    @Test("what has waited to be read is told of by when it came")
    func arrivals() throws {
        let receiver = try UDPSocket(Self.addresses[0]), sender = try UDPSocket(Self.addresses[0])
        let sent = SystemClock.monotonic()
        sender.send([1, 2, 3], to: receiver.address)
        sender.flush()
        SystemClock.sleep(until: sent.advanced(byMilliseconds: 60))
        var arrived: MonotonicTime?
        let deadline = soon()
        while arrived == nil, SystemClock.monotonic() < deadline {
            _ = receiver.receive(now: SystemClock.monotonic()) { _, _ in arrived = receiver.arrivedAt }
        }
        let at = try #require(arrived)
        // Both clocks were read within 100 µs of each other.
        #expect(at.nanoseconds(since: sent) > -1_000_000 && at.milliseconds(since: sent) < 50)
        #expect(receiver.arrivedAt == nil, "it is only of what is being read")
    }

    @Test("messages arrive in order, the timer fires, and stop is told")
    func messages() throws {
        let seen = BoundedQueue<String>(capacity: 100)
        let loop = try PacketLoop<String>(name: "loop", address: Self.addresses[0]) { Echo($0, seen) }
        #expect(loop.post("one") && loop.post("two") && loop.post("timer"))
        var got: [String] = []
        while got.count < 4, let message = seen.pop(until: soon()) { got.append(message) }
        #expect(got == ["one", "two", "timer", "fired"])
        loop.stop()
        #expect(seen.popNow() == "stopped")
        #expect(!loop.post("late"))
    }

    @Test("a dual-stack socket answers IPv4")
    func dualStack() throws {
        let seen = BoundedQueue<String>(capacity: 100), back = BoundedQueue<[UInt8]>(capacity: 10)
        let any = NetworkAddress(high: 0, low: 0, port: 0)
        let echo = try PacketLoop<String>(name: "echo", address: any) { Echo($0, seen) }
        let probe = try PacketLoop<(NetworkAddress, [[UInt8]])>(name: "probe", address: Self.addresses[0]) {
            Probe($0, back)
        }
        probe.post((NetworkAddress(ipv4: 0x7F00_0001, port: echo.address.port), [[1, 2, 3]]))
        #expect(back.pop(until: soon()) == [1, 2, 3])
        probe.stop()
        echo.stop()
    }

    @Test("a port that is taken is refused with a clear error")
    func takenPort() throws {
        let first = try UDPSocket(Self.addresses[0])
        let error = #expect(throws: SocketError.self) { _ = try UDPSocket(first.address) }
        #expect(error?.description.contains("\(first.address.port)") == true)
    }

    @Test("addresses are read and written as text")
    func addressText() {
        #expect(NetworkAddress(ip: "192.0.2.1", port: 80)?.description == "192.0.2.1:80")
        #expect(NetworkAddress(ip: "2001:db8::1", port: 80)?.description == "[2001:db8::1]:80")
        #expect(NetworkAddress(ip: "::ffff:192.0.2.1", port: 80) == NetworkAddress(ip: "192.0.2.1", port: 80))
        for bad in ["", "300.1.1.1", "host", "1.2.3", "::g"] { #expect(NetworkAddress(ip: bad, port: 1) == nil) }
    }
}
