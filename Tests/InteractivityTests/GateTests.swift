import Media
import Testing

@testable import Interactivity

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

@Suite("The gate")
struct GateTests {
    func program(_ milliseconds: Int64) -> ProgramTime { ProgramTime(milliseconds: 1_000_000 + milliseconds) }
    func now(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

    @Test("is open while no program is live")
    func open() {
        var gate = Gate()
        gate.append(offset: 1, programTime: program(0))
        #expect(gate.release(now: now(0), programNow: program(0)) == 1)
        #expect(gate.playheads(programNow: program(0)).isImmediate)
    }

    @Test("holds an entry until media beyond it is published")
    func holds() {
        var gate = Gate()
        gate.programStarted(now: now(0), programNow: program(0))
        gate.append(offset: 1, programTime: program(5999))
        gate.append(offset: 2, programTime: program(6000))
        gate.mediaPublished(from: program(0), to: program(5999), now: now(6500), programNow: program(6500))
        #expect(gate.release(now: now(6500), programNow: program(6500)) == 0)
        gate.mediaPublished(from: program(0), to: program(6000), now: now(7000), programNow: program(7000))
        #expect(gate.release(now: now(7000), programNow: program(7000)) == 1)
        gate.mediaPublished(from: program(6000), to: program(12000), now: now(13000), programNow: program(13000))
        #expect(gate.release(now: now(13000), programNow: program(13000)) == 2)
    }

    @Test("goes on with the clock minus the last lag after 10 s without a segment")
    func silence() {
        var gate = Gate()
        gate.programStarted(now: now(0), programNow: program(0))
        gate.mediaPublished(from: program(0), to: program(6000), now: now(7500), programNow: program(7500))
        gate.append(offset: 1, programTime: program(15_000))
        #expect(gate.release(now: now(17_400), programNow: program(17_400)) == 0)
        #expect(gate.release(now: now(17_500), programNow: program(17_500)) == 1)
        #expect(gate.head == program(16_000))
        gate.append(offset: 2, programTime: program(17_000))
        #expect(gate.release(now: now(18_500), programNow: program(18_500)) == 1)
        #expect(gate.release(now: now(18_600), programNow: program(18_600)) == 2)
    }

    @Test("waits for late segments while Output reports, at most as long as players have something to show")
    func late() {
        var gate = Gate()
        gate.programStarted(now: now(0), programNow: program(0))
        gate.mediaPublished(from: program(0), to: program(6000), now: now(7500), programNow: program(7500))
        gate.append(offset: 1, programTime: program(8000))
        for second in stride(from: Int64(8000), to: 37_500, by: 1000) {
            gate.clockReported(now: now(second))
            #expect(gate.release(now: now(second), programNow: program(second)) == 0)
        }
        #expect(gate.release(now: now(37_500), programNow: program(37_500)) == 1)
        gate.mediaPublished(from: program(6000), to: program(42_000), now: now(40_000), programNow: program(40_000))
        gate.append(offset: 2, programTime: program(43_000))
        // Output's last report is older than 5 s: it is gone, and 10 s of silence count again.
        #expect(gate.release(now: now(49_900), programNow: program(49_900)) == 1)
        #expect(gate.release(now: now(50_000), programNow: program(50_000)) == 2)
    }

    @Test("lets out the rest in time when the program ends, and is open then")
    func draining() {
        var gate = Gate()
        gate.programStarted(now: now(0), programNow: program(0))
        gate.mediaPublished(from: program(0), to: program(6000), now: now(8000), programNow: program(8000))
        gate.append(offset: 1, programTime: program(9000))
        gate.programStopped()
        #expect(gate.release(now: now(9500), programNow: program(9500)) == 0)
        #expect(gate.release(now: now(11_100), programNow: program(11_100)) == 1)
        gate.append(offset: 2, programTime: program(99_000))
        #expect(gate.release(now: now(11_200), programNow: program(11_200)) == 2)
    }

    @Test("knows where viewers can be")
    func playheads() {
        var gate = Gate()
        gate.programStarted(now: now(0), programNow: program(0))
        gate.mediaPublished(from: program(0), to: program(60_000), now: now(61_000), programNow: program(61_000))
        let window = gate.playheads(programNow: program(61_000))
        #expect(window.clamp(program(0)) == program(30_000))
        #expect(window.clamp(program(99_000)) == program(60_000))
        #expect(window.clamp(program(45_000)) == program(45_000))
        #expect(window.clamp(nil) == program(60_000))
    }

    @Test(
        "lets nothing out before its media while segments come, keeps the order, and loses nothing", arguments: 0..<60)
    func property(_ seed: UInt64) {
        var random = SplitMix(state: seed), gate = Gate()
        var clock: Int64 = 0, published: Int64 = 0, stamp: Int64 = 0, offset: Int64 = 0, released: Int64 = 0
        var times: [Int64] = []
        gate.programStarted(now: now(0), programNow: program(0))
        for _ in 0..<600 {
            clock += Int64.random(in: 1...900, using: &random)
            if clock - published > 6000 + Int64.random(in: 300...2500, using: &random) {
                gate.mediaPublished(
                    from: program(published), to: program(published + 6000), now: now(clock), programNow: program(clock)
                )
                published += 6000
            }
            if Bool.random(using: &random) {
                stamp = max(stamp, clock - Int64.random(in: 0...500, using: &random))
                offset += 1
                times.append(stamp)
                gate.append(offset: offset, programTime: program(stamp))
            }
            let after = gate.release(now: now(clock), programNow: program(clock))
            #expect(after >= released)
            for index in released..<after { #expect(times[Int(index)] < published) }
            if after < offset { #expect(times[Int(after)] >= published) }
            released = after
        }
        #expect(gate.waitingCount == Int(offset - released))
        gate.mediaPublished(
            from: program(published), to: program(clock + 1), now: now(clock), programNow: program(clock))
        #expect(gate.release(now: now(clock), programNow: program(clock)) == offset)
    }
}
