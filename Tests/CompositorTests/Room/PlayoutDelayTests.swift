// How long everything waits, in virtual time: after a join, a hiccup, an outage, and with a way that is always bad.

import Media
import Testing

@testable import Compositor

/// Looks at what a sender's frames wait from their arrival until the encoder has them.
private struct Watch {
    /// By the second of the arrival: the longest wait of a picture, in milliseconds.
    var longest: [Int: Double] = [:]
    /// Sound that came after it was due, and pictures.
    var lateSound: [Double] = [], latePictures: [Double] = []
    /// How far sound and picture were apart at most, in milliseconds.
    var skew = 0.0
    private(set) var pictures = 0

    /// A picture waits for the next frame of the program, and is drawn.
    static let frameMs = 1000.0 / 30, drawnMs = 10.0

    mutating func note(_ sender: VirtualSender, _ id: Int, _ captured: Double, _ arrival: Double) {
        let wait = (captured + sender.due(id, captured) - arrival) * 1000
        let isLate = captured + sender.expected < arrival
        if captured > 2 { skew = max(skew, abs(sender.skew(captured)) * 1000) }
        guard id == VirtualSender.picture else {
            if isLate { lateSound.append(captured) }
            return
        }
        pictures += 1
        if isLate { latePictures.append(captured) }
        let second = Int(arrival)
        longest[second] = max(longest[second] ?? 0, max(0, wait) + Self.frameMs + Self.drawnMs)
    }

    /// The second from which on no picture waited longer than 150 ms, of those until a moment.
    func settled(until: Int = .max) -> Int {
        (longest.filter { $0.key < until && $0.value > 150 }.map(\.key).max() ?? -1) + 1
    }
}

@Suite("How long pictures and sound wait, in virtual time")
struct PlayoutDelayTests {
    private func run(
        _ sender: inout VirtualSender, seconds: Double, extra: (Int, Double) -> Double
    ) -> Watch {
        var watch = Watch()
        sender.run(from: 0, to: seconds, extra: extra) { watch.note($0, $1, $2, $3) }
        return watch
    }

    /// A way as in one house: the camera's pictures take longer to make than the packets of sound.
    private func sender() -> VirtualSender {
        var sender = VirtualSender()
        (sender.soundWay, sender.pictureWay, sender.jitter) = (25, 45, 8)
        return sender
    }

    @Test("with a regular sender no picture waits longer than 150 ms, from the first on")
    func regular() {
        var sender = sender()
        let watch = run(&sender, seconds: 60) { _, _ in 0 }
        print("regular: \(watch.longest[0] ?? 0), then \(watch.longest[30] ?? 0) ms")
        #expect(watch.settled() == 0)
        #expect(watch.lateSound.isEmpty && watch.latePictures.isEmpty && watch.skew < 1)
    }

    /// A keyframe of ten frames' size goes out over 300 ms, and what follows stands behind it for a second.
    private func burst(_ captured: Double, at moment: Double) -> Double {
        let since = captured - moment
        return since >= 0 && since < 1 ? 300 * (1 - since) : 0
    }

    @Test("a keyframe that takes 300 ms makes nothing else wait", arguments: [0.0, 1.2, 7])
    func keyframes(at moment: Double) {
        var sender = sender()
        let watch = run(&sender, seconds: 40) { id, captured in
            id == VirtualSender.picture ? burst(captured, at: moment) : 0
        }
        print("keyframe at \(moment): settled at \(watch.settled()), raised \(sender.playout.raises) times")
        #expect(watch.settled() <= Int(moment) + 4)
        #expect(watch.lateSound.isEmpty && watch.skew < 1)
        // The delay may follow what lasts for half a second, not the keyframe.
        #expect(watch.longest.values.max() ?? 0 < 300)
    }

    @Test(
        "frames that were held up once while a speaker joined are forgotten within seconds", arguments: [0.1, 1.5, 2.6])
    func join(at moment: Double) {
        var sender = sender()
        let watch = run(&sender, seconds: 40) { _, captured in
            captured >= moment && captured < moment + 0.35 ? (moment + 0.35 - captured) * 1000 : 0
        }
        print("held up at \(moment): settled at \(watch.settled())")
        #expect(watch.settled() <= 8)
        #expect(watch.skew < 1)
    }

    @Test(
        "a way that seemed slow in its first two seconds is found to be fast within seconds", arguments: [100.0, 180])
    func slowStart(more: Double) {
        var sender = sender()
        let watch = run(&sender, seconds: 40) { _, captured in captured < 2.2 ? more : 0 }
        print("slow by \(more) at first: settled at \(watch.settled())")
        #expect(watch.settled() <= 7)
        #expect(watch.skew < 1)
    }

    @Test("after packets that were held up for 400 ms once it is as before within seven seconds, and never apart")
    func hiccup() {
        var sender = sender()
        let watch = run(&sender, seconds: 60) { _, captured in
            captured >= 20 && captured < 20.4 ? (20.4 - captured) * 1000 : 0
        }
        print("hiccup: settled after \(watch.settled() - 20) s, \(watch.longest.sorted { $0.key < $1.key }[19..<30])")
        #expect(watch.settled(until: 20) == 0)
        #expect(watch.settled() - 20 <= 7)
        #expect(watch.skew < 1)
        // What was due when it had not come is late, and nothing after it.
        #expect(watch.lateSound.allSatisfy { $0 >= 20 && $0 < 20.4 })
        #expect(watch.latePictures.allSatisfy { $0 >= 20 && $0 < 20.4 })
    }

    @Test("after an outage of two seconds it is as before within four", arguments: [true, false])
    func outage(isHeld: Bool) {
        var sender = sender()
        var watch = Watch()
        sender.run(from: 0, to: 20) { watch.note($0, $1, $2, $3) }
        if isHeld {
            sender.run(from: 20, to: 22, extra: { (22 - $0) * 1000 }) { watch.note($0, $1, $2, $3) }
        }
        sender.run(from: 22, to: 60) { watch.note($0, $1, $2, $3) }
        print("outage: settled after \(watch.settled() - 22) s")
        #expect(watch.settled() - 22 <= 4)
        #expect(watch.skew < 1)
    }

    @Test(
        "with 5 % of the packets lost, and pictures that wait for their repeats, sound is never late and few pictures are"
    )
    func lossy() {
        var sender = sender(), random = SeededRandom(5)
        sender.jitter = 30
        let watch = run(&sender, seconds: 300) { id, _ in
            guard id == VirtualSender.picture else { return 0 }
            // Four packets each; a lost one comes again after 70 ms, or the next time.
            var worst = 0.0
            for _ in 0..<4 {
                var more = 0.0
                while Double.random(in: 0..<1, using: &random) < 0.05 { more += 70 }
                worst = max(worst, more)
            }
            return worst
        }
        let late = watch.latePictures.filter { $0 > 5 }.count
        print("lossy: \(late) of \(watch.pictures) pictures late, \(watch.lateSound.count) packets of sound")
        #expect(watch.lateSound.filter { $0 > 1 }.isEmpty)
        #expect(Double(late) < 0.01 * Double(watch.pictures))
        #expect(watch.skew < 1)
    }

    @Test("a hiccup that comes every five seconds is waited for from the third one on")
    func recurring() {
        var sender = sender()
        let watch = run(&sender, seconds: 90) { _, captured in
            let since = captured.truncatingRemainder(dividingBy: 5)
            return captured > 4 && since < 0.2 ? (0.2 - since) * 1000 : 0
        }
        print("recurring: late at \(Set(watch.lateSound.map { Int($0) }).sorted())")
        #expect(watch.lateSound.allSatisfy { $0 < 16 } && watch.latePictures.allSatisfy { $0 < 16 })
        #expect(watch.skew < 1)
    }
}
