// Speakers who give trouble: cameras that change their size every second, and rubbish between the pictures.

import Control
import Media
import RTCClient
import SFU
import Synchronization
import Testing

@testable import Compositor

/// A speaker whose camera takes another size every second, and who sends rubbish now and then until told to behave.
private final class RestlessSpeaker: Sendable {
    static let sizes = [(320, 180), (180, 320), (640, 360), (96, 64)]
    static let luma: UInt8 = 120

    let client: RTCClient
    private let codec: Codec
    private let isConnected = Atomic(false), isStopped = Atomic(false), keyframes = Atomic(0)
    let behaves = Atomic(false), rubbish = Atomic(0)
    private let thread = Mutex<MediaThread?>(nil)

    private final class Box: Sendable { let speaker = Mutex<(@Sendable (RTCClientEvent) -> Void)?>(nil) }

    init(_ codec: Codec) throws {
        self.codec = codec
        let box = Box()
        client = try RTCClient(name: "restless", bind: RoomHarness.loopback) { event in
            box.speaker.withLock { $0 }?(event)
        }
        box.speaker.withLock { slot in
            slot = { [weak self] event in
                switch event {
                case .connected: self?.isConnected.store(true, ordering: .releasing)
                case .keyframeRequested: self?.keyframes.add(1, ordering: .relaxed)
                default: break
                }
            }
        }
    }

    func start() {
        let made = MediaThread(name: "restless") { [self] in run() }
        thread.withLock { $0 = made }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
        client.stop()
    }

    private func run() {
        let start = SystemClock.monotonic()
        var camera: CodecCamera?, second: Int64 = -1, answered = 0, index: Int64 = 0, seed: UInt64 = 7
        var frame = VideoFrame(width: 2, height: 2)
        while !isStopped.load(ordering: .acquiring) {
            let due = start.advanced(byNanoseconds: index * 1_000_000_000 / 30)
            SystemClock.sleep(until: due)
            index += 1
            guard isConnected.load(ordering: .acquiring) else { continue }
            if index / 30 != second {
                second = index / 30
                let (width, height) = Self.sizes[Int(second) % Self.sizes.count]
                frame = VideoFrame(width: width, height: height)
                frame.fill(y: Self.luma, u: 128, v: 128)
                camera = try? CodecCamera(codec, width: width, height: height)
            }
            let wanted = keyframes.load(ordering: .relaxed)
            guard let encoded = try? camera?.encode(frame, forceKeyframe: wanted != answered) else { continue }
            answered = wanted
            var sent = encoded
            sent.pts = index * 3000
            if index % 20 == 0, !behaves.load(ordering: .acquiring) {
                sent.payload = ByteBlock(rubbish(&seed))
                rubbish.add(1, ordering: .relaxed)
            }
            client.send(sent, on: "camera")
        }
    }

    /// What can't be decoded: a head that passes on the way, and noise behind it.
    private func rubbish(_ seed: inout UInt64) -> [UInt8] {
        let noise = (0..<2500).map { _ -> UInt8 in
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: seed >> 33)
        }
        switch codec {
        // A parameter set without content, then a slice.
        case .h264:
            let length = [0, 0, UInt8(noise.count >> 8), UInt8(noise.count & 255)]
            return [0, 0, 0, 1, 0x67] + length + [0x61] + noise.dropLast()
        // A first part that is longer than the frame.
        case .vp8: return [0xF1, 0xFF, 0xFF] + noise
        // The head of a keyframe.
        default: return [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xF0, 0x16, 0x70] + noise
        }
    }
}

@Suite("Speakers who give trouble", .serialized, .timeLimit(.minutes(5)))
struct TroubleTests {
    @Test("cameras that change their size and send rubbish stay in the picture, and every loss is counted")
    func restless() async throws {
        let harness = try RoomHarness()
        try await harness.createRoom()
        try await harness.subscribe("down-1")
        let codecs: [String: Codec] = ["anna": .vp8, "ben": .vp9, "cleo": .h264]
        var speakers: [String: RestlessSpeaker] = [:]
        for (name, codec) in codecs {
            let speaker = try RestlessSpeaker(codec)
            let offer = try await speaker.client.offer([LocalTrack(name: "camera", codec: codec)], stream: name)
            let reply = try await harness.shard.send(
                .publish(room: "room", participant: name, session: "\(name)-up", offer: offer, sources: [:]))
            guard case .answer(let answer) = reply else { throw RoomTestError() }
            try await speaker.client.accept(answer: answer)
            speaker.start()
            speakers[name] = speaker
        }
        let all = speakers
        let seen = await withCheckedContinuation { (continuation: CheckedContinuation<Seen, Never>) in
            _ = MediaThread(name: "observer") {
                continuation.resume(returning: Self.watch(harness.room, all))
            }
        }
        let counters = harness.room.counters
        func count(_ name: String) -> Double { counters["proscenium_compositor_room_\(name)_total"] ?? 0 }
        for (name, speaker) in speakers {
            #expect(seen.missing[name] == nil, "\(name) was missing")
            let sizes = seen.sizes[name] ?? []
            #expect(
                RestlessSpeaker.sizes.allSatisfy { sizes.contains(PictureSize(width: $0.0, height: $0.1)) },
                "\(name): \(sizes)")
            #expect(speaker.rubbish.load(ordering: .relaxed) > 3)
            let luma = try #require(seen.last[name])
            #expect(abs(luma - Int(RestlessSpeaker.luma)) < 8, "\(name) ends with \(luma)")
        }
        #expect(count("frames_dropped_corrupt") > 3 && count("keyframe_requests") > 3)
        #expect(count("frames_decoded") > 100 && count("packets_dropped_damaged") == 0)
        for speaker in speakers.values { speaker.stop() }
        harness.stop()
    }

    private struct Seen: Sendable {
        var sizes: [String: Set<PictureSize>] = [:]
        var missing: [String: Int] = [:], last: [String: Int] = [:]
    }

    /// Reads the room until every camera has had every size twice, then lets the speakers behave for two seconds.
    private static func watch(_ room: StageRoom, _ speakers: [String: RestlessSpeaker]) -> Seen {
        var seen = Seen()
        let start = SystemClock.monotonic()
        for step in 0..<1100 as Range<Int64> {
            let moment = start.advanced(byMilliseconds: step * 10)
            SystemClock.sleep(until: moment)
            if step == 850 { for speaker in speakers.values { speaker.behaves.store(true, ordering: .releasing) } }
            let pictures = room.pictures(at: moment)
            for name in speakers.keys {
                guard let picture = pictures[.participant(name)] else {
                    if seen.sizes[name] != nil { seen.missing[name, default: 0] += 1 }
                    continue
                }
                seen.sizes[name, default: []].insert(PictureSize(width: picture.width, height: picture.height))
                seen.last[name] = Int(picture.y[picture.lumaStride * (picture.height / 2) + picture.width / 2])
            }
        }
        return seen
    }
}
