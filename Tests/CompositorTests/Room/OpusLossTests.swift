// Opus on a bad way: redundancy, pauses, and by how much its sound lags behind its stamps.

import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Opus: redundancy, pauses, look-ahead")
struct OpusLossTests {
    /// A voice-like signal: a buzz of 130 Hz and its harmonics whose strength goes up and down.
    private func voice(_ at: Int) -> Float {
        let time = Double(at) / 48_000
        let strength = 0.5 + 0.5 * sin(2 * Double.pi * 3.3 * time)
        let buzz = (1...12).reduce(0.0) { $0 + sin(2 * Double.pi * 130 * Double($1) * time) / Double($1) }
        return Float(0.15 * strength * buzz)
    }

    private func packets(_ encoder: inout OpusEncoder, _ count: Int, _ value: (Int) -> Float) throws -> [SoundPacket] {
        try (0..<count).map { index in
            let samples = (0..<960).flatMap { at -> [Float] in
                let sample = value(index * 960 + at)
                return [sample, sample]
            }
            let frame = try samples.withUnsafeBufferPointer { try encoder.encode($0) }
            return SoundPacket(start: Int64(index) * 960, payload: frame.payload)
        }
    }

    private func play(_ packets: [SoundPacket], blocks: Int) throws -> (samples: [Float], report: SoundReport) {
        var player = try SoundPlayer(), block = [Float](repeating: 0, count: 960), all: [Float] = []
        var waiting = packets[...]
        for index in 0..<blocks {
            while let next = waiting.first, next.start < Int64(index + 6) * 480 {
                player.insert(waiting.removeFirst()); _ = next
            }
            let isHeard = block.withUnsafeMutableBufferPointer { player.read(at: Double(index) * 480, into: $0) }
            all += (0..<480).map { isHeard ? block[2 * $0] : 0 }
        }
        return (all, player.takeReport())
    }

    @Test("what is decoded lags 312 samples behind the stamps, at every rate and setting", arguments: [false, true])
    func lookahead(isVoice: Bool) throws {
        for bitrate in [24_000, 64_000, 128_000] {
            var encoder = try OpusEncoder(bitrate: bitrate, isVoice: isVoice), random = SeededRandom(5)
            var low: Float = 0
            let source = (0..<96_000).map { _ -> Float in
                low += (Float.random(in: -1...1, using: &random) - low) * 0.1
                return low
            }
            let packets = try packets(&encoder, 100) { source[$0] }
            let heard = try play(packets, blocks: 180).samples
            func match(_ lag: Int) -> Float {
                (20_000..<36_000).reduce(Float(0)) { $0 + source[$1] * heard[$1 + lag] }
            }
            let best = (250..<380).max { match($0) < match($1) } ?? 0
            #expect(abs(best - OpusDecoder.lookahead) <= 2, "\(best) at \(bitrate)")
        }
    }

    @Test(
        "a packet that is lost alone is taken from the redundancy in the next one, nearer to what was said than concealment"
    )
    func redundancy() throws {
        var encoder = try OpusEncoder(bitrate: 32_000, complexity: 9, isVoice: true)
        let all = try packets(&encoder, 200, voice)
        let whole = try play(all, blocks: 380)
        #expect(whole.report.recovered == 0 && whole.report.concealed <= 2880)
        let lost = Array(stride(from: 5, to: 195, by: 10))
        let told = lost.filter { all[$0 + 1].payload.withBytes { OpusDecoder.hasRedundancy($0) } }
        #expect(told.count >= 10, "\(told.count) of \(lost.count)")
        let recovered = try play(all.enumerated().filter { $0.offset % 10 != 5 }.map(\.element), blocks: 380)
        #expect(recovered.report.recovered == told.count * 960, "\(recovered.report)")
        var error = 0.0, power = 0.0
        for packet in told {
            for at in (packet * 960)..<(packet * 960 + 960) {
                let difference = Double(whole.samples[at] - recovered.samples[at])
                error += difference * difference
                power += Double(whole.samples[at]) * Double(whole.samples[at])
            }
        }
        let ratio = 10 * log10(power / error)
        print("recovered packets are \(ratio) dB nearer to what was sent than silence")
        #expect(ratio > 2)
    }

    @Test("without redundancy, losses are concealed")
    func noRedundancy() throws {
        var encoder = try OpusEncoder(bitrate: 128_000, hasRedundancy: false)
        let all = try packets(&encoder, 100) { 0.3 * Float(sin(2 * Double.pi * 440 * Double($0) / 48_000)) }
        let result = try play(all.enumerated().filter { $0.offset % 20 != 10 }.map(\.element), blocks: 190)
        #expect(result.report.recovered == 0 && result.report.concealed >= 4 * 960)
    }

    @Test("a sender that pauses has lost nothing: comfort noise, no concealment, and no step")
    func pauses() throws {
        var encoder = try OpusEncoder(bitrate: 24_000, isVoice: true, pauses: true)
        let all = try packets(&encoder, 400) { $0 / 48_000 % 4 < 2 ? voice($0) : 0 }
        // What a sender keeps back that has nothing to say.
        var sent: [SoundPacket] = [], quiet = 0
        for packet in all {
            quiet = packet.payload.count <= OpusDecoder.pauseBytes ? quiet + 1 : 0
            if quiet <= 1 || quiet % 20 == 0 { sent.append(packet) }
        }
        #expect(sent.count < 340, "\(sent.count) of 400 were sent")
        let result = try play(sent, blocks: 700)
        #expect(result.report.comfort > 48_000, "\(result.report)")
        #expect(result.report.concealed == 0 && result.report.jumps == 0, "\(result.report)")
    }

    @Test("bytes that are no Opus have no redundancy")
    func hostile() {
        var random = SeededRandom(8)
        for _ in 0..<20_000 {
            let bytes = random.bytes(Int.random(in: 0...40, using: &random))
            bytes.withUnsafeBytes { _ = OpusDecoder.hasRedundancy($0) }
        }
    }
}
