// The load's arguments, statistics and replay, in virtual time.

import Media
import RTC
import Testing

@testable import Load

@Suite("Load: options")
struct LoadOptionsTests {
    private let worker = LoadOptions(peer: .worker(port: 9000))

    @Test func theDefaultsAreGood() throws { try worker.check() }

    @Test func nothingIsNotEnough() {
        for path in [\LoadOptions.rooms, \.publishers, \.seconds, \.width, \.height, \.bitrate] {
            var options = worker
            options[keyPath: path] = 0
            #expect(throws: LoadError.self) { try options.check() }
        }
    }

    @Test func tooManyPeersInAllAreRefusedWithTheirNumber() {
        var options = worker
        (options.rooms, options.publishers, options.subscribers) = (100, 50, 50)
        #expect(throws: LoadError("peers in all is 1 to 4000, not 10000.")) { try options.check() }
    }

    @Test func anEventHasOneRoom() {
        var options = LoadOptions(
            peer: .studio(origin: "https://localhost:8443", event: "e", invitation: "i", certificate: nil))
        options.rooms = 2
        #expect(throws: LoadError.self) { try options.check() }
    }

    @Test func addressesAreOfTheRightKind() {
        let plain = LoadOptions(peer: .studio(origin: "http://h", event: "e", invitation: "i", certificate: nil))
        #expect(throws: LoadError.self) { try plain.check() }
        #expect(throws: LoadError.self) { try LoadOptions(peer: .janus(url: "http://h", firstRoom: 1)).check() }
    }
}

@Suite("Load: statistics")
struct LoadStatisticsTests {
    @Test func percentilesAreWithinABucketOfTheTruth() {
        var histogram = LatencyHistogram()
        for microseconds in 1...10_000 { histogram.note(nanoseconds: Int64(microseconds) * 1000) }
        for (share, truth) in [(0.5, 5_000_000.0), (0.99, 9_900_000.0)] {
            let found = Double(histogram.percentile(share))
            #expect(found >= truth && found <= truth * 1.07, "\(share): \(found)")
        }
        histogram.reset()
        #expect(histogram.count == 0 && histogram.percentile(0.5) == 0)
    }

    @Test func everyDurationFindsItsBucket() {
        for value in [0, 1, 15, 16, 17, 255, 256, 1_000_000, Int64.max, -5] {
            let bucket = LatencyHistogram.bucket(value)
            #expect(bucket >= 0 && bucket < 64 * 16)
            #expect(LatencyHistogram.upperBound(bucket) >= value)
            if bucket > 0 { #expect(LatencyHistogram.upperBound(bucket - 1) < max(value, 1)) }
        }
    }

    @Test func aStampIsReadFromThePayloadsEnd() {
        var bytes = [UInt8](repeating: 1, count: 40)
        bytes.withUnsafeMutableBytes { bytes in
            #expect(SendStamp.read(UnsafeRawBufferPointer(bytes)) == nil)
            if let base = bytes.baseAddress { SendStamp.write(123_456_789_012_345, to: base + 28) }
            #expect(SendStamp.read(UnsafeRawBufferPointer(bytes)) == 123_456_789_012_345)
            #expect(SendStamp.read(UnsafeRawBufferPointer(rebasing: bytes[28...])) == nil)
        }
    }

    @Test func theTimesOfAProcessAreReadBehindItsName() {
        let line = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 0 0 0"
        #expect(ProcessReading.cpuSeconds(stat: line, ticksPerSecond: 100) == 3)
        #expect(ProcessReading.cpuSeconds(stat: "12 (a) S 1", ticksPerSecond: 100) == nil)
        #expect(ProcessReading.cpuSeconds(0x7FFF_FFFF) == nil)
    }

    private func header(_ number: UInt16, marker: Bool = false) -> RTPHeader {
        RTPHeader(payloadType: 96, sequenceNumber: number, timestamp: 0, ssrc: 1, marker: marker)
    }

    @Test func aLostPacketIsCountedUntilItsRepeatComes() {
        var stream = ReceivedStream(ssrc: 1, rtxSSRC: 2, isVideo: true), counters = LoadCounters()
        let now = MonotonicTime(milliseconds: 1000)
        stream.note(65_534, header(65_534), isRTX: false, now: now, counters: &counters)
        stream.beginWindow()
        for number in [65_535, 1, 2] as [UInt16] {
            stream.note(number, header(number), isRTX: false, now: now, counters: &counters)
        }
        #expect(stream.window == (4, 1))
        let (asked, again) = (stream.due(now: now, roundTripMs: 50), stream.due(now: now, roundTripMs: 50))
        #expect(asked == [0] && again == [])
        stream.note(0, header(77), isRTX: true, now: now, counters: &counters)
        #expect(stream.window == (4, 0))
        #expect(stream.recovered == 1)
    }

    @Test func aPacketThatNeverComesNeedsAKeyframeOnce() {
        var stream = ReceivedStream(ssrc: 1, rtxSSRC: nil, isVideo: true), counters = LoadCounters()
        var now = MonotonicTime(milliseconds: 0)
        stream.note(1, header(1), isRTX: false, now: now, counters: &counters)
        stream.note(3, header(3), isRTX: false, now: now, counters: &counters)
        var asked = 0
        while now.milliseconds < 2000 {
            asked += stream.due(now: now, roundTripMs: 50).count
            now = now.advanced(byMilliseconds: 10)
        }
        #expect(asked == 10)
        let (needed, stillNeeded) = (stream.takeKeyframeNeed(), stream.takeKeyframeNeed())
        #expect(needed && !stillNeeded)
    }

    @Test func aPauseBetweenPicturesIsAFreeze() {
        var stream = ReceivedStream(ssrc: 1, rtxSSRC: nil, isVideo: true), counters = LoadCounters()
        for (number, milliseconds) in [(1, 1000), (2, 1033), (3, 1340), (4, 1373)] {
            let now = MonotonicTime(milliseconds: Int64(milliseconds))
            let number = UInt16(number)
            stream.note(number, header(number, marker: true), isRTX: false, now: now, counters: &counters)
        }
        #expect(counters.pictures == 4 && counters.freezes == 1)
    }
}

@Suite("Load: replay")
struct ReplayTests {
    private static let recording = Result { try Recording.synthetic(width: 128, height: 72, bitrate: 100_000) }

    @Test func theRecordingBeginsWithAKeyframeAndHasAnotherOne() throws {
        let recording = try Self.recording.get()
        #expect(recording.pictures[0].isKeyframe)
        #expect(recording.pictures.count { $0.isKeyframe } >= 2)
        #expect(recording.sounds.count == 200)
        #expect(recording.sounds.contains { $0.level < 40 } && recording.sounds.contains { $0.level > 100 })
        #expect(recording.payloadSizes.allSatisfy { (1...1200).contains($0) })
    }

    @Test func aMinuteIsReplayedWithoutAGap() throws {
        let recording = try Self.recording.get()
        let start = MonotonicTime(milliseconds: 5000)
        var replay = Replay(recording, start: start), now = start
        var pictures = 0, sounds = 0, last: Int64 = -1, place: Int?
        while now.milliseconds(since: start) < 60_000 {
            while let item = replay.next(now: now) {
                switch item {
                case .picture(let index, let nanoseconds):
                    if let place { #expect(index == (place + 1) % recording.pictures.count) }
                    place = index
                    pictures += 1
                    #expect(nanoseconds > last)
                    last = nanoseconds
                case .sound: sounds += 1
                }
            }
            now = replay.deadline
        }
        #expect((1799...1801).contains(pictures) && (2999...3001).contains(sounds), "\(pictures) \(sounds)")
        #expect(replay.skipped == 0)
    }

    @Test func aRequestBringsTheNextKeyframeSoon() throws {
        let recording = try Self.recording.get()
        let start = MonotonicTime(milliseconds: 0)
        var replay = Replay(recording, start: start), now = start
        func nextPicture() -> Int {
            while true {
                if case .picture(let index, _) = replay.next(now: now) { return index }
                now = replay.deadline
            }
        }
        while now.milliseconds < 700 { _ = nextPicture() }
        replay.requestKeyframe()
        #expect(recording.pictures[nextPicture()].isKeyframe)
        // Asked at once again, it waits for half a second.
        replay.requestKeyframe()
        let asked = now
        while !recording.pictures[nextPicture()].isKeyframe {}
        #expect((400...600).contains(now.milliseconds(since: asked)))
    }

    @Test func aLongWaitIsLeftOutInsteadOfSentAtOnce() throws {
        let recording = try Self.recording.get()
        let start = MonotonicTime(milliseconds: 0)
        var replay = Replay(recording, start: start)
        _ = replay.next(now: start)
        var burst = 0
        while replay.next(now: start.advanced(byMilliseconds: 3000)) != nil { burst += 1 }
        #expect(burst <= 4)
        #expect(replay.skipped > 200)
    }

    @Test func anIVFFileGivesItsFrames() throws {
        var bytes = Array("DKIF".utf8) + [0, 0, 32, 0] + Array("VP80".utf8) + [64, 0, 36, 0]
        bytes += [30, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
        for (index, frame) in [[0x10, 1, 2], [0x11, 3] as [UInt8]].enumerated() {
            bytes += [UInt8(frame.count), 0, 0, 0, UInt8(index), 0, 0, 0, 0, 0, 0, 0] + frame
        }
        let file = try IVFFile(bytes)
        #expect(file.codec == "VP80" && file.ticksPerSecond == 30)
        #expect(file.frames.map(\.bytes) == [[0x10, 1, 2], [0x11, 3]])
        // A frame that is cut off is left out.
        #expect(try IVFFile(Array(bytes.dropLast())).frames.count == 1)
        #expect(throws: LoadError.self) { try IVFFile(Array(bytes.prefix(32))) }
        #expect(throws: LoadError.self) { try IVFFile([1, 2, 3]) }
    }
}
