// Sound of a stream that comes in: read where it is due, without clicks where it begins, ends or is moved.

import Foundation
import Testing

@testable import Compositor

@Suite("Sound that comes in as samples")
struct PCMPlayerTests {
    /// A tone of 500 Hz by the stream's own sample numbers.
    private static func tone(_ number: Double) -> Float { Float(0.5 * sin(2 * .pi * 500 * number / 48_000)) }

    private func insert(_ player: inout PCMPlayer, at start: Int64, count: Int = 1024) {
        let left = (0..<count).map { Self.tone(Double(start) + Double($0)) }
        let right = left.map { -$0 }
        left.withUnsafeBufferPointer { left in
            right.withUnsafeBufferPointer { player.insert(at: start, left: left, right: $0) }
        }
    }

    private func read(_ player: inout PCMPlayer, at wanted: Double) -> [Float]? {
        var block = [Float](repeating: 9, count: 960)
        return block.withUnsafeMutableBufferPointer { player.read(at: wanted, into: $0) } ? block : nil
    }

    private func steepest(_ samples: [Float]) -> Float {
        zip(samples, samples.dropFirst()).map { abs($0 - $1) }.max() ?? 0
    }

    @Test("comes out at the sample that is due, both channels, and is silent before and after")
    func due() throws {
        var player = PCMPlayer()
        for index in Int64(0)..<20 { insert(&player, at: 48_000 + index * 1024) }
        #expect(read(&player, at: 40_000) == nil)
        #expect(read(&player, at: 48_500) != nil)
        let block = try #require(read(&player, at: 48_980))
        for index in 0..<480 {
            #expect(abs(block[2 * index] - Self.tone(48_980 + Double(index))) < 1e-4)
            #expect(block[2 * index + 1] == -block[2 * index])
        }
        var wanted = 48_980.0, heard = 0
        while wanted < 48_000 + 25 * 1024 {
            wanted += 480
            if read(&player, at: wanted) != nil { heard += 1 }
        }
        #expect(heard == 40)
        #expect(player.takeReport().underruns == 1)
    }

    @Test("begins, ends and goes on after a hole without a click")
    func edges() {
        var player = PCMPlayer()
        for index in Int64(0)..<10 { insert(&player, at: index * 1024) }
        // Half of what an encoder loses, then it goes on by its stamps.
        for index in Int64(12)..<30 { insert(&player, at: index * 1024) }
        var out: [Float] = []
        for block in 0..<80 { out += read(&player, at: Double(block) * 480 + 10) ?? [Float](repeating: 0, count: 960) }
        let left = stride(from: 0, to: out.count, by: 2).map { out[$0] }
        // The tone's own steepest step is 0.033.
        #expect(steepest(left) < 0.05)
        #expect(left.contains { abs($0) > 0.45 })
        let report = player.takeReport()
        #expect(report.holes == 1 && report.underruns == 1 && report.jumps == 0)
    }

    @Test("follows a clock that runs 200 ppm faster or slower without a jump", arguments: [1.0002, 0.9998])
    func drift(rate: Double) {
        var player = PCMPlayer()
        var next: Int64 = 0
        var out: [Float] = []
        for block in 0..<12_000 {
            let wanted = Double(block) * 480 * rate + 100
            while Double(next) < wanted + 9600 {
                insert(&player, at: next)
                next += 1024
            }
            out = read(&player, at: wanted) ?? []
            #expect(out.count == 960 && steepest(stride(from: 0, to: out.count, by: 2).map { out[$0] }) < 0.05)
        }
        #expect(player.takeReport() == PCMPlayer.Report())
    }

    @Test(
        "follows a clock that goes eight percent faster or slower for a while without a click",
        arguments: [0.08, -0.08])
    func pace(rate: Double) {
        var player = PCMPlayer()
        var next: Int64 = 0
        var out: [Float] = []
        for block in 0..<400 {
            let wanted = Double(block) * 480 + Double(min(max(block - 100, 0), 200)) * 480 * rate + 100
            while Double(next) < wanted + 9600 {
                insert(&player, at: next)
                next += 1024
            }
            out += read(&player, at: wanted) ?? []
        }
        #expect(out.count == 400 * 960)
        #expect(steepest(stride(from: 0, to: out.count, by: 2).map { out[$0] }) < 0.05)
        #expect(player.takeReport() == PCMPlayer.Report())
    }

    @Test("jumps to where it should be with a cross-fade, and begins anew with stamps that begin anew")
    func jump() throws {
        var player = PCMPlayer()
        for index in Int64(0)..<60 { insert(&player, at: index * 1024) }
        var out: [Float] = []
        for block in 0..<10 { out += try #require(read(&player, at: Double(block) * 480 + 10)) }
        for block in 20..<30 { out += try #require(read(&player, at: Double(block) * 480 + 10)) }
        #expect(steepest(stride(from: 0, to: out.count, by: 2).map { out[$0] }) < 0.08)
        #expect(player.takeReport().jumps == 1)
        insert(&player, at: 1_000_000)
        insert(&player, at: 1_001_024)
        #expect(read(&player, at: 14_410) == nil || read(&player, at: 14_890) == nil)
        #expect(read(&player, at: 1_000_010) != nil)
    }

    @Test("holds two seconds at most, whatever comes")
    func bounded() {
        var player = PCMPlayer()
        for index in Int64(0)..<400 { insert(&player, at: index * 1024) }
        #expect(player.takeReport().overflow == 400 * 1024 - PCMPlayer.maximumSamples)
        #expect(read(&player, at: 10_000) == nil)
    }
}
