// What was to be sent and never is: packets that wait for their turn, or behind the pictures of before, in virtual time.

import Control
import Media
import Testing

@testable import PacketIO
@testable import RTC
@testable import SFU

@Suite("Packets that are never sent", .serialized)
struct UnsentDropTests {
    /// What comes in between, and what it is counted as.
    enum Cause: CaseIterable {
        case trackEnds, subscriberGoes, otherCodec, mute, nothingShown, lostConsent, jammedLine, takeOver

        var reason: DropReason {
            switch self {
            case .trackEnds, .nothingShown: .notWanted
            case .subscriberGoes: .notConnected
            case .otherCodec: .lacksCodec
            case .mute, .takeOver: .late
            case .lostConsent: .noConsent
            case .jammedLine: .noRoom
            }
        }
        /// What takes the packets that wait for their turn, too.
        static let takingWhatWaits: [Cause] = [.trackEnds, .subscriberGoes, .otherCodec]
    }

    /// Anna's picture, and Ben, to whom nothing can be written: what is given to the socket counts as `sendBufferFull`.
    private final class Stage {
        static let ssrc: UInt32 = 7

        let core: ShardCore, room = Room(id: "room"), publisher: Session, producer: Producer
        let session: Session, consumer: Consumer
        private(set) var now = MonotonicTime(milliseconds: 2000)
        private var number: UInt16 = 100

        init() throws {
            core = try ShardCore.onLoopback()
            core.rooms["room"] = room
            publisher = try core.makeSession(room, participant: "anna", id: "anna-up", isPublisher: true)
            producer = Self.producer(of: publisher)
            producer.layers[0].ssrc = Self.ssrc
            publisher.producers = [producer]
            publisher.sources = [.init(ssrc: Self.ssrc, producer: producer, layer: producer.layers[0], isRTX: false)]
            session = try core.makeSession(room, participant: "ben", id: "ben-down", isPublisher: false)
            core.subscribe(session, to: [producer])
            (session.isConnected, session.hasConsent) = (true, true)
            consumer = try #require(session.consumers.first)
        }

        private static func producer(of session: Session) -> Producer {
            var section = MediaSection(kind: .video, mid: "0")
            section.codecs = MediaSection.offered(.vp8)
            let track = TrackInfo(
                id: "program", participant: "anna", session: session.id, source: .program, codec: .vp8, isMuted: false)
            return Producer(
                track: track, audience: .everybody, section: section, media: section.acceptedCodecs()[0], rtx: nil,
                session: session)
        }

        /// The next picture, of one packet, 20 ms later; of no bytes it is padding.
        func send(isKey: Bool = false, size: Int = 1000) {
            now = now.advanced(byMilliseconds: 20)
            number += 1
            var header = RTPHeader(
                payloadType: producer.payloadType, sequenceNumber: number, timestamp: UInt32(number) * 1800,
                ssrc: Self.ssrc, marker: true)
            header.hasPadding = size == 0
            var packet = [UInt8](repeating: 0, count: 12)
            _ = packet.withUnsafeMutableBytes { header.write(to: $0, hasExtension: false) }
            // VP8: the descriptor says that a picture begins, the byte behind it whether it is a key frame.
            packet += size == 0 ? [0, 0, 0, 4] : [0x10, isKey ? 0 : 1] + [UInt8](repeating: 9, count: size - 2)
            packet.withUnsafeBytes { core.media(publisher, $0, header, now: now) }
        }

        /// Puts packets where they wait for their turn.
        func wait(_ count: Int64) throws {
            let sequence = try #require(producer.layers[0].group.begin)
            let entry = try #require(producer.layers[0].store.entry(sequence))
            for index in 0..<count {
                let packet = Consumer.Packet(
                    number: consumer.forwarder.next + index, entry: entry, layer: 0, timestampDelta: 0,
                    shift: VP8Shift(), transportNumber: 0, marks: false)
                try #require(consumer.wait(packet))
            }
        }

        /// Lets Ben begin with pictures that don't all go out at once, and more come in the meantime.
        func replay(_ before: Int, held: Int) throws {
            send(isKey: true)
            for _ in 0..<before { send() }
            consumer.isAccepted = true
            core.begin(consumer, now: now)
            try #require(consumer.replay != nil)
            for index in 0..<held {
                send()
                if index == 0 { send(size: 0) }
            }
            try #require(consumer.replay != nil)
        }

        func happen(_ cause: Cause) throws {
            switch cause {
            case .trackEnds: core.end(producer, now: now)
            case .subscriberGoes: core.remove(session, reason: "they left", now: now)
            case .otherCodec:
                session.lacksVP8 = true
                core.exchangeProgram(of: session)
            case .mute: core.setMuted(true, producer, now: now)
            case .nothingShown:
                try core.setSizes([producer.track.id: LayerSize(width: 0, height: 0)], of: session, now: now)
            case .lostConsent: core.followConsent(of: session, now: now)
            case .jammedLine:
                consumer.grant.follow([0], fitting: 0, raised: 0, now: now)
                core.drops.count(.noRoom, consumer.followGrant(isJammed: true))
            case .takeOver:
                let heir = try core.makeSession(room, participant: "anna", id: "anna-2", isPublisher: true)
                let next = Self.producer(of: heir)
                heir.replaces = publisher.id
                heir.producers = [next]
                next.replaces = producer
                core.end(producer, now: now)
                try #require(consumer.producer === next)
            }
        }
    }

    @Test(
        "what waits for its turn has its reason when its track or its subscriber goes",
        arguments: Cause.takingWhatWaits)
    func waiting(cause: Cause) throws {
        let stage = try Stage()
        stage.consumer.isAccepted = true
        stage.send(isKey: true)
        try stage.wait(7)
        let before = stage.core.drops[cause.reason]
        try stage.happen(cause)
        #expect(stage.core.drops[cause.reason] - before == 7)
        #expect(stage.session.downlink.nextWaiting() == nil)
    }

    @Test("what came behind the pictures of before has its reason when those are broken off", arguments: Cause.allCases)
    func held(cause: Cause) throws {
        let stage = try Stage()
        try stage.replay(60, held: 10)
        let before = stage.core.drops[cause.reason]
        try stage.happen(cause)
        // The padding goes nowhere for anybody, and what came before Ben did was not his.
        #expect(stage.core.drops[cause.reason] - before == 10)
        #expect(stage.consumer.replay == nil || !stage.session.consumers.contains { $0 === stage.consumer })
    }

    @Test("what came behind the pictures of before goes out in its turn, and is not counted as anything else")
    func inTurn() throws {
        let stage = try Stage()
        try stage.replay(60, held: 10)
        let others = stage.core.drops.nonZero.filter { $0.key != "sendBufferFull" }
        while stage.consumer.replay != nil { stage.core.replayGroups(to: stage.session, now: stage.now) }
        #expect(stage.core.drops[.sendBufferFull] == 71)
        #expect(stage.core.drops.nonZero.filter { $0.key != "sendBufferFull" } == others)
    }
}
