// A line that is another one for a while, and what its subscriber gets meanwhile and behind it.

import Control
import Testing

@testable import SFU

extension LineSimulation {
    /// What is seen of a line that is another one for thirty seconds.
    struct Spell {
        /// After how many milliseconds the right layer came, and the largest one when the line was as before; nil when it did not.
        var there: Int?, back: Int?
        /// What keeps the subscriber from all that it asks for, at the end of the spell.
        var limit: LineLimit?
    }

    /// Runs a line for 80 s that is another one from the twentieth second to the fiftieth.
    ///
    /// - Parameters:
    ///   - right: the layers that should come then.
    ///   - change: what becomes of the line: its rate, its length, its jitter and its losses.
    mutating func spell(right: Set<Int>, _ change: (inout LinkModel) -> Void) -> Spell {
        run(to: 20_000)
        #expect(consumer.shownLayer == 2)
        let before = link
        change(&link)
        run(to: 50_000)
        var spell = Spell(
            there: settled(on: right, from: 20_000, to: 50_000), limit: consumer.grant.limit)
        // What is under way on it stays so.
        (link.bitrate, link.delayMs, link.jitterMs, link.loss) = (
            before.bitrate, before.delayMs, before.jitterMs, before.loss
        )
        run(to: 80_000)
        spell.back = settled(on: [2], from: 50_000, to: 80_000)
        return spell
    }

    /// Checks that a line which was thin for a spell was followed down at once, and up again within ten seconds.
    func expectRecovery(
        _ spell: Spell, bitrate: Int, overuse most: Double, _ seed: UInt64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let there = spell.there ?? .max, back = spell.back ?? .max, frozen = frozenMs(from: 20_000, to: 80_000)
        let over = overuse(from: 20_000, to: 50_000, bitrate: bitrate)
        print("| 5 → \(bitrate / 1000) k → 5 | \(there) | \(back) | \(Int(over * 1000)) ‰ | \(frozen) |")
        #expect(there < 2000 && spell.limit == .smaller, "seed \(seed): \(layers)", sourceLocation: sourceLocation)
        #expect(back < 10_000, "seed \(seed): \(layers) \(estimates)", sourceLocation: sourceLocation)
        #expect(consumer.grant.limit == nil, "seed \(seed): \(layers)", sourceLocation: sourceLocation)
        #expect(over < most, "seed \(seed)", sourceLocation: sourceLocation)
        #expect(frozen < 1500, "seed \(seed): \(freezes)", sourceLocation: sourceLocation)
    }
}
