import Media
import Testing

@testable import Compositor

@Suite("The frame schedule, in virtual time")
struct FrameSchedulerTests {
    private let clock = ProgramClock(wallMilliseconds: 1_700_000_000_500, monotonic: MonotonicTime(milliseconds: 7000))

    private func scheduler(_ rate: FrameRate = FrameRate(30)) -> FrameScheduler {
        FrameScheduler(clock: clock, frameRate: rate, now: MonotonicTime(milliseconds: 7000))
    }

    /// Runs until a moment, waking `delay` late each time; `stop` holds the thread up at some frames.
    private func run(
        _ scheduler: inout FrameScheduler, from: MonotonicTime, to: MonotonicTime, delay: Int64 = 0,
        stop: (Int64) -> Int64 = { _ in 0 }
    ) -> [FrameScheduler.Frame] {
        var now = from, frames: [FrameScheduler.Frame] = []
        while now < to {
            switch scheduler.step(at: now) {
            case .wait(let moment):
                #expect(moment > now)
                now = moment.advanced(byNanoseconds: delay)
            case .emit(let frame):
                frames.append(frame)
                now = now.advanced(byNanoseconds: stop(frame.index))
            }
        }
        return frames
    }

    @Test(
        "frame n lies exactly at anchor + n / fps for hours, without drift",
        arguments: [FrameRate(30), FrameRate(30000, 1001), FrameRate(25)])
    func exact(rate: FrameRate) {
        let scheduler = scheduler(rate)
        for n in [0, 1, 59, 60, 107_892, 10_800_000] as [Int64] {
            let exact = Int64((Double(n) * 1e9 * Double(rate.denominator) / Double(rate.numerator)).rounded(.down))
            #expect(abs(scheduler.due(n).nanoseconds - clock.anchorMonotonicNanoseconds - exact) <= 256)
        }
        #expect(
            scheduler.due(Int64(rate.numerator)).nanoseconds - clock.anchorMonotonicNanoseconds == Int64(
                rate.denominator) * 1_000_000_000)
    }

    @Test("on time, every frame is drawn once, with an IDR at each multiple of 2000 ms")
    func onTime() {
        var scheduler = scheduler()
        let frames = run(
            &scheduler, from: MonotonicTime(milliseconds: 7000), to: MonotonicTime(milliseconds: 27_000),
            delay: 3_000_000)
        #expect(frames.map(\.index) == Array(0..<Int64(frames.count)) && frames.count > 550)
        #expect(frames.allSatisfy { !$0.isRepeat })
        for frame in frames {
            #expect(frame.isIDR == (frame.programTime.milliseconds % 2000 == 0), "frame \(frame.index)")
        }
        #expect(scheduler.lateFrames == 0 && scheduler.missedFrames == 0)
    }

    @Test("at 29.97 an IDR is the first frame at or after each multiple, and there is one in each 2 s")
    func ntsc() {
        let rate = FrameRate(30000, 1001)
        var last: Int64 = -1, count = 0
        for n in 0..<6000 as Range<Int64> where FrameScheduler.isIDR(n, rate) {
            let at = ProgramClock.offset(ofFrame: n, timescale: 1_000_000, frameRate: rate)
            #expect(at / 2_000_000 == last + 1 && at % 2_000_000 < 33_367)
            last = at / 2_000_000
            count += 1
        }
        #expect(count == 101)
    }

    @Test("a late frame repeats under its own number, none is lost, and the grid stays")
    func late() {
        var scheduler = scheduler()
        let frames = run(&scheduler, from: MonotonicTime(milliseconds: 7000), to: MonotonicTime(milliseconds: 13_000)) {
            index in
            index == 40 ? 250_000_000 : index == 100 ? 10_000_000 : 0
        }
        #expect(frames.map(\.index) == Array(0..<Int64(frames.count)))
        // 250 ms are 7.5 frames: 41…46 are over, 47 is half a frame late at most, and drawn.
        #expect(
            frames.filter(\.isRepeat).map(\.index) == Array(41...46)
                || frames.filter(\.isRepeat).map(\.index) == Array(41...47))
        #expect(frames.filter(\.isIDR).map(\.index) == stride(from: 0, to: Int64(frames.count), by: 60).map { $0 })
        #expect(scheduler.missedFrames == 0)
    }

    @Test("after a stop longer than the catch-up the numbers in between are missed, and counted")
    func stop() {
        var scheduler = scheduler()
        let frames = run(&scheduler, from: MonotonicTime(milliseconds: 7000), to: MonotonicTime(milliseconds: 40_000)) {
            $0 == 30 ? 20_000_000_000 : 0
        }
        let indices = frames.map(\.index)
        #expect(scheduler.missedFrames > 590 && indices == indices.sorted() && Set(indices).count == indices.count)
        #expect(UInt64(frames.count) + scheduler.missedFrames == UInt64(scheduler.nextIndex))
    }

    @Test("a restart with the same clock goes on at the next IDR")
    func restart() {
        for later in [0, 1, 1999, 2000, 2001, 77_777, 86_400_000] as [Int64] {
            let now = MonotonicTime(nanoseconds: clock.anchorMonotonicNanoseconds).advanced(byMilliseconds: later)
            var scheduler = FrameScheduler(clock: clock, frameRate: FrameRate(30), now: now)
            #expect(scheduler.nextIndex % 60 == 0)
            let due = scheduler.due(scheduler.nextIndex)
            #expect(due >= now && due.milliseconds(since: now) <= 2000)
            guard case .emit(let frame) = scheduler.step(at: due) else {
                Issue.record("not due")
                return
            }
            #expect(frame.isIDR && frame.programTime == clock.programTime(at: due))
        }
    }

    @Test("the thread puts frames out in order at their moments, and stops")
    func driver() {
        let now = SystemClock.monotonic()
        let clock = ProgramClock(wallMilliseconds: 2000, monotonic: now)
        let queue = BoundedQueue<FrameScheduler.Frame>(capacity: 100)
        let driver = ProgramDriver(clock: clock, frameRate: FrameRate(100)) { queue.push($0) }
        var indices: [Int64] = []
        while indices.count < 10, let frame = queue.pop(until: SystemClock.monotonic().advanced(byMilliseconds: 20_000))
        {
            #expect(SystemClock.monotonic() >= clock.monotonic(at: frame.programTime))
            indices.append(frame.index)
        }
        driver.stop()
        // A slow machine may start it past the first IDR; the next is 200 frames on.
        #expect(indices.count == 10 && indices.first.map { $0 % 200 } == 0)
        #expect(indices == Array(indices[0]..<(indices[0] + 10)))
        #expect(driver.counts.emitted >= 10)
    }
}
