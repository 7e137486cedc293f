// VP9 payloads: descriptors of every form, pictures cut and put together again, layers as superframes.

import Media
import Testing

@testable import RTC

@Suite("VP9 payloads")
struct VP9PayloadTests {
    /// The head of a frame (VP9 Bitstream Specification, 6.2): a key frame of 640 × 360, or one that refers to others.
    static let keyHead = hex("82 498342 0027F01670"), interHead = hex("86 00 40 92 00")

    static func frame(_ index: Int, size: Int, isKeyframe: Bool) -> [UInt8] {
        let head = isKeyframe ? keyHead : interHead
        // The last byte never looks like the end of a superframe's index.
        return head + (0..<max(1, size - head.count)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) & 0x3F }
    }

    private func parse(_ text: String) -> VP9Descriptor? { hex(text).withUnsafeBytes { VP9Descriptor($0) } }

    @Test("descriptors of every form are read")
    func descriptors() throws {
        let simple = try #require(parse("0C 82498342 0027F01670"))
        #expect(simple.startsPicture && simple.endsLayerFrame && simple.isKeyframe && simple.length == 1)
        let short = try #require(parse("C8 11 86"))
        #expect(short.pictureID == 0x11 && !short.hasLongPictureID && short.isPredicted && !short.isKeyframe)
        let layered = try #require(parse("AC 9234 53 07 82498342 0027F01670"))
        #expect(layered.pictureID == 0x1234 && layered.hasLongPictureID && layered.length == 5)
        #expect(layered.temporalLayer == 2 && layered.switchesUp && layered.spatialLayer == 1)
        #expect(layered.isInterLayerPredicted && layered.tl0PictureIndex == 7)
        #expect(
            layered.startsLayerFrame && !layered.startsPicture && !layered.isKeyframe,
            "an upper layer begins no picture")
        let flexible = try #require(parse("FC 05 20 03 05 08 86"))
        #expect(flexible.isFlexible && flexible.referenceCount == 3 && flexible.tl0PictureIndex == nil)
        #expect(flexible.length == 6 && flexible.temporalLayer == 1)
        let structure = try #require(parse("8A 05 38 0280 0168 0500 02D0 02 04 05 54 01 82498342 0027F01670"))
        #expect(structure.structure.count == 2 && structure.structure.size(0) == PictureSize(width: 640, height: 360))
        #expect(
            structure.structure.size(1) == PictureSize(width: 1280, height: 720) && structure.structure.size(2) == nil)
        #expect(structure.isKeyframe)
    }

    @Test(
        "descriptors that end too early, or name more than three references, are refused",
        arguments: [
            "", "0C", "8C", "8C 80", "8C 92 34", "AC 05", "AC 05 20", "FC 05 20", "FC 05 20 03 05 09 02 86",
            "8A 05 38 0280", "8A 05 18 0280 0168 02 04", "8A 05 08 FF 0C 01", "8A 05 08 01 0C 01 02 03",
        ])
    func short(text: String) { #expect(parse(text) == nil) }

    @Test("a picture whose descriptor refers to none is a keyframe only if its header says so")
    func keyframes() throws {
        #expect(try #require(parse("08 86004092")).isKeyframe == false)
        #expect(try #require(parse("48 82498342 0027F01670")).isKeyframe == false)
        #expect(try #require(parse("04 82498342 0027F01670")).isKeyframe == false, "the middle of a frame")
    }

    @Test("frames are cut into equal pieces and put together again, in order or not", arguments: [1, 2, 3])
    func roundTrip(seed: Int) {
        var random = SeededGenerator(UInt64(seed)), packetizer = VP9Packetizer(pictureID: 32_700)
        var assembler = FrameAssembler(codec: .vp9, maximumWaitMs: 500)
        let now = MonotonicTime(milliseconds: 1)
        var sent: [[UInt8]] = [], got: [[UInt8]] = [], keys: [Bool] = [], sequence: Int64 = 65_500
        for index in 0..<100 {
            let frame = Self.frame(index, size: Int.random(in: 20...9000, using: &random), isKeyframe: index % 30 == 0)
            sent.append(frame)
            let payloads = frame.withUnsafeBytes { packetizer.packetize($0) }
            #expect(payloads.allSatisfy { $0.count <= VP9Packetizer.maximumPayload })
            for position in payloads.indices.shuffled(using: &random) {
                payloads[position].withUnsafeBytes {
                    assembler.insert(
                        sequence: sequence + Int64(position), timestamp: UInt32(index * 3000),
                        marker: position == payloads.count - 1, payload: $0, now: now)
                }
            }
            sequence += Int64(payloads.count)
            while let out = assembler.pop(now: now) {
                got.append(out.payload.array)
                keys.append(out.isKeyframe)
            }
        }
        #expect(got == sent)
        #expect(keys == (0..<100).map { $0 % 30 == 0 })
    }

    @Test("the layers of a picture come out as one superframe, whose index a decoder can follow")
    func layers() throws {
        var assembler = FrameAssembler(codec: .vp9, maximumWaitMs: 500)
        let now = MonotonicTime(milliseconds: 1)
        let lower = Self.frame(1, size: 300, isKeyframe: true), upper = Self.frame(2, size: 70_000, isKeyframe: false)
        func insert(_ sequence: Int64, _ descriptor: [UInt8], _ bytes: ArraySlice<UInt8>, marker: Bool) {
            (descriptor + bytes).withUnsafeBytes {
                assembler.insert(sequence: sequence, timestamp: 9, marker: marker, payload: $0, now: now)
            }
        }
        insert(10, [0xAC, 5, 0, 1], lower[...], marker: false)
        // Spatial layer 1, predicted from the one below, in two packets.
        insert(11, [0xA8, 5, 0x03, 1], upper[..<40_000], marker: false)
        let early = assembler.pop(now: now)
        #expect(early == nil)
        insert(12, [0xA4, 5, 0x03, 1], upper[40_000...], marker: true)
        let popped = assembler.pop(now: now)
        let frame = try #require(popped)
        let bytes = frame.payload.array
        #expect(frame.isKeyframe && bytes.starts(with: lower + upper))
        let found = try #require(bytes.withUnsafeBytes { VP9Superframe.frames(in: $0) })
        #expect(found == [0..<300, 300..<70_300])
    }

    @Test("numbers without payload are stepped over, between frames and within one")
    func empties() {
        var assembler = FrameAssembler(codec: .vp9, maximumWaitMs: 500), packetizer = VP9Packetizer(pictureID: 1)
        let now = MonotonicTime(milliseconds: 1)
        func insert(_ sequence: Int64, _ picture: Int, _ payload: [UInt8], marker: Bool) {
            payload.withUnsafeBytes {
                assembler.insert(
                    sequence: sequence, timestamp: UInt32((picture + 1) * 3000), marker: marker, payload: $0, now: now)
            }
        }
        var sent: [[UInt8]] = [], sequence: Int64 = 100
        for picture in 0..<4 {
            let frame = Self.frame(picture, size: 2500, isKeyframe: picture == 0)
            sent.append(frame)
            for (index, payload) in frame.withUnsafeBytes({ packetizer.packetize($0) }).enumerated() {
                insert(sequence, picture, payload, marker: index == 2)
                // Of an older picture's time, as it is when it comes late.
                insert(sequence + 1, picture - 1, [], marker: true)
                sequence += 2
            }
        }
        var got: [[UInt8]] = []
        while let frame = assembler.pop(now: now) { got.append(frame.payload.array) }
        #expect(got == sent)
    }

    @Test("an index that names more than there is, is none")
    func superframes() {
        func frames(_ text: String) -> [Range<Int>]? { hex(text).withUnsafeBytes { VP9Superframe.frames(in: $0) } }
        #expect(frames("AABB C1 01 01 C1") == [0..<1, 1..<2])
        #expect(frames("AABB C1 01 02 C1") == nil && frames("AABB C0 01 01 C1") == nil)
        #expect(frames("C1") == nil && frames("") == nil && frames("C0 00 C0") == [0..<0])
        #expect(VP9Superframe.index(sizes: [1, 300]) == hex("C9 0100 2C01 C9"))
        #expect(VP9Superframe.index(sizes: []).isEmpty && VP9Superframe.index(sizes: [5, 0]).isEmpty)
        #expect(VP9Superframe.index(sizes: Array(repeating: 1, count: 9)).isEmpty)
    }

    @Test("hostile payloads and orders never trap, and nothing grows")
    func hostile() {
        let corpus = [
            "0C 82498342 0027F01670", "C8 11 86004092", "AC 9234 53 07 82498342 0027F01670", "FC 05 20 03 05 08 86",
            "8A 05 38 0280 0168 0500 02D0 02 04 05 54 01 82498342 0027F01670", "A4 05 03 01 8600 C1 01 01 C1",
        ].map(hex)
        let frames = hostileFrames(.vp9, corpus)
        #expect(frames > 100)
    }
}

/// Throws changed packets at an assembler in every order; returns how many frames came out.
func hostileFrames(_ codec: Codec, _ corpus: [[UInt8]]) -> Int {
    var assembler = FrameAssembler(codec: codec, maximumWaitMs: 50), random = SeededGenerator(9)
    var now = MonotonicTime(milliseconds: 0), frames = 0, inserted = 0
    attack(corpus) { bytes in
        now = now.advanced(byMilliseconds: 1)
        let base = Int64(inserted / 2)
        inserted += 1
        let sequence =
            random.next() % 200 == 0
            ? Int64.random(in: -5...100_000, using: &random) : base + Int64.random(in: -3...3, using: &random)
        let timestamp = UInt32.random(in: 0...2, using: &random), marker = random.next() % 2 == 0
        bytes.withUnsafeBytes {
            _ = VideoPayload($0, codec: codec)
            assembler.insert(sequence: sequence, timestamp: timestamp, marker: marker, payload: $0, now: now)
        }
        while let frame = assembler.pop(now: now) {
            frames += 1
            #expect(frame.payload.count <= 1024 * 160 + 16 * 2 * 1028)
        }
    }
    return frames
}
