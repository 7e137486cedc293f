// A publisher of three layers, a way that loses and mixes up packets, and a subscriber's forwarder, in virtual time.

import Media
import RTC

@testable import SFU

/// The same numbers for the same seed.
struct LayerRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// A packet that the subscriber got.
struct SentPacket {
    var number: Int64
    var timestamp: UInt32
    var indices: VP8Indices
    var layer: Int
    var begins: Bool
    var entry: PacketStore.Entry
    /// When the picture was taken, in milliseconds, and when it was sent on.
    var capturedAt: Int64, sentAt: Int64
}

/// Runs in steps of a millisecond; what happens in which is up to the seed.
struct LayerSimulation {
    struct Source {
        var sequence: Int64, timestampBase: UInt32, pictureID: UInt16, tl0: UInt8, key: UInt8
        var isPaused = false, mustKey = true
        var reportAt: Int64
        let packetsPerPicture: Int
        let size: PictureSize
        var entries: [Int64: (entry: PacketStore.Entry, capturedAt: Int64)] = [:]
    }

    static let rate: Int64 = 90_000
    var random: LayerRandom
    var now: Int64 = 0
    var sources: [Source]
    var table = LayerTable(count: 3)
    var forwarder: LayerForwarder
    var sent: [SentPacket] = []
    var drops: [DropReason: Int] = [:]
    /// Of a hundred packets; of those that are lost most come again.
    var lossPercent = 0, reorderPercent = 0
    var frameMs: Int64 = 33
    private var nextFrame: Int64 = 0
    private var asked: [Int: Int64] = [:], lastAsked = [Int64](repeating: -10_000, count: 3)
    private var flying: [Int64: [(layer: Int, sequence: Int64)]] = [:]
    private var reports: [Int64: [(layer: Int, nanoseconds: Int64, timestamp: UInt32)]] = [:]

    init(seed: UInt64) {
        var random = LayerRandom(seed)
        sources = (0..<3).map { layer in
            Source(
                sequence: Int64.random(in: 0...65535, using: &random),
                timestampBase: .random(in: 0 ... .max, using: &random),
                pictureID: .random(in: 0...0x7FFF, using: &random), tl0: .random(in: 0...255, using: &random),
                key: .random(in: 0...31, using: &random), reportAt: 300 + Int64(layer) * 210,
                packetsPerPicture: [1, 2, 5][layer], size: PictureSize(width: 320 << layer, height: 180 << layer))
        }
        forwarder = LayerForwarder(
            isVideo: true, clockRate: Int(Self.rate), next: Int64.random(in: 0...0x7FFF, using: &random),
            timestampDelta: .random(in: 0 ... .max, using: &random))
        self.random = random
    }

    static func moment(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000)
    }

    /// Goes on to a time, with a wish that holds meanwhile.
    mutating func run(to end: Int64) { while now < end { step() } }

    mutating func step() {
        for packet in flying.removeValue(forKey: now) ?? [] { arrive(packet.layer, packet.sequence) }
        for report in reports.removeValue(forKey: now) ?? [] {
            table.note(report.layer, reportNanoseconds: report.nanoseconds, timestamp: report.timestamp)
        }
        for layer in 0..<3 where asked[layer].map({ $0 <= now }) ?? false {
            asked[layer] = nil
            sources[layer].mustKey = true
        }
        if now >= nextFrame {
            takePicture()
            nextFrame = now + frameMs
        }
        for layer in 0..<3 where now >= sources[layer].reportAt {
            sources[layer].reportAt = now + 1000
            guard !sources[layer].isPaused else { continue }
            let timestamp = sources[layer].timestampBase &+ UInt32(truncatingIfNeeded: now * Self.rate / 1000)
            reports[now + 30, default: []].append((layer, 5_000_000_000 + now * 1_000_000, timestamp))
        }
        if now % 100 == 0, let layer = forwarder.wanted(table, now: Self.moment(now)) { ask(layer) }
        now += 1
    }

    /// A key frame is asked for, and taken after a round trip.
    private mutating func ask(_ layer: Int) {
        guard now - lastAsked[layer] >= 500 else { return }
        lastAsked[layer] = now
        asked[layer] = now + 60
    }

    private mutating func takePicture() {
        for layer in 0..<3 where !sources[layer].isPaused {
            var source = sources[layer]
            let isKeyframe = source.mustKey
            source.mustKey = false
            source.pictureID = (source.pictureID + 1) & 0x7FFF
            source.tl0 &+= 1
            if isKeyframe { source.key = (source.key + 1) & 31 }
            let packets = source.packetsPerPicture * (isKeyframe ? 4 : 1)
            for packet in 0..<packets {
                source.sequence += 1
                var entry = PacketStore.Entry()
                entry.sequence = source.sequence
                entry.header = RTPHeader(
                    payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: source.sequence),
                    timestamp: source.timestampBase &+ UInt32(truncatingIfNeeded: now * Self.rate / 1000),
                    ssrc: UInt32(layer + 1), marker: packet == packets - 1)
                entry.payloadLength = 1000
                entry.startsKeyframe = isKeyframe && packet == 0
                entry.indices = Self.indices(source)
                source.entries[source.sequence] = (entry, now)
                source.entries[source.sequence - 2000] = nil
                // Each packet leaves a little later, and some much later or never.
                var due = now + 20 + Int64(packet / 4)
                if random.happens(reorderPercent) { due += Int64.random(in: 1...15, using: &random) }
                if random.happens(lossPercent) {
                    guard random.happens(80) else { continue }
                    due += Int64.random(in: 40...200, using: &random)
                }
                flying[due, default: []].append((layer, source.sequence))
            }
            sources[layer] = source
        }
    }

    private static func indices(_ source: Source) -> VP8Indices {
        let payload: [UInt8] = [
            0x90, 0xF0, 0x80 | UInt8(source.pictureID >> 8), UInt8(source.pictureID & 255), source.tl0, source.key, 1,
            0,
        ]
        return payload.withUnsafeBytes { VideoPayload($0, codec: .vp8)?.indices ?? VP8Indices() }
    }

    /// What the shard does with a packet.
    private mutating func arrive(_ layer: Int, _ sequence: Int64) {
        guard let (entry, _) = sources[layer].entries[sequence] else { return }
        table.note(layer, sequence: sequence)
        table.note(layer, now: Self.moment(now))
        if entry.startsKeyframe { table.note(layer, size: sources[layer].size) }
        sources[layer].entries[sequence]?.entry.arrival = 1
        guard forward(entry, layer) else { return }
        for later in (sequence + 1)...max(sequence + 1, table.facts[layer].highest) {
            guard let (entry, _) = sources[layer].entries[later], entry.arrival == 1 else { continue }
            _ = forward(entry, layer)
        }
    }

    private mutating func forward(_ entry: PacketStore.Entry, _ layer: Int) -> Bool {
        switch forwarder.forward(entry, of: layer, table, now: Self.moment(now)) {
        case .failure(let drop):
            drops[drop.reason, default: 0] += 1
            return false
        case .success(let out):
            sent.append(
                SentPacket(
                    number: out.number, timestamp: entry.header.timestamp &+ out.timestampDelta,
                    indices: entry.indices.moved(by: out.shift), layer: layer, begins: out.begins, entry: entry,
                    capturedAt: sources[layer].entries[entry.sequence]?.capturedAt ?? 0, sentAt: now))
            return out.begins
        }
    }
}

extension LayerSimulation {
    /// Lets time pass of which nothing is seen; the layers' numbers go on by so many.
    mutating func jump(by milliseconds: Int64, numbers: Int64) {
        // What is under way comes first, so that nothing of before is left.
        for layer in 0..<3 { sources[layer].isPaused = true }
        run(to: now + 300)
        now += milliseconds
        for layer in 0..<3 {
            sources[layer].isPaused = false
            sources[layer].mustKey = true
            sources[layer].reportAt = now
            // The forwarder knows numbers without their wraps, and those that it never saw were sent all the same.
            sources[layer].sequence += numbers
            sources[layer].entries = [:]
            sources[layer].pictureID = (sources[layer].pictureID &+ UInt16(numbers & 0x3FF)) & 0x7FFF
        }
        forwarder.hold()
        resume()
    }

    private mutating func resume() { run(to: now + 1) }
}
