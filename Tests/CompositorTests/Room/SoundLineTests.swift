// Sound and picture of one participant through a network to the program, in virtual time: how far apart they come out.

import Foundation
import Media
import Testing

@testable import Compositor

/// A participant whose flashes and beeps happen together once a second, and the way they take.
private final class VirtualLine {
    static let sound = 1, picture = 2, origin: Int64 = 500_000_000_000
    /// Beeps are bursts of 40 ms whose middle is the moment of the flash.
    static let burst = 0.04, offset = 0.5

    /// How much faster the microphone's clock runs, the camera's, and the one that the reports tell.
    var soundDrift = 0.0, pictureDrift = 0.0, reportDrift = 0.0
    var soundWayMs = 20.0, pictureWayMs = 60.0, jitterMs = 12.0
    /// How often a packet is lost at random, and what is lost or not sent besides, by the true time in seconds.
    var loss = 0.0
    var isLost: (Double) -> Bool = { _ in false }
    /// Until when what is sent at a time is held up, in seconds.
    var heldUntil: (Double) -> Double? = { _ in nil }
    /// Whether the microphone is off: no packets, and the stamps stand still.
    var isMuted: (Double) -> Bool = { _ in false }
    /// When each track begins.
    var soundFrom = 0.0, pictureFrom = 0.0
    var random = SeededRandom(17)

    private let loop: [ByteBlock]
    private(set) var playout = Playout()
    /// When the flashes were shown, by their seconds.
    private var shown: [Int: Double] = [:]
    private var player: SoundPlayer

    init() throws {
        // One second of sound, in packets of 20 ms; encoded three times over so that its ends meet.
        var encoder = try OpusEncoder(bitrate: 96_000)
        var packets: [ByteBlock] = []
        for index in 0..<150 {
            let samples = (0..<960).flatMap { at -> [Float] in
                let second = Double((index * 960 + at) % 48_000) / 48_000
                let from = second - Self.offset + Self.burst / 2
                guard from >= 0, from < Self.burst else { return [0, 0] }
                let window = sin(Double.pi * from / Self.burst)
                let value = Float(0.5 * window * window * sin(2 * Double.pi * 1000 * from))
                return [value, value]
            }
            packets.append(try samples.withUnsafeBufferPointer { try encoder.encode($0) }.payload)
        }
        let player = try SoundPlayer()
        loop = Array(packets[50..<100])
        self.player = player
    }

    /// Runs until a time; gives each beep's true second, and by how many milliseconds the picture is due after the sound.
    func run(seconds: Int) -> [(second: Int, skew: Double)] {
        var skews: [(second: Int, skew: Double)] = []
        var pending: [(arrival: Double, id: Int, stamp: Int64, captured: Int64?, payload: ByteBlock?)] = []
        var reports: [Int: Int64] = [:], nextReport = [Self.sound: 0.0, Self.picture: 0.0]
        var soundIndex = 0, pictureIndex = 0, muted: Int64 = 0, nextReal = 0
        var block = [Float](repeating: 0, count: 960)
        var energy = [Int: (weight: Double, moment: Double)]()
        for number in 0..<(seconds * 100) {
            let now = Double(number) / 100
            // What was captured up to now sets out; a frame of sound is complete when its last sample is.
            while true {
                let captured = Double(soundIndex) * 0.02 / (1 + soundDrift)
                guard captured + 0.02 <= now else { break }
                defer { soundIndex += 1 }
                guard captured >= soundFrom else { continue }
                if isMuted(captured) {
                    muted += 960
                    continue
                }
                let samples = Int64(soundIndex) * 960 - muted
                send(
                    Self.sound, captured + 0.02, captured, samples * 1_000_000_000 / 48_000 + 4_000_000_000_000,
                    loop[soundIndex % 50], soundWayMs, &pending, &reports, &nextReport)
            }
            while true {
                let captured = Double(pictureIndex) / 30
                guard captured <= now else { break }
                defer { pictureIndex += 1 }
                guard captured >= pictureFrom else { continue }
                let stamp = Int64(captured * (1 + pictureDrift) * 1e9) + 77_000_000_000
                send(Self.picture, captured, captured, stamp, nil, pictureWayMs, &pending, &reports, &nextReport)
            }
            pending.sort { $0.arrival < $1.arrival }
            let count = pending.prefix { $0.arrival <= now }.count
            for packet in pending.prefix(count) {
                let latency: Int64 = packet.id == Self.sound ? 6_500_000 : 0
                playout.note(
                    packet.id, stamp: packet.stamp - latency, captured: packet.captured.map { $0 - latency },
                    arrival: Self.moment(packet.arrival), isPicture: packet.id == Self.picture)
                if let payload = packet.payload {
                    let start = ((packet.stamp - 4_000_000_000_000) * 48 + 500_000) / 1_000_000
                    player.insert(SoundPacket(start: start, payload: payload))
                }
            }
            pending.removeFirst(count)
            read(now, &block, &energy, &nextReal, &skews)
        }
        return skews
    }

    private func send(
        _ id: Int, _ ready: Double, _ captured: Double, _ stamp: Int64, _ payload: ByteBlock?, _ wayMs: Double,
        _ pending: inout [(arrival: Double, id: Int, stamp: Int64, captured: Int64?, payload: ByteBlock?)],
        _ reports: inout [Int: Int64], _ nextReport: inout [Int: Double]
    ) {
        // A report each second, half a second after the track begins; it tells of the newest frame.
        if let due = nextReport[id], ready >= max(due, (id == Self.sound ? soundFrom : pictureFrom) + 0.5) {
            nextReport[id] = ready + 1
            reports[id] = Int64(captured * (1 + reportDrift) * 1e9) + 1_700_000_000_000_000_000 - stamp
        }
        let jitter = Double.random(in: 0...jitterMs, using: &random)
        let isAway = isLost(captured) || (loss > 0 && Double.random(in: 0..<1, using: &random) < loss)
        // The picture's losses are repeated, so that only the sound's are losses.
        if isLost(captured) || (isAway && id == Self.sound) { return }
        let leaves = max(ready, heldUntil(ready) ?? ready)
        pending.append((leaves + (wayMs + jitter) / 1000, id, stamp, reports[id].map { $0 + stamp }, payload))
    }

    private func read(
        _ now: Double, _ block: inout [Float], _ energy: inout [Int: (weight: Double, moment: Double)],
        _ next: inout Int, _ skews: inout [(second: Int, skew: Double)]
    ) {
        guard let stamp = playout.stamp(Self.sound, at: Self.moment(now)) else { return }
        let wanted = Double(stamp - 4_000_000_000_000) * 48e-6 + Double(OpusDecoder.lookahead)
        guard block.withUnsafeMutableBufferPointer({ player.read(at: wanted, into: $0) }) else { return }
        // When the flash of the beep that is near now is due.
        let second = Int((now * (1 + soundDrift) - Self.offset).rounded(.down))
        let flash = (Double(second) + Self.offset) / (1 + soundDrift)
        guard second >= 0, flash >= pictureFrom,
            let due = playout.time(
                Self.picture, stamp: Int64(flash * (1 + pictureDrift) * 1e9) + 77_000_000_000)
        else { return }
        // What it is due at once it is shown: a delay that moves afterwards changes that no more.
        let dueAt = shown[second] ?? Double(due.nanoseconds - Self.origin) / 1e9
        if now >= dueAt { shown[second] = dueAt }
        guard abs(now - dueAt) < 0.1 else {
            if now > dueAt + 0.1, second >= next, let seen = energy[second] {
                if seen.weight > 1 { skews.append((second, (dueAt - seen.moment / seen.weight) * 1000)) }
                energy[second] = nil
                next = second + 1
            }
            return
        }
        var weight = 0.0, moment = 0.0
        for index in stride(from: 0, to: 960, by: 2) where abs(block[index]) > 0.02 {
            let power = Double(block[index] * block[index])
            weight += power
            moment += power * (now + Double(index / 2) / 48_000)
        }
        let before = energy[second] ?? (0, 0)
        energy[second] = (before.weight + weight, before.moment + moment)
    }

    private static func moment(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: origin + Int64((seconds * 1e9).rounded()))
    }
}

@Suite("Sound and picture together, in virtual time")
struct SoundLineTests {
    private func worst(_ skews: [(second: Int, skew: Double)], from: Int) -> Double {
        skews.filter { $0.second >= from }.map { abs($0.skew) }.max() ?? .infinity
    }

    @Test("on a plain way beep and flash come out within 3 ms of each other")
    func plain() throws {
        let line = try VirtualLine()
        let skews = line.run(seconds: 40)
        print("plain: \(worst(skews, from: 3)) ms")
        #expect(skews.count >= 35 && worst(skews, from: 3) < 3)
    }

    @Test("clocks that drift by 200 ppm are followed for an hour", arguments: [200e-6, -200e-6])
    func drift(drift: Double) throws {
        let line = try VirtualLine()
        (line.soundDrift, line.pictureDrift, line.reportDrift) = (drift, drift, drift)
        let skews = line.run(seconds: 3600)
        print("drift of \(drift): \(worst(skews, from: 30)) ms of \(skews.count)")
        #expect(skews.count > 3550 && worst(skews, from: 30) < 5)
    }

    @Test("a microphone whose clock is not the camera's is held by the reports", arguments: [200e-6, -200e-6])
    func twoClocks(drift: Double) throws {
        let line = try VirtualLine()
        line.soundDrift = drift
        let skews = line.run(seconds: 900)
        print("two clocks, \(drift): \(worst(skews, from: 30)) ms of \(skews.count)")
        #expect(skews.count > 850 && worst(skews, from: 30) < 5)
    }

    @Test("with 5 % of the packets lost they stay together")
    func loss() throws {
        let line = try VirtualLine()
        line.loss = 0.05
        let skews = line.run(seconds: 300)
        print("5 % loss: \(worst(skews, from: 5)) ms of \(skews.count)")
        // A beep whose middle packet is gone has its weight elsewhere.
        #expect(skews.count > 250 && worst(skews, from: 5) < 20)
        let sorted = skews.map { abs($0.skew) }.sorted()
        #expect(sorted[sorted.count / 2] < 3)
    }

    @Test("after an outage of 2 s they are together with the first beep")
    func outage() throws {
        let line = try VirtualLine()
        line.isLost = { (20..<22).contains($0) || (40.3..<42.3).contains($0) }
        let skews = line.run(seconds: 60)
        print("outages: \(worst(skews, from: 3)) ms of \(skews.count)")
        #expect(skews.count >= 50 && worst(skews, from: 3) < 5)
        #expect(skews.contains { $0.second == 22 } && skews.contains { $0.second == 43 })
    }

    @Test("while the delay goes down again after a hiccup they stay together", arguments: [0.0, 0.3, 0.7])
    func hiccup(phase: Double) throws {
        let line = try VirtualLine()
        line.heldUntil = { now in
            let at = ((now - phase) / 10).rounded(.down) * 10 + phase
            return now > 15 && now >= at && now < at + 0.4 ? at + 0.4 : nil
        }
        // Every tenth second: four times, of which each is forgotten before the third one.
        let skews = line.run(seconds: 48)
        print("hiccups at \(phase): \(worst(skews, from: 3)) ms of \(skews.count): \(skews.map { Int($0.skew) })")
        #expect(skews.count >= 38 && worst(skews, from: 3) < 13)
    }

    @Test("a microphone that was off without counting the time comes back in its place", arguments: [3.0, 12, 45])
    func mute(length: Double) throws {
        let line = try VirtualLine()
        line.isMuted = { (20..<(20 + length)).contains($0) }
        let skews = line.run(seconds: 60 + Int(length))
        let after = Int(20 + length)
        print("muted for \(length) s: \(skews.filter { $0.second >= after }.map { Int($0.skew) })")
        #expect(worst(skews.filter { $0.second < 20 }, from: 3) < 3)
        #expect(skews.count { $0.second >= after } > 30)
        #expect(worst(skews, from: after + 2) < 20)
        #expect(worst(skews, from: after + 10) < 3)
    }

    @Test("who joins with one track first has both together once the reports have come", arguments: [0.0, 9])
    func join(camera: Double) throws {
        let line = try VirtualLine()
        (line.soundFrom, line.pictureFrom) = (camera == 0 ? 9 : 0, camera)
        let skews = line.run(seconds: 40)
        print("joined: \(skews.filter { $0.second >= 9 }.prefix(8).map { Int($0.skew) })")
        #expect(skews.count > 25 && worst(skews, from: 12) < 5)
    }
}
