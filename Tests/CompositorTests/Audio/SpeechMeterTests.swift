// Levels and speech, by synthetic voices and noises.

import Foundation
import Testing

@testable import Compositor

@Suite("Levels of sources, and who speaks")
struct SpeechMeterTests {
    /// Blocks of what a function of the sample's number gives, on both sides.
    private func run(
        _ meter: inout SpeechMeter, blocks: Int, from: Int = 0, _ value: (Int) -> Float,
        each: (Int, SoundLevel) -> Void = { _, _ in }
    ) {
        for block in from..<(from + blocks) {
            let samples = (0..<960).map { value(block * 480 + $0 / 2) }
            samples.withUnsafeBufferPointer { meter.take($0) }
            each(block, meter.level)
        }
    }

    private func tone(_ level: Float, _ frequency: Double = 300) -> (Int) -> Float {
        { level * Float(sin(2 * Double.pi * frequency * Double($0) / 48_000)) }
    }

    @Test("a tone's mean and peak are told in dBFS")
    func levels() {
        var meter = SpeechMeter()
        run(&meter, blocks: 100, tone(0.1))
        #expect(abs(meter.level.rmsDecibels - -23.01) < 0.1)
        #expect(abs(meter.level.peakDecibels - -20) < 0.1)
        for _ in 0..<100 { meter.takeSilence() }
        #expect(meter.level.rmsDecibels < -60 && meter.isOver)
    }

    @Test("a voice speaks within 50 ms, keeps speaking through its pauses, and stops half a second after its end")
    func voice() {
        var meter = SpeechMeter(), begun: Int?, ended: Int?, breaks = 0
        // Syllables of 180 ms with pauses of 120 ms between them, over a room's noise.
        var random = SeededRandom(2)
        let loud = tone(0.08)
        run(&meter, blocks: 100, { _ in Float.random(in: -0.001...0.001, using: &random) }) { _, level in
            #expect(!level.isSpeaking)
        }
        run(
            &meter, blocks: 300, from: 100,
            { (($0 / 480) % 30 < 18 ? loud($0) : 0) + Float.random(in: -0.001...0.001, using: &random) }
        ) { block, level in
            if level.isSpeaking, begun == nil { begun = block }
            if begun != nil, !level.isSpeaking { breaks += 1 }
        }
        run(&meter, blocks: 100, from: 400, { _ in Float.random(in: -0.001...0.001, using: &random) }) {
            if !$1.isSpeaking, ended == nil { ended = $0 }
        }
        #expect((100...105).contains(begun ?? 0), "\(String(describing: begun))")
        #expect(breaks == 0)
        #expect((420...455).contains(ended ?? 0), "\(String(describing: ended))")
    }

    @Test("noise that goes on is no speech, and a voice over it still is")
    func noise() {
        var meter = SpeechMeter(), random = SeededRandom(3)
        run(&meter, blocks: 3000, { _ in Float.random(in: -0.008...0.008, using: &random) })
        #expect(!meter.level.isSpeaking)
        let loud = tone(0.1)
        run(&meter, blocks: 10, { loud($0) + Float.random(in: -0.008...0.008, using: &random) })
        #expect(meter.level.isSpeaking)
    }

    @Test("a click is no speech, and numbers that are none do no harm")
    func clicks() {
        var meter = SpeechMeter()
        run(&meter, blocks: 100, { $0 % 24_000 < 240 ? 0.9 : 0 }) { #expect(!$1.isSpeaking) }
        run(&meter, blocks: 10, { _ in .nan })
        run(&meter, blocks: 10, { _ in .infinity })
        #expect(meter.level.rmsDecibels.isFinite && meter.level.peakDecibels <= 0)
    }
}
