// A media server in the process, a speaker who sends real pictures and sound, and a room that receives them.

import Control
import Foundation
import Logging
import Media
import RTCClient
import SFU
import Synchronization

@testable import Compositor

struct RoomTestError: Error {}

/// A shard whose offers go to a room by themselves.
final class RoomHarness: Sendable {
    static let loopback = NetworkAddress(ipv4: 0x7F00_0001, port: 0)

    let shard: Shard
    let room: StageRoom
    let lost = BoundedQueue<String>(capacity: 16)

    private let answering: @Sendable (_ session: String, _ offer: String) async throws -> String

    private final class Box: Sendable { let onEvent = Mutex<(@Sendable (SFUEvent) -> Void)?>(nil) }

    /// - Parameter answering: answers offers in place of the room.
    init(answering: (@Sendable (_ session: String, _ offer: String) async throws -> String)? = nil) throws {
        let box = Box(), lost = lost
        let room = try StageRoom(bind: "127.0.0.1", logger: Logger(label: "test")) { lost.push($0) }
        self.room = room
        self.answering = answering ?? { try await room.answer(session: $0, offer: $1) }
        shard = try Shard(ShardConfiguration(bind: Self.loopback, announced: [Self.loopback])) { event in
            box.onEvent.withLock { $0 }?(event)
        }
        box.onEvent.withLock { slot in
            slot = { [weak self] event in
                guard case .offer(let session, let offer) = event, let self else { return }
                Task { try await self.answer(session, offer) }
            }
        }
    }

    private func answer(_ session: String, _ offer: String) async throws {
        let answer = try await answering(session, offer)
        _ = try await shard.send(.answer(session: session, answer: answer))
    }

    func createRoom() async throws { _ = try await shard.send(.createRoom(room: "room")) }

    /// Subscribes the room's end; the offer may come later.
    func subscribe(_ session: String) async throws {
        let reply = try await shard.send(
            .subscribe(room: "room", participant: "proscenium-compositor", session: session))
        if case .offer(let offer?) = reply { try await answer(session, offer) }
    }

    func speaker(
        _ participant: String, signal: PictureSignal = PictureSignal(),
        draw: @escaping @Sendable (VideoFrame, _ isFlash: Bool) -> Void = { $0.fill(y: $1 ? 235 : 80, u: 128, v: 128) }
    ) async throws -> Speaker {
        let speaker = try Speaker(signal: signal, draw: draw)
        let offer = try await speaker.client.offer(
            [LocalTrack(name: "camera", codec: .vp8), LocalTrack(name: "microphone", codec: .opus)],
            stream: participant)
        let reply = try await shard.send(
            .publish(room: "room", participant: participant, session: "\(participant)-up", offer: offer, sources: [:]))
        guard case .answer(let answer) = reply else { throw RoomTestError() }
        try await speaker.client.accept(answer: answer)
        return speaker
    }

    func stop() {
        room.close()
        shard.stop()
    }
}

/// A speaker: a grey picture that flashes and a silence that beeps, both for 100 ms at each whole second.
final class Speaker: Sendable {
    let client: RTCClient
    private let isStopped = Atomic(false)
    private let thread = Mutex<MediaThread?>(nil)
    /// The camera's pictures are sent this much after the sound that was captured with them.
    static let pictureDelayMs: Int64 = 60

    private final class Wishes: Sendable {
        let keyframes = Atomic<Int>(0), isConnected = Atomic(false)
    }
    private let wishes: Wishes

    private let signal: PictureSignal
    private let draw: @Sendable (VideoFrame, Bool) -> Void

    init(signal: PictureSignal, draw: @escaping @Sendable (VideoFrame, Bool) -> Void) throws {
        self.signal = signal
        self.draw = draw
        let wishes = Wishes()
        self.wishes = wishes
        client = try RTCClient(name: "speaker", bind: RoomHarness.loopback) { event in
            switch event {
            case .keyframeRequested: wishes.keyframes.add(1, ordering: .relaxed)
            case .connected: wishes.isConnected.store(true, ordering: .releasing)
            default: break
            }
        }
    }

    var keyframesWanted: Int { wishes.keyframes.load(ordering: .relaxed) }

    /// Sends from now on, on a thread of its own.
    func start() {
        let made = MediaThread(name: "speaker-media") { [self] in run() }
        thread.withLock { $0 = made }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
        client.stop()
    }

    private func run() {
        while !wishes.isConnected.load(ordering: .acquiring) {
            if isStopped.load(ordering: .acquiring) { return }
            SystemClock.sleep(until: SystemClock.monotonic().advanced(byMilliseconds: 5))
        }
        guard var opus = try? OpusEncoder(),
            var vp8 = try? VPXEncoder(
                codec: .vp8, width: 320, height: 180, bitrate: 500_000, frameRate: FrameRate(30), keyframeInterval: 3000
            )
        else { return }
        let frame = VideoFrame(width: 320, height: 180)
        let start = SystemClock.monotonic()
        var packet: Int64 = 0, picture: Int64 = 0, answered = -1, tone = [Float](repeating: 0, count: 1920)
        while !isStopped.load(ordering: .acquiring) {
            let elapsed = SystemClock.monotonic().nanoseconds(since: start)
            // A packet of sound is sent when its last sample was captured.
            while (packet + 1) * 20_000_000 <= elapsed {
                for at in 0..<960 {
                    let sample = packet * 960 + Int64(at)
                    let isOn = sample >= 48_000 && sample % 48_000 < 4800
                    let value = isOn ? 0.5 * Float(sin(2 * Double.pi * 1000 * Double(sample) / 48_000)) : 0
                    tone[2 * at] = value
                    tone[2 * at + 1] = value
                }
                if let encoded = try? tone.withUnsafeBufferPointer({ try opus.encode($0) }) {
                    client.send(encoded, on: "microphone")
                }
                packet += 1
            }
            while picture * 1_000_000_000 / 30 + Self.pictureDelayMs * 1_000_000 <= elapsed {
                let isOn = picture >= 30 && picture % 30 < 3
                draw(frame, isOn)
                let wanted = keyframesWanted
                if let encoded = try? vp8.encode(frame, forceKeyframe: wanted != answered) {
                    client.send(encoded, on: "camera", signal: signal)
                }
                answered = wanted
                picture += 1
            }
            SystemClock.sleep(until: SystemClock.monotonic().advanced(byMilliseconds: 4))
        }
    }
}

/// What a program saw and heard: the moments at which flashes and beeps began.
struct Observation: Sendable {
    var flashes: [Double] = [], beeps: [Double] = []
    /// Pictures that were asked for after the first one, and were not there.
    var missing = 0, pictures = 0
    var largestStep: Float = 0
}

/// Reads a room as a program does, on a thread of its own, in steps of 10 ms.
func observe(_ room: StageRoom, participant: String, milliseconds: Int64) async -> Observation {
    await withCheckedContinuation { continuation in
        _ = MediaThread(name: "observer") {
            var result = Observation()
            let start = SystemClock.monotonic()
            var wasBright = false, quietSamples = 48_000, last: Float = 0
            for block in 0..<(milliseconds / 10) {
                let moment = start.advanced(byMilliseconds: block * 10)
                SystemClock.sleep(until: moment)
                for half in 0..<2 as Range<Int64> {
                    let at = moment.advanced(byMilliseconds: half * 5)
                    guard let picture = room.pictures(at: at)[.participant(participant)] else {
                        if result.pictures > 0 { result.missing += 1 }
                        continue
                    }
                    result.pictures += 1
                    let isBright = picture.y[picture.lumaStride * 90 + 160] > 160
                    if isBright, !wasBright { result.flashes.append(Double(at.nanoseconds) / 1e9) }
                    wasBright = isBright
                }
                var heard = false
                room.sound(at: moment) { source, samples in
                    guard source == SoundSource(participant: participant, isScreen: false) else { return }
                    heard = true
                    for index in 0..<480 {
                        let value = samples[2 * index]
                        result.largestStep = max(result.largestStep, abs(value - last))
                        last = value
                        if abs(value) > 0.1 {
                            if quietSamples > 9600 {
                                result.beeps.append(Double(moment.nanoseconds) / 1e9 + Double(index) / 48_000)
                            }
                            quietSamples = 0
                        } else {
                            quietSamples += 1
                        }
                    }
                }
                if !heard {
                    result.largestStep = max(result.largestStep, abs(last))
                    last = 0
                    quietSamples += 480
                }
            }
            continuation.resume(returning: result)
        }
    }
}
