// Packets that wait for their turn: they leave once, and count as sent when they have left.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Packets that wait for their turn")
struct PacerTests {
    private static func simulation() throws -> LineSimulation {
        try LineSimulation(.init(link: LinkModel(bitrate: 1_000_000, seed: 1)))
    }

    /// A packet that its track has stored, as its subscriber gets it.
    private static func packet(_ index: Int64, _ run: LineSimulation) -> Consumer.Packet {
        var entry = PacketStore.Entry()
        entry.sequence = 100 + index
        entry.header = RTPHeader(
            payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: entry.sequence), timestamp: 1, ssrc: 1)
        entry.payloadOffset = 12
        entry.payloadLength = 100
        [UInt8](repeating: 0, count: 112).withUnsafeBytes { _ = run.producer.layers[0].store.insert($0, entry) }
        run.producer.table.note(0, sequence: entry.sequence)
        return .init(
            number: run.consumer.forwarder.next + index, entry: entry, layer: 0, timestampDelta: 0, shift: VP8Shift(),
            transportNumber: 0, marks: false)
    }

    private func isRepeated(_ number: Int64, _ run: LineSimulation) -> Bool {
        let found = run.consumer.repeated(UInt16(truncatingIfNeeded: number), now: LineSimulation.moment(10))
        if case .success = found { return true }
        return false
    }

    @Test("what is asked for while it still waits goes out once: in its turn")
    func askedForWhileItWaits() throws {
        let run = try Self.simulation(), packet = Self.packet(0, run), other = Self.packet(1, run)
        #expect(run.consumer.wait(packet) && run.consumer.wait(other))
        #expect(!isRepeated(packet.number, run) && !isRepeated(other.number, run))
        let first = try #require(run.session.downlink.nextPaced(LineSimulation.moment(20)))
        #expect(first.number == packet.number)
        #expect(first.consumer.takeWaiting(first.number)?.entry.sequence == packet.entry.sequence)
        #expect(isRepeated(packet.number, run), "what has left may be lost")
        #expect(!isRepeated(other.number, run))
    }

    @Test(
        "a layer goes on until a smaller one comes; over a jammed line it is broken off, and what waits of it forgotten"
    )
    func brokenOff() throws {
        var run = try Self.simulation()
        let consumer = run.consumer
        run.link.bitrate = 5_000_000
        run.run(to: 8000)
        #expect(consumer.forwarder.current == 2)
        for index in Int64(0)..<3 { _ = consumer.wait(Self.packet(index, run)) }
        consumer.grant.follow([0, 1, 2], fitting: 1, raised: 1, now: LineSimulation.moment(8000))
        #expect(consumer.followGrant(isJammed: false) == 0 && consumer.forwarder.current == 2)
        #expect(consumer.followGrant(isJammed: true) == 3 && consumer.forwarder.current == nil)
        #expect(run.session.downlink.nextPaced(LineSimulation.moment(8000)) == nil)
        #expect(consumer.forwarder.wanted(run.producer.table, now: LineSimulation.moment(8000)) == 0)
    }

    @Test("packets count as sent when they leave; those that find no room don't, and can be asked for")
    func noRoom() throws {
        let run = try Self.simulation(), consumer = run.consumer
        for index in 0..<Int64(Pacer.capacity) { #expect(consumer.wait(Self.packet(index, run))) }
        let last = Self.packet(Int64(Pacer.capacity), run)
        #expect(!consumer.wait(last))
        #expect(consumer.packets == 0 && consumer.bytes == 0 && consumer.measured.bytes == 0)
        while let waiting = run.session.downlink.nextPaced(LineSimulation.moment(20)) {
            consumer.count(try #require(consumer.takeWaiting(waiting.number)))
        }
        #expect(consumer.packets == UInt32(Pacer.capacity) && consumer.bytes == UInt32(Pacer.capacity) * 100)
        #expect(isRepeated(last.number, run))
    }
}
