// Layers become one stream: numbers without repeats, times that go up, and a key frame at every change.

import Media
import RTC
import Testing

@testable import SFU

@Suite("Layer forwarder")
struct LayerForwarderTests {
    private func box(_ height: Int) -> LayerWish { .fill(PictureSize(width: height * 16 / 9, height: height)) }

    /// Checks what must hold of every stream, whatever happened on the way.
    ///
    /// - Parameter isWhole: whether nothing was lost, so that numbers are missing only where a picture was broken off.
    private func check(_ sent: [SentPacket], isWhole: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        var numbers: Set<Int64> = [], newest: SentPacket?
        for packet in sent {
            let isFresh = numbers.insert(packet.number).inserted
            #expect(isFresh, "number \(packet.number) was used twice", sourceLocation: sourceLocation)
            if packet.begins {
                #expect(packet.entry.startsKeyframe, sourceLocation: sourceLocation)
                if let newest {
                    let step = newest.entry.header.marker ? 1 : 2
                    #expect(packet.number == newest.number + Int64(step), sourceLocation: sourceLocation)
                }
            }
            if packet.number > newest?.number ?? .min { newest = packet }
        }
        let sorted = sent.sorted { $0.number < $1.number }
        var wrong = 0
        for (one, other) in zip(sorted, sorted.dropFirst()) {
            let isSamePicture = one.layer == other.layer && one.capturedAt == other.capturedAt
            let step = Int32(bitPattern: other.timestamp &- one.timestamp)
            let pictures = Int16(bitPattern: (other.indices.pictureID &- one.indices.pictureID) << 1) >> 1
            let isRight: Bool
            if isSamePicture, !other.begins {
                isRight = step == 0 && pictures == 0 && one.indices.keyIndex == other.indices.keyIndex
            } else if other.begins {
                isRight =
                    step > 0 && pictures == 1
                    && other.indices.tl0PictureIndex == one.indices.tl0PictureIndex &+ 1
                    && other.indices.keyIndex == (one.indices.keyIndex + 1) & 31
            } else {
                // Where packets were lost a picture may be missing whole.
                isRight = step > 0 && (isWhole ? pictures == 1 : pictures >= 1)
            }
            if !isRight { wrong += 1 }
            if isWhole, !other.begins, other.number != one.number + 1 { wrong += 1 }
        }
        #expect(wrong == 0, "\(wrong) packets do not follow theirs", sourceLocation: sourceLocation)
    }

    /// The most that a picture's timestamp is away from when it was taken, in milliseconds, seen from the first one.
    private func drift(_ sent: [SentPacket]) -> Int64 {
        guard let first = sent.first else { return 0 }
        return sent.map { packet in
            let ticks = Int64(UInt32(packet.timestamp &- first.timestamp))
            return abs(ticks - (packet.capturedAt - first.capturedAt) * 90) / 90
        }.max() ?? 0
    }

    @Test("the first picture comes at once, the layer that is wished for as soon as the clocks are told")
    func firstPicture() {
        var run = LayerSimulation(seed: 1)
        run.run(to: 4000)
        #expect(run.sent.first?.sentAt ?? .max < 40)
        #expect(run.forwarder.current == 2)
        let up = run.sent.filter(\.begins)
        #expect(up.map(\.layer) == [0, 2] && up[1].sentAt > 700 && up[1].sentAt < 2000)
        check(run.sent, isWhole: true)
        #expect(drift(run.sent) == 0)
    }

    @Test("another size is another layer, with its next key frame; until then the old one goes on")
    func followsTheWish() {
        var run = LayerSimulation(seed: 2)
        run.run(to: 4000)
        for (wish, layer) in [(box(180), 0), (box(360), 1), (box(100), 0), (.top, 2), (box(181), 1)] {
            run.forwarder.setWish(wish)
            run.run(to: run.now + 1500)
            #expect(run.forwarder.current == layer)
        }
        check(run.sent, isWhole: true)
        let pauses = zip(run.sent, run.sent.dropFirst()).map { $1.sentAt - $0.sentAt }
        #expect(pauses.max() ?? 0 < 70, "no change takes a picture away")
        #expect(drift(run.sent) == 0)
        #expect(run.drops[.late] == nil && run.drops[.otherLayer] ?? 0 > 100)
    }

    @Test("who does not show it gets nothing, and later a key frame")
    func nothing() {
        var run = LayerSimulation(seed: 3)
        run.run(to: 3000)
        let before = run.sent.count
        run.forwarder.setWish(.nothing)
        run.run(to: 6000)
        #expect(run.sent.count == before && run.forwarder.current == nil && run.drops[.notWanted] ?? 0 > 300)
        run.forwarder.setWish(box(360))
        run.run(to: 7000)
        #expect(run.sent[before].begins && run.sent[before].layer == 1)
        check(run.sent, isWhole: true)
        #expect(drift(run.sent) <= 1)
    }

    @Test("a layer that stops is left for another one within a second, and taken again when it is back")
    func stops() {
        var run = LayerSimulation(seed: 4)
        run.run(to: 4000)
        #expect(run.forwarder.current == 2)
        run.sources[2].isPaused = true
        run.run(to: 5000)
        #expect(run.forwarder.current == 1)
        run.sources[2].isPaused = false
        run.sources[2].mustKey = true
        run.run(to: 5900)
        #expect(run.forwarder.current == 1, "a second passes before it counts")
        run.run(to: 8000)
        #expect(run.forwarder.current == 2)
        check(run.sent, isWhole: true)
    }

    @Test("a layer without sender reports is not gone up to; when nothing else comes it is taken")
    func withoutReports() {
        var run = LayerSimulation(seed: 5)
        for layer in 0..<3 { run.sources[layer].reportAt = .max }
        run.run(to: 4000)
        #expect(run.forwarder.current == 0)
        run.sources[0].isPaused = true
        run.run(to: 5500)
        #expect(run.forwarder.current == 2)
        check(run.sent, isWhole: true)
        #expect(drift(run.sent) < 100)
    }

    @Test("a layer that never comes is not waited for")
    func neverComes() {
        var run = LayerSimulation(seed: 6)
        run.sources[0].isPaused = true
        run.sources[2].isPaused = true
        run.forwarder.setWish(box(180))
        run.run(to: 2000)
        #expect(run.sent.first?.sentAt ?? .max < 40 && run.forwarder.current == 1)
        check(run.sent, isWhole: true)
    }

    @Test("clocks that make no sense move nothing by more than the time that has passed")
    func wrongReports() {
        var run = LayerSimulation(seed: 7)
        run.run(to: 3000)
        run.table.note(0, reportNanoseconds: .min, timestamp: 7)
        run.forwarder.setWish(box(180))
        run.sources[0].reportAt = .max
        run.run(to: 4500)
        #expect(run.forwarder.current == 0)
        run.table.note(0, reportNanoseconds: 5_000_000_000, timestamp: 0xDEAD_BEEF)
        run.forwarder.setWish(box(360))
        run.run(to: 6000)
        #expect(run.forwarder.current == 1)
        check(run.sent, isWhole: true)
        #expect(drift(run.sent) < 200)
    }

    /// A picture of one packet.
    private static func entry(_ sequence: Int64, _ timestamp: UInt32, isKeyframe: Bool) -> PacketStore.Entry {
        var entry = PacketStore.Entry()
        entry.sequence = sequence
        entry.header = RTPHeader(
            payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: timestamp, ssrc: 1,
            marker: true)
        entry.startsKeyframe = isKeyframe
        entry.payloadLength = 1
        return entry
    }

    @Test("packets without payload leave no hole, and none after a number that was used")
    func padding() {
        var forwarder = LayerForwarder(isVideo: true, clockRate: 90_000, next: 100, timestampDelta: 0)
        var table = LayerTable(count: 1), numbers: [Int64] = []
        func send(_ sequence: Int64, _ timestamp: UInt32, isKeyframe: Bool = false) {
            let entry = Self.entry(sequence, timestamp, isKeyframe: isKeyframe)
            table.note(0, sequence: sequence)
            table.note(0, now: MonotonicTime(milliseconds: sequence))
            let result = forwarder.forward(entry, of: 0, table, now: MonotonicTime(milliseconds: sequence))
            if case .success(let out) = result { numbers.append(out.number) }
        }
        send(9, 0)
        send(10, 900, isKeyframe: true)
        send(11, 1800)
        forwarder.skip(12, of: 0)
        send(13, 2700)
        forwarder.skip(12, of: 0)
        send(15, 4500)
        forwarder.skip(14, of: 0)
        send(16, 5400)
        #expect(numbers == [100, 101, 102, 104, 105], "the first is no key frame; 14 was overtaken")
        #expect(SentPackets.bytesPerPacket == 24)
    }

    @Test("pictures of before that are stamped later leave the stream's time where it has come to")
    func movedPictures() {
        var forwarder = LayerForwarder(isVideo: true, clockRate: 90_000, next: 100, timestampDelta: 0)
        var table = LayerTable(count: 1), stamps: [UInt32] = []
        func send(_ sequence: Int64, _ timestamp: UInt32, at milliseconds: Int64, movedBy: UInt32 = 0) {
            let entry = Self.entry(sequence, timestamp, isKeyframe: true)
            let now = MonotonicTime(milliseconds: milliseconds)
            table.note(0, sequence: sequence)
            table.note(0, now: now)
            if case .success(let out) = forwarder.forward(entry, of: 0, table, now: now, movedBy: movedBy) {
                stamps.append(timestamp &+ out.timestampDelta)
            }
        }
        // Three seconds of pictures in a moment, broken off before their end.
        send(10, 0, at: 3000, movedBy: 269_820)
        send(11, 90_000, at: 3000, movedBy: 179_910)
        forwarder.hold()
        send(12, 279_000, at: 3100)
        #expect(stamps.count == 3 && stamps == stamps.sorted(), "\(stamps)")
    }

    @Test("ten minutes of random wishes, loss, disorder and layers that come and go", arguments: [11, 12, 13, 14])
    func torture(seed: UInt64) {
        var run = LayerSimulation(seed: seed), random = LayerRandom(seed &* 31)
        run.lossPercent = 3
        run.reorderPercent = 10
        while run.now < 600_000 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: run.forwarder.setWish(.nothing)
            case 1: run.forwarder.hold()
            case 2:
                let layer = Int.random(in: 0..<3, using: &random)
                run.sources[layer].isPaused.toggle()
                run.sources[layer].mustKey = true
            case 3...7: run.forwarder.setWish(.top)
            default: run.forwarder.setWish(box(Int.random(in: 1...900, using: &random)))
            }
            run.run(to: run.now + Int64.random(in: 50...1500, using: &random))
        }
        check(run.sent, isWhole: false)
        let switches = run.sent.filter(\.begins).count
        #expect(switches > 150, "\(switches) changes")
        #expect(run.sent.count > 10_000)
        #expect(drift(run.sent) < 250)
        #expect(run.drops[.late] ?? 0 > 0)
        // When it is quiet again, what is wished for is what comes.
        run.lossPercent = 0
        for layer in 0..<3 { run.sources[layer].isPaused = false }
        run.forwarder.setWish(box(360))
        run.run(to: run.now + 5000)
        #expect(run.forwarder.current == 1)
    }

    @Test(
        "ten minutes of another wish every 100 ms with nothing lost: no number is missing but behind a picture broken off"
    )
    func tortureWithoutLoss() {
        var run = LayerSimulation(seed: 15), random = LayerRandom(16)
        while run.now < 600_000 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: run.forwarder.setWish(.nothing)
            case 1...6: run.forwarder.setWish(.top)
            case 7...12: run.forwarder.setWish(box(360))
            default: run.forwarder.setWish(box(180))
            }
            run.run(to: run.now + 100)
        }
        check(run.sent, isWhole: true)
        let numbers = run.sent.map(\.number),
            broken = run.sent.indices.dropFirst().count {
                run.sent[$0].begins && !run.sent[$0 - 1].entry.header.marker
            }
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 == $0 + 1 || $1 == $0 + 2 }, "they go up in order")
        #expect((numbers.last ?? 0) - (numbers.first ?? 0) + 1 == Int64(numbers.count + broken))
        let switches = run.sent.filter(\.begins)
        #expect(switches.count > 400, "\(switches.count) changes")
        #expect(Set(switches.map(\.layer)) == [0, 1, 2])
        #expect(run.drops[.late] == nil)
        #expect(drift(run.sent) < 100, "\(drift(run.sent)) ms")
    }

    @Test("thirty days, in which every counter wraps many times")
    func wraps() {
        var run = LayerSimulation(seed: 21), random = LayerRandom(22)
        let day: Int64 = 86_400_000
        run.run(to: 3000)
        var sent: Int64 = 0, last: SentPacket?
        while run.now < 30 * day {
            run.forwarder.setWish([box(180), box(360), .top][Int.random(in: 0..<3, using: &random)])
            // Pictures and numbers of up to three hours are passed over, as if nobody had forwarded them.
            let pause = Int64.random(in: 1...10_800_000, using: &random)
            let skipped = Int64.random(in: 0...30_000, using: &random)
            run.jump(by: pause, numbers: skipped)
            run.sent.removeAll(keepingCapacity: true)
            run.run(to: run.now + 2500)
            check(run.sent, isWhole: true)
            guard let first = run.sent.first, let end = run.sent.last else { continue }
            if let last {
                #expect(first.number > last.number)
                let passed = UInt32(truncatingIfNeeded: (first.capturedAt - last.capturedAt) * 90)
                #expect(abs(Int32(bitPattern: first.timestamp &- last.timestamp &- passed)) < 9000)
            }
            last = end
            sent += Int64(run.sent.count)
        }
        #expect(sent > 50_000 && last?.number ?? 0 > 65536)
    }
}
