// The seeds of every fuzz target, what fuzzing has kept, and random changes of both, as ordinary tests.

import Foundation
import FuzzTargets
import Testing

@Suite("Fuzzing")
struct CorpusTests {
    static func kept(_ name: String) throws -> [[UInt8]] {
        let folder = try #require(Bundle.module.url(forResource: "Corpus", withExtension: nil))
        let file = folder.appendingPathComponent("\(name).hex")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
            line in
            let digits = Array(line.utf8)
            return try stride(from: 0, to: digits.count - 1, by: 2).map { index in
                try #require(UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16))
            }
        }
    }

    @Test("nothing that fuzzing has kept is harmful", arguments: FuzzTarget.all.map(\.name))
    func corpus(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let inputs = try Self.kept(name)
        #expect(!inputs.isEmpty)
        for input in target.seeds() + inputs { target.feed(input) }
        target.feed([])
    }

    @Test("changed seeds are survived", arguments: FuzzTarget.all.map(\.name))
    func changes(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let seeds = target.seeds() + (try Self.kept(name))
        var random = Dice(state: 11)
        for round in 0..<(name == "peer" ? 100 : 2000) {
            var bytes = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if round & 3 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))) }
            target.feed(bytes)
        }
    }

    /// SplitMix64: the same numbers on every run.
    struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
            return value ^ value >> 31
        }
    }
}
