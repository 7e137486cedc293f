// A way that has become longer, and queues that look like one for a while.

import Media
import Testing

@testable import RTC

@Suite("Longer ways")
struct LongerWayTests {
    /// Sends ten packets each 100 ms, and says after how many milliseconds the way is known to be another one.
    ///
    /// - Parameters:
    ///   - size: the bytes of a packet sent at a time in milliseconds.
    ///   - waitingMs: for how long it waits.
    private func told(_ size: (Int64) -> Int, _ waitingMs: (Int64) -> Int64) -> (at: Int64, delay: Int64)? {
        var way = LongerWay()
        for time in stride(from: Int64(0), to: 20_000, by: 10) {
            let delay = (25 + waitingMs(time)) * 1_000_000
            if let found = way.note(delay: delay, size: size(time), at: time * 1_000_000, path: 25_000_000) {
                return (time, found / 1_000_000)
            }
        }
        return nil
    }

    @Test("packets that are late by the same for two seconds, though less is sent, have a longer way")
    func longer() throws {
        let told = try #require(told({ $0 < 6000 ? 1200 : 300 }) { $0 < 5000 ? 0 : 50 + $0 / 10 % 8 })
        #expect((8000...9000).contains(told.at) && (75...76).contains(told.delay))
    }

    @Test("a queue that empties is none, nor one where no less is sent, nor one that others fill and let empty")
    func queues() {
        #expect(told({ $0 < 6000 ? 1200 : 300 }) { $0 < 5000 ? 0 : max(0, 300 - ($0 - 6000) / 20) } == nil)
        #expect(told({ _ in 1200 }) { $0 < 5000 ? 0 : 300 } == nil)
        #expect(told({ $0 < 6000 ? 1200 : 300 }) { $0 < 5000 ? 0 : 60 + abs($0 % 1600 - 800) / 20 } == nil)
        #expect(told({ $0 < 6000 ? 1200 : 300 }) { _ in 14 } == nil)
    }

    @Test("a full queue of which less and less comes through is none, for as much is sent")
    func overload() {
        /// Says how often what seemed to wait was a longer way, where from 6 s on every other packet is not sent, or lost.
        func longerWays(isSent: Bool) -> Int {
            var estimator = BandwidthEstimator()
            for time in stride(from: Int64(0), to: 20_000, by: 10) {
                let arrives = time < 6000 || time / 10 % 2 == 0, sentAt = time * 1_000_000
                if arrives || isSent {
                    let arrivedAt = sentAt + (time < 5000 ? 25 : 325) * 1_000_000
                    estimator.note(PacketOutcome(sentAt: sentAt, arrivedAt: arrives ? arrivedAt : nil, size: 1200))
                }
                if time % 100 == 0 {
                    estimator.finish(sent: 960_000, now: MonotonicTime(nanoseconds: sentAt + 400_000_000))
                }
            }
            return estimator.acquittals
        }
        #expect(longerWays(isSent: false) == 1)
        #expect(longerWays(isSent: true) == 0)
    }

    @Test("clocks of strangers break nothing")
    func strangers() {
        var way = LongerWay()
        for (index, delay) in [Int64.min, .max, 0, -1, .max, .min].enumerated() {
            for path in [Int64.min, .max, 0] {
                _ = way.note(delay: delay, size: .max / 2, at: Int64(index) * 700_000_000, path: path)
                _ = way.note(delay: delay, size: .max / 2, at: .max - Int64(index), path: path)
            }
        }
    }
}
