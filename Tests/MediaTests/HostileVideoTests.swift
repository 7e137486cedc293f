// Decoders fed with changed frames: no trap, no memory for sizes that are not allowed, and the next good frame is shown.

import Foundation
import Media
import Testing

@Suite("Hostile pictures")
struct HostileVideoTests {
    /// The same numbers on every run.
    private struct Chance {
        var state: UInt64
        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, bound)
        }
    }

    /// The memory of the process, in bytes.
    private func resident() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
    }

    private func change(_ good: [UInt8], _ others: [[UInt8]], _ chance: inout Chance) -> [UInt8] {
        var bytes = good
        // Most of what decides lies in the first bytes.
        for _ in 0..<(1 + chance.next(4)) {
            let place = chance.next(3) == 0 ? chance.next(bytes.count) : chance.next(min(48, bytes.count))
            bytes[place] = chance.next(4) == 0 ? [0, 0x7F, 0x80, 0xFF][chance.next(4)] : UInt8(chance.next(256))
        }
        switch chance.next(8) {
        case 0: bytes.removeLast(chance.next(bytes.count))
        case 1: bytes += (0...chance.next(60)).map { _ in UInt8(chance.next(256)) }
        case 2: bytes += others[chance.next(others.count)]
        case 3: bytes = (0...chance.next(200)).map { _ in UInt8(chance.next(256)) }
        default: break
        }
        return bytes
    }

    @Test(
        "changed, cut, grown and random frames are refused or decoded, and the next keyframe is shown",
        arguments: SpeakerEncoder.codecs, [1, 2])
    func changed(codec: Codec, seed: Int) throws {
        let corpus =
            try SpeakerEncoder.encode(codec, 96, 80, count: 12, keyframes: [6])
            + SpeakerEncoder.encode(codec, 64, 112, count: 4)
        let frames = corpus.map(\.payload.array)
        var decoder = try VideoDecoder(codec: codec, maximumPixels: 320 * 240, framesInUse: 4)
        var chance = Chance(state: UInt64(seed)), refused = 0, shown = 0
        for round in 0..<1500 {
            let bytes = change(frames[round % frames.count], frames, &chance)
            do throws(VideoCodecError) {
                if let picture = try decoder.decode(ByteBlock(bytes), timestampNanoseconds: 0) {
                    shown += 1
                    #expect(picture.width * picture.height <= 320 * 240)
                }
            } catch {
                refused += 1
            }
            if round % 100 == 99 {
                let good = try decoder.decode(corpus[0].payload, timestampNanoseconds: 7)
                #expect(good?.width == 96 && good?.height == 80)
            }
        }
        #expect(refused > 300 && shown > 0, "\(refused) were refused, \(shown) shown")
    }

    @Test("a size that is not allowed takes no memory", arguments: SpeakerEncoder.codecs)
    func tooLarge(codec: Codec) throws {
        let good = try SpeakerEncoder.encode(codec, 64, 64, count: 1)[0].payload
        let hostile: [ByteBlock]
        switch codec {
        case .vp8:
            var bytes = good.array
            bytes.replaceSubrange(6..<10, with: [0xFF, 0x3F, 0xFF, 0x3F])
            hostile = [ByteBlock(bytes)]
        case .vp9:
            var bytes = good.array
            // 16 bits of width and height each, behind 4 bits of colour, which are behind the sync code.
            bytes.replaceSubrange(4..<9, with: [bytes[4] & 0xF0 | 3, 0xFF, 0xF3, 0xFF, 0xF0 | bytes[8] & 0x0F])
            // The same behind a frame that is allowed, with an index and without.
            let small = good.array.count, sizes = [small, bytes.count]
            let index = VP9Superframe.index(sizes: sizes)
            hostile = [ByteBlock(bytes), ByteBlock(good.array + bytes + index)]
        default:
            // 1024 × 1024 macroblocks, and the same cropped to 64 × 64 pixels.
            let whole = HostileSets.sequenceSet(macroblocks: 1024, isCropped: false)
            let cropped = HostileSets.sequenceSet(macroblocks: 1024, isCropped: true)
            hostile = [whole, cropped].map { set in
                ByteBlock([0, 0, 0, UInt8(set.count)] + set + good.array)
            }
        }
        var decoder = try VideoDecoder(codec: codec, maximumPixels: 1920 * 1200, framesInUse: 4)
        let first = try decoder.decode(good, timestampNanoseconds: 0)
        #expect(first != nil)
        let before = resident()
        for _ in 0..<20 {
            for payload in hostile {
                let error = #expect(throws: VideoCodecError.self) {
                    try decoder.decode(payload, timestampNanoseconds: 0)
                }
                if case .tooLarge? = error { continue }
                Issue.record("refused as \(String(describing: error))")
            }
        }
        #expect(resident() - before < 64 << 20, "\((resident() - before) >> 20) MB were taken")
        let last = try decoder.decode(good, timestampNanoseconds: 0)
        #expect(last != nil)
    }

    @Test("what follows a frame of VP9 without an index is not decoded as another one")
    func appended() throws {
        let small = try SpeakerEncoder.encode(.vp9, 64, 64, count: 1)[0].payload.array
        let large = try SpeakerEncoder.encode(.vp9, 640, 480, count: 1)[0].payload.array
        var decoder = try VideoDecoder(codec: .vp9, maximumPixels: 320 * 240, framesInUse: 4)
        for _ in 0..<3 {
            let picture = try? decoder.decode(ByteBlock(small + large), timestampNanoseconds: 0)
            #expect(picture.map { $0.width == 64 } ?? true)
        }
    }

    @Test("headers of VP9 are read to their end or not at all")
    func headers() throws {
        let frames = try SpeakerEncoder.encode(.vp9, 322, 182, count: 3).map(\.payload.array)
        func header(_ bytes: [UInt8]) -> VP9FrameHeader? { bytes.withUnsafeBytes { VP9FrameHeader($0) } }
        let key = try #require(header(frames[0])), next = try #require(header(frames[1]))
        #expect(key.isKeyframe && key.profile == 0 && key.size == PictureSize(width: 322, height: 182))
        #expect(!next.isKeyframe && next.size == nil)
        for cut in 0..<9 { #expect(header(Array(frames[0].prefix(cut))) == nil) }
        #expect(header([0x00]) == nil && header([0x88])?.showsExisting == true)
    }
}

/// Parameter sets that no encoder writes.
enum HostileSets {
    /// A set of constrained baseline (ITU-T H.264, 7.3.2.1.1) with so many macroblocks across and down.
    static func sequenceSet(macroblocks: Int, isCropped: Bool) -> [UInt8] {
        var bits: [Bool] = []
        func fixed(_ value: Int, _ count: Int) {
            for bit in stride(from: count - 1, through: 0, by: -1) { bits.append(value >> bit & 1 == 1) }
        }
        func golomb(_ value: Int) {
            let length = Int.bitWidth - (value + 1).leadingZeroBitCount
            fixed(0, length - 1)
            fixed(value + 1, length)
        }
        fixed(66, 8)
        fixed(0xC0, 8)
        fixed(51, 8)
        // Its number, frame numbers, order of output, reference frames, no gaps, then the size in macroblocks.
        for value in [0, 0, 2, 1] { golomb(value) }
        fixed(0, 1)
        golomb(macroblocks - 1)
        golomb(macroblocks - 1)
        fixed(0b11, 2)
        fixed(isCropped ? 1 : 0, 1)
        if isCropped { for value in [0, macroblocks * 8 - 32, 0, macroblocks * 8 - 32] { golomb(value) } }
        fixed(0, 1)
        fixed(1, 1)
        while bits.count % 8 != 0 { bits.append(false) }
        let bytes = stride(from: 0, to: bits.count, by: 8).map { at in
            bits[at..<at + 8].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
        }
        return [0x67] + bytes
    }
}
