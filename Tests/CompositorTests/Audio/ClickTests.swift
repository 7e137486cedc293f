// No click at any join, leave, mute, gain or gap, measured at every phase of the tone.

import Foundation
import Testing

@testable import Compositor

@Suite("Clicks, measured")
struct ClickTests {
    static let phases = (0..<16).map { Double($0) / 16 }

    /// The left side of blocks of a mixer, without the first one, in which the tone itself begins.
    private func run(_ blocks: Int, _ body: (Int, inout AudioMixer<Int>) -> [Int: [Float]]) -> [Float] {
        var mixer = AudioMixer<Int>(), out: [Float] = [], all: [Float] = []
        for block in 0..<blocks {
            mixer.mix(body(block, &mixer), into: &out)
            all += stride(from: 0, to: 960, by: 2).map { out[$0] }
        }
        return all
    }

    @Test("the detector finds a step, and a corner, that an ear would")
    func detector() {
        let detector = ClickDetector(frequency: 440, amplitude: 0.25)
        let tone = TestTone(phase: 0.2)
        var samples = (0..<4).flatMap { block in stride(from: 0, to: 960, by: 2).map { tone.block(block)[$0] } }
        #expect(detector.worst(samples) < -95)
        for at in 700..<samples.count { samples[at] *= 0.9 }
        #expect(detector.worst(samples) > -26)
    }

    @Test(
        "joins, mutes, gains and leaves leave nothing above −68 dB outside the tone",
        arguments: [(100.0, -74.0), (440, -68), (1000, -58)])
    func changes(frequency: Double, bound: Double) {
        let detector = ClickDetector(frequency: frequency, amplitude: 0.25)
        var worst = -200.0
        for phase in Self.phases {
            let tone = TestTone(frequency: frequency, phase: phase)
            let samples = run(60) { block, mixer in
                switch block {
                case 2: mixer.set(0, gain: 1)
                case 10: mixer.set(0, gain: 0.2)
                case 12: mixer.set(0, gain: 1)
                case 20: mixer.set(0, gain: 0)
                case 25: mixer.set(0, gain: 1)
                case 30: mixer.setProgram(gain: 0)
                case 33: mixer.setProgram(gain: 0.7)
                case 40: mixer.remove(0)
                case 45: mixer.set(0, gain: 1)
                default: break
                }
                return [0: tone.block(block)]
            }
            worst = max(worst, detector.worst(samples))
        }
        print("gain changes at \(frequency) Hz leave \(worst) dB")
        #expect(worst < bound)
    }

    @Test("a source that breaks off leaves nothing above −40 dB, and comes back as quietly as it joined")
    func gaps() {
        let detector = ClickDetector(frequency: 440, amplitude: 0.25)
        var worst = -200.0
        for phase in Self.phases {
            let tone = TestTone(phase: phase)
            let samples = run(30) { block, mixer in
                if block == 0 { mixer.set(0, gain: 1) }
                return (10..<14).contains(block) || block > 25 ? [:] : [0: tone.block(block)]
            }
            worst = max(worst, detector.worst(samples))
        }
        print("gaps leave \(worst) dB")
        #expect(worst < -40)
    }

    @Test("ducking leaves nothing above −60 dB outside the tone")
    func ducking() {
        let detector = ClickDetector(frequency: 440, amplitude: 0.25)
        var mixer = AudioMixer<Int>(), out: [Float] = [], all: [Float] = []
        mixer.set(0, gain: 1, isDucked: true)
        for block in 0..<200 {
            mixer.mix([0: TestTone(phase: 0.3).block(block)], isSpeech: (50..<100).contains(block), into: &out)
            all += stride(from: 0, to: 960, by: 2).map { out[$0] }
        }
        print("ducking leaves \(detector.worst(all)) dB")
        #expect(detector.worst(all) < -60)
    }

    @Test("a source that begins to make way, or ceases to, while somebody speaks leaves nothing above −60 dB")
    func duckingChanges() {
        let detector = ClickDetector(frequency: 440, amplitude: 0.25)
        var mixer = AudioMixer<Int>(), out: [Float] = [], all: [Float] = [], minus: [Float] = []
        for block in 0..<160 {
            mixer.set(0, gain: 1, isDucked: (60..<100).contains(block))
            mixer.mix([0: TestTone(phase: 0.3).block(block)], isSpeech: true, into: &out)
            all += stride(from: 0, to: 960, by: 2).map { out[$0] }
            // The mix without it is silent, also while it changes.
            mixer.minus([0], into: &minus)
            #expect(minus.allSatisfy { abs($0) < 1e-5 })
        }
        print("changes of ducking leave \(detector.worst(all)) dB")
        #expect(detector.worst(all) < -60)
    }

    @Test("a source that has left is silent from its last block on, and owes none")
    func left() {
        var mixer = AudioMixer<Int>(), out: [Float] = []
        mixer.set(0, gain: 1)
        let tone = TestTone(phase: 0.3)
        for block in 0..<5 { mixer.mix([0: tone.block(block)], into: &out) }
        mixer.remove(0)
        mixer.mix([0: tone.block(5)], into: &out)
        // What the limiter still holds back comes first.
        mixer.mix([0: tone.block(6)], into: &out)
        #expect(out.dropFirst(2 * 240).allSatisfy { $0 == 0 })
        mixer.mix([:], into: &out)
        #expect(out.allSatisfy { $0 == 0 } && mixer.missingBlocks == 0 && mixer.ids.isEmpty)
    }

    @Test("ducking that is taken away under speech comes back as fast as after speech")
    func duckingTakenAway() {
        var ducker = Ducker(), blocks = 0
        for _ in 0..<20 { _ = ducker.advance(isSpeech: true) }
        #expect(ducker.decibels == -12)
        ducker.setDepth(0)
        while ducker.decibels < 0, blocks < 1000 {
            _ = ducker.advance(isSpeech: true)
            blocks += 1
        }
        #expect((40...41).contains(blocks))
    }

    @Test("a storm of joins and leaves of many sources adds no step to pink noise")
    func storm() {
        var random = SeededRandom(9)
        // Pink enough: three leaks of white noise.
        var leaks = [Float](repeating: 0, count: 3)
        func pink() -> Float {
            let white = Float.random(in: -1...1, using: &random)
            for (index, leak) in [Float(0.997), 0.96, 0.8].enumerated() {
                leaks[index] = leak * leaks[index] + white * (1 - leak) * [4, 1, 0.5][index]
            }
            return 0.05 * (leaks[0] + leaks[1] + leaks[2])
        }
        func largestBend(_ samples: [Float]) -> Float {
            var largest: Float = 0
            for at in 2..<samples.count {
                largest = max(largest, abs(samples[at] - 2 * samples[at - 1] + samples[at - 2]))
            }
            return largest
        }
        func make(isStorm: Bool) -> [Float] {
            random = SeededRandom(9)
            return run(400) { block, mixer in
                for id in 0..<6 {
                    if !isStorm {
                        if block == 0 { mixer.set(id, gain: 1) }
                        continue
                    }
                    switch (block &* 7 &+ id &* 5) % 13 {
                    case 0: mixer.set(id, gain: 1)
                    case 6: mixer.remove(id)
                    case 9: mixer.set(id, gain: 0.3)
                    default: break
                    }
                }
                return Dictionary(
                    uniqueKeysWithValues: (0..<6).map { id in
                        (id, (0..<480).flatMap { _ -> [Float] in [pink(), 0] })
                    })
            }
        }
        #expect(largestBend(make(isStorm: true)) <= 1.05 * largestBend(make(isStorm: false)))
    }
}
