// Who has the floor, in virtual time: words take it, coughs and pauses do not, and gone is gone.

import Media
import Testing

@testable import SFU

/// A room of microphones that send a packet each 20 ms, of the loudness that a test says.
struct TalkSimulation {
    static let speech: UInt8 = 100, silence: UInt8 = 0
    var voices: [Voice]
    var floor = DominantSpeaker()
    private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000)
    /// Who got the floor, and when, in milliseconds since the start.
    private(set) var changes: [(who: String?, at: Int64)] = []
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    init(_ names: String...) { voices = names.map { Voice(participant: $0) } }

    var elapsed: Int64 { now.milliseconds(since: start) }
    var current: String? { floor.current?.participant }

    /// Lets time pass; `loudness` says for each voice what its packet tells, nil where none is sent.
    mutating func run(milliseconds: Int64, _ loudness: (String, Int64) -> UInt8?) {
        let end = now.advanced(byMilliseconds: milliseconds)
        while now < end {
            for voice in voices {
                if let value = loudness(voice.participant, elapsed) { voice.note(value, now: now) }
            }
            if floor.decide(among: voices, now: now) { changes.append((current, elapsed)) }
            now = now.advanced(byMilliseconds: 20)
        }
    }

    /// Speech as syllables: 200 ms of sound, 60 ms of nearly none.
    static func talk(_ time: Int64) -> UInt8 { time % 260 < 200 ? speech : 55 }
}

@Suite("Dominant speaker")
struct DominantSpeakerTests {
    @Test("nobody has the floor before somebody has spoken, and who speaks has it within a second")
    func first() {
        var room = TalkSimulation("anna", "ben")
        room.run(milliseconds: 3000) { _, _ in 0 }
        #expect(room.current == nil && room.changes.isEmpty)
        let begin = room.elapsed
        room.run(milliseconds: 2000) { name, time in name == "ben" ? TalkSimulation.talk(time) : 0 }
        #expect(room.current == "ben")
        #expect(room.changes.count == 1 && room.changes[0].at - begin <= 1000)
    }

    @Test("the floor goes to and fro with who speaks, within a second and a half each time, and never flickers")
    func alternates() {
        var room = TalkSimulation("anna", "ben", "cleo")
        var slowest: Int64 = 0
        for turn in 0..<20 {
            let speaker = turn.isMultiple(of: 2) ? "anna" : "ben", begin = room.elapsed
            room.run(milliseconds: 4000) { name, time in name == speaker ? TalkSimulation.talk(time) : 3 }
            #expect(room.current == speaker)
            slowest = max(slowest, (room.changes.last?.at ?? .max) - begin)
        }
        #expect(room.changes.count == 20, "one change for each turn")
        #expect(slowest <= 1500, "\(slowest) ms")
    }

    @Test("a cough, a short yes and a pause between sentences change nothing")
    func short() {
        var room = TalkSimulation("anna", "ben")
        room.run(milliseconds: 3000) { name, time in name == "anna" ? TalkSimulation.talk(time) : 0 }
        #expect(room.current == "anna")
        // Coughs of 60 ms, louder than all speech, while she goes on.
        room.run(milliseconds: 6000) { name, time in
            name == "anna" ? TalkSimulation.talk(time) : time % 1500 < 60 ? 127 : 0
        }
        // A "yes" of a fifth of a second in her pause of half a second.
        room.run(milliseconds: 6000) { name, time in
            let place = time % 2000
            if name == "anna" { return place < 1500 ? TalkSimulation.talk(time) : 0 }
            return (1600..<1800).contains(place) ? TalkSimulation.speech : 0
        }
        // Ten seconds in which nobody says a word.
        room.run(milliseconds: 10_000) { _, _ in 0 }
        #expect(room.current == "anna")
        #expect(room.changes.map(\.who) == ["anna"])
    }

    @Test("who is loud all the time, as a fan is, does not keep the floor from who speaks")
    func fan() {
        var room = TalkSimulation("fan", "anna")
        // The floor of the noise is known after 15 s.
        room.run(milliseconds: 62_000) { name, _ in name == "fan" ? 84 : 0 }
        room.run(milliseconds: 4000) { name, time in name == "fan" ? 84 : TalkSimulation.talk(time) }
        #expect(room.current == "anna")
        room.run(milliseconds: 10_000) { name, _ in name == "fan" ? 84 : 0 }
        #expect(room.current == "anna")
    }

    @Test("who sends nothing any more is silent, and who has left has the floor no more")
    func gone() {
        var room = TalkSimulation("anna", "ben")
        room.run(milliseconds: 3000) { name, time in name == "anna" ? TalkSimulation.talk(time) : nil }
        #expect(room.current == "anna")
        // Her packets end in the middle of a word: that is no speech.
        room.run(milliseconds: 3000) { name, time in name == "ben" ? TalkSimulation.talk(time) : nil }
        #expect(room.current == "ben")
        room.voices.removeAll { $0.participant == "ben" }
        room.run(milliseconds: 400) { _, _ in nil }
        #expect(room.current == nil && room.changes.map(\.who) == ["anna", "ben", nil])
    }

    @Test("packets of 60 ms, and packets that come in bunches, count as much as those of 20 ms")
    func pacing() {
        var long = Voice(participant: "long"), bunched = Voice(participant: "bunched")
        var now = MonotonicTime(nanoseconds: 0)
        for index in 0..<100 {
            if index % 3 == 0 { long.note(100, now: now) }
            if index % 3 == 0 { for _ in 0..<3 { bunched.note(100, now: now) } }
            now = now.advanced(byMilliseconds: 20)
        }
        #expect(long.activity.scores() == bunched.activity.scores())
        #expect(long.activity.scores().long == SpeechScore.long[10], "a second without a break")
        (long, bunched) = (Voice(participant: "none"), Voice(participant: "none"))
        #expect(long.activity.scores() == SpeechScores() && !bunched.activity.scores().isSpeech)
    }

    @Test("scores rise with the count, and speak for silence below it")
    func scores() {
        for score in [SpeechScore.immediate, .medium, .long] {
            #expect(score[0] == SpeechScore.minimum)
            #expect(score[-5] == score[0] && score[1000] == score[999])
        }
        // The numbers of the formula by hand: ln C(5,3) + 5 ln ½ - ln 24 + 24·3.
        #expect(abs(SpeechScore.medium[3] - (2.302585 - 3.465736 - 3.178054 + 72)) < 1e-5)
        #expect(abs(SpeechScore.long[1] - (2.302585 - 6.931472 - 3.850148 + 47)) < 1e-5)
        #expect(abs(SpeechScore.immediate[7] - (7.447751 - 9.010913 + 0.248461 + 5.46)) < 1e-5)
    }
}
