// Opus there and back, and what it makes of rubbish.

import Foundation
import Media
import Testing

@Suite("Opus")
struct OpusTests {
    private func tone(_ block: Int, _ length: Int = 960) -> [Float] {
        (0..<length).flatMap { i -> [Float] in
            let s = Float(0.5 * sin(2 * Double.pi * 440 * Double(block * length + i) / 48_000))
            return [s, s * 0.5]
        }
    }

    private func rms(_ samples: [Float], channel: Int) -> Float {
        let own = stride(from: channel, to: samples.count, by: 2).map { samples[$0] * samples[$0] }
        return (own.reduce(0, +) / Float(max(1, own.count))).squareRoot()
    }

    @Test("a tone keeps its level in both channels")
    func roundTrip() throws {
        var encoder = try OpusEncoder(bitrate: 96_000)
        var decoder = try OpusDecoder()
        var last: [Float] = []
        for block in 0..<25 {
            let packet = try tone(block).withUnsafeBufferPointer { try encoder.encode($0) }
            #expect(packet.pts == Int64(block) * 960 && packet.timescale == 48_000)
            let bytes = packet.payload.array
            #expect(bytes.withUnsafeBytes { OpusDecoder.sampleCount($0) } == 960)
            last = try bytes.withUnsafeBytes { try decoder.decode($0) { Array($0) } }
            #expect(last.count == 1920)
        }
        #expect(abs(rms(last, channel: 0) - 0.3535) < 0.02)
        #expect(abs(rms(last, channel: 1) - 0.1768) < 0.02)
    }

    @Test("a lost packet is made up for at about its level, with and without the next one")
    func loss() throws {
        for hasNext in [false, true] {
            var encoder = try OpusEncoder(bitrate: 48_000)
            var decoder = try OpusDecoder()
            let packets = try (0..<30).map { block in
                try tone(block).withUnsafeBufferPointer { try encoder.encode($0) }.payload.array
            }
            for packet in packets[..<20] { try packet.withUnsafeBytes { try decoder.decode($0) { _ in } } }
            let made = try packets[21].withUnsafeBytes {
                try decoder.conceal(samples: 960, next: hasNext ? $0 : nil) { Array($0) }
            }
            #expect(made.count == 1920)
            #expect(rms(made, channel: 0) > 0.15)
        }
    }

    @Test("what is not Opus is refused, and decoding goes on")
    func hostile() throws {
        var encoder = try OpusEncoder()
        var decoder = try OpusDecoder()
        let good = try tone(0).withUnsafeBufferPointer { try encoder.encode($0) }.payload.array
        let rubbish = [UInt8](repeating: 0xff, count: 2), short = [Float](repeating: 0, count: 100)
        #expect(throws: OpusError.self) { try rubbish.withUnsafeBytes { try decoder.decode($0) { _ in } } }
        #expect(throws: OpusError.wrongLength) { try decoder.conceal(samples: 961, next: nil) { _ in } }
        #expect(throws: OpusError.wrongLength) { try short.withUnsafeBufferPointer { try encoder.encode($0) } }
        var state: UInt64 = 9
        for _ in 0..<500 {
            var bytes = good
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 25)
            _ = try? bytes.withUnsafeBytes { try decoder.decode($0) { $0.count } }
        }
        #expect(try good.withUnsafeBytes { try decoder.decode($0) { $0.count } } == 1920)
    }
}
