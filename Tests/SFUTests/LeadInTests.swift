// The packets from before a word that go out with it: their numbers, in virtual time.

import Control
import Media
import Testing

@testable import PacketIO
@testable import RTC
@testable import SFU

@Suite("What leads in a voice", .serialized)
struct LeadInTests {
    /// Why Ben is not sent the quiet packets: somebody else is louder, or he has not answered yet.
    enum Reason: CaseIterable { case quieter, unanswered }

    /// Anna's microphone, Ben who gets it, and Carl who may be louder.
    private final class Stage {
        static let ssrc: UInt32 = 7

        let core: ShardCore, room: Room, publisher: Session, producer: Producer, consumer: Consumer
        private var now = MonotonicTime(milliseconds: 2000), number: UInt16 = 100

        init(_ reason: Reason) throws {
            core = try ShardCore.onLoopback()
            room = Room(id: "room", loudest: reason == .quieter ? 1 : 0)
            core.rooms["room"] = room
            publisher = try core.makeSession(room, participant: "anna", id: "anna-up", isPublisher: true)
            var section = MediaSection(kind: .audio, mid: "0")
            section.codecs = MediaSection.offered(.opus)
            producer = Producer(
                track: TrackInfo(
                    id: "microphone", participant: "anna", session: "anna-up", source: .microphone, codec: .opus,
                    isMuted: false),
                audience: .everybody, section: section, media: section.acceptedCodecs()[0], rtx: nil, session: publisher
            )
            producer.layers[0].ssrc = Self.ssrc
            publisher.producers = [producer]
            publisher.sources = [.init(ssrc: Self.ssrc, producer: producer, layer: producer.layers[0], isRTX: false)]
            room.voices.add(try #require(producer.voice))
            let session = try core.makeSession(room, participant: "ben", id: "ben-down", isPublisher: false)
            core.subscribe(session, to: [producer])
            (session.isConnected, session.hasConsent) = (true, true)
            consumer = try #require(session.consumers.first)
            consumer.isAccepted = reason == .quieter
            guard reason == .quieter else { return }
            let other = Voice(participant: "carl")
            room.voices.add(other)
            let isHeard = room.voices.admits(other, 40, now: now)
            try #require(isHeard)
        }

        /// The next packet of the microphone; of no bytes it is padding and nothing else, as probes of a line are.
        func send(_ length: Int) {
            now = now.advanced(byMilliseconds: 5)
            number += 1
            var header = RTPHeader(
                payloadType: producer.payloadType, sequenceNumber: number, timestamp: UInt32(number) * 240,
                ssrc: Self.ssrc)
            header.hasPadding = length == 0
            var packet = [UInt8](repeating: 0, count: 12)
            _ = packet.withUnsafeMutableBytes { header.write(to: $0, hasExtension: false) }
            packet += length == 0 ? [0, 0, 0, 4] : [UInt8](repeating: 9, count: length)
            packet.withUnsafeBytes { core.media(publisher, $0, header, now: now) }
        }
    }

    @Test(
        "padding among the packets before a word leaves no hole in the numbers",
        arguments: Reason.allCases, ["qqq", "qq.", "q..", "q.q", ".q.", "..q", "...", "qqq...", "q.q.q."])
    func padding(reason: Reason, before: String) throws {
        let stage = try Stage(reason)
        stage.send(3)
        for kind in before { stage.send(kind == "q" ? 3 : 0) }
        #expect(stage.consumer.forwarder.hasNotBegun)
        stage.consumer.isAccepted = true
        stage.send(40)
        // The three packets before the word lead it in, and of those that are padding nothing goes out.
        let numbered = Int64(before.suffix(Int(ShardCore.leadIn)).count { $0 == "q" } + 1)
        #expect(stage.consumer.forwarder.next - stage.consumer.forwarder.begin == numbered)
        stage.send(0)
        stage.send(40)
        #expect(stage.consumer.forwarder.next - stage.consumer.forwarder.begin == numbered + 1)
    }
}
