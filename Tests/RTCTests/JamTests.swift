// What packets that have waited say of a path: that it is jammed and what it carries, or that nothing is wrong with it.

import Testing

@testable import RTC

@Suite("Jams")
struct JamTests {
    /// A path with a queue in front of it; times are in milliseconds.
    private struct Path {
        var bitrate: Double, delay = 25.0
        var freeAt = 0.0
        var jam = Jam()
        var verdicts: [Double?] = []

        /// Sends packets, and tells of each as if nothing had been sent since.
        mutating func send(_ packets: Int, of bytes: Int = 1100, at now: Double, rate: Int) {
            for _ in 0..<packets {
                let sentAt = Int64(now * 1e6), service = Double(bytes) * 8000 / bitrate
                guard max(0, freeAt - now) + service <= 300 else {
                    jam.note(PacketOutcome(sentAt: sentAt, arrivedAt: nil, size: bytes), waitedNs: nil)
                    continue
                }
                freeAt = max(now, freeAt) + service
                let arrivedAt = Int64((freeAt + delay) * 1e6)
                jam.note(
                    PacketOutcome(sentAt: sentAt, arrivedAt: arrivedAt, size: bytes),
                    waitedNs: arrivedAt - sentAt - 25_000_000)
                verdicts.append(jam.carried(sent: rate))
            }
        }
    }

    @Test(
        "where much more is sent than a path carries, what waits says so at once, and how much that is",
        arguments: [300_000.0, 700_000])
    func jammed(bitrate: Double) throws {
        var path = Path(bitrate: bitrate)
        for picture in 0..<60 {
            path.send(5, at: Double(picture) * 33, rate: 1_333_000)
            // What had come within 400 ms is enough.
            if picture == 3 { #expect(path.verdicts.contains { $0 != nil }) }
        }
        let told = path.verdicts.compactMap(\.self)
        #expect(told.count > 20)
        for rate in told { #expect(abs(rate - bitrate) < 0.2 * bitrate, "\(rate)") }
    }

    @Test("a key frame that waits behind itself is no jam, nor is a line that is a little too thin, nor a longer way")
    func others() {
        var wide = Path(bitrate: 2_500_000)
        for picture in 0..<90 { wide.send(picture % 30 == 3 ? 30 : 5, at: Double(picture) * 33, rate: 1_600_000) }
        #expect(wide.verdicts.allSatisfy { $0 == nil })
        var thin = Path(bitrate: 1_150_000)
        for picture in 0..<90 { thin.send(5, at: Double(picture) * 33, rate: 1_333_000) }
        #expect(thin.verdicts.allSatisfy { $0 == nil })
        var longer = Path(bitrate: 5_000_000)
        for picture in 0..<90 {
            if picture == 30 { longer.delay = 125 }
            // Less is sent all at once, and what was sent lately was more.
            longer.send(picture < 40 ? 5 : 1, at: Double(picture) * 33, rate: 1_333_000)
        }
        #expect(longer.verdicts.allSatisfy { $0 == nil })
    }

    @Test("packets that a receiver has held up now and then are no jam, where nothing waited between")
    func heldUp() {
        var jam = Jam()
        // A voice: it comes in lots, and each lot is there before the next one is sent.
        for lot in 0..<20 {
            for index in 0..<3 {
                let sentAt = Int64(lot) * 200_000_000 + Int64(index) * 500_000, arrivedAt = sentAt + 110_000_000
                jam.note(PacketOutcome(sentAt: sentAt, arrivedAt: arrivedAt, size: 107), waitedNs: 110_000_000)
                #expect(jam.carried(sent: 130_000) == nil)
            }
        }
    }

    @Test("a longer way that loses a fifth delays all by the same, and is no jam")
    func longerAndLossy() {
        var random = SeededGenerator(3), told = 0
        for _ in 0..<20 {
            var jam = Jam()
            for picture in 0..<60 {
                for index in 0..<3 {
                    let sentAt = Int64(picture) * 33_000_000 + Int64(index) * 500_000
                    let isLost = Int.random(in: 0..<5, using: &random) == 0
                    jam.note(
                        PacketOutcome(sentAt: sentAt, arrivedAt: isLost ? nil : sentAt + 75_000_000, size: 1100),
                        waitedNs: isLost ? nil : 50_000_000)
                    if jam.carried(sent: 800_000) != nil { told += 1 }
                }
            }
        }
        #expect(told == 0)
    }

    @Test("one packet that has not waited ends it, and clocks of strangers break nothing")
    func ends() {
        var path = Path(bitrate: 300_000)
        for picture in 0..<10 where path.jam.carried(sent: 1_333_000) == nil {
            path.send(5, at: Double(picture) * 33, rate: 1_333_000)
        }
        #expect(path.jam.carried(sent: 1_333_000) != nil)
        #expect(path.jam.carried(sent: nil) == nil)
        path.jam.note(PacketOutcome(sentAt: 2_000_000_000, arrivedAt: 2_025_000_000, size: 1100), waitedNs: 0)
        #expect(path.jam.carried(sent: 1_333_000) == nil)
        for arrivedAt in [Int64.min, .max, 0, .min, .max] {
            path.jam.note(PacketOutcome(sentAt: .max, arrivedAt: arrivedAt, size: .max / 64), waitedNs: .max)
        }
        _ = path.jam.carried(sent: .max)
    }
}
