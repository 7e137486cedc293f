// The program's sound through the encoder: where it lies to the sample, and that it never has a hole.

import Control
import Foundation
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("The program's sound, encoded")
struct ProgramAudioTests {
    private final class Sink: Sendable {
        let contents = Mutex<(frames: [EncodedFrame], configuration: ByteBlock?)>(([], nil))
        let full = BoundedQueue<Bool>(capacity: 1)
        let wanted: Int

        init(wanted: Int) { self.wanted = wanted }

        func take(_ frame: EncodedFrame) {
            let isFull = contents.withLock { contents in
                contents.frames.append(frame)
                return contents.frames.count >= wanted
            }
            if isFull { full.push(true) }
        }
    }

    /// Runs the sound of a program with one speaker until so many frames have come; `sound` gives their left side.
    private func run(
        frames: Int, _ clock: ProgramClock, minus: @escaping @Sendable (Int64, [Float]) -> Void = { _, _ in },
        _ sound: @escaping @Sendable (MonotonicTime) -> [Float]
    ) throws -> (frames: [EncodedFrame], left: [Float], counters: [String: Double]) {
        var setup = try ProgramBoardTests.setup()
        setup.cast = [CastMember(id: "ana", name: "", isOnStage: true)]
        let board = try #require(ProgramBoard(setup)), sink = Sink(wanted: frames)
        let audio = ProgramAudio(
            clock: clock, kbps: 128, board: board,
            callbacks: .init(
                sound: { moment, give in
                    let samples = sound(moment).flatMap { [$0, $0] }
                    samples.withUnsafeBufferPointer { give(.participant("ana"), $0) }
                }, onConfiguration: { block in sink.contents.withLock { $0.configuration = block } },
                onFrame: { sink.take($0) }, onMinus: { minus($1, Array($2)) }), logger: Logger(label: "test"))
        audio.listeners = ["ben"]
        _ = sink.full.pop()
        let counters = audio.counters
        audio.stop()
        let (encoded, configuration) = sink.contents.withLock { $0 }
        var decoder = try AACDecoder(configuration: try #require(configuration)), left: [Float] = []
        for frame in encoded { try decoder.decode(frame) { samples, _ in left += samples } }
        return (encoded, left, counters)
    }

    /// Bursts of 20 ms whose middles lie at every half second after the anchor, and how far from there they are, in samples.
    private static func burst(_ sample: Int64) -> Float {
        let at = (sample % 24_000 + 24_000) % 24_000, from = Double(at < 12_000 ? at : at - 24_000) + 480
        guard (0..<960).contains(from) else { return 0 }
        let window = sin(Double.pi * from / 960)
        return Float(0.4 * window * window * sin(2 * Double.pi * 1500 * from / 48_000))
    }

    private static func offsets(_ samples: [Float], first: Int64) -> [Double] {
        var found: [Double] = []
        var middle = (first / 24_000 + 1) * 24_000
        while middle - first + 6000 < Int64(samples.count) {
            if middle - first > 6000 {
                var weight = 0.0, moment = 0.0
                for at in Int(middle - first - 4800)..<Int(middle - first + 4800) where abs(samples[at]) > 0.01 {
                    let power = Double(samples[at] * samples[at])
                    weight += power
                    moment += power * (Double(first) + Double(at) - Double(middle))
                }
                if weight > 0 { found.append(moment / weight) }
            }
            middle += 24_000
        }
        return found
    }

    private static func samples(_ clock: ProgramClock, _ moment: MonotonicTime) -> [Float] {
        let first = (moment.nanoseconds - clock.anchorMonotonicNanoseconds) * 48 / 1_000_000
        return (0..<480).map { burst(first + $0) }
    }

    private func clock() -> ProgramClock {
        ProgramClock(wallMilliseconds: 1_000_000_000_000, monotonic: SystemClock.monotonic())
    }

    @Test(
        "what is due at a moment is decoded at that moment's stamp, limiter and encoder taken off, to a tenth of a ms")
    func exact() throws {
        let clock = clock(), others = Mutex<(first: Int64?, samples: [Float])>((nil, []))
        let result = try run(
            frames: 150, clock,
            minus: { first, samples in
                others.withLock { others in
                    others.first = others.first ?? first
                    others.samples += stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
                }
            }
        ) { Self.samples(clock, $0) }
        let first = try #require(result.frames.first)
        let offsets = Self.offsets(result.left, first: first.pts)
        print("bursts lie \(offsets.map { Int($0 * 1000 / 48) }) µs from their stamps")
        #expect(offsets.count >= 4 && offsets.allSatisfy { abs($0) < 4.8 })
        // Whoever listens in the room gets the same at the same stamps.
        let (start, samples) = others.withLock { $0 }
        let minus = Self.offsets(samples, first: try #require(start))
        #expect(minus.count >= 3 && minus.allSatisfy { abs($0) < 1 })
        #expect(result.counters["proscenium_compositor_loudness_momentary_lufs"] ?? 0 > -60)
    }

    @Test("a thread that is held up again and again makes up for it: no frame is missing, and none is out of place")
    func stalls() throws {
        let clock = clock(), calls = Atomic(0)
        let result = try run(frames: 160, clock) { moment in
            // What a starved machine does to the thread: it stands still for a third of a second now and then.
            if calls.add(1, ordering: .relaxed).newValue % 60 == 0 {
                SystemClock.sleep(until: SystemClock.monotonic().advanced(byMilliseconds: 350))
            }
            return Self.samples(clock, moment)
        }
        let first = try #require(result.frames.first)
        for (index, frame) in result.frames.enumerated() { #expect(frame.pts == first.pts + Int64(index) * 1024) }
        let offsets = Self.offsets(result.left, first: first.pts)
        #expect(offsets.count >= 4 && offsets.allSatisfy { abs($0) < 4.8 })
        #expect(result.counters["proscenium_compositor_sound_blocks_late_total"] ?? 0 > 20)
    }
}
