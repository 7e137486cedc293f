import Control
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("The line to an encoder that is too slow")
struct ProgramLineTests {
    private static let clock = ProgramClock(
        wallMilliseconds: 1_700_000_000_000, monotonic: MonotonicTime(milliseconds: 0))

    private static func frame(_ index: Int64) -> FrameScheduler.Frame {
        .init(
            index: index, programTime: clock.anchor.advanced(byMilliseconds: index * 100 / 3),
            isIDR: FrameScheduler.isIDR(index, FrameRate(30)), isRepeat: false)
    }

    private static let picture = VideoFrame(width: 32, height: 18)

    @Test("a full line refuses a picture at its deadline and counts it, and an IDR waits until there is room")
    func full() {
        let line = ProgramLine(capacity: 2), past = MonotonicTime(nanoseconds: 1)
        for index in Int64(57)...59 {
            line.put(.init(picture: Self.picture, frame: Self.frame(index)), sources: nil, until: past)
        }
        #expect(line.waiting == 2 && line.dropped == 1)
        // Nobody takes anything: the IDR is put on a thread of its own, whose deadline is long over.
        let isPut = Atomic(false)
        let producer = MediaThread(name: "producer") { [clockFrame = Self.frame(60)] in
            line.put(.init(picture: Self.picture, frame: clockFrame), sources: nil, until: past)
            isPut.store(true, ordering: .releasing)
            line.put(.init(picture: Self.picture, frame: Self.frame(61)), sources: nil, until: past)
            line.close()
        }
        let isEarly = isPut.load(ordering: .acquiring)
        #expect(line.waiting == 2 && !isEarly)
        var taken: [Int64] = []
        while let job = line.next() { taken.append(job.frame.index) }
        producer.join()
        let isThere = isPut.load(ordering: .acquiring)
        #expect(isThere)
        // In order, with the IDR; what came after it found room or was refused, and one or the other is counted.
        #expect(Array(taken.prefix(3)) == [57, 58, 60])
        #expect(taken.count + Int(line.dropped) == 5)
    }

    @Test("a line that is closed holds up not even an IDR")
    func closed() {
        let line = ProgramLine(capacity: 1)
        line.close()
        line.put(
            .init(picture: Self.picture, frame: Self.frame(60)), sources: nil, until: MonotonicTime(nanoseconds: 1))
        #expect(line.dropped == 1 && line.next() == nil)
    }

    /// Draws frames into a line until they are all put.
    private func draw(_ frames: [FrameScheduler.Frame], into line: ProgramLine) throws -> (
        moments: [Int64], drawn: [Int64]
    ) {
        let board = try #require(ProgramBoard(try ProgramBoardTests.setup()))
        let seen = Mutex<(moments: [Int64], drawn: [Int64])>(([], []))
        let artist = ProgramArtist(
            clock: Self.clock,
            format: ProgramFormat(canvas: PixelSize(width: 32, height: 18), videoKbps: 100, preset: .ultrafast),
            board: board, store: GraphicsStore(),
            callbacks: .init(
                pictures: { showing in
                    seen.withLock { $0.moments.append(showing.moment.nanoseconds(since: showing.begin)) }
                    return [:]
                }, onMissing: { _ in }, onConfiguration: { _ in }, onFrame: { _ in },
                onPicture: { _, index, _ in seen.withLock { $0.drawn.append(index) } }))
        for frame in frames { artist.put(frame, into: line) }
        return seen.withLock { $0 }
    }

    @Test("at the ladder's end every second picture is left out and counted, and no IDR, wherever it lies")
    func leavesOut() throws {
        let line = ProgramLine(capacity: 300)
        line.set(step: 5, leavesOut: true)
        var frames = (Int64(100)...220).map(Self.frame)
        // At 29.97 pictures a second an IDR can have an odd number.
        frames[51].isIDR = true
        let seen = try draw(frames, into: line)
        line.close()
        var taken: [FrameScheduler.Frame] = []
        while let job = line.next() { taken.append(job.frame) }
        let wanted = frames.filter { $0.index.isMultiple(of: 2) || $0.isIDR }
        #expect(taken == wanted && seen.drawn == wanted.map(\.index))
        #expect(taken.filter(\.isIDR).map(\.index) == [120, 151, 180])
        #expect(line.counters["proscenium_compositor_frames_left_out_total"] == Double(frames.count - wanted.count))
        #expect(line.dropped == 0)
        // Each stands for the one after it as well: it shows the middle of both.
        #expect(seen.moments.allSatisfy { abs($0 - 16_666_666) <= 1 })
        line.set(step: 4, leavesOut: false)
        #expect(!line.leavesOut)
    }

    @Test("an encoder that stands still for long loses pictures, each counted, but no IDR and no sound")
    func standsStill() throws {
        let clock = ProgramClock(
            wallMilliseconds: SystemClock.wallMilliseconds() - 7_200_000,
            monotonic: SystemClock.monotonic().advanced(byMilliseconds: -7_200_000))
        let board = try #require(ProgramBoard(try ProgramBoardTests.setup()))
        let frames = Mutex<[EncodedFrame]>([]), sound = Mutex<[EncodedFrame]>([])
        let goesOn = BoundedQueue<Bool>(capacity: 1), isDone = BoundedQueue<Bool>(capacity: 1)
        let heard = BoundedQueue<Bool>(capacity: 1)
        let audio = ProgramAudio(
            clock: clock, kbps: 128, board: board,
            callbacks: .init(
                sound: { _, _ in }, onConfiguration: { _ in },
                onFrame: { frame in
                    let count = sound.withLock { sound in
                        sound.append(frame)
                        return sound.count
                    }
                    // Five seconds of sound at least: two IDRs and more pictures than the line has room for.
                    if count == 240 { heard.push(true) }
                }), logger: Logger(label: "test"))
        let video = ProgramVideo(
            clock: clock,
            format: ProgramFormat(canvas: PixelSize(width: 64, height: 36), videoKbps: 100, preset: .ultrafast),
            board: board, store: GraphicsStore(),
            callbacks: .init(
                pictures: { _ in [:] }, onMissing: { _ in }, onConfiguration: { _ in },
                onFrame: { frame in
                    let keys = frames.withLock { frames in
                        frames.append(frame)
                        return frames.count { $0.isKeyframe }
                    }
                    // The encoder's thread stands still with the first picture.
                    if frames.withLock({ $0.count }) == 1 { _ = goesOn.pop() }
                    if keys == 4 { isDone.push(true) }
                }), logger: Logger(label: "test"))
        _ = heard.pop()
        let soundWhileStill = sound.withLock { $0.count }
        #expect(soundWhileStill >= 240 && frames.withLock { $0.count } == 1)
        goesOn.push(true)
        _ = isDone.pop()
        audio.stop()
        video.stop()
        let pictures = frames.withLock { $0 }, first = try #require(pictures.first), last = try #require(pictures.last)
        for (before, frame) in zip(pictures, pictures.dropFirst()) {
            #expect(frame.pts > before.pts && frame.isKeyframe == (frame.pts % 180_000 == 0))
        }
        // Every IDR of the span has its place on the grid, so none was lost or came late under another number.
        let keys = pictures.filter(\.isKeyframe).map(\.pts)
        #expect(keys == Array(stride(from: first.pts, through: last.pts, by: 180_000)))
        let span = Int((last.pts - first.pts) / 3000) + 1, counters = video.counters
        let lost =
            (counters["proscenium_compositor_frames_missed_total"] ?? 0)
            + (counters["proscenium_compositor_frames_left_out_total"] ?? 0)
        #expect(span > pictures.count && Double(span - pictures.count) <= lost)
        let blocks = sound.withLock { $0 }, begin = try #require(blocks.first).pts
        #expect(blocks.enumerated().allSatisfy { $1.pts == begin + Int64($0) * 1024 })
    }
}
