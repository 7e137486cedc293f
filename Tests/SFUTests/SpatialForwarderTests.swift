// Layers of VP9 in one stream: what is let through can be decoded, has no holes, and ends its pictures.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Layers within a stream")
struct SpatialForwarderTests {
    private func box(_ height: Int) -> LayerWish { .fill(PictureSize(width: height * 16 / 9, height: height)) }

    /// Checks what must hold of every stream, whatever happened on the way.
    private func check(
        _ run: SpatialSimulation, isWhole: Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let sorted = run.sent.sorted { $0.number < $1.number }
        #expect(Set(sorted.map(\.number)).count == sorted.count, "a number used twice", sourceLocation: sourceLocation)
        var wrong = 0, holes = 0
        for (one, other) in zip(sorted, sorted.dropFirst()) {
            let step = Int32(bitPattern: other.timestamp &- one.timestamp)
            if one.frame.picture == other.frame.picture, !other.begins ? step != 0 : step <= 0 { wrong += 1 }
            if one.frame.picture > other.frame.picture { wrong += 1 }
            holes += Int(other.number - one.number - 1)
        }
        #expect(wrong == 0, "\(wrong) packets do not follow theirs", sourceLocation: sourceLocation)
        // What arrived in its turn or later leaves none; what never came does, and a picture that was broken off one.
        let first = run.sent.map(\.source).min() ?? 0, last = run.sent.map(\.source).max() ?? 0
        let lost = (first...max(first, last)).filter { !run.arrived.contains($0) }.count
        let begun = run.sent.filter(\.begins).count
        #expect(holes <= (isWhole ? 0 : lost + begun), "\(holes) holes, \(lost) lost", sourceLocation: sourceLocation)

        var packets: [LayerFrame: Set<Int64>] = [:], pictures: [Int: [SentLayerPacket]] = [:]
        for packet in run.sent where !packet.isFiller {
            packets[packet.frame, default: []].insert(packet.source)
            pictures[packet.frame.picture, default: []].append(packet)
        }
        func isSent(_ frame: LayerFrame) -> Bool {
            guard let known = run.made[frame], let sent = packets[frame] else { return false }
            return known.packets.allSatisfy(sent.contains)
        }
        func hasArrived(_ frame: LayerFrame) -> Bool {
            run.made[frame]?.packets.allSatisfy(run.arrived.contains) ?? false
        }
        // Nothing goes out whose references did not, but for those that never came whole; a stream that is broken off begins with a key.
        let starts = run.sent.filter(\.begins).map(\.frame.picture).sorted()
        var blind: [LayerFrame] = []
        for (frame, known) in run.made where packets[frame] != nil {
            let start = starts.last { $0 <= frame.picture } ?? 0
            for reference in known.refersTo
            where !isSent(reference) && hasArrived(reference) && !run.refused.contains(reference) {
                // What was under way while the stream stood still.
                if reference.picture >= start { blind.append(frame) }
            }
        }
        #expect(blind.isEmpty, "\(blind.count) can't be decoded", sourceLocation: sourceLocation)
        #expect(
            starts.allSatisfy { run.made[LayerFrame(picture: $0, spatial: 0)]?.isKey ?? false },
            sourceLocation: sourceLocation)
        // One marker, on the last packet.
        var unmarked = 0
        for (picture, sent) in pictures {
            let layers = Set(sent.map(\.frame.spatial))
            guard layers.allSatisfy({ isSent(LayerFrame(picture: picture, spatial: $0)) }) else { continue }
            let last = sent.max { $0.number < $1.number }
            if sent.filter(\.marks).count != 1 || last?.marks != true { unmarked += 1 }
        }
        #expect(unmarked <= (isWhole ? 0 : pictures.count / 20), "\(unmarked)", sourceLocation: sourceLocation)
    }

    /// The highest spatial layer of the pictures sent since a time.
    private func shown(_ run: SpatialSimulation, since: Int64) -> Int? {
        run.sent.filter { $0.sentAt >= since && !$0.isFiller }.map(\.frame.spatial).max()
    }

    @Test(
        "the layer that fills the box is sent: a smaller one with the next picture, a larger one with a key",
        arguments: [false, true])
    func followsTheWish(isKeyOnly: Bool) throws {
        let run = try SpatialSimulation(seed: 1)
        run.isKeyOnly = isKeyOnly
        run.run(to: 2000)
        #expect(shown(run, since: 0) == 2 && run.keyPictures == 1)
        for (wish, layer) in [(box(180), 0), (box(360), 1), (.top, 2), (box(300), 1), (box(720), 2), (box(150), 0)] {
            let before = run.keyPictures, larger = layer > shown(run, since: run.now - 200) ?? 0
            run.consumer.forwarder.setWish(wish)
            run.run(to: run.now + 1000)
            #expect(shown(run, since: run.now - 200) == layer)
            #expect(run.keyPictures == before + (larger ? 1 : 0), "a smaller one needs no key")
            #expect(run.consumer.shownLayer == layer)
        }
        check(run, isWhole: true)
        #expect(run.producer.track.layers == 3)
        let pauses = zip(run.sent, run.sent.dropFirst()).map { $1.sentAt - $0.sentAt }
        #expect(pauses.max() ?? 0 < 70, "no change takes a picture away")
    }

    @Test(
        "what is shown very small comes at half the rate, and at the whole again behind the next picture that allows it"
    )
    func rates() throws {
        let run = try SpatialSimulation(seed: 2)
        run.run(to: 1000)
        func pictures() -> Int {
            let begin = run.now
            run.run(to: begin + 2000)
            return Set(run.sent.filter { $0.sentAt >= begin + 500 && !$0.isFiller }.map(\.frame.picture)).count
        }
        run.consumer.forwarder.setWish(box(40))
        let half = pictures()
        run.consumer.forwarder.setWish(box(100))
        let whole = pictures()
        #expect((21...25).contains(half) && (43...47).contains(whole), "\(half) and \(whole) in 1.5 s")
        #expect(run.keyPictures == 1)
        check(run, isWhole: true)
    }

    @Test("a layer that stops and comes again is shown again, without a key where its own pictures are enough")
    func stops() throws {
        let run = try SpatialSimulation(seed: 3)
        run.run(to: 2000)
        run.layers = 2
        run.run(to: 4000)
        #expect(shown(run, since: 3000) == 1)
        run.layers = 3
        run.run(to: 5000)
        #expect(shown(run, since: 4500) == 2 && run.keyPictures == 1)
        check(run, isWhole: true)
    }

    @Test("who does not show it gets nothing, and later a key frame")
    func nothing() throws {
        let run = try SpatialSimulation(seed: 4)
        run.run(to: 2000)
        run.consumer.forwarder.setWish(.nothing)
        run.run(to: 3000)
        let before = run.sent.count
        run.run(to: 4000)
        #expect(run.sent.count == before && run.consumer.shownLayer == nil)
        run.consumer.forwarder.setWish(box(360))
        run.run(to: 5500)
        #expect(run.sent[before].begins && shown(run, since: 5000) == 1)
        check(run, isWhole: true)
    }

    @Test("ten minutes of random wishes, loss, disorder and layers that come and go", arguments: [31, 32, 33, 34])
    func torture(seed: UInt64) throws {
        let run = try SpatialSimulation(seed: seed)
        var random = LayerRandom(seed &* 17)
        (run.lossPercent, run.reorderPercent, run.isKeyOnly) = (2, 10, seed % 2 == 0)
        while run.now < 600_000 {
            switch Int.random(in: 0..<24, using: &random) {
            case 0: run.consumer.forwarder.setWish(.nothing)
            case 1: run.consumer.forwarder.hold()
            case 2, 3: run.layers = Int.random(in: 1...3, using: &random)
            case 4...7: run.consumer.forwarder.setWish(.top)
            case 8...11: run.consumer.forwarder.setWish(box(Int.random(in: 1...50, using: &random)))
            default: run.consumer.forwarder.setWish(box(Int.random(in: 1...900, using: &random)))
            }
            run.run(to: run.now + Int64.random(in: 50...1500, using: &random))
        }
        check(run, isWhole: false)
        #expect(run.sent.count > 20_000 && run.keyPictures > 50)
        let fillers = run.sent.filter(\.isFiller).count
        #expect(fillers > 100 && fillers < run.sent.count / 5, "\(fillers) of \(run.sent.count)")
        (run.lossPercent, run.layers) = (0, 3)
        run.consumer.forwarder.setWish(box(360))
        run.run(to: run.now + 5000)
        #expect(shown(run, since: run.now - 500) == 1)
    }

    @Test(
        "limits hold for hours, and where a stream has stood still for hours: stamps come round in between",
        arguments: [[1], [8, 7, 6], [0.25, 40], [6.62], [9.5], [13, 13]])
    func longAgo(hours: [Double]) {
        var stamp: UInt32 = .max - 1000, sequence: Int64 = 100
        func entry(_ spatial: UInt8, isKey: Bool = false) -> PacketStore.Entry {
            var entry = PacketStore.Entry()
            sequence += 1
            (entry.sequence, entry.header.timestamp) = (sequence, stamp)
            let bytes = LayerBytes.payload(
                spatial: Int(spatial), temporal: 0, isPredicted: !isKey, usesLower: spatial > 0, first: true,
                last: true, sizes: [])
            bytes.withUnsafeBytes { entry.place = VideoPayload($0, codec: .vp9)?.place ?? entry.place }
            return entry
        }
        let low = LayerLimits(spatial: 1, temporal: 1), high = LayerLimits(spatial: 2, temporal: 2)
        func fates(_ forwarder: inout SpatialForwarder, _ limits: LayerLimits) -> [Bool] {
            (UInt8(0)...2).map { spatial in
                if case .sent = forwarder.take(entry(spatial), wanted: { limits }) { true } else { false }
            }
        }
        let first = entry(0, isKey: true)
        var forwarder = SpatialForwarder(from: first, high)
        forwarder.begun(with: first)
        stamp &+= 3000
        #expect(fates(&forwarder, low) == [true, true, false])
        for step in hours {
            // Pictures come all the time, and then none for a while.
            for _ in 0..<Int(step.rounded(.down)) * 4 {
                stamp &+= 900 * 90_000
                #expect(fates(&forwarder, low) == [true, true, false])
            }
            let late = stamp
            stamp &+= UInt32(truncatingIfNeeded: Int64(step * 3600 * 90_000))
            #expect(fates(&forwarder, low) == [true, true, false], "\(step) hours later")
            #expect(forwarder.limits(at: late) == low && forwarder.hasChanged)
        }
        // Higher temporal layers may come behind a picture that allows it, however long it stood still then.
        stamp &+= 7 * 3600 * 90_000
        let often = LayerLimits(spatial: 1, temporal: 2)
        #expect(fates(&forwarder, often) == [true, true, false] && forwarder.limits(at: stamp) == often)
        // And higher spatial ones with a key picture.
        stamp &+= 3000
        let key = entry(0, isKey: true)
        #expect(forwarder.take(key, wanted: { high }) != .gone && forwarder.limits(at: stamp) == high)
        #expect(forwarder.limits(at: stamp &- 3000) == often, "what comes late of those before is thinned as they were")
        stamp &+= 3000
        #expect(fates(&forwarder, high) == [true, true, true])
    }

    @Test("numbers go up by one past what is taken out; what comes late has its own, or one that is filled")
    func numbers() {
        var numbers = ThinnedNumbers(from: 10)
        #expect(numbers.place(10, isWanted: true) == .sent(10))
        #expect(numbers.place(11, isWanted: false) == .gone && numbers.place(12, isWanted: false) == .gone)
        #expect(numbers.place(15, isWanted: true) == .sent(13), "13 and 14 may come yet")
        #expect(numbers.place(13, isWanted: false) == .filled(11) && numbers.place(14, isWanted: true) == .sent(12))
        #expect(numbers.place(14, isWanted: true) == .gone && numbers.place(11, isWanted: true) == .gone)
        #expect(numbers.place(9, isWanted: true) == .sent(9), "before the beginning nothing is taken out")
        #expect(numbers.place(16, isWanted: true) == .sent(14))
        let far = 16 + 5 * ThinnedNumbers.capacity
        #expect(numbers.place(far, isWanted: true) == .sent(far - 2))
        #expect(numbers.place(17, isWanted: true) == .late)
        #expect(numbers.place(far - 1, isWanted: true) == .sent(far - 3))
        numbers.restart(from: 20_000)
        #expect(numbers.place(20_000, isWanted: true) == .sent(20_000))
    }

    /// What `ThinnedNumbers` says, one number after the other.
    private struct PlainNumbers {
        var first: Int64, newest: Int64, removed: Int64 = 0, open: [Int64: Int64] = [:]

        init(from first: Int64) { (self.first, newest) = (first, first - 1) }

        mutating func place(_ source: Int64, isWanted: Bool) -> ThinnedNumbers.Fate {
            guard source >= first else { return isWanted ? .sent(source) : .filled(source) }
            guard source <= newest else {
                for missing in (newest + 1)..<source { open[missing] = removed }
                newest = source
                if !isWanted { removed += 1 }
                return isWanted ? .sent(source - removed) : .gone
            }
            guard newest - source < ThinnedNumbers.capacity else { return .late }
            guard let before = open.removeValue(forKey: source) else { return .gone }
            return isWanted ? .sent(source - before) : .filled(source - before)
        }
    }

    @Test("whatever numbers come, with jumps of every size, each has the place that counting one by one gives it")
    func numbersThatJump() {
        for seed in UInt64(1)...200 {
            var random = LayerRandom(seed)
            let start = Int64.random(in: 0...70_000, using: &random)
            var numbers = ThinnedNumbers(from: start), plain = PlainNumbers(from: start)
            for _ in 0..<2000 {
                if random.happens(1), random.happens(10) {
                    let first = plain.newest + Int64.random(in: -2000...2000, using: &random)
                    numbers.restart(from: max(0, first))
                    plain = PlainNumbers(from: max(0, first))
                }
                let jump: ClosedRange<Int64> =
                    switch Int.random(in: 0..<20, using: &random) {
                    case 0: 1...3000
                    case 1: 1000...1030
                    case 2: 60...70
                    case 3...8: -80...0
                    case 9: -1100...0
                    default: 1...1
                    }
                let source = plain.newest + Int64.random(in: jump, using: &random), isWanted = random.happens(60)
                let (seen, right) = (
                    numbers.place(source, isWanted: isWanted), plain.place(source, isWanted: isWanted)
                )
                guard seen == right, numbers.newest == plain.newest else {
                    Issue.record("seed \(seed): \(source) is \(seen), not \(right)")
                    break
                }
            }
        }
    }
}
