// Picture and sound by the sender reports that a subscriber gets, in virtual time.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Sender reports")
struct SenderReportTests {
    /// One stream on its way through the shard, and what its subscriber makes of it.
    private final class Stream {
        let producer: Producer, consumer: Consumer
        /// How long packets and reports are under way to the shard, in milliseconds.
        let wayMs: Int64
        let bases: [UInt32]
        var sequences: [Int64]
        /// What the subscriber was told last, and the last packet that it got, with the moment at which it was captured.
        var told: (unix: Int64, timestamp: UInt32)?, last: (captured: Int64, timestamp: UInt32)?
        var begun = 0

        init(_ producer: Producer, for subscriber: Session, wayMs: Int64, bases: [UInt32]) {
            self.producer = producer
            self.wayMs = wayMs
            self.bases = bases
            consumer = Consumer(producer: producer, session: subscriber, section: 0, wish: nil)
            consumer.isAccepted = true
            sequences = bases.map { Int64($0 & 0x7FFF) }
        }
    }

    /// A publisher of sound and of a picture, whose clock is not ours.
    private final class Stage {
        static let epoch: Int64 = 1_795_334_400_000_000_000
        let room: Room, publisher: Session, subscriber: Session
        let voice: Stream, picture: Stream
        /// How far the publisher's clock is ahead, in nanoseconds, and how much faster it goes, in millionths.
        let ahead: Int64, drift: Int64

        init(layers: Int = 1, ahead: Int64 = -432_000_123_456_789, drift: Int64 = 0) throws {
            let identity = try #require(DTLSIdentity()), room = Room(id: "room")
            func session(_ id: String, isPublisher: Bool) -> Session {
                Session(
                    id: id, participant: id, isPublisher: isPublisher, room: room,
                    transport: PeerTransport(identity: identity, isServer: true))
            }
            let publisher = session("anna", isPublisher: true), subscriber = session("ben", isPublisher: false)
            func producer(_ codec: Codec, _ source: TrackSource, layers: Int) -> Producer {
                var section = MediaSection(kind: source.isVideo ? .video : .audio, mid: source.rawValue)
                section.codecs = MediaSection.offered(codec)
                if layers > 1 {
                    section.extensions = [.init(id: OfferedIDs.mid, uri: RTPExtensionURI.mid)]
                    section.send(layers: ["q", "h", "f"])
                }
                let producer = Producer(
                    track: TrackInfo(
                        id: source.rawValue, participant: "anna", session: "anna", source: source, isMuted: false),
                    audience: .everybody, section: section, media: section.codecs[0], rtx: nil, session: publisher)
                for layer in producer.layers {
                    let ssrc = UInt32(source.isVideo ? 10 : 20) + UInt32(layer.index)
                    layer.ssrc = ssrc
                    publisher.sources.append(.init(ssrc: ssrc, producer: producer, layer: layer, isRTX: false))
                }
                return producer
            }
            voice = Stream(
                producer(.opus, .microphone, layers: 1), for: subscriber, wayMs: 20, bases: [0xFFFF_F000])
            picture = Stream(
                producer(.vp8, .camera, layers: layers), for: subscriber, wayMs: 320,
                bases: [0xFFFE_0000, 12345, 0x8000_0000])
            (self.room, self.publisher, self.subscriber) = (room, publisher, subscriber)
            (self.ahead, self.drift) = (ahead, drift)
        }

        func moment(_ time: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + time) }
        func unix(_ time: Int64) -> Int64 { Self.epoch + time * 1_000_000 }
        private func theirs(_ time: Int64) -> Int64 { unix(time) + ahead + time * drift }

        private func timestamp(_ stream: Stream, _ layer: Int, _ time: Int64) -> UInt32 {
            let microseconds = time * 1000 + time * drift / 1000
            let ticks = microseconds * Int64(stream.producer.clockRate) / 1_000_000
            return stream.bases[layer] &+ UInt32(truncatingIfNeeded: ticks)
        }

        /// A publisher's report arrives, from as long ago as its way is.
        func report(_ stream: Stream, _ layer: Int = 0, at time: Int64, jitterMs: Int64 = 0) {
            let sent = time - stream.wayMs - jitterMs
            let report = RTCPSenderReport(
                ssrc: stream.producer.layers[layer].ssrc ?? 0, ntp: NTPTime.from(unixNanoseconds: theirs(sent)),
                rtpTimestamp: timestamp(stream, layer, sent), packets: 1, bytes: 1)
            publisher.note(report, at: unix(time), now: moment(time))
        }

        /// A packet arrives.
        func packet(_ stream: Stream, _ layer: Int = 0, at time: Int64, isKey: Bool = false, numbers: Int64 = 1) {
            let captured = time - stream.wayMs, producer = stream.producer
            stream.sequences[layer] += numbers
            var entry = PacketStore.Entry()
            entry.sequence = stream.sequences[layer]
            entry.header = RTPHeader(
                payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: entry.sequence),
                timestamp: timestamp(stream, layer, captured), ssrc: producer.layers[layer].ssrc ?? 0, marker: true)
            entry.payloadLength = 100
            entry.startsKeyframe = isKey
            producer.layers[layer].lastPacket = moment(time)
            producer.table.note(layer, sequence: entry.sequence)
            producer.table.note(layer, now: moment(time))
            if isKey { producer.table.note(layer, size: PictureSize(width: 320 << layer, height: 180 << layer)) }
            guard case .success(let out) = stream.consumer.pass(entry, of: layer, now: moment(time)) else { return }
            stream.last = (captured, entry.header.timestamp &+ out.timestampDelta)
            if out.begins { stream.begun += 1 }
        }

        /// Tells the subscriber; returns whether there was anything to tell.
        @discardableResult
        func tell(_ stream: Stream, at time: Int64) -> Bool {
            guard let report = stream.consumer.senderReport(at: unix(time), now: moment(time)) else { return false }
            stream.told = (NTPTime.unixNanoseconds(report.ntp), report.rtpTimestamp)
            return true
        }

        /// How much later than it was captured the subscriber believes that the last packet was, in nanoseconds.
        func error(_ stream: Stream) -> Int64? {
            guard let told = stream.told, let last = stream.last else { return nil }
            let ticks = Int64(Int32(bitPattern: last.timestamp &- told.timestamp))
            return told.unix + ticks * 1_000_000_000 / Int64(stream.producer.clockRate) - unix(last.captured)
        }

        /// By how much picture and sound lie apart by what the subscriber was told, in milliseconds.
        var skewMs: Double? {
            guard let picture = error(picture), let voice = error(voice) else { return nil }
            return Double(picture - voice) / 1_000_000
        }

        /// Goes on with everything there is, 25 pictures and a report of each stream a second; returns the largest skew.
        func run(from begin: Int64, to end: Int64, reports: Bool = true, jitter: (Int64) -> Int64 = { _ in 0 })
            -> Double
        {
            var worst = 0.0
            for time in stride(from: begin, to: end, by: 20) {
                packet(voice, at: time)
                if time % 40 == 0 {
                    for layer in picture.producer.layers.indices {
                        packet(picture, layer, at: time, isKey: time % 1000 == 0)
                        worst = max(worst, abs(skewMs ?? 0))
                    }
                }
                if reports {
                    if time % 1000 == 100 { report(voice, at: time, jitterMs: jitter(time)) }
                    for layer in picture.producer.layers.indices where time % 1000 == 200 * Int64(layer + 1) {
                        report(picture, layer, at: time, jitterMs: jitter(time + 1))
                    }
                }
                if time % 1000 == 500 {
                    tell(voice, at: time)
                    tell(picture, at: time)
                }
                worst = max(worst, abs(skewMs ?? 0))
            }
            return worst
        }
    }

    @Test("sound and picture whose ways differ by 300 ms lie together for who gets them", arguments: [0, 60])
    func skew(jitterMs: Int64) throws {
        let stage = try Stage(drift: 50)
        #expect(stage.picture.wayMs - stage.voice.wayMs == 300)
        let worst = stage.run(from: 0, to: 60_000) { $0 * 7919 / 20 % (jitterMs + 1) }
        #expect(stage.skewMs != nil)
        #expect(worst < 20, "\(worst) ms")
    }

    @Test("a stream that is silent for two seconds is told nothing of; afterwards its clock is what it was")
    func idle() throws {
        let stage = try Stage()
        _ = stage.run(from: 0, to: 10_000)
        let voice = try #require(stage.error(stage.voice)), picture = try #require(stage.error(stage.picture))
        func isAsBefore() throws -> Bool {
            let errors = (try #require(stage.error(stage.voice)), try #require(stage.error(stage.picture)))
            return abs(errors.0 - voice) < 5_000_000 && abs(errors.1 - picture) < 5_000_000
        }
        // The last packets came at 9980 and 9960 ms; reports go on to come.
        stage.report(stage.voice, at: 11_000)
        #expect(stage.tell(stage.voice, at: 11_979) && !stage.tell(stage.voice, at: 11_980))
        #expect(stage.tell(stage.picture, at: 11_959) && !stage.tell(stage.picture, at: 11_960))
        for time in stride(from: Int64(13_000), to: 15_000, by: 1000) {
            stage.report(stage.voice, at: time)
            stage.report(stage.picture, at: time)
            #expect(!stage.tell(stage.voice, at: time) && !stage.tell(stage.picture, at: time))
        }
        #expect(stage.run(from: 15_000, to: 16_000, reports: false) < 20)
        #expect(stage.tell(stage.voice, at: 16_000) && stage.tell(stage.picture, at: 16_000))
        #expect(try isAsBefore())
        // Held back, nothing is told at once; it goes on with a key frame.
        for stream in [stage.voice, stage.picture] {
            stream.consumer.forwarder.hold()
            #expect(!stage.tell(stream, at: 16_020))
        }
        #expect(stage.run(from: 20_000, to: 22_000) < 20)
        #expect(try isAsBefore())
        // After so long what the publisher said last is of no use; what it says next is.
        #expect(stage.run(from: 120_000, to: 121_000, reports: false) < 20)
        #expect(!stage.tell(stage.voice, at: 121_000) && !stage.tell(stage.picture, at: 121_000))
        #expect(stage.run(from: 121_000, to: 123_000) < 20)
        #expect(stage.tell(stage.voice, at: 123_000) && stage.tell(stage.picture, at: 123_000))
        #expect(try isAsBefore())
    }

    @Test("a change of layer takes picture and sound apart by no more than before, by what was told before it too")
    func layers() throws {
        let stage = try Stage(layers: 3, drift: -30)
        var worst = stage.run(from: 0, to: 3000), time: Int64 = 3000
        for height in [180, 720, 360, 180, 360, 720, 180, 720, 360, 180] {
            stage.picture.consumer.forwarder.setWish(.fill(PictureSize(width: height * 16 / 9, height: height)))
            worst = max(worst, stage.run(from: time, to: time + 3000))
            time += 3000
            #expect(stage.picture.consumer.forwarder.current == [180: 0, 360: 1, 720: 2][height])
        }
        #expect(stage.picture.begun >= 10, "\(stage.picture.begun) layers were begun")
        #expect(worst < 20, "\(worst) ms")
    }

    @Test("thirty days, in which timestamps and the middle of NTP time wrap many times")
    func month() throws {
        let stage = try Stage(drift: 10)
        var worst = 0.0, wraps = (middle: 0, voice: 0, picture: 0), wrong = 0, silent = 0
        var before: (middle: UInt32, voice: UInt32, picture: UInt32)?
        for time in stride(from: Int64(0), to: 30 * 86_400_000, by: 20_000) {
            for stream in [stage.voice, stage.picture] {
                stage.report(stream, at: time)
                stage.packet(stream, at: time + 40, isKey: time == 0, numbers: 321)
                if !stage.tell(stream, at: time + 500) { silent += 1 }
            }
            worst = max(worst, abs(stage.skewMs ?? .infinity))
            // What we ask is answered after 80 ms there and 57 ms on the way.
            let middle = NTPTime.middle(NTPTime.from(unixNanoseconds: stage.unix(time)))
            let trip = NTPTime.roundTripMs(since: middle, delay: 80 * 65_536 / 1000, at: stage.unix(time + 137))
            if !(56...58).contains(trip ?? -1) { wrong += 1 }
            if let voice = stage.voice.told?.timestamp, let picture = stage.picture.told?.timestamp {
                if let before {
                    if middle < before.middle { wraps.middle += 1 }
                    if voice < before.voice { wraps.voice += 1 }
                    if picture < before.picture { wraps.picture += 1 }
                }
                before = (middle, voice, picture)
            }
        }
        #expect(worst < 20, "\(worst) ms")
        #expect(wrong == 0 && silent == 0)
        #expect(wraps.middle == 39 && wraps.voice >= 28 && wraps.picture >= 53, "\(wraps)")
    }

    @Test("what can't be, such as times that nobody lives in, is told nobody")
    func senseless() throws {
        let stage = try Stage()
        stage.packet(stage.voice, at: 100)
        #expect(!stage.tell(stage.voice, at: 120), "the publisher has said nothing yet")
        for ntp in [UInt64.max, 0, 1 << 63] {
            let stage = try Stage()
            stage.report(stage.voice, at: 0)
            stage.packet(stage.voice, at: 100)
            stage.publisher.note(
                RTCPSenderReport(ssrc: 20, ntp: ntp, rtpTimestamp: 5, packets: 1, bytes: 1), at: stage.unix(200),
                now: stage.moment(200))
            #expect(!stage.tell(stage.voice, at: 300))
        }
        #expect(NTPTime.roundTripMs(since: 5, delay: .max, at: Stage.epoch) == nil)
    }
}
