// The playout clock in virtual time: two tracks, a network that misbehaves, and clocks that drift.

import Media
import Testing

@testable import Compositor

/// A participant whose camera and microphone go through a network to a playout clock.
struct VirtualSender {
    static let sound = 1, picture = 2
    var playout = Playout()
    var random = SeededRandom(7)
    /// Where the stamps of the tracks begin: they have nothing to do with each other.
    var soundStart: Int64 = 4_000_000_000_000, pictureStart: Int64 = 77_000_000_000
    let captureClock: Int64 = 1_700_000_000_000_000_000
    /// How much faster the sender's clocks run.
    var drift = 0.0
    /// What the ways take at least, in milliseconds, and what they take more at random.
    var soundWay = 20.0, pictureWay = 70.0, jitter = 10.0
    /// When the first reports are there, in seconds.
    var reportsFrom = 1.0
    /// When the newest frame was due, by what was known before it came; in seconds after its capture.
    private(set) var expected = Double.infinity

    static let origin: Int64 = 500_000_000_000

    func nanoseconds(_ seconds: Double) -> Int64 { Int64((seconds * 1e9).rounded()) }

    func stamp(_ id: Int, _ seconds: Double) -> Int64 {
        (id == Self.sound ? soundStart : pictureStart) &+ nanoseconds(seconds * (1 + drift))
    }

    /// The frames of a stretch of time; `extra` is what a frame takes more, in milliseconds.
    mutating func run(
        from: Double, to: Double, extra: (Int, Double) -> Double,
        each: (inout VirtualSender, Int, Double, Double) -> Void = { _, _, _, _ in }
    ) {
        var frames: [(arrival: Double, id: Int, captured: Double)] = []
        for (id, interval, way) in [(Self.sound, 0.02, soundWay), (Self.picture, 1.0 / 30, pictureWay)] {
            var index = (from / interval).rounded(.up)
            while index * interval < to {
                let captured = index * interval
                let more = jitter > 0 ? Double.random(in: 0...jitter, using: &random) : 0
                frames.append((captured + (way + more + extra(id, captured)) / 1000, id, captured))
                index += 1
            }
        }
        for frame in frames.sorted(by: { $0.arrival < $1.arrival }) {
            let report = frame.arrival >= reportsFrom
            expected = due(frame.id, frame.captured)
            playout.note(
                frame.id, stamp: stamp(frame.id, frame.captured),
                captured: report ? captureClock &+ nanoseconds(frame.captured * (1 + drift)) : nil,
                arrival: MonotonicTime(nanoseconds: Self.origin + nanoseconds(frame.arrival)),
                isPicture: frame.id == Self.picture)
            each(&self, frame.id, frame.captured, frame.arrival)
        }
    }

    mutating func run(
        from: Double, to: Double, each: (inout VirtualSender, Int, Double, Double) -> Void = { _, _, _, _ in }
    ) {
        run(from: from, to: to, extra: { _, _ in 0 }, each: each)
    }

    mutating func run(
        from: Double, to: Double, extra: (Double) -> Double,
        each: (inout VirtualSender, Int, Double, Double) -> Void = { _, _, _, _ in }
    ) {
        run(from: from, to: to, extra: { extra($1) }, each: each)
    }

    /// When what was captured at a moment is due, in seconds after it.
    func due(_ id: Int, _ captured: Double) -> Double {
        guard let time = playout.time(id, stamp: stamp(id, captured)) else { return .infinity }
        return Double(time.nanoseconds - Self.origin) / 1e9 - captured
    }

    /// What the way is taken for, without the delay.
    func fastest(_ id: Int, _ captured: Double) -> Double { due(id, captured) - Double(playout.delay) / 1e9 }

    /// By how much the picture is later than the sound.
    func skew(_ captured: Double) -> Double { due(Self.picture, captured) - due(Self.sound, captured) }
}

@Suite("The playout clock, in virtual time")
struct PlayoutTests {
    @Test("what was captured together is due together as soon as the reports have come")
    func together() {
        var sender = VirtualSender()
        sender.run(from: 0, to: 0.9)
        #expect(abs(sender.skew(0.9) - 0.05) < 0.012, "before, the picture is as late as it comes")
        sender.run(from: 0.9, to: 1.2)
        #expect(abs(sender.skew(1.2)) < 0.0005)
        sender.run(from: 1.2, to: 60) { sender, _, captured, _ in
            guard captured > 1.3 else { return }
            #expect(abs(sender.skew(captured)) < 0.001)
        }
    }

    @Test("reports that come for the picture first, and much later, don't break what is heard")
    func lateReports() {
        var sender = VirtualSender()
        sender.reportsFrom = 12
        var last: Double?
        sender.run(from: 0, to: 30) { sender, id, captured, _ in
            guard id == VirtualSender.sound, captured > 3 else { return }
            let due = sender.due(id, captured)
            if let last { #expect(abs(due - last) < 0.001, "at \(captured)") }
            last = due
        }
        #expect(abs(sender.skew(30)) < 0.001)
    }

    @Test("it starts at 80 ms, goes down to 60 where nothing is late, and nothing becomes late by it")
    func calm() {
        var sender = VirtualSender()
        sender.pictureWay = 22
        sender.jitter = 5
        sender.run(from: 0, to: 1)
        #expect(sender.playout.delay == Playout.firstDelay)
        sender.run(from: 1, to: 90) { sender, id, captured, arrival in
            #expect(captured + sender.due(id, captured) > arrival)
        }
        #expect(sender.playout.delay == Playout.leastDelay)
        #expect(sender.playout.raises == 0)
    }

    @Test("it grows with jitter so that little is late, stays within its bounds, and goes back when that is over")
    func jitter() {
        var sender = VirtualSender()
        sender.run(from: 0, to: 5)
        sender.jitter = 220
        var late = 0, count = 0
        sender.run(from: 5, to: 30) { sender, id, captured, arrival in
            count += 1
            if captured + sender.due(id, captured) < arrival { late += 1 }
            #expect((Playout.leastDelay...Playout.mostDelay).contains(sender.playout.delay))
        }
        #expect(count > 1500 && late * 50 < count, "\(late) of \(count)")
        #expect(sender.playout.delay > 200_000_000)
        let grown = sender.playout.delay
        sender.jitter = 5
        sender.run(from: 30, to: 46)
        #expect(sender.playout.delay > grown - 20_000_000, "what was needed for long may be needed again")
        var last = sender.playout.delay
        sender.run(from: 46, to: 60) { sender, _, _, _ in
            #expect(last - sender.playout.delay <= 2_700_000, "in steps of eight percent of a picture")
            last = sender.playout.delay
        }
        #expect(sender.playout.delay < 100_000_000)
    }

    @Test("a clock that drifts by 200 ppm for ten minutes is followed", arguments: [200e-6, -200e-6])
    func drift(drift: Double) {
        var sender = VirtualSender()
        sender.drift = drift
        var last: Double?
        sender.run(from: 0, to: 600) { sender, id, captured, arrival in
            guard captured > 25, id == VirtualSender.sound else { return }
            let due = sender.due(id, captured) - Double(sender.playout.delay) / 1e9
            #expect(abs(due - 0.02) < 0.006, "at \(captured)")
            #expect(abs(sender.skew(captured)) < 0.001)
            if let last { #expect(abs(due - last) < 0.0005) }
            last = due
        }
        #expect(sender.playout.restarts == 0)
    }

    @Test("a freeze and the flood after it change nothing")
    func freeze() {
        var sender = VirtualSender()
        sender.run(from: 0, to: 20)
        let before = sender.fastest(VirtualSender.sound, 20)
        // Everything of three seconds arrives at their end.
        sender.run(from: 20, to: 23, extra: { (23 - $0) * 1000 })
        sender.run(from: 23, to: 26)
        #expect(abs(sender.fastest(VirtualSender.sound, 26) - before) < 0.002)
        #expect(abs(sender.skew(26)) < 0.001)
        #expect(sender.playout.delay <= 130_000_000 && sender.playout.restarts == 0)
        // A gap of eight seconds without anything.
        sender.run(from: 34, to: 36)
        #expect(abs(sender.fastest(VirtualSender.sound, 36) - before) < 0.005)
        #expect(abs(sender.skew(36)) < 0.001)
    }

    @Test("a way that stays slower is followed without losing what plays")
    func slowerWay() {
        var sender = VirtualSender()
        sender.run(from: 0, to: 20)
        sender.soundWay += 150
        sender.pictureWay += 150
        var late: [Int: Int] = [:]
        sender.run(from: 20, to: 60) { sender, id, captured, arrival in
            if captured + sender.expected < arrival { late[id, default: 0] += 1 }
        }
        // All pictures are late for half a second before they are waited for.
        #expect(late[VirtualSender.sound, default: 0] < 10 && late[VirtualSender.picture, default: 0] < 20, "\(late)")
        #expect(abs(sender.skew(60)) < 0.001)
    }

    @Test("a track whose stamps begin anew is due again at once, and the other one stays", arguments: [true, false])
    func restart(forwards: Bool) {
        var sender = VirtualSender()
        sender.run(from: 0, to: 20)
        let before = sender.due(VirtualSender.picture, 20)
        sender.soundStart = forwards ? 9_000_000_000_000 : 1_000_000
        sender.run(from: 20, to: 30) { sender, id, captured, arrival in
            if captured > 22 {
                let wait = captured + sender.due(id, captured) - arrival
                #expect(wait > 0 && wait < 0.45, "at \(captured)")
            }
            if captured > 20.1 { #expect(abs(sender.due(VirtualSender.picture, captured) - before) < 0.06) }
        }
        #expect(sender.playout.restarts >= 1)
        #expect(abs(sender.skew(30)) < 0.001)
    }

    @Test("a track that stood still and did not count the time finds its place, and moves nobody else")
    func standstill() {
        var sender = VirtualSender()
        sender.run(from: 0, to: 20)
        let before = sender.due(VirtualSender.picture, 20)
        // The microphone was off for ten seconds: its stamps go on where they were.
        sender.soundStart -= 10_000_000_000
        sender.run(from: 30, to: 45) { sender, id, captured, arrival in
            #expect(abs(sender.due(VirtualSender.picture, captured) - before) < 0.06)
            guard captured > 32.5 else { return }
            #expect(captured + sender.due(id, captured) > arrival, "at \(captured)")
        }
        #expect(abs(sender.skew(45)) < 0.001)
    }

    @Test("numbers from a hostile sender are taken without a trap")
    func hostile() {
        var random = SeededRandom(3)
        var playout = Playout()
        for _ in 0..<20_000 {
            playout.note(
                Int.random(in: 0...3, using: &random), stamp: Int64.random(in: Int64.min...Int64.max, using: &random),
                captured: Bool.random(using: &random)
                    ? Int64.random(in: Int64.min...Int64.max, using: &random) : nil,
                arrival: MonotonicTime(nanoseconds: Int64.random(in: 0...Int64.max / 2, using: &random)))
            #expect((Playout.leastDelay...Playout.mostDelay).contains(playout.delay))
            _ = playout.time(1, stamp: Int64.max)
            _ = playout.stamp(2, at: MonotonicTime(nanoseconds: 5))
        }
    }
}
