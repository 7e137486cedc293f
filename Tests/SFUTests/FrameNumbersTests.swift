// Frame numbers of several layers become one row.

import Testing

@testable import SFU

@Suite("Frame numbers")
struct FrameNumbersTests {
    @Test("each stretch goes on behind what was sent, around the wrap, and repeats have the numbers of their own")
    func stretches() {
        var frames = FrameNumbers()
        #expect(frames.shift(at: 5) == nil, "nothing has begun")
        frames.begin(at: 10, frame: 65_530)
        #expect(frames.shift(at: 10) == 0 && frames.shift(at: 9) == nil)
        for index in 0..<8 { frames.note(UInt16(truncatingIfNeeded: 65_530 + index), at: Int64(10 + index)) }
        // Another layer, whose own numbers lie far behind.
        frames.begin(at: 20, frame: 100)
        #expect(frames.shift(at: 20).map { $0 &+ 100 } == 2)
        frames.note(100, at: 20)
        frames.note(104, at: 24)
        #expect(frames.shift(at: 15) == 0, "a repeat of before")
        // One late does not turn it back.
        frames.note(102, at: 22)
        frames.begin(at: 30, frame: 60_000)
        #expect(frames.shift(at: 31).map { $0 &+ 60_000 } == 7)
    }

    @Test("a stretch whose key frame brings no structure goes without, and the next one with")
    func untold() {
        var frames = FrameNumbers()
        frames.begin(at: 1, frame: 500)
        frames.note(500, at: 1)
        frames.begin(at: 2, frame: nil)
        #expect(frames.shift(at: 2) == nil)
        frames.note(9, at: 3)
        frames.begin(at: 4, frame: 9)
        #expect(frames.shift(at: 4).map { $0 &+ 9 } == 501 && frames.shift(at: 3) == nil)
    }
}
