import Media
import Testing

@testable import Compositor

@Suite("Which pictures go back")
struct ReturnPaceTests {
    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    /// Runs pictures every 33⅓ ms through the pace, on a core that `crowd` threads share; returns which were encoded, and
    /// which of those as key frames.
    private func run(
        _ pace: inout ReturnPace, frames: Range<Int>, cost: (Int) -> Int64, crowd: Int64 = 1, asks: Set<Int> = [],
        loses: Set<Int> = []
    ) -> (encoded: [Int], keyframes: [Int]) {
        var encoded: [Int] = [], keyframes: [Int] = []
        for frame in frames {
            if asks.contains(frame) { pace.requestKeyframe() }
            let begin = MonotonicTime(nanoseconds: Int64(frame) * 1_000_000_000 / 30)
            guard case .encode(let isKeyframe) = pace.next(at: begin) else { continue }
            let spent = cost(frame) * 1000
            pace.encoded(
                from: begin, to: begin.advanced(byNanoseconds: spent * crowd), cost: spent, isKeyframe: isKeyframe)
            encoded.append(frame)
            if isKeyframe { keyframes.append(frame) }
            if loses.contains(frame) { pace.lost() }
        }
        return (encoded, keyframes)
    }

    @Test("every one while a picture takes 4 ms, the first as a key frame, and no other one unasked")
    func quick() {
        var pace = ReturnPace()
        let (encoded, keyframes) = run(&pace, frames: 0..<300, cost: { _ in 4000 })
        #expect(encoded == Array(0..<300))
        #expect(keyframes == [0])
    }

    @Test("every second one at 8 ms, every fourth at 16 ms, and never fewer than two in a second")
    func slow() {
        for (cost, step) in [(8000, 2), (16_000, 4), (400_000, 15)] {
            var pace = ReturnPace()
            let (encoded, _) = run(&pace, frames: 0..<300, cost: { _ in Int64(cost) })
            #expect(zip(encoded, encoded.dropFirst()).allSatisfy { $1 - $0 == step }, "\(cost) µs")
        }
    }

    @Test("on a crowded machine at most half of the time: a picture of 4 ms that takes 60 comes every 120")
    func crowded() {
        var pace = ReturnPace()
        let (encoded, _) = run(&pace, frames: 0..<300, cost: { _ in 4000 }, crowd: 15)
        #expect(zip(encoded, encoded.dropFirst()).allSatisfy { $1 - $0 == 4 })
    }

    @Test("after a slow spell it is back to every one within a second")
    func recovery() {
        var pace = ReturnPace()
        let (encoded, _) = run(&pace, frames: 0..<120, cost: { $0 < 30 ? 20_000 : 3000 })
        #expect(encoded.suffix(60) == ArraySlice(60..<120))
    }

    @Test("a key frame that is asked for comes at once, but not twice in half a second however often it is asked for")
    func keyframes() {
        var pace = ReturnPace()
        let (_, keyframes) = run(&pace, frames: 0..<200, cost: { _ in 2000 }, asks: Set(60..<120).union([150]))
        #expect(keyframes == [0, 60, 75, 90, 105, 120, 150])
    }

    @Test("what is made from a lost picture is not sent: nothing comes until a key frame may come")
    func lost() {
        var pace = ReturnPace()
        let (encoded, keyframes) = run(&pace, frames: 0..<60, cost: { _ in 2000 }, loses: [5, 40])
        #expect(keyframes == [0, 15, 41], "the first half a second after the one before, the second at once")
        #expect(encoded == Array(0...5) + Array(15..<60))
    }

    @Test("a picture that the rate control left out is no key frame, and takes its time all the same")
    func leftOut() {
        var pace = ReturnPace()
        #expect(pace.next(at: at(0)) == .encode(isKeyframe: true))
        pace.encoded(from: at(0), to: at(10), cost: 10_000_000, isKeyframe: nil)
        #expect(pace.next(at: at(33)) == .rest)
        #expect(pace.next(at: at(80)) == .encode(isKeyframe: true))
    }
}

@Suite("The mixes of a return feed")
struct ReturnSlotsTests {
    @Test("stay with who stays, and go to who comes")
    func owners() {
        var slots = ReturnSlots()
        slots.assign(["ada", "bob"])
        #expect(slots.owners == ["ada", "bob"])
        slots.assign(["bob", "cleo", "dora"])
        #expect(slots.owners == ["cleo", "bob", "dora"])
        slots.assign([])
        #expect(slots.owners == [nil, nil, nil] && slots.numbers.isEmpty)
        slots.assign(["eve"])
        #expect(slots.numbers == ["eve": 0])
    }

    @Test("are sixty-four at most")
    func limit() {
        var slots = ReturnSlots()
        slots.assign(Set((0..<80).map { "p\($0)" }))
        #expect(slots.owners.count == 64 && slots.owners.allSatisfy { $0 != nil })
    }
}

@Suite("A place for the newest")
struct NewestSlotTests {
    @Test("gives the newest, counts what it replaced, and lets go of what is in it when it closes")
    func newest() {
        let slot = NewestSlot<Int>()
        #expect(slot.put(1))
        #expect(!slot.put(2))
        #expect(!slot.put(3))
        #expect(slot.take() == 3)
        #expect(slot.put(4))
        slot.close()
        #expect(slot.take() == nil)
    }
}
