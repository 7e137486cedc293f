// VP8 and Opus payloads, and the jitter buffer.

import Media
import Testing

@testable import RTC

@Suite("Payloads")
struct PayloadTests {
    static func frame(_ index: Int, size: Int, isKeyframe: Bool) -> [UInt8] {
        let head: [UInt8] = isKeyframe ? [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01] : [0x11, 0, 0]
        return head + (0..<max(0, size - head.count)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
    }

    @Test("descriptors of every form are read")
    func descriptors() throws {
        func parse(_ text: String) -> VP8Descriptor? { hex(text).withUnsafeBytes { VP8Descriptor($0) } }
        let simple = try #require(parse("10 00 00 00"))
        #expect(simple.startsFrame && simple.isKeyframe && simple.length == 1 && simple.pictureID == nil)
        let short = try #require(parse("90 80 11 01"))
        #expect(short.pictureID == 0x11 && !short.hasLongPictureID && !short.isKeyframe)
        let long = try #require(parse("80 E0 92 34 07 80 FF"))
        #expect(long.pictureID == 0x1234 && long.tl0PictureIndex == 7 && long.temporalLayer == 2 && long.length == 6)
        let size = try #require(parse("10 100000 9D012A 8002 6801"))
        #expect(size.width == 640 && size.height == 360)
        for bad in ["", "10", "90", "90 80", "90 80 81", "90 F0 81 22 01"] { #expect(parse(bad) == nil, "\(bad)") }
    }

    @Test("frames are cut into equal pieces and put together again, in order or not", arguments: [1, 2, 3, 4])
    func roundTrip(seed: Int) {
        var random = SeededGenerator(UInt64(seed))
        var packetizer = VP8Packetizer(pictureID: 32_700), assembler = FrameAssembler(codec: .vp8, maximumWaitMs: 500)
        let now = MonotonicTime(milliseconds: 1)
        var sent: [[UInt8]] = [], got: [[UInt8]] = []
        var sequence: Int64 = 65_500
        for index in 0..<100 {
            let frame = Self.frame(index, size: Int.random(in: 20...9000, using: &random), isKeyframe: index % 30 == 0)
            sent.append(frame)
            let payloads = frame.withUnsafeBytes { packetizer.packetize($0) }
            #expect(payloads.allSatisfy { $0.count <= VP8Packetizer.maximumPayload })
            var order = Array(payloads.indices)
            order.shuffle(using: &random)
            for position in order {
                payloads[position].withUnsafeBytes {
                    assembler.insert(
                        sequence: sequence + Int64(position),
                        timestamp: UInt32(truncatingIfNeeded: 4_294_960_000 + index * 3000),
                        marker: position == payloads.count - 1, payload: $0, now: now)
                }
            }
            sequence += Int64(payloads.count)
            while let out = assembler.pop(now: now) { got.append(out.payload.array) }
        }
        #expect(got == sent)
    }

    @Test("a lost packet stops video until the next keyframe, and asks for one")
    func lossInVideo() {
        var packetizer = VP8Packetizer(pictureID: 0), assembler = FrameAssembler(codec: .vp8, maximumWaitMs: 100)
        var now = MonotonicTime(milliseconds: 0), sequence: Int64 = 0, got: [Int64] = []
        for index in 0..<20 {
            let frame = Self.frame(index, size: 3000, isKeyframe: index == 0 || index == 12)
            let payloads = frame.withUnsafeBytes { packetizer.packetize($0) }
            for (position, payload) in payloads.enumerated() {
                if index != 5 || position != 1 {
                    payload.withUnsafeBytes {
                        assembler.insert(
                            sequence: sequence, timestamp: UInt32(index), marker: position == payloads.count - 1,
                            payload: $0,
                            now: now)
                    }
                }
                sequence += 1
            }
            while let out = assembler.pop(now: now) { got.append(out.timestamp) }
            if index == 9 { #expect(assembler.needsKeyframe) }
            now = now.advanced(byMilliseconds: 33)
        }
        #expect(got == [0, 1, 2, 3, 4] + (12..<20).map(Int64.init))
        #expect(!assembler.needsKeyframe)
    }

    @Test("packets that all say that a keyframe begins, and never that it ends, hide no whole one behind them")
    func endless() {
        var packetizer = VP8Packetizer(pictureID: 0), assembler = FrameAssembler(codec: .vp8, maximumWaitMs: 100)
        let now = MonotonicTime(milliseconds: 0)
        let frame = Self.frame(1, size: 100, isKeyframe: true)
        let payload = frame.withUnsafeBytes { packetizer.packetize($0) }[0]
        for sequence in 0..<900 {
            payload.withUnsafeBytes {
                assembler.insert(
                    sequence: Int64(sequence), timestamp: UInt32(sequence / 300), marker: false, payload: $0, now: now)
            }
            #expect(assembler.pop(now: now) == nil)
        }
        payload.withUnsafeBytes {
            assembler.insert(sequence: 900, timestamp: 3, marker: true, payload: $0, now: now)
        }
        #expect(assembler.pop(now: now)?.timestamp == 3)
    }

    @Test("after a keyframe that stays incomplete the next whole one is shown at once")
    func lossOfKeyframe() {
        var packetizer = VP8Packetizer(pictureID: 0), assembler = FrameAssembler(codec: .vp8, maximumWaitMs: 100)
        var now = MonotonicTime(milliseconds: 0), sequence: Int64 = 0, got: [Int64] = []
        for index in 0..<20 {
            let frame = Self.frame(index, size: 3000, isKeyframe: [0, 5, 12].contains(index))
            let payloads = frame.withUnsafeBytes { packetizer.packetize($0) }
            for (position, payload) in payloads.enumerated() {
                if index != 5 || position != 1 {
                    payload.withUnsafeBytes {
                        assembler.insert(
                            sequence: sequence, timestamp: UInt32(index), marker: position == payloads.count - 1,
                            payload: $0, now: now)
                    }
                }
                sequence += 1
            }
            while let out = assembler.pop(now: now) { got.append(out.timestamp) }
            now = now.advanced(byMilliseconds: 33)
        }
        #expect(got == [0, 1, 2, 3, 4] + (12..<20).map(Int64.init))
    }

    @Test("a lost packet that comes in time costs nothing")
    func lateInVideo() {
        var packetizer = VP8Packetizer(pictureID: 0), assembler = FrameAssembler(codec: .vp8, maximumWaitMs: 200)
        var held: [UInt8] = []
        var got: [Int64] = []
        for index in 0..<6 {
            let now = MonotonicTime(milliseconds: Int64(index) * 33)
            let frame = Self.frame(index, size: 500, isKeyframe: index == 0)
            let payload = frame.withUnsafeBytes { packetizer.packetize($0) }[0]
            func insert(_ bytes: [UInt8], _ at: Int) {
                bytes.withUnsafeBytes {
                    assembler.insert(sequence: Int64(at), timestamp: UInt32(at), marker: true, payload: $0, now: now)
                }
            }
            if index == 2 { held = payload } else { insert(payload, index) }
            if index == 4 { insert(held, 2) }
            while let out = assembler.pop(now: now) { got.append(out.timestamp) }
        }
        #expect(got == [0, 1, 2, 3, 4, 5])
    }

    @Test("audio goes on behind a gap, and says so")
    func lossInAudio() {
        var assembler = FrameAssembler(codec: .opus, maximumWaitMs: 60)
        var got: [(Int64, Bool)] = []
        for index in 0..<20 where index != 7 {
            let now = MonotonicTime(milliseconds: Int64(index) * 20)
            [UInt8(index), 1].withUnsafeBytes {
                assembler.insert(
                    sequence: Int64(index), timestamp: UInt32(index * 960), marker: false, payload: $0, now: now)
            }
            while let out = assembler.pop(now: now) { got.append((out.timestamp / 960, out.followsGap)) }
        }
        #expect(got.map(\.0) == (0..<20).filter { $0 != 7 }.map(Int64.init))
        #expect(got.filter(\.1).map(\.0) == [8])
    }

    @Test("Opus packets tell their length")
    func opus() {
        #expect([UInt8(0xFC), 0].withUnsafeBytes { OpusPacket.samples($0) } == 960)
        #expect([UInt8(0x08), 0].withUnsafeBytes { OpusPacket.samples($0) } == 960)
        #expect([UInt8](repeating: 0, count: 0).withUnsafeBytes { OpusPacket.samples($0) } == nil)
        #expect([UInt8(0xFF)].withUnsafeBytes { OpusPacket.samples($0) } == nil)
    }

    @Test("hostile payloads and orders never trap")
    func hostile() {
        var assembler = FrameAssembler(codec: .vp8, maximumWaitMs: 50), random = SeededGenerator(9)
        var now = MonotonicTime(milliseconds: 0), frames = 0
        attack([hex("90809234 100000 9D012A 8002 6801"), hex("80E092340780FF"), hex("1000")]) { bytes in
            now = now.advanced(byMilliseconds: 1)
            let base = Int64(now.milliseconds / 2)
            let sequence =
                random.next() % 50 == 0
                ? Int64.random(in: -5...100_000, using: &random) : base + Int64.random(in: -3...3, using: &random)
            bytes.withUnsafeBytes {
                assembler.insert(
                    sequence: sequence, timestamp: UInt32.random(in: 0...3, using: &random),
                    marker: random.next() % 2 == 0,
                    payload: $0, now: now)
            }
            while assembler.pop(now: now) != nil { frames += 1 }
        }
        #expect(frames > 0)
    }

    @Test("the store gives a packet back until the ring comes round")
    func store() {
        let store = PacketStore(capacity: 64)
        for sequence in Int64(0)..<200 {
            var entry = PacketStore.Entry()
            entry.sequence = sequence
            entry.payloadOffset = 2
            entry.payloadLength = 1
            #expect([9, 9, UInt8(sequence)].withUnsafeBytes { store.insert($0, entry) })
        }
        #expect(store.entry(135) == nil)
        #expect(store.entry(136).map { Array(store.payload($0)) } == [136])
        var padded = PacketStore.Entry()
        (padded.sequence, padded.payloadOffset, padded.payloadLength, padded.padding) = (200, 1, 2, 3)
        #expect([UInt8](arrayLiteral: 9, 7, 8, 0xFF, 0xFF).withUnsafeBytes { store.insert($0, padded) })
        #expect(store.entry(200).map { Array(store.padded($0)) } == [7, 8, 0, 0, 3])
        #expect(store.entry(200).map { Array(store.payload($0)) } == [7, 8])
        var late = PacketStore.Entry()
        late.sequence = 100
        #expect([UInt8(1)].withUnsafeBytes { !store.insert($0, late) })
    }
}
