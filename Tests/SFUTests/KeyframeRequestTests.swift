// Requests for key frames of many subscribers, in virtual time: what counts is what the publisher gets.

import Control
import Media
import Testing

@testable import PacketIO
@testable import RTC
@testable import SFU

@Suite("Requests for key frames", .serialized)
struct KeyframeRequestTests {
    /// A shard with a publisher, whose transport is a real one, and many who get its picture.
    ///
    /// What the shard is told comes without a socket; what it sends is read from one, which the kernel delivers at once.
    private final class Stage {
        static let ssrc: UInt32 = 7

        let core: ShardCore, line: UDPSocket, client: PeerTransport
        let publisher: Session, producer: Producer
        private(set) var subscribers: [Session] = []
        private let begin = SystemClock.monotonic()
        private(set) var now: Int64 = 0
        private var number: Int64 = 100, fresh: UInt8 = 0
        /// When the publisher was asked, in milliseconds.
        private(set) var asked: [Int64] = []

        var moment: MonotonicTime { begin.advanced(byMilliseconds: now) }

        init(subscribers count: Int) throws {
            let ours = try #require(DTLSIdentity()), theirs = try #require(DTLSIdentity())
            core = try ShardCore.onLoopback(ours)
            line = try UDPSocket(Harness.loopback)
            client = PeerTransport(identity: theirs, isServer: false)
            let room = Room(id: "room")
            core.rooms["room"] = room
            publisher = try core.makeSession(room, participant: "anna", id: "anna-up", isPublisher: true)
            var section = MediaSection(kind: .video, mid: "0")
            section.codecs = MediaSection.offered(.vp8)
            let codecs = section.acceptedCodecs()
            producer = Producer(
                track: TrackInfo(
                    id: "camera", participant: "anna", session: "anna-up", source: .camera, codec: .vp8, isMuted: false),
                audience: .everybody, section: section, media: codecs[0], rtx: codecs[1], session: publisher)
            producer.layers[0].ssrc = Self.ssrc
            producer.isAnnounced = true
            publisher.producers = [producer]
            publisher.sources = [.init(ssrc: Self.ssrc, producer: producer, layer: producer.layers[0], isRTX: false)]
            try connect()
            for index in 0..<count {
                let session = try core.makeSession(room, participant: "p\(index)", id: "s\(index)", isPublisher: false)
                core.subscribe(session, to: [producer])
                (session.isConnected, session.hasConsent) = (true, true)
                for consumer in session.consumers { consumer.isAccepted = true }
                subscribers.append(session)
            }
        }

        private func connect() throws {
            func remote(_ local: LocalTransport, _ setup: MediaSection.Setup) -> RemoteTransport {
                RemoteTransport(
                    ufrag: local.ufrag, password: local.password, fingerprint: local.fingerprint, setup: setup,
                    candidates: local.candidates)
            }
            let local = publisher.transport.local(candidates: [ICECandidate(host: core.socket.address)])
            publisher.transport.connect(remote(client.local(candidates: []), .active), role: .server, now: moment)
            client.connect(remote(local, .passive), role: .client, now: moment)
            while now < 10_000, client.state != .connected || !publisher.isConnected { step() }
            try #require(client.state == .connected && publisher.isConnected)
            while now % 100 != 0 { step() }
            asked = []
        }

        /// Ten milliseconds, with what is under way.
        func step() {
            for (_, bytes) in client.takeOutgoing() { receive(bytes) }
            if now % ShardCore.tickMs == 0 { _ = core.handleTimeout(now: moment) }
            deliver()
            client.handleTimeout(now: moment)
            now += 10
        }

        func run(to end: Int64) { while now < end { step() } }

        private func receive(_ bytes: [UInt8]) {
            var bytes = bytes
            bytes.withUnsafeMutableBytes { core.receive($0, from: line.address, now: moment) }
        }

        /// Hands what the shard has sent to the publisher.
        private func deliver() {
            core.socket.flush()
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 10_000)
            while line.statistics.received < core.socket.statistics.sent, SystemClock.monotonic() < deadline {
                _ = line.receive(now: moment) { datagram, source in
                    guard case .rtcp(let packets) = client.receive(datagram, from: source, now: moment) else { return }
                    for case .pictureLoss(let request) in packets where request.media == Self.ssrc { asked.append(now) }
                }
            }
        }

        /// A subscriber asks, by a picture loss indication or by a full intra request.
        func ask(_ index: Int, byFIR: Bool = false) throws {
            let session = subscribers[index], ssrc = try #require(session.consumers.first).ssrc
            fresh &+= 1
            core.control(
                session,
                byFIR
                    ? .fullIntraRequest(.init(sender: 1, entries: [.init(ssrc: ssrc, sequence: fresh)]))
                    : .pictureLoss(.init(sender: 1, media: ssrc)), now: moment)
            deliver()
        }

        /// A key frame of one packet comes from the publisher.
        func keyframe() throws {
            let sender = try #require(client.sender)
            let header = RTPHeader(
                payloadType: producer.payloadType, sequenceNumber: UInt16(truncatingIfNeeded: number),
                timestamp: UInt32(truncatingIfNeeded: now * 90), ssrc: Self.ssrc, marker: true)
            let plain: [UInt8] = [0x10, 0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01, 1, 2, 3, 4]
            var out = [UInt8](repeating: 0, count: plain.count + 64)
            let length = out.withUnsafeMutableBytes { room -> Int? in
                guard let start = header.write(to: room, hasExtension: false) else { return nil }
                return plain.withUnsafeBytes {
                    sender.protect(room, headerLength: start, payload: $0, ssrc: Self.ssrc, index: number)
                }
            }
            number += 1
            receive(Array(out.prefix(try #require(length))))
            #expect(producer.layers[0].store.entry(number - 1)?.startsKeyframe == true, "\(core.drops.nonZero)")
            deliver()
        }
    }

    @Test("fifty who ask at once, by PLI and by FIR, are one request, and then one an interval until a key frame comes")
    func merged() throws {
        let stage = try Stage(subscribers: 50), begin = stage.now
        for index in 0..<50 {
            if index % 5 == 0, index > 0 { stage.step() }
            try stage.ask(index, byFIR: index % 2 == 1)
        }
        #expect(stage.now - begin == 90 && stage.asked == [begin])
        // Nobody asks again, and no key frame comes.
        stage.run(to: begin + 1500)
        #expect(stage.asked.map { $0 - begin } == [0, 500, 1000])
        try stage.keyframe()
        stage.run(to: begin + 4000)
        #expect(stage.asked.count == 3, "the key frame is for all of them")
        #expect(stage.producer.layers[0].measured.keyframeRequests == 3)
        #expect(stage.subscribers.allSatisfy { $0.consumers[0].measured.keyframeRequests == 1 })
    }

    @Test("who asks within the interval is asked for when it is over, without asking again")
    func later() throws {
        let stage = try Stage(subscribers: 50), begin = stage.now
        try stage.ask(0)
        stage.run(to: begin + 40)
        try stage.keyframe()
        stage.run(to: begin + 200)
        #expect(stage.asked == [begin])
        for index in 0..<50 { try stage.ask(index, byFIR: index % 3 == 0) }
        #expect(stage.asked == [begin], "it is too early")
        stage.run(to: begin + 500)
        #expect(stage.asked == [begin])
        stage.run(to: begin + 540)
        #expect(stage.asked.map { $0 - begin } == [0, 500])
        try stage.keyframe()
        stage.run(to: begin + 3000)
        #expect(stage.asked.count == 2)
        // A key frame that comes by itself meanwhile is as good.
        try stage.ask(7)
        stage.run(to: begin + 3040)
        try stage.keyframe()
        try stage.ask(8)
        stage.run(to: begin + 3100)
        try stage.keyframe()
        stage.run(to: begin + 5000)
        #expect(stage.asked.map { $0 - begin } == [0, 500, 3000])
    }

    @Test("whoever asks for hours, the publisher is asked twice a second at most")
    func persistent() throws {
        let stage = try Stage(subscribers: 3), begin = stage.now
        while stage.now < begin + 20_000 {
            try stage.ask(Int(stage.now / 10 % 3), byFIR: stage.now % 40 == 0)
            if stage.now % 170 == 0 { try stage.keyframe() }
            stage.step()
        }
        let pauses = zip(stage.asked, stage.asked.dropFirst()).map { $1 - $0 }
        #expect(pauses.allSatisfy { $0 >= Layer.keyframeIntervalMs } && (30...40).contains(stage.asked.count))
    }

    @Test("what is asked for while the track is held back is not asked of the publisher, nor later in its name")
    func muted() throws {
        let stage = try Stage(subscribers: 2), begin = stage.now
        stage.producer.track.isMuted = true
        for index in 0..<2 { try stage.ask(index) }
        stage.run(to: begin + 2000)
        stage.producer.track.isMuted = false
        stage.run(to: begin + 2050)
        #expect(stage.asked.isEmpty)
    }

    @Test("the layers of a track have an interval each, the large ones a longer one")
    func layers() {
        let layers = (0..<3).map { Layer(name: "", index: $0, isVideo: true, clockRate: 90_000) }
        let begin = MonotonicTime(milliseconds: 5)
        #expect(layers.allSatisfy { $0.mayRequestKeyframe(now: begin) })
        layers[0].lastKeyframeRequest = begin
        layers[1].lastKeyframeRequest = begin
        func may(after milliseconds: Int64) -> [Bool] {
            layers.map { $0.mayRequestKeyframe(now: begin.advanced(byMilliseconds: milliseconds)) }
        }
        #expect(may(after: 499) == [false, false, true])
        #expect(may(after: 500) == [true, false, true])
        #expect(may(after: 999) == [true, false, true])
        #expect(may(after: 1000) == [true, true, true])
    }
}
