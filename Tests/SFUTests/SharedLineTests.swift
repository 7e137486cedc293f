// Pictures that share a line: what one takes for a moment is no fault of the others, nor of the line.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Pictures that share a line")
struct SharedLineTests {
    /// A line of 1 Mbit/s, a camera in three layers and a shared screen, in steps of 100 ms.
    private struct Stage {
        let session: Session, publisher: Session, room = Room(id: "room")
        let camera: Consumer, screen: Consumer
        private var now = 0

        init() throws {
            guard let identity = DTLSIdentity() else { throw RTCTestError() }
            func session(_ id: String, _ room: Room, isPublisher: Bool) -> Session {
                Session(
                    id: id, participant: id, isPublisher: isPublisher, room: room,
                    transport: PeerTransport(identity: identity, isServer: true))
            }
            let publisher = session("anna", room, isPublisher: true), ben = session("ben", room, isPublisher: false)
            func consumer(_ source: TrackSource, layers: [String]) -> Consumer {
                var section = MediaSection(kind: .video, mid: "0")
                section.codecs = MediaSection.offered(.vp8)
                section.extensions = [.init(id: 1, uri: RTPExtensionURI.mid), .init(id: 5, uri: RTPExtensionURI.rid)]
                section.simulcast.sends = layers
                let producer = Producer(
                    track: TrackInfo(
                        id: source.rawValue, participant: "anna", session: "anna", source: source, codec: .vp8,
                        isMuted: false),
                    audience: .everybody, section: section, media: section.codecs[0], rtx: section.codecs[1],
                    session: publisher)
                publisher.producers.append(producer)
                let consumer = Consumer(producer: producer, session: ben, section: 0, wish: nil)
                consumer.isAccepted = true
                ben.consumers.append(consumer)
                return consumer
            }
            (self.publisher, self.session) = (publisher, ben)
            (camera, screen) = (consumer(.camera, layers: ["q", "h", "f"]), consumer(.screen, layers: []))
            ben.downlink.agree()
        }

        /// What the camera may be sent in after a while in which the screen takes so much, in bits per second.
        mutating func run(milliseconds: Int, screen rate: Int) -> Int {
            for _ in 0..<milliseconds / 100 {
                now += 100
                note(camera.producer, [100_000, 300_000, 700_000])
                note(screen.producer, [rate])
                session.downlink.look(session.consumers, speaker: nil, now: LineSimulation.moment(now)) { _, _ in }
            }
            return camera.grant.level(of: [0, 1, 2])
        }

        private func note(_ producer: Producer, _ rates: [Int]) {
            let moment = LineSimulation.moment(now)
            for (layer, rate) in zip(producer.layers, rates) {
                producer.table.note(layer.index, sequence: Int64(now))
                producer.table.note(layer.index, now: moment)
                producer.table.note(
                    layer.index, size: PictureSize(width: 320 << layer.index, height: 180 << layer.index))
                layer.rate.note(rate / 80, at: moment.nanoseconds)
            }
        }
    }

    @Test("a shared screen that takes the room now and then takes it for that time only")
    func bursts() throws {
        var stage = try Stage()
        #expect(stage.run(milliseconds: 6000, screen: 50_000) == 3)
        for burst in 0..<8 {
            #expect(stage.run(milliseconds: 3000, screen: 700_000) < 3, "burst \(burst)")
            #expect(stage.run(milliseconds: 8000, screen: 50_000) == 3, "burst \(burst)")
        }
        #expect(stage.session.downlink.bitrate == BandwidthEstimator.startBitrate)
    }
}
