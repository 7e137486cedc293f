// Sound stays whole: a tone in, and no step in what comes out, whatever the packets do.

import Foundation
import Media
import Testing

@testable import Compositor

@Suite("The sound of a track")
struct SoundPlayerTests {
    static let level: Float = 0.3, frequency = 440.0
    /// The most that the tone moves between two samples.
    static let natural = level * Float(2 * Double.pi * frequency / 48_000)
    static let first: Int64 = 1_000_000

    /// Packets of 20 ms with a tone.
    private func packets(_ count: Int) throws -> [SoundPacket] {
        var encoder = try OpusEncoder(bitrate: 96_000)
        return try (0..<count).map { index in
            let samples = (0..<960).flatMap { at -> [Float] in
                let phase = 2 * Double.pi * Self.frequency * Double(index * 960 + at) / 48_000
                return [Self.level * Float(sin(phase)), Self.level * Float(sin(phase))]
            }
            let frame = try samples.withUnsafeBufferPointer { try encoder.encode($0) }
            return SoundPacket(start: Self.first + Int64(index) * 960, payload: frame.payload)
        }
    }

    private struct Result {
        var samples: [Float] = []
        var report = SoundReport()
        /// The blocks that were silent.
        var silent: Set<Int> = []

        func largestStep(from: Int, to: Int) -> Float {
            var largest: Float = 0
            for at in max(1, from * 480)..<(to * 480) { largest = max(largest, abs(samples[at] - samples[at - 1])) }
            return largest
        }
        func rms(from: Int, to: Int) -> Float {
            let part = samples[(from * 480)..<(to * 480)]
            return (part.reduce(0) { $0 + $1 * $1 } / Float(part.count)).squareRoot()
        }
    }

    /// Reads blocks; `wanted` says which sample is due at a block, `arrived` how many packets are there by then.
    private func play(
        _ packets: [SoundPacket], blocks: Int, wanted: (Int) -> Double = { Double(first) + Double($0) * 480 },
        arrival: (Int) -> Int = { $0 * 2 - 3 }
    ) throws -> Result {
        var player = try SoundPlayer(), result = Result(), block = [Float](repeating: 0, count: 960)
        var waiting = packets.enumerated().map { (arrival($0.offset), $0.element) }
        for index in 0..<blocks {
            for (_, packet) in waiting where waiting.first(where: { $0.1.start == packet.start })!.0 <= index {
                player.insert(packet)
            }
            waiting.removeAll { $0.0 <= index }
            let isHeard = block.withUnsafeMutableBufferPointer { player.read(at: wanted(index), into: $0) }
            if !isHeard { result.silent.insert(index) }
            result.samples += (0..<480).map { isHeard ? block[2 * $0] : 0 }
        }
        result.report = player.takeReport()
        return result
    }

    @Test("a tone goes through as it is, and ends in silence without a step")
    func tone() throws {
        let result = try play(packets(100), blocks: 230)
        #expect(result.report.jumps == 0 && result.report.late == 0 && result.report.concealed <= 2880)
        #expect(result.largestStep(from: 0, to: 230) < Self.natural * 1.3)
        #expect(abs(result.rms(from: 20, to: 195) - Self.level / 2.0.squareRoot().asFloat) < 0.01)
        #expect(result.rms(from: 208, to: 230) == 0)
        #expect(result.silent.isSuperset(of: Set(210..<230)))
    }

    @Test("a clock that is up to 0.4 % off is followed by the ear's leave", arguments: [0.004, -0.004, 0.0003])
    func drift(drift: Double) throws {
        let result = try play(
            packets(500), blocks: 900, wanted: { Double(Self.first) + Double($0) * 480 * (1 + drift) },
            arrival: { $0 * 2 - 60 })
        #expect(result.report.jumps == 0 && result.report.concealed == 0)
        #expect(result.largestStep(from: 0, to: 890) < Self.natural * 1.3)
        #expect(result.rms(from: 20, to: 890) > 0.2)
    }

    @Test(
        "a clock that goes eight percent faster or slower for a while is followed without a step",
        arguments: [0.08, -0.08])
    func pace(rate: Double) throws {
        // From the second second on for two seconds.
        func wanted(_ index: Int) -> Double {
            Double(Self.first) + Double(index) * 480 + Double(min(max(index - 100, 0), 200)) * 480 * rate
        }
        let result = try play(packets(450), blocks: 700, wanted: wanted, arrival: { $0 * 2 - 60 })
        #expect(result.report.jumps == 0 && result.report.concealed == 0 && result.report.silent < 8)
        print(
            "\(rate): \(result.report.splices) splices, a step of \(result.largestStep(from: 0, to: 690) / Self.natural)"
        )
        // Eight percent of two seconds are 160 ms, in pieces of 5 to 15.
        #expect((8...32).contains(result.report.splices))
        #expect(result.largestStep(from: 0, to: 690) < Self.natural * 1.3)
        #expect(result.silent.isEmpty)
    }

    @Test("a jump of the clock is faded over", arguments: [3000.0, -3000, 900, -900])
    func jump(by: Double) throws {
        let result = try play(
            packets(200), blocks: 300, wanted: { Double(Self.first) + Double($0) * 480 + ($0 >= 150 ? by : 0) },
            arrival: { $0 * 2 - 30 })
        #expect(result.report.jumps == 1)
        #expect(result.largestStep(from: 0, to: 300) < Self.natural * 2)
        #expect(result.rms(from: 155, to: 300) > 0.2)
    }

    @Test("lost packets are made up without a step", arguments: [1, 2, 5])
    func loss(run: Int) throws {
        let packets = try packets(200).enumerated().filter { $0.offset % 40 < 40 - run }.map(\.element)
        let result = try play(packets, blocks: 380, arrival: { $0 * 2 - 30 })
        // No more than 60 ms of a gap are made up.
        #expect(result.report.concealed + result.report.recovered > 960 * min(run, 3) * 3)
        #expect(result.largestStep(from: 0, to: 380) < Self.natural * 2.5)
        if run <= 2 { #expect(result.rms(from: 20, to: 380) > 0.18) }
    }

    @Test("an outage dies away within 60 ms, is silent, and what comes after it starts without a step")
    func outage() throws {
        let packets = try packets(200).enumerated().filter { !(60..<120).contains($0.offset) }.map(\.element)
        let result = try play(packets, blocks: 380, arrival: { $0 < 60 ? $0 * 2 - 3 : ($0 + 60) * 2 - 3 })
        #expect(result.largestStep(from: 0, to: 380) < Self.natural * 2.5)
        #expect(result.rms(from: 130, to: 235) == 0)
        #expect(result.rms(from: 245, to: 380) > 0.2)
    }

    @Test("packets that come late, twice or in another order do no harm")
    func disorder() throws {
        var random = SeededRandom(11)
        let all = try packets(300)
        let delays = (0..<300).map { _ in Int.random(in: 0...14, using: &random) }
        let result = try play(all + all.prefix(50), blocks: 590, arrival: { $0 < 300 ? $0 * 2 - 10 + delays[$0] : 300 })
        #expect(result.report.late > 0 && result.report.lateBySamples > 0)
        #expect(result.largestStep(from: 0, to: 590) < Self.natural * 3)
        #expect(result.rms(from: 20, to: 590) > 0.1)
    }

    @Test("bytes that are no Opus, and stamps from anywhere, are taken without a trap")
    func hostile() throws {
        var random = SeededRandom(5), player = try SoundPlayer(), block = [Float](repeating: 0, count: 960)
        let real = try packets(40)
        for index in 0..<3000 {
            let near = Bool.random(using: &random)
            let start =
                near
                ? Int64.random(in: 0...200_000, using: &random)
                : Int64.random(in: -(1 << 50)...(1 << 50), using: &random)
            let payload =
                Bool.random(using: &random)
                ? real[index % 40].payload : ByteBlock(random.bytes(Int.random(in: 0...60, using: &random)))
            player.insert(SoundPacket(start: start, payload: payload))
            let wanted = Double(Int64.random(in: 0...200_000, using: &random))
            _ = block.withUnsafeMutableBufferPointer {
                player.read(at: index % 50 == 0 ? Double(start) : wanted, into: $0)
            }
            #expect(!block.contains { !$0.isFinite })
        }
    }
}

extension Double {
    fileprivate var asFloat: Float { Float(self) }
}
