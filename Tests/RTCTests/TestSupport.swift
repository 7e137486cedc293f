// Hex, seeded randomness and hostile inputs for the tests of the protocols.

import Testing

@testable import RTC

func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { $0.isHexDigit }.map { UInt8($0.hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// Feeds changed, cut, grown and random versions of the seeds to a parser, which may refuse them but not trap.
func attack(_ seeds: [[UInt8]], rounds: Int = 20_000, seed: UInt64 = 1, _ parse: ([UInt8]) -> Void) {
    var random = SeededGenerator(seed)
    for round in 0..<rounds {
        var bytes = seeds[round % seeds.count]
        switch random.next() % 5 {
        case 0: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
        case 1:
            bytes += (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 2:
            bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        default: break
        }
        for _ in 0..<Int.random(in: 0...6, using: &random) where !bytes.isEmpty {
            let value: UInt8 =
                [0, 1, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = value
        }
        parse(bytes)
    }
}
