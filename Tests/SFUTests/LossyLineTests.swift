// Which lines are told to lose too much: those that do by themselves, and neither thin ones nor those that repeats mend.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Lines that lose too much")
struct LossyLineTests {
    @Test(
        "a line that loses far more than repeats mend is told of within ten seconds, and again after half a minute",
        arguments: [40.0, 50, 60], [1_000_000, 5_000_000])
    func aLineThatLosesMuchIsToldOf(percent: Double, bitrate: Int) throws {
        for seed in UInt64(1)...5 {
            let link = LinkModel(bitrate: bitrate, loss: .none, seed: seed)
            var line = try LineSimulation(.init(link: link, seed: seed))
            line.run(to: 10_000)
            #expect(line.toldLossyAt.isEmpty)
            line.link = LinkModel(bitrate: bitrate, loss: .each(percent: percent), seed: seed)
            line.run(to: 20_000)
            #expect(line.toldLossyAt.count == 1, "seed \(seed)")
            line.run(to: 60_000)
            let told = line.toldLossyAt
            #expect(told.count == 2, "seed \(seed): \(told)")
            #expect(zip(told, told.dropFirst()).allSatisfy { $1 - $0 >= 30_000 })
        }
    }

    @Test(
        "no line of the table of lines is told of, be it thin, far, or one that loses a fifth",
        arguments: AdaptationTests.cases)
    func aLineThatRepeatsMendIsNot(_ item: AdaptationTests.Case) throws {
        for seed in UInt64(1)...5 {
            var line = try LineSimulation(.init(link: item.link(seed), seed: seed))
            line.run(to: 60_000)
            #expect(line.toldLossyAt.isEmpty, "seed \(seed): \(line.toldLossyAt)")
        }
    }

    @Test(
        "what is lost in front of a line that has become far too thin is its queue's",
        arguments: [60_000, 100_000, 200_000, 400_000])
    func aLineThatIsTooThinIsNot(bitrate: Int) throws {
        for seed in UInt64(1)...5 {
            var line = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: seed), seed: seed))
            line.run(to: 10_000)
            line.link = LinkModel(bitrate: bitrate, seed: seed)
            line.run(to: 50_000)
            #expect(line.link.dropped > 0, "nothing was lost")
            #expect(line.toldLossyAt.isEmpty, "seed \(seed): \(line.toldLossyAt)")
        }
    }

    @Test func aShortSpellOfLossesIsNotTold() {
        var line = LossyLine()
        func at(_ ms: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + ms) }
        for ms in stride(from: Int64(0), to: 10_000, by: 100) {
            // Lost for 900 ms of each second.
            let loss = ms % 1000 < 900 ? 0.5 : 0.1
            let isTold = line.note(loss: loss, inherent: 0.5, waitingMs: 0, now: at(ms))
            #expect(!isTold)
        }
        // What is the path's own is not known yet; is lost no more; is lost beside a queue.
        for (loss, inherent, waitingMs) in [(0.5, 0.1, 0.0), (0.1, 0.5, 0), (0.5, 0.5, 200)] {
            for ms in stride(from: Int64(10_000), to: 20_000, by: 100) {
                let isTold = line.note(loss: loss, inherent: inherent, waitingMs: waitingMs, now: at(ms))
                #expect(!isTold)
            }
        }
        let began = line.note(loss: 0.5, inherent: 0.5, waitingMs: 0, now: at(20_000))
        let isTold = line.note(loss: 0.5, inherent: 0.5, waitingMs: 0, now: at(21_000))
        #expect(!began && isTold)
    }
}
