import Foundation
import Testing

@testable import Compositor

@Suite("The audio mixer, by numbers")
struct MixerTests {
    /// A tone in blocks; phase runs on over the blocks.
    private func tone(_ block: Int, _ frequency: Double = 440, level: Float = 0.25) -> [Float] {
        (0..<480).flatMap { at -> [Float] in
            let value = level * Float(sin(2 * Double.pi * frequency * Double(block * 480 + at) / 48_000))
            return [value, value]
        }
    }

    private func steps(_ samples: [Float]) -> Float {
        var largest: Float = 0
        for at in stride(from: 2, to: samples.count, by: 2) {
            largest = max(largest, abs(samples[at] - samples[at - 2]))
        }
        return largest
    }

    private func rms(_ samples: ArraySlice<Float>) -> Float {
        (samples.reduce(0) { $0 + $1 * $1 } / Float(samples.count)).squareRoot()
    }

    private func run(_ blocks: Int, _ body: (Int, inout AudioMixer<String>) -> [String: [Float]]) -> [Float] {
        var mixer = AudioMixer<String>(), out: [Float] = [], all: [Float] = []
        for block in 0..<blocks {
            mixer.mix(body(block, &mixer), into: &out)
            all += out
        }
        return all
    }

    /// The most that a 440 Hz tone of level 0.25 moves between two samples.
    private let natural: Float = 0.25 * 2 * .pi * 440 / 48_000

    @Test("no sources are silence, exactly")
    func silence() {
        #expect(run(10) { _, _ in [:] }.allSatisfy { $0 == 0 })
    }

    @Test("one source comes out as it went in, 5 ms later")
    func unity() {
        let all = run(20) { block, mixer in
            if block == 0 { mixer.set("a", gain: 1) }
            return ["a": tone(block)]
        }
        let input = (0..<20).flatMap { tone($0) }
        // After the ramp of the join.
        for at in 4000..<9000 { #expect(all[at] == input[at - 480]) }
    }

    @Test("joins, leaves, gains and gaps never step further than the tone itself, give or take a ramp")
    func noClicks() {
        let all = run(80) { block, mixer in
            switch block {
            case 1: mixer.set("a", gain: 1)
            case 10: mixer.set("b", gain: 0.8)
            case 20: mixer.set("a", gain: 0.1)
            case 30: mixer.remove("b")
            case 50: mixer.set("a", gain: 0)
            case 55: mixer.set("a", gain: 1)
            case 60: mixer.setProgram(gain: 0)
            case 65: mixer.setProgram(gain: 1)
            default: break
            }
            var blocks = ["a": tone(block), "b": tone(block, 330)]
            if (40..<43).contains(block) { blocks["a"] = nil }
            return blocks
        }
        // Two tones and a ramp of 1/480 per sample.
        #expect(steps(all) < 2 * natural + 2 * 0.25 / 480 + 0.001, "\(steps(all))")
    }

    @Test("a gap in mid-wave dies away within a block, from where the wave was")
    func gap() {
        let all = run(6) { block, mixer in
            if block == 0 { mixer.set("a", gain: 1) }
            // A block whose last sample is at its height.
            return block < 3 ? ["a": (0..<960).map { _ in Float(0.5) }] : [:]
        }
        #expect(steps(all) <= 0.5 * 1.6 / 480)
        #expect(all.suffix(400).allSatisfy { $0 == 0 })
    }

    @Test("levels add, and a left source is forgotten after its ramp")
    func levels() {
        var mixer = AudioMixer<Int>(), out: [Float] = []
        for id in 0..<4 { mixer.set(id, gain: 0.5) }
        for block in 0..<10 {
            mixer.mix(Dictionary(uniqueKeysWithValues: (0..<4).map { ($0, tone(block, level: 0.2)) }), into: &out)
        }
        #expect(abs(rms(out[...]) - 0.28284) < 0.003)
        mixer.remove(2)
        mixer.mix([2: tone(10)], into: &out)
        #expect(mixer.ids == [0, 1, 3])
        #expect(mixer.missingBlocks == 3)
    }

    @Test("the sum never passes −1 dBFS, and quiet comes back afterwards")
    func limiter() {
        var mixer = AudioMixer<Int>(), out: [Float] = [], least: Float = 1
        for id in 0..<5 { mixer.set(id, gain: 1) }
        var random = SeededRandom(4)
        for block in 0..<60 {
            var blocks: [Int: [Float]] = [:]
            for id in 0..<5 {
                blocks[id] =
                    block % 7 == 3
                    ? (0..<960).map { _ in Float.random(in: -1...1, using: &random) } : tone(block, 100, level: 0.9)
            }
            mixer.mix(blocks, into: &out)
            #expect(out.allSatisfy { abs($0) <= Limiter.ceiling + 1e-5 })
            least = min(least, mixer.lastLimiterGain)
        }
        #expect(least < 0.25)
        for block in 0..<120 { mixer.mix([0: tone(block, level: 0.1)], into: &out) }
        #expect(mixer.lastLimiterGain > 0.99)
        #expect(abs(rms(out[...]) - 0.07071) < 0.002)
    }

    @Test("samples that are not numbers, and blocks of a wrong length, are silence")
    func hostile() {
        let all = run(8) { block, mixer in
            mixer.set("a", gain: .nan)
            mixer.set("b", gain: 1)
            mixer.set("c", gain: .infinity)
            return ["a": tone(block), "b": [Float](repeating: .nan, count: 960), "c": [0.1], "d": tone(block)]
        }
        #expect(all.allSatisfy { $0 == 0 })
    }
}
