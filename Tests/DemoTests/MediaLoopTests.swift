// What a speaker's loop shows and sounds like once it is decoded.

import Foundation
import Media
import Testing

@testable import Demo

@Suite("A speaker's loop")
struct MediaLoopTests {
    private static let look = SpeakerLook(red: 224, green: 88, blue: 64, pitchHz: 660)
    private static let loop = Result { try MediaLoop(look, seconds: 4, keyframeSeconds: 2) }

    private func mean(_ frame: VideoFrame, _ area: CanvasRect) -> Int {
        var sum = 0
        for y in area.y..<(area.y + area.height) {
            for x in area.x..<(area.x + area.width) { sum += Int(frame.y[y * frame.lumaStride + x]) }
        }
        return sum / max(1, area.width * area.height)
    }

    /// Reads a digit by the brightness in the middle of each segment.
    private func digit(_ frame: VideoFrame, _ cell: CanvasRect) -> Int? {
        let all = SevenSegment.segments(of: 8, in: cell)
        let lit = Set(
            all.filter { segment in
                let middle = CanvasRect(
                    x: segment.x + segment.width / 2 - 2, y: segment.y + segment.height / 2 - 2, width: 4, height: 4)
                return mean(frame, middle) > 140
            })
        return (0...9).first { Set(SevenSegment.segments(of: $0, in: cell)) == lit }
    }

    private func decode(_ pictures: [MediaLoop.Picture], _ body: (Int, VideoFrame) throws -> Void) throws {
        var decoder = try VPXDecoder(codec: .vp8)
        for (index, picture) in pictures.enumerated() {
            let decoded = try picture.payload.withBytes { try decoder.decode($0, timestampNanoseconds: 0) }
            try body(index, try #require(decoded))
        }
    }

    @Test("lasts whole beats and has key frames where it says so")
    func shape() throws {
        let loop = try Self.loop.get()
        #expect(loop.beats == 40 && loop.pictures.count == 120 && loop.packets.count == 200)
        #expect(loop.keyBeats.contains(0) && loop.keyBeats.contains(20))
        for (index, picture) in loop.pictures.enumerated() {
            let size = picture.payload.withBytes { VP8FrameHeader.size($0) }
            #expect((size != nil) == picture.isKeyframe, "picture \(index)")
            if let size { #expect(size == PictureSize(width: 640, height: 360)) }
        }
        #expect(loop.keyBeat(from: 1) == loop.keyBeats[1] && loop.keyBeat(from: 39) == 0)
        // A small machine has to carry it: well below a megabit.
        let bytes = loop.pictures.reduce(0) { $0 + $1.payload.count }
        #expect(bytes * 8 / 4 < 1_000_000)
    }

    @Test("shows its counter, and white for the first tenth of each second")
    func pictures() throws {
        let loop = try Self.loop.get()
        let area = SpeakerLook.counterArea, advance = area.width / 3
        try decode(loop.pictures) { index, frame in
            #expect(frame.width == 640 && frame.height == 360)
            let digits = (0..<3).map { position in
                digit(
                    frame,
                    CanvasRect(
                        x: area.x + position * advance, y: area.y, width: advance * 4 / 5, height: area.height))
            }
            #expect(digits == [index / 100, index / 10 % 10, index % 10], "picture \(index)")
            let luma = mean(frame, SpeakerLook.flashArea)
            #expect(index % 30 < 3 ? luma > 200 : luma < 90, "picture \(index): \(luma)")
        }
    }

    @Test("can follow itself, and go on from any key frame")
    func seams() throws {
        let loop = try Self.loop.get()
        let first = loop.keyBeats[1] * MediaLoop.framesPerBeat
        let order = Array(loop.pictures[first...]) + Array(loop.pictures[..<first])
        try decode(order) { index, frame in
            let expected = (first + index) % loop.pictures.count
            #expect((mean(frame, SpeakerLook.flashArea) > 200) == (expected % 30 < 3), "picture \(expected)")
        }
    }

    @Test("beeps at the pictures that flash, at its own pitch, for a tenth of a second")
    func sound() throws {
        let loop = try Self.loop.get()
        var decoder = try OpusDecoder(), samples: [Float] = []
        // Twice: the second time it begins as it will in a call, after its own end.
        for packet in loop.packets + loop.packets {
            try packet.withBytes { bytes in
                try decoder.decode(bytes) { block in
                    samples += stride(from: 0, to: block.count, by: 2).map { block[$0] }
                }
            }
        }
        #expect(samples.count == 2 * 4 * 48_000)
        for second in 4..<8 {
            let start = second * 48_000
            let loud = (start - 24_000..<min(start + 24_000, samples.count)).filter { abs(samples[$0]) > 0.08 }
            let onset = try #require(loud.first), end = try #require(loud.last)
            #expect(abs(onset - start) < 480, "beep \(second) begins \((onset - start) / 48) ms off")
            #expect(abs(end - (start + 4800)) < 720, "beep \(second) lasts \((end - onset) / 48) ms")
            let beep = samples[(start + 480)..<(start + 4320)]
            let rising = zip(beep, beep.dropFirst()).filter { $0 < 0 && $1 >= 0 }.count
            #expect(abs(Double(rising) / 0.08 - 660) < 20, "pitch \(Double(rising) / 0.08) Hz")
        }
    }
}
