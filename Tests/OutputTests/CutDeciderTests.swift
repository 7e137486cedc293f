// Where segments are cut, in virtual time.

import Media
import Testing

@testable import Output

@Suite("Cut decider")
struct CutDeciderTests {
    private let grid = SlotGrid(framesPerSecond: 30)
    private let base: Int64 = 1_767_225_600_000

    private func run(_ decider: inout CutDecider, _ slots: some Sequence<Int64>) -> [(Int64, CutDecider.Decision)] {
        slots.map { ($0, decider.decide(grid.time(of: base / 1000 * 30 + $0))) }
    }

    private func boundary(_ decision: CutDecider.Decision) -> SegmentBoundary? {
        if case .cut(let boundary) = decision { boundary } else { nil }
    }

    @Test("starts on the 2 s grid, then cuts every 6 s of program time, with IDRs between")
    func steady() {
        var decider = CutDecider()
        let decisions = run(&decider, 50...600)
        #expect(decisions.prefix(10).allSatisfy { $0.1 == .waiting })
        #expect(decisions.filter { boundary($0.1) != nil }.map(\.0) == [60, 180, 360, 540])
        #expect(decisions.filter { $0.1 == .idr }.map(\.0) == [120, 240, 300, 420, 480, 600])
        #expect(
            decisions.compactMap { boundary($0.1) }.allSatisfy { !$0.isDiscontinuity && $0.start == $0.previousEnd })
    }

    @Test("the next picture takes the place of one that is missing on the grid")
    func missing() {
        var decider = CutDecider()
        let decisions = run(&decider, (0...400).filter { ![60, 180, 181, 360].contains($0) })
        #expect(decisions.filter { boundary($0.1) != nil }.map(\.0) == [0, 182, 361])
        #expect(decisions.filter { $0.1 == .idr }.map(\.0) == [61, 120, 240, 300])
    }

    @Test("a long gap ends the segment where the pictures end, and the next starts on the grid with a discontinuity")
    func gap() throws {
        var decider = CutDecider()
        let decisions = run(&decider, Array(0...100) + Array(250...320))
        let cuts = decisions.filter { boundary($0.1) != nil }
        #expect(cuts.map(\.0) == [0, 300])
        let cut = try #require(boundary(cuts[1].1))
        #expect(cut.isDiscontinuity)
        #expect(cut.previousEnd.milliseconds - base == 100 * 1000 / 30 + 34)
    }

    @Test("late and repeated program times are left out")
    func late() {
        var decider = CutDecider()
        _ = run(&decider, 0...10)
        #expect(run(&decider, [10, 9, 0, -500]).allSatisfy { $0.1 == .late })
        #expect(run(&decider, [11])[0].1 == .picture)
    }

    @Test("a splice starts a segment at once, with one discontinuity")
    func splice() throws {
        var decider = CutDecider()
        _ = run(&decider, 0...30)
        let cut = try #require(boundary(decider.decide(grid.time(of: base / 1000 * 30 + 31), splices: true)))
        #expect(cut.isDiscontinuity)
        let later = run(&decider, 32...180)
        #expect(later.compactMap { boundary($0.1) }.map(\.isDiscontinuity) == [false])
    }

    @Test("after a restart nothing starts before the last end, and the first segment is a discontinuity")
    func resume() {
        var decider = CutDecider(resumingAfter: grid.time(of: base / 1000 * 30 + 180))
        let decisions = run(&decider, 100...400)
        #expect(decisions.filter { boundary($0.1) != nil }.map(\.0) == [180, 360])
        #expect(decisions.compactMap { boundary($0.1)?.isDiscontinuity } == [true, false])
    }
}

@Suite("Frame cadence")
struct FrameCadenceTests {
    private let grid = SlotGrid(framesPerSecond: 30)

    @Test("60 pictures a second become 30, the nearest ones")
    func halves() {
        var cadence = FrameCadence<Int>(grid: grid, startingAt: 0, longestFill: 900)
        var out: [(Int64, Int)] = []
        for index in 0..<120 {
            out += cadence.offer(index, at: Int64(index) * 1_000_000 / 60 / 1000 * 1000).map { ($0.slot, $0.picture) }
        }
        #expect(out.map(\.0) == (0..<Int64(out.count)).map { $0 })
        #expect(out.map(\.1) == (0..<out.count).map { $0 * 2 })
        #expect(out.count >= 59)
    }

    @Test("25 pictures a second are filled up by repeats, a pause too, and a hold goes on without the source")
    func repeats() {
        var cadence = FrameCadence<Int>(grid: grid, startingAt: 0, longestFill: 900)
        var out: [FrameCadence<Int>.Output] = []
        for index in 0..<50 where !(20..<30).contains(index) { out += cadence.offer(index, at: Int64(index) * 40_000) }
        out += cadence.fill(through: 100)
        #expect(out.map(\.slot) == (0...100).map(Int64.init))
        #expect(out.filter { !$0.isRepeat }.count == 40)
        #expect(cadence.repeated == 61)
        #expect(cadence.offer(99, at: 50_000).isEmpty)
        #expect(cadence.late == 1)
    }

    @Test("a gap beyond what may be filled starts again on the IDR grid")
    func gap() {
        var cadence = FrameCadence<Int>(grid: grid, startingAt: 0, longestFill: 90)
        var out: [Int64] = []
        for index in Array(0..<30) + Array(400..<500) {
            out += cadence.offer(index, at: Int64(index) * 1_000_000 / 30).map(\.slot)
        }
        #expect(out == Array(0..<30) + Array(420..<499))
    }
}
