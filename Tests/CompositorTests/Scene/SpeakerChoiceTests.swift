import Media
import Testing

@testable import Compositor

@Suite("Who is seen large because they speak")
struct SpeakerChoiceTests {
    /// Frames of 33 ms, and who was featured when it changed.
    private struct Talk {
        var choice = SpeakerChoice()
        var now: Int64 = 1_000_000
        var stage = ["a", "b", "c", "d"]
        var changes: [(at: Int64, who: String)] = []
        var seats = 5

        mutating func talk(_ heard: [String: Float], for milliseconds: Int64) {
            let end = now + milliseconds
            while now < end {
                let before = choice.order.first
                choice.hear(heard, stage: stage, seats: seats, at: ProgramTime(milliseconds: now))
                if let first = choice.order.first, first != before { changes.append((now, first)) }
                now += 33
            }
        }
    }

    @Test("begins with the first on stage, and follows who speaks after 0.4 s")
    func follows() {
        var talk = Talk()
        talk.talk([:], for: 1000)
        #expect(talk.choice.order == ["a", "b", "c", "d"])
        let start = talk.now
        talk.talk(["c": -20], for: 300)
        #expect(talk.choice.order.first == "a", "a cough is no speech")
        talk.talk(["c": -20], for: 300)
        #expect(talk.choice.order == ["c", "b", "a", "d"], "the two change places")
        #expect(talk.changes.last.map { (400...500).contains($0.at - start) } == true)
        talk.talk([:], for: 60_000)
        #expect(talk.choice.order.first == "c", "nobody loses the place by being silent")
        #expect(talk.choice.speaking.isEmpty)
    }

    @Test("holds for two seconds, however quickly people take turns")
    func holds() {
        var talk = Talk()
        for _ in 0..<40 {
            for who in ["a", "b", "c"] {
                talk.talk([who: -20], for: 500)
                talk.talk([:], for: 200)
            }
        }
        let steps = zip(talk.changes.dropFirst(), talk.changes.dropFirst(2)).map { $1.at - $0.at }
        #expect(talk.changes.count > 10)
        #expect(steps.allSatisfy { $0 >= SpeakerChoice.holdMs }, "\(steps)")
    }

    @Test("changes nothing while two talk at the same time, until one is clearly louder for a second")
    func both() {
        var talk = Talk()
        talk.talk(["a": -20], for: 3000)
        talk.talk(["a": -20, "b": -17], for: 10_000)
        #expect(talk.choice.order.first == "a")
        talk.talk(["a": -30, "b": -17], for: 800)
        #expect(talk.choice.order.first == "a")
        talk.talk(["a": -30, "b": -17], for: 2000)
        #expect(talk.choice.order.first == "b")
    }

    @Test("bridges the pauses between words, and says who speaks")
    func pauses() {
        var talk = Talk()
        talk.talk(["b": -20], for: 200)
        talk.talk([:], for: 300)
        #expect(talk.choice.speaking == ["b"])
        talk.talk(["b": -20], for: 200)
        #expect(talk.choice.order.first == "b")
        talk.talk([:], for: 700)
        #expect(talk.choice.speaking.isEmpty)
    }

    @Test("keeps places while people come and go, and gives the place of one who leaves to the next at once")
    func stage() {
        var talk = Talk()
        talk.talk(["c": -20], for: 1000)
        #expect(talk.choice.order == ["c", "b", "a", "d"])
        talk.stage = ["a", "b", "c", "d", "e"]
        talk.talk([:], for: 100)
        #expect(talk.choice.order == ["c", "b", "a", "d", "e"])
        talk.stage = ["a", "b", "d", "e"]
        talk.talk(["e": -20], for: 50)
        #expect(talk.choice.order == ["b", "a", "d", "e"])
        talk.talk(["e": -20], for: 500)
        #expect(talk.choice.order.first == "e", "who came in for somebody has no hold")
        talk.stage = []
        talk.talk(["e": -20], for: 100)
        #expect(talk.choice.order.isEmpty && talk.choice.speaking.isEmpty)
        talk.talk(["nobody": 0], for: 1000)
        #expect(talk.choice.order.isEmpty)
    }

    @Test("one from beyond the picture comes in, and the one who was featured stays on it")
    func beyond() {
        var talk = Talk()
        talk.stage = ["a", "b", "c", "d", "e", "f"]
        talk.seats = 3
        talk.talk(["e": -20], for: 1000)
        #expect(talk.choice.order == ["e", "b", "a", "c", "d", "f"])
        #expect(Set(talk.choice.order) == Set(talk.stage))
    }

    @Test("whatever is heard, everybody on stage is in the order once, and no change comes before two seconds")
    func random() {
        var random = SeededRandom(5)
        var talk = Talk()
        for _ in 0..<3000 {
            if random.next() % 50 == 0 {
                talk.stage = ["a", "b", "c", "d", "e", "f"].shuffled(using: &random)
                    .prefix(Int.random(in: 0...6, using: &random)).sorted()
                // Who leaves is replaced at once: only changes by speech are counted here.
                talk.changes = []
            }
            var heard: [String: Float] = [:]
            for who in ["a", "b", "c", "d", "e", "f"] where Bool.random(using: &random) {
                heard[who] = .random(in: -60 ... -5, using: &random)
            }
            talk.talk(heard, for: .random(in: 30...400, using: &random))
            #expect(Set(talk.choice.order) == Set(talk.stage) && talk.choice.order.count == talk.stage.count)
            #expect(talk.choice.speaking.isSubset(of: Set(talk.stage)))
            let steps = zip(talk.changes.dropFirst(), talk.changes.dropFirst(2)).map { $1.at - $0.at }
            #expect(steps.allSatisfy { $0 >= SpeakerChoice.holdMs })
        }
    }
}

@Suite("Whose screen takes over")
struct ScreenTakeoverTests {
    private var takeover = ScreenTakeover()
    private var now: Int64 = 0

    private mutating func look(_ sharing: [String], for milliseconds: Int64) {
        let end = now + milliseconds
        while now < end {
            takeover.look(sharing, at: ProgramTime(milliseconds: now))
            now += 33
        }
    }

    @Test("one that lasts half a second, and it gives back when it ends")
    mutating func enters() {
        look(["a"], for: 400)
        #expect(takeover.participant == nil)
        look(["a"], for: 200)
        #expect(takeover.participant == "a")
        look([], for: 200)
        #expect(takeover.participant == "a", "a picture that fails for a moment is no end")
        look(["a"], for: 100)
        look([], for: 500)
        #expect(takeover.participant == nil)
    }

    @Test("the first keeps the place from a second, who goes on when it ends")
    mutating func second() {
        look(["b"], for: 1000)
        look(["a", "b"], for: 5000)
        #expect(takeover.participant == "b")
        look(["a"], for: 500)
        #expect(takeover.participant == "a")
    }

    @Test("somebody who tries the button changes the program at most once in three seconds")
    mutating func flaps() {
        var changes: [Int64] = []
        for round in 0..<60 {
            for sharing in [["a"], []] {
                let before = takeover.participant
                look(sharing, for: round % 2 == 0 ? 700 : 400)
                if takeover.participant != nil, before == nil { changes.append(now) }
            }
        }
        #expect(zip(changes, changes.dropFirst()).allSatisfy { $1 - $0 >= ScreenTakeover.restMs })
        #expect(changes.count > 2)
    }
}
