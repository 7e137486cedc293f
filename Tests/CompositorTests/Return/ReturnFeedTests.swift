// The feed against a real media server: the picture to everybody, to each listener a sound of their own.

import Control
import Foundation
import Logging
import Media
import RTCClient
import SFU
import Synchronization
import Testing

@testable import Compositor

@Suite("The return feed", .serialized)
struct ReturnFeedTests {
    private static let compositor = "proscenium-compositor"

    /// A room with subscribers whose answers go back by themselves.
    private final class Room: Sendable {
        let shard: Shard
        private let clients: Mutex<[String: RTCClient]>
        private final class Box: Sendable { let onEvent = Mutex<(@Sendable (SFUEvent) -> Void)?>(nil) }

        init() throws {
            let box = Box()
            clients = Mutex([:])
            var configuration = ShardConfiguration(bind: RoomHarness.loopback, announced: [RoomHarness.loopback])
            configuration.programLingerMs = 300
            shard = try Shard(configuration) { event in box.onEvent.withLock { $0 }?(event)
            }
            box.onEvent.withLock { slot in
                slot = { [weak self] event in
                    guard case .offer(let session, let offer) = event, let self else { return }
                    Task { try await self.answer(session, offer) }
                }
            }
        }

        private func answer(_ session: String, _ offer: String) async throws {
            guard let client = clients.withLock({ $0[session] }) else { return }
            let answer = try await client.accept(offer: offer)
            _ = try await shard.send(.answer(session: session, answer: answer))
        }

        /// Somebody who receives; the frames of the program's two tracks go to queues of their own.
        func receiver(_ participant: String) async throws -> Receiver {
            let receiver = Receiver()
            let client = try RTCClient(name: participant, bind: RoomHarness.loopback) { receiver.take($0) }
            clients.withLock { $0["\(participant)-down"] = client }
            let reply = try await shard.send(
                .subscribe(room: "room", participant: participant, session: "\(participant)-down"))
            if case .offer(let offer?) = reply { try await answer("\(participant)-down", offer) }
            return receiver
        }

        /// Somebody who watches and has one codec of pictures.
        func viewer(_ session: String, _ codec: Codec) async throws -> Receiver {
            let receiver = Receiver()
            let client = try RTCClient(name: session, bind: RoomHarness.loopback) { receiver.take($0) }
            clients.withLock { $0[session] = client }
            let offer = try await client.offer(
                [LocalTrack(name: "v", codec: codec), LocalTrack(name: "a", codec: .opus)], stream: "none")
            let reply = try await shard.send(
                .watch(
                    room: "room", viewer: "viewer", session: session,
                    offer: offer.replacing("a=sendonly", with: "a=recvonly"), source: .program))
            guard case .answer(let answer) = reply else { throw RoomTestError() }
            try await client.accept(answer: answer)
            return receiver
        }

        func publish(_ feed: ReturnFeed, _ session: String, _ listeners: Set<String>) async throws {
            guard
                case .returnOffer(let offer, let tracks) = try await feed.offer(session: session, listeners: listeners)
            else { throw RoomTestError() }
            let reply = try await shard.send(
                .publish(
                    room: "room", participant: compositor, session: session, offer: offer,
                    sources: tracks.mapValues(\.source), audiences: tracks.mapValues(\.audience)))
            guard case .answer(let answer) = reply else { throw RoomTestError() }
            try await feed.accept(session: session, answer: answer)
        }

        func stop() {
            for client in clients.withLock({ Array($0.values) }) { client.stop() }
            shard.stop()
        }
    }

    private final class Receiver: Sendable {
        let pictures = BoundedQueue<ReceivedFrame>(capacity: 4000), sounds = BoundedQueue<ReceivedFrame>(capacity: 4000)
        let ended = BoundedQueue<RemoteTrack>(capacity: 16)

        func take(_ event: RTCClientEvent) {
            switch event {
            case .frame(let track, let frame) where track.source == "program" || track.id == "program-video":
                pictures.push(frame)
            case .frame(let track, let frame) where track.source == "programMix": sounds.push(frame)
            case .trackEnded(let track): ended.push(track)
            default: break
            }
        }

        private func deadline() -> MonotonicTime { SystemClock.monotonic().advanced(byMilliseconds: 30_000) }
        func picture() throws -> ReceivedFrame { try #require(pictures.pop(until: deadline())) }
        func sound() throws -> ReceivedFrame { try #require(sounds.pop(until: deadline())) }
        func end() throws -> RemoteTrack { try #require(ended.pop(until: deadline())) }
    }

    /// A program of our own: a red picture 30 times a second, and for each listener a tone of their own.
    private final class Program: Sendable {
        private let isStopped = Atomic(false)
        private let thread = Mutex<MediaThread?>(nil)
        let listeners = Mutex<Set<String>>([])
        private let heard = BoundedQueue<Set<String>>(capacity: 256)

        /// Waits until mixes for exactly these are asked for.
        func wait(for wanted: Set<String>) -> Bool {
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
            while let found = heard.pop(until: deadline) { if found == wanted { return true } }
            return false
        }

        func start(_ feed: ReturnFeed, tones: [String: Double]) {
            feed.follow { [self] wanted in
                listeners.withLock { $0 = wanted }
                heard.push(wanted)
            }
            let picture = VideoFrame(width: 1920, height: 1080)
            let (y, u, v) = RGBColor(red: 200, green: 30, blue: 30).program
            picture.fill(y: y, u: u, v: v)
            let made = MediaThread(name: "program") { [self] in
                let start = SystemClock.monotonic()
                var block: Int64 = 0
                while !isStopped.load(ordering: .acquiring) {
                    if block.isMultiple(of: 3) {
                        let now = SystemClock.monotonic()
                        feed.show(picture, number: block / 3, arrival: now.advanced(byMilliseconds: -100))
                    }
                    for listener in listeners.withLock({ $0 }) {
                        let samples = (0..<480).flatMap { index -> [Float] in
                            let at = Double(block * 480 + Int64(index)) / 48_000
                            let sample = Float(0.25 * sin(2 * .pi * (tones[listener] ?? 0) * at))
                            return [sample, sample]
                        }
                        samples.withUnsafeBufferPointer { feed.hear(listener, sample: block * 480, $0) }
                    }
                    block += 1
                    SystemClock.sleep(until: start.advanced(byMilliseconds: block * 10))
                }
            }
            thread.withLock { $0 = made }
        }

        func stop() {
            isStopped.store(true, ordering: .releasing)
            thread.withLock { $0 }?.join()
        }
    }

    /// The strongest of some frequencies in what a receiver hears, over half a second.
    private func tone(_ receiver: Receiver, of frequencies: [Double]) throws -> Double? {
        var decoder = try OpusDecoder(), samples: [Float] = []
        while samples.count < 24_000 {
            let frame = try receiver.sound()
            samples += try frame.frame.payload.withBytes { bytes in
                try decoder.decode(bytes) { decoded in stride(from: 0, to: decoded.count, by: 2).map { decoded[$0] } }
            }
        }
        let tail = samples.suffix(19_200)
        func strength(_ frequency: Double) -> Double {
            var (real, imaginary) = (0.0, 0.0)
            for (index, sample) in tail.enumerated() {
                let angle = 2 * .pi * frequency * Double(index) / 48_000
                real += Double(sample) * cos(angle)
                imaginary += Double(sample) * sin(angle)
            }
            return 2 * (real * real + imaginary * imaginary).squareRoot() / Double(tail.count)
        }
        let found = frequencies.max { strength($0) < strength($1) }
        return found.flatMap { strength($0) > 0.1 ? $0 : nil }
    }

    @Test("brings everybody the picture in small, and each listener their own mix")
    func feed() async throws {
        let room = try Room(), program = Program()
        _ = try await room.shard.send(.createRoom(room: "room"))
        let feed = try ReturnFeed(bind: "127.0.0.1", format: ProgramFormat(), logger: Logger(label: "test")) { _ in }
        let tones = ["ada": 400.0, "bob": 900.0]
        program.start(feed, tones: tones)
        let ada = try await room.receiver("ada"), cleo = try await room.receiver("cleo")
        try await room.publish(feed, "first", ["ada"])
        #expect(program.wait(for: ["ada"]))
        for receiver in [ada, cleo] {
            let frame = try receiver.picture()
            #expect(frame.frame.isKeyframe)
            var decoder = try VPXDecoder(codec: .vp8)
            let decoded = try frame.frame.payload.withBytes { try decoder.decode($0, timestampNanoseconds: 0) }
            let picture = try #require(decoded)
            #expect((picture.width, picture.height) == (640, 360))
            // As a browser reads it: BT.601.
            let near = [(picture.y[360 * 64], 85), (picture.u[64], 103), (picture.v[64], 203)]
            for (value, wanted) in near { #expect(abs(Int(value) - wanted) <= 4, "\(value) for \(wanted)") }
        }
        #expect(try tone(ada, of: [400, 900]) == 400)
        // Bob comes on stage, Ada goes: the mix becomes his, and nobody hears the other's.
        let bob = try await room.receiver("bob")
        try await room.publish(feed, "first", ["bob"])
        #expect(program.wait(for: ["bob"]))
        #expect(try ada.end().source == "programMix")
        #expect(try tone(bob, of: [400, 900]) == 900)
        #expect(cleo.sounds.popNow() == nil)
        // One frame each 20 ms, and pictures and sound on one timeline.
        let stamps = try (0..<20).map { _ in try bob.sound().frame.pts }
        #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $1 - $0 == 960 })
        while feed.counters["proscenium_compositor_camera_to_return_seconds_count"] ?? 0 <= 5 { _ = try bob.picture() }
        let counters = feed.counters
        #expect(counters["proscenium_compositor_return_keyframes_sent_total"] ?? 0 >= 1)
        #expect(counters["proscenium_compositor_return_sound_blocks_dropped_total"] == 0)
        program.stop()
        feed.close()
        room.stop()
    }

    @Test(
        "brings H.264 to who has no VP8, from an encoder that is there only meanwhile, and VP8 to the others as before")
    func codecs() async throws {
        let room = try Room(), program = Program()
        _ = try await room.shard.send(.createRoom(room: "room"))
        let feed = try ReturnFeed(bind: "127.0.0.1", format: ProgramFormat(), logger: Logger(label: "test")) { _ in }
        program.start(feed, tones: [:])
        func encoders(_ codec: Codec) -> Double? {
            feed.counters["proscenium_compositor_return_encoders{codec=\"\(codec.rawValue)\"}"]
        }
        let plain = try await room.viewer("plain", .vp8)
        try await room.publish(feed, "first", [])
        #expect(try plain.picture().frame.isKeyframe)
        #expect(encoders(.vp8) == 1 && encoders(.h264) == 0)
        for session in ["other-1", "other-2"] {
            let other = try await room.viewer(session, .h264)
            let frame = try other.picture()
            #expect(frame.frame.codec == .h264 && frame.frame.isKeyframe)
            #expect(encoders(.vp8) == 1 && encoders(.h264) == 1)
            var decoder = try H264Decoder(maximumPixels: 640 * 368, color: .program, poolCapacity: 4), seen: VideoFrame?
            try decoder.decode(frame.frame) { seen = $0 }
            decoder.finish { seen = $0 }
            let picture = try #require(seen)
            #expect((picture.width, picture.height) == (640, 360) && picture.color == .vp8)
            let near = [(picture.y[360 * 64], 85), (picture.u[64], 103), (picture.v[64], 203)]
            for (value, wanted) in near { #expect(abs(Int(value) - wanted) <= 4, "\(value) for \(wanted)") }
            // On one timeline with VP8, picture by picture.
            let stamps = try (0..<10).map { _ in try other.picture().frame.pts }
            #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $1 > $0 && ($1 - $0) % 3000 == 0 })
            _ = try await room.shard.send(.leave(session: session))
            // The other encoder is let go of, and nothing else.
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
            while encoders(.h264) != 0, SystemClock.monotonic() < deadline { _ = try plain.picture() }
            #expect(encoders(.vp8) == 1 && encoders(.h264) == 0)
        }
        // Nobody is left: nothing is encoded, and the connection stays.
        _ = try await room.shard.send(.leave(session: "plain"))
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while encoders(.vp8) != 0, SystemClock.monotonic() < deadline { try await Task.sleep(for: .milliseconds(20)) }
        #expect(encoders(.vp8) == 0)
        let late = try await room.viewer("late", .vp8)
        #expect(try late.picture().frame.isKeyframe)
        #expect(feed.counters["proscenium_compositor_return_encoder_failures_total"] == 0)
        #expect(feed.counters["proscenium_compositor_return_connections_opened_total"] == 1)
        program.stop()
        feed.close()
        #expect(encoders(.vp8) == 0)
        room.stop()
    }

    @Test("costs nothing without a session, and ends and begins anew with sessions")
    func sessions() async throws {
        let room = try Room(), program = Program()
        _ = try await room.shard.send(.createRoom(room: "room"))
        let lost = BoundedQueue<String>(capacity: 16)
        let feed = try ReturnFeed(bind: "127.0.0.1", format: ProgramFormat(), logger: Logger(label: "test")) {
            lost.push($0)
        }
        program.start(feed, tones: ["ada": 400])
        let ada = try await room.receiver("ada")
        await #expect(throws: StageRoomError.self) { try await feed.accept(session: "none", answer: "v=0") }
        #expect(feed.counters["proscenium_compositor_return_frames_replaced_total"] == 0)
        try await room.publish(feed, "first", ["ada"])
        _ = try ada.picture()
        _ = try ada.sound()
        feed.end()
        #expect(program.wait(for: []))
        // The media server hears the goodbye.
        while try ada.end().source != "program" {}
        try await room.publish(feed, "second", ["ada"])
        while try !ada.picture().frame.isKeyframe {}
        // The media server ends it: the feed says so and waits for another.
        _ = try await room.shard.send(.leave(session: "second"))
        #expect(lost.pop(until: SystemClock.monotonic().advanced(byMilliseconds: 30_000)) == "second")
        try await room.publish(feed, "third", ["ada"])
        while try !ada.picture().frame.isKeyframe {}
        #expect(feed.counters["proscenium_compositor_return_connections_lost_total"] == 1)
        program.stop()
        feed.close()
        await #expect(throws: StageRoomError.self) { try await feed.offer(session: "fourth", listeners: []) }
        room.stop()
    }
}
