// Which layer a packet belongs to: by the names that it carries, and by its SSRC once that is known.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Layer sources")
struct LayerSourceTests {
    private let room = Room(id: "room")

    private func section(mid: String = "0") -> MediaSection {
        var section = MediaSection(kind: .video, mid: mid)
        section.codecs = MediaSection.offered(.vp8)
        section.extensions = [.init(id: OfferedIDs.mid, uri: RTPExtensionURI.mid)]
        section.send(layers: ["q", "h", "f"])
        return section
    }

    private func session() throws -> Session {
        let identity = try #require(DTLSIdentity())
        return Session(
            id: "s", participant: "anna", isPublisher: true, room: room,
            transport: PeerTransport(identity: identity, isServer: true))
    }

    private func producer(_ session: Session, mid: String = "0") -> Producer {
        let section = section(mid: mid)
        let codecs = section.acceptedCodecs()
        let track = TrackInfo(id: "camera.s.\(mid)", participant: "anna", session: "s", source: .camera, isMuted: false)
        let producer = Producer(
            track: track, audience: .everybody, section: section, media: codecs[0], rtx: codecs[1], session: session)
        session.producers.append(producer)
        return producer
    }

    private func find(
        _ session: Session, ssrc: UInt32, mid: String? = nil, rid: String? = nil, repaired: String? = nil
    ) -> Session.Source? {
        var bytes = [UInt8](repeating: 0, count: 200)
        let length = bytes.withUnsafeMutableBytes { room -> Int in
            let type = repaired == nil ? OfferedIDs.vp8 : OfferedIDs.vp8 + 1
            let header = RTPHeader(payloadType: type, sequenceNumber: 1, timestamp: 1, ssrc: ssrc)
            guard let start = header.write(to: room, hasExtension: true) else { return 0 }
            var writer = RTPExtensionWriter(room, at: start)
            for (id, text) in [(OfferedIDs.mid, mid), (OfferedIDs.rid, rid), (OfferedIDs.repairedRid, repaired)] {
                if let text { Array(text.utf8).withUnsafeBytes { writer.append(id: id, $0) } }
            }
            return writer.finish() ?? 0
        }
        return bytes.withUnsafeBytes { all in
            let packet = UnsafeRawBufferPointer(rebasing: all[..<length])
            return RTPHeader(packet).flatMap { session.source(of: $0, in: packet) }
        }
    }

    @Test("names tell a layer until its SSRC is known, and a repeat names the layer that it repeats")
    func names() throws {
        let session = try session(), producer = producer(session)
        #expect(producer.layerNames == ["q", "h", "f"])
        #expect(find(session, ssrc: 7) == nil, "a layer without a name is not guessed")
        #expect(find(session, ssrc: 7, mid: "0", rid: "x") == nil)
        #expect(find(session, ssrc: 7, mid: "0", repaired: "x") == nil)
        let high = try #require(find(session, ssrc: 7, mid: "0", rid: "h"))
        #expect(high.layer === producer.layers[1] && !high.isRTX && producer.layers[1].ssrc == 7)
        let repeats = try #require(find(session, ssrc: 8, mid: "0", repaired: "h"))
        #expect(repeats.layer === producer.layers[1] && repeats.isRTX)
        #expect(find(session, ssrc: 7)?.layer === producer.layers[1])
        #expect(find(session, ssrc: 0, mid: "0", rid: "q") == nil, "probes come with SSRC 0")
        producer.layers[1].statistics.note(sequence: 1, timestamp: 1, now: MonotonicTime(milliseconds: 1))
        #expect(find(session, ssrc: 9, mid: "0", rid: "h") == nil, "a running layer keeps its source")
    }

    @Test("of two tracks the mid tells which")
    func twoTracks() throws {
        let session = try session(), first = producer(session), second = producer(session, mid: "1")
        #expect(find(session, ssrc: 5, rid: "q") == nil)
        #expect(find(session, ssrc: 5, mid: "1", rid: "q")?.layer === second.layers[0])
        #expect(find(session, ssrc: 6, mid: "0", rid: "q")?.layer === first.layers[0])
    }

    @Test("a track that ends and is sent again has its SSRCs, which are not named any more")
    func again() throws {
        let session = try session(), before = producer(session)
        for (index, name) in ["q", "h", "f"].enumerated() {
            _ = find(session, ssrc: UInt32(10 + index), mid: "0", rid: name)
            _ = find(session, ssrc: UInt32(20 + index), mid: "0", repaired: name)
        }
        session.forget(before)
        #expect(session.sources.isEmpty && find(session, ssrc: 11) == nil)
        let after = producer(session)
        #expect(find(session, ssrc: 11)?.layer === after.layers[1])
        #expect(find(session, ssrc: 22, repaired: "")?.layer === after.layers[2])
        #expect(after.layers.map(\.ssrc) == [nil, 11, nil])
    }

    @Test("a key frame is asked for as long as somebody waits for one, and not while the track is held back")
    func asking() throws {
        let session = try session(), producer = producer(session), watching = try self.session()
        let consumer = Consumer(
            producer: producer, session: watching, section: 0, wish: LayerSize(width: 200, height: 100))
        producer.consumers = [consumer]
        watching.isConnected = true
        for (index, size) in [(320, 180), (640, 360)].enumerated() {
            producer.table.note(index, now: MonotonicTime(milliseconds: 0))
            producer.table.note(index, size: PictureSize(width: size.0, height: size.1))
        }
        func asked(at milliseconds: Int64) -> [Bool] {
            for layer in producer.layers { layer.wantsKeyframe = false }
            producer.look(now: MonotonicTime(milliseconds: milliseconds))
            return producer.layers.map(\.wantsKeyframe)
        }
        #expect(asked(at: 0) == [false, false, false], "it has not answered yet")
        consumer.isAccepted = true
        #expect(asked(at: 50) == [false, false, false], "it is looked ten times a second")
        #expect(asked(at: 100) == [false, false, false], "who is silent gets nothing, and needs nothing")
        watching.hasConsent = true
        #expect(asked(at: 150) == [false, false, false], "it is looked ten times a second")
        #expect(asked(at: 200) == [true, false, false])
        consumer.forwarder.setWish(.top)
        #expect(asked(at: 300) == [false, true, false])
        producer.track.isMuted = true
        #expect(asked(at: 400) == [false, false, false])
        producer.layers[1].wantsKeyframe = true
        #expect(!producer.requestKeyframe(producer.layers[1], now: MonotonicTime(milliseconds: 450)))
        #expect(!producer.layers[1].wantsKeyframe, "what was wanted before is wanted again when it goes on")
        producer.track.isMuted = false
        consumer.forwarder.setWish(.nothing)
        #expect(asked(at: 500) == [false, false, false])
    }
}
