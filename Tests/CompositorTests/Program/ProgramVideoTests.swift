import Control
import Foundation
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("The program's picture and sound, encoded", .serialized)
struct ProgramVideoTests {
    /// What came out, until there is enough.
    final class Sink: Sendable {
        private let box = Mutex<(configuration: ByteBlock?, frames: [EncodedFrame])>((nil, []))
        private let enough = BoundedQueue<Bool>(capacity: 1)
        let wanted: Int

        init(wanted: Int) { self.wanted = wanted }

        var configuration: ByteBlock? { box.withLock { $0.configuration } }
        var frames: [EncodedFrame] { box.withLock { $0.frames } }

        func configure(_ block: ByteBlock) { box.withLock { $0.configuration = block } }

        func take(_ frame: EncodedFrame) {
            let count = box.withLock { box in
                box.frames.append(frame)
                return box.frames.count
            }
            if count == wanted { enough.push(true) }
        }

        func wait() { _ = enough.pop() }
    }

    private func clock() -> ProgramClock {
        // It began some hours ago: the next IDR is at most two seconds away.
        ProgramClock(
            wallMilliseconds: SystemClock.wallMilliseconds() - 7_200_000,
            monotonic: SystemClock.monotonic().advanced(byMilliseconds: -7_200_000))
    }

    @Test("begins with an IDR on the grid, numbers every frame from the anchor, and carries the program time")
    func video() throws {
        let clock = clock(), store = GraphicsStore(), sink = Sink(wanted: 65)
        let board = try #require(ProgramBoard(try ProgramBoardTests.setup()))
        let format = ProgramFormat(
            canvas: PixelSize(width: 320, height: 180), videoKbps: 400, preset: .ultrafast)
        let video = ProgramVideo(
            clock: clock, format: format, board: board, store: store,
            callbacks: .init(
                pictures: { _ in [:] }, onMissing: { _ in }, onConfiguration: { sink.configure($0) },
                onFrame: { sink.take($0) }), logger: Logger(label: "test"))
        sink.wait()
        #expect(video.newest.program?.width == 320)
        video.stop()
        let frames = sink.frames
        #expect(sink.configuration != nil)
        let first = try #require(frames.first)
        #expect(first.isKeyframe)
        #expect(first.pts % 180_000 == 0)
        // A machine that stands still for half a second costs pictures, but no IDR, and each is counted.
        for (before, frame) in zip(frames, frames.dropFirst()) {
            #expect(frame.pts > before.pts && (frame.pts - first.pts) % 3000 == 0)
            #expect(frame.isKeyframe == (frame.pts % 180_000 == 0))
        }
        let last = try #require(frames.last), span = (last.pts - first.pts) / 3000 + 1
        #expect(frames.count { $0.isKeyframe } == Int((last.pts - first.pts) / 180_000) + 1)
        let lost =
            (video.counters["proscenium_compositor_frames_missed_total"] ?? 0)
            + (video.counters["proscenium_compositor_frames_left_out_total"] ?? 0)
        #expect(Double(span) - Double(frames.count) <= lost)
        // The SEI names the moment: the anchor and the stamp.
        let bytes = first.payload.array, uuid = ProgramVideo.programTimeUUID
        let at = try #require(
            bytes.indices.dropLast(24).first { Array(bytes[$0..<($0 + 16)]) == uuid })
        // Emulation prevention may only lie behind two zeros, which a time of this century has in front alone.
        let tail = bytes[(at + 16)...].prefix(9).filter { _ in true }
        var zeros = 0, plain: [UInt8] = []
        for byte in tail {
            if zeros >= 2, byte == 3 {
                zeros = 0
                continue
            }
            zeros = byte == 0 ? zeros + 1 : 0
            plain.append(byte)
        }
        let time = plain.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        #expect(time == clock.anchor.milliseconds + first.pts / 90)
    }

    @Test("an encoder that can't be had is told, and holds no thread up")
    func failure() throws {
        let board = try #require(ProgramBoard(try ProgramBoardTests.setup()))
        let failed = BoundedQueue<Bool>(capacity: 1), drawn = BoundedQueue<Bool>(capacity: 100)
        let format = ProgramFormat(
            canvas: PixelSize(width: 321, height: 180), videoKbps: 400, preset: .ultrafast)
        let video = ProgramVideo(
            clock: clock(), format: format, board: board, store: GraphicsStore(),
            callbacks: .init(
                pictures: { _ in
                    drawn.push(true)
                    return [:]
                }, onMissing: { _ in }, onConfiguration: { _ in }, onFrame: { _ in },
                onFailure: { failed.push(true) }), logger: Logger(label: "test"))
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        let isTold = failed.pop(until: deadline)
        #expect(isTold == true)
        // More than the line holds, with an IDR among them, for which the program's thread would wait without end.
        let count = (0..<75).count { _ in drawn.pop(until: deadline) != nil }
        #expect(count == 75)
        video.stop()
    }

    @Test("mixes who is on stage at the clock's samples, without those who are not")
    func audio() throws {
        let clock = clock(), sink = Sink(wanted: 60)
        var setup = try ProgramBoardTests.setup()
        setup.cast = [
            CastMember(id: "on", name: "", isOnStage: true), CastMember(id: "off", name: "", isOnStage: false),
        ]
        let board = try #require(ProgramBoard(setup))
        let audio = ProgramAudio(
            clock: clock, kbps: 128, board: board,
            callbacks: .init(
                sound: { _, give in
                    let quiet = [Float](repeating: 0.1, count: 960), loud = [Float](repeating: 0.9, count: 960)
                    quiet.withUnsafeBufferPointer { give(SoundSource(participant: "on", isScreen: false), $0) }
                    loud.withUnsafeBufferPointer { give(SoundSource(participant: "off", isScreen: false), $0) }
                }, onConfiguration: { sink.configure($0) }, onFrame: { sink.take($0) }), logger: Logger(label: "test"))
        sink.wait()
        // Who is not on stage has a level too: a producer wants to see that they can be heard.
        let levels = audio.reading.sources
        #expect(levels.map(\.name) == ["participant:off", "participant:on"])
        #expect(abs((levels.last?.rmsDecibels ?? 0) + 20) < 0.5)
        #expect((levels.first?.rmsDecibels ?? -120) > -3)
        audio.stop()
        let frames = sink.frames
        let first = try #require(frames.first)
        for (index, frame) in frames.enumerated() { #expect(frame.pts == first.pts + Int64(index) * 1024) }
        // The first sample lies on a block of the clock, less what the limiter and the encoder delay.
        #expect((first.pts + 1024 + ProgramAudio.mixerDelay) % 480 == 0)
        let configuration = try #require(sink.configuration)
        var decoder = try AACDecoder(configuration: configuration)
        var samples: [Float] = []
        for frame in frames.suffix(30) { try decoder.decode(frame) { left, _ in samples += left } }
        let middle = samples.dropFirst(8000).prefix(8000)
        #expect(middle.count == 8000)
        #expect(middle.allSatisfy { abs($0 - 0.1) < 0.02 })
    }

    @Test("a still is a JPEG of the size that was asked for, in the right colours")
    func still() throws {
        let picture = Pictures.plain(640, 360, y: 63, u: 102, v: 240)
        let file = try StillEncoder.jpeg(picture, width: 320)
        let bitmap = try PictureDecoder.decode(file)
        #expect((bitmap.width, bitmap.height) == (320, 180))
        // BT.709 red.
        let at = (90 * bitmap.width + 160) * 4
        let (red, green, blue) = (bitmap.pixels[at], bitmap.pixels[at + 1], bitmap.pixels[at + 2])
        #expect(red > 245 && green < 12 && blue < 12)
    }
}
