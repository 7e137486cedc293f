// H.264 payloads: units cut and put together again, parameter sets remembered, damage noticed.

import Media
import Testing

@testable import RTC

@Suite("H.264 payloads")
struct H264PayloadTests {
    static let sequenceSet = hex("67 42C01F 95A0"), pictureSet = hex("68 CE3C80")

    /// A unit whose bytes tell its number.
    static func unit(_ head: UInt8, _ index: Int, size: Int) -> [UInt8] {
        [head] + (0..<max(1, size - 1)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
    }

    static func joined(_ units: [[UInt8]]) -> [UInt8] {
        units.flatMap { unit in (0..<4).map { UInt8(truncatingIfNeeded: unit.count >> (24 - 8 * $0)) } + unit }
    }

    private func parse(_ text: String) -> H264Payload? { hex(text).withUnsafeBytes { H264Payload($0) } }

    /// Packets into an assembler, and what comes out.
    private struct Line {
        var assembler = FrameAssembler(codec: .h264, maximumWaitMs: 100)
        var sequence: Int64 = 100, now = MonotonicTime(milliseconds: 0)
        var got: [(bytes: [UInt8], isKeyframe: Bool)] = []

        mutating func send(_ payloads: [[UInt8]], timestamp: Int, lost: Set<Int> = []) {
            for (position, payload) in payloads.enumerated() {
                if !lost.contains(position) {
                    payload.withUnsafeBytes {
                        assembler.insert(
                            sequence: sequence, timestamp: UInt32(timestamp), marker: position == payloads.count - 1,
                            payload: $0, now: now)
                    }
                }
                sequence += 1
            }
            while let frame = assembler.pop(now: now) { got.append((frame.payload.array, frame.isKeyframe)) }
            now = now.advanced(byMilliseconds: 33)
        }

        mutating func send(units: [[UInt8]], timestamp: Int, lost: Set<Int> = []) {
            let frame = H264PayloadTests.joined(units)
            send(frame.withUnsafeBytes { H264Packetizer.packetize($0) }, timestamp: timestamp, lost: lost)
        }
    }

    @Test("payloads of mode 1 are read")
    func payloads() throws {
        #expect(parse("61 00")?.kind == .single && parse("65 00")?.startsIDR == true)
        #expect(parse("67 42")?.hasParameterSet == true)
        let together = try #require(parse("78 0006 6742C01F95A0 0004 68CE3C80"))
        #expect(together.kind == .aggregate && together.hasParameterSet && !together.startsIDR)
        #expect(
            parse("7C 85 00")?.kind == .fragment(isFirst: true, isLast: false) && parse("7C 85 00")?.startsIDR == true)
        #expect(
            parse("7C 05 00")?.startsIDR == false && parse("7C 45 00")?.kind == .fragment(isFirst: false, isLast: true))
    }

    @Test(
        "what is damaged or of another mode is refused",
        arguments: [
            "", "00", "E1 00", "78", "78 00", "78 0000", "78 0006 67", "78 0001 67 00", "78 0001 78", "79 0001 61",
            "7A 00",
            "7C", "7C 85", "7C C5 00", "7C 80 00", "7C 9C 00", "7D 85 0000 00", "7E 00", "7F 00",
        ])
    func refused(text: String) { #expect(parse(text) == nil) }

    @Test("profiles of every spelling are told apart")
    func profiles() {
        for text in ["42e01f", "42C01F", "42f00b", "4d8015", "58c01e"] {
            #expect(H264Profile(text) == .constrainedBaseline)
        }
        for text in ["42001f", "42A01E", "588015"] { #expect(H264Profile(text) == .baseline) }
        for text in ["", "64001f", "4d001f", "640c1f", "42e11f", "42e01", "xxxxxx", "42e01f0"] {
            #expect(H264Profile(text) == nil, "\(text)")
        }
    }

    @Test(
        "access units are cut and put together again, small units together, large ones in parts", arguments: [1, 2, 3])
    func roundTrip(seed: Int) {
        var random = SeededGenerator(UInt64(seed)), line = Line(), sent: [[UInt8]] = []
        for index in 0..<80 {
            let isKeyframe = index % 25 == 0
            var units = isKeyframe ? [Self.sequenceSet, Self.pictureSet] : []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                units.append(
                    Self.unit(isKeyframe ? 0x65 : 0x61, index, size: Int.random(in: 2...5000, using: &random)))
            }
            sent.append(Self.joined(units))
            let payloads = Self.joined(units).withUnsafeBytes { H264Packetizer.packetize($0) }
            #expect(payloads.allSatisfy { $0.count <= H264Packetizer.maximumPayload })
            line.send(payloads, timestamp: index * 3000)
        }
        #expect(line.got.map(\.bytes) == sent)
        #expect(line.got.map(\.isKeyframe) == (0..<80).map { $0 % 25 == 0 })
    }

    @Test("an IDR without parameter sets gets those that are known, and without any it is no keyframe")
    func parameterSets() {
        let bare = [Self.unit(0x65, 1, size: 3000)]
        var without = Line()
        without.send(units: bare, timestamp: 0)
        without.send(units: [Self.unit(0x61, 2, size: 50)], timestamp: 1)
        #expect(without.got.isEmpty && without.assembler.needsKeyframe)

        var line = Line()
        line.send(units: [Self.sequenceSet, Self.pictureSet, Self.unit(0x65, 0, size: 40)], timestamp: 0)
        line.send(units: bare, timestamp: 1)
        #expect(line.got.last?.isKeyframe == true)
        #expect(line.got.last?.bytes == Self.joined([Self.sequenceSet, Self.pictureSet] + bare))
        // Sets that come in a unit of their own take the place of the old ones.
        let other = hex("67 42C01F 95A1")
        line.send(units: [other, Self.pictureSet], timestamp: 2)
        line.send(units: bare, timestamp: 3)
        #expect(line.got.last?.bytes == Self.joined([other, Self.pictureSet] + bare))
        // After a gap the next bare IDR is a place to begin.
        line.send(units: [Self.unit(0x61, 3, size: 3000)], timestamp: 4, lost: [1])
        for index in 5..<10 { line.send(units: [Self.unit(0x61, index, size: 50)], timestamp: index) }
        #expect(line.assembler.needsKeyframe)
        let before = line.got.count
        line.send(units: bare, timestamp: 10)
        #expect(line.got.count == before + 1 && line.got.last?.isKeyframe == true)
    }

    @Test("a lost part stops the picture until the next keyframe, even if the part was of a keyframe")
    func loss() {
        var line = Line(), timestamps: [Int] = []
        for index in 0..<40 {
            let isKeyframe = [0, 12, 20].contains(index)
            let units =
                isKeyframe
                ? [Self.sequenceSet, Self.pictureSet, Self.unit(0x65, index, size: 4000)]
                : [Self.unit(0x61, index, size: 2500)]
            let before = line.got.count
            line.send(units: units, timestamp: index, lost: index == 5 || index == 12 ? [1] : [])
            timestamps += Array(repeating: index, count: line.got.count - before)
        }
        #expect(timestamps == Array(0..<5) + Array(20..<40))
        // Fourteen frames of 3 packets and one keyframe of 5, lost packets among them.
        #expect(line.assembler.abandoned == 14 * 3 + 5 && line.assembler.damaged == 0)
        #expect(!line.assembler.needsKeyframe)
    }

    @Test("a frame whose parts don't fit together is left out, and a keyframe is asked for")
    func damaged() {
        let good = [Self.sequenceSet, Self.pictureSet, Self.unit(0x65, 0, size: 60)]
        for damage in [
            ["7C 81 0102", "61 0304", "7C 41 05"], ["7C 01 0102", "7C 41 05"], ["7C 81 01", "7C 45 05"],
            ["7C 81 01", "7C 01 05"], ["7C 81 01", "78 0001 61", "7C 41 05"],
        ] {
            var line = Line()
            line.send(units: good, timestamp: 0)
            line.send(damage.map(hex), timestamp: 1)
            #expect(line.got.count == 1 && line.assembler.needsKeyframe && line.assembler.damaged > 0)
            line.send(units: [Self.unit(0x61, 2, size: 60)], timestamp: 2)
            line.send(units: good, timestamp: 3)
            #expect(line.got.count == 2 && !line.assembler.needsKeyframe)
        }
    }

    @Test("what is no list of units with lengths is not sent")
    func packetizer() {
        for text in ["00000000", "00000005 61", "000000", "FFFFFFFF 61"] {
            #expect(hex(text).withUnsafeBytes { H264Packetizer.packetize($0) }.isEmpty)
        }
    }

    @Test("hostile payloads and orders never trap, and nothing grows")
    func hostile() {
        let corpus = [
            "67 42C01F95A0", "68 CE3C80", "65 0102030405", "61 0102", "78 0006 6742C01F95A0 0004 68CE3C80 0003 650102",
            "7C 85 010203", "7C 05 040506", "7C 45 070809", "7C 81 01", "7C 41 02",
        ].map(hex)
        #expect(hostileFrames(.h264, corpus) > 100)
    }
}
