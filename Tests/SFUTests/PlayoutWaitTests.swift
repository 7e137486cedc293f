// How long pictures are to wait for what their line loses: as long as it takes to come again, and not where nothing is lost.

import Media
import Testing

@testable import SFU

@Suite("Waiting for repeats")
struct PlayoutWaitTests {
    /// Follows a line for some seconds, ten times a second; returns the waits that were told.
    private func follow(
        _ wait: inout PlayoutWait, from start: Int64, seconds: Int64, roundTripMs: Double = 100, loss: (Int64) -> Double
    ) -> [Int?] {
        stride(from: start, to: start + seconds * 1000, by: 100).map { time in
            wait.follow(loss: loss(time), roundTripMs: roundTripMs, now: MonotonicTime(milliseconds: time))
            return wait.told
        }
    }

    @Test("who loses little waits for nothing, and hears nothing of it")
    func clean() {
        var wait = PlayoutWait()
        #expect(follow(&wait, from: 0, seconds: 60) { _ in 0.01 }.allSatisfy { $0 == nil })
        // What is lost in a moment is over when it has passed.
        _ = follow(&wait, from: 60_000, seconds: 20) { _ in 0 }
        #expect(follow(&wait, from: 80_000, seconds: 20) { $0 < 80_500 ? 0.1 : 0 }.allSatisfy { $0 == nil })
    }

    @Test(
        "the wait is for one repeat, for two where one in twenty is lost, and for three where one in six",
        arguments: [
            (0.03, 100.0, 160), (0.1, 100, 280), (0.2, 100, 400), (0.1, 20, 200), (0.03, 300, 360), (0.2, 300, 500),
        ])
    func lengths(loss: Double, roundTripMs: Double, expected: Int) {
        var wait = PlayoutWait()
        let told = follow(&wait, from: 0, seconds: 20, roundTripMs: roundTripMs) { _ in loss }
        #expect(told.last == expected)
        #expect(told[..<10].allSatisfy { $0 == nil })
        let ones = told.compactMap { $0 }
        #expect(zip(ones, ones.dropFirst()).allSatisfy { $0 <= $1 } && Set(ones).count <= 3, "\(ones)")
    }

    @Test("it becomes shorter after ten seconds of less, and is taken back")
    func ends() {
        var wait = PlayoutWait()
        _ = follow(&wait, from: 0, seconds: 20) { _ in 0.1 }
        let told = follow(&wait, from: 20_000, seconds: 40) { _ in 0 }
        #expect(told[..<100].allSatisfy { $0 == 280 })
        #expect(told.last == .some(nil) && !told.contains(0))
    }

    @Test("a receiver hears that a wait is over, however long after that its next packet is sent")
    func farewell() {
        var told = ToldWait()
        #expect((0..<50).allSatisfy { _ in told.next(nil) == nil })
        #expect((0..<50).allSatisfy { _ in told.next(280) == 280 })
        #expect((0..<ToldWait.farewells).allSatisfy { _ in told.next(nil) == 0 })
        #expect((0..<50).allSatisfy { _ in told.next(nil) == nil })
    }

    @Test("chance in what is lost in single windows does not make it come and go")
    func steady() {
        var wait = PlayoutWait(), random = LayerRandom(4)
        let told = follow(&wait, from: 0, seconds: 120) { _ in 0.1 + Double.random(in: -0.06...0.06, using: &random) }
        #expect(told.dropFirst(100).allSatisfy { $0 == 280 })
    }

    @Test("whoever watches waits for what is lost on the way up as well, for half a second at most")
    func waysUp() throws {
        var line = try LineSimulation(
            .init(link: LinkModel(bitrate: 5_000_000, seed: 1), asksLikeBrowsers: true, seed: 1))
        line.run(to: 5000)
        #expect(line.consumer.playoutMs == nil)
        let publisher = line.publisher
        /// Seconds in which so much of what was sent up was lost.
        func lose(_ fraction: UInt8, roundTripMs: Int64, from start: Int64, seconds: Int64) {
            publisher.roundTripMs = roundTripMs
            for second in 0..<seconds {
                let now = MonotonicTime(milliseconds: start + second * 1000)
                for layer in line.producer.layers {
                    layer.measured.bytes += 20_000
                    layer.measured.measure(now: now)
                    layer.measured.fractionLost = fraction
                }
                publisher.followLateness(now: now)
            }
        }
        publisher.producers = [line.producer]
        lose(8, roundTripMs: 40, from: 10_000, seconds: 10)
        #expect(line.consumer.playoutMs == 100)
        lose(26, roundTripMs: 300, from: 20_000, seconds: 20)
        #expect(line.consumer.playoutMs == 500)
        lose(0, roundTripMs: 40, from: 40_000, seconds: 20)
        #expect(line.consumer.playoutMs == nil)
    }
}
