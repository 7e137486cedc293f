import Media
import Testing

@testable import Interactivity

@Suite("The life of a poll")
struct PollMachineTests {
    let draft = PollDraft(question: "Which?", options: ["A", "B"])

    func time(_ seconds: Int64) -> ProgramTime { ProgramTime(milliseconds: seconds * 1000) }

    @Test("goes from draft to open to closed to final, and no other way")
    func transitions() throws {
        var machine = PollMachine(id: "p", draft: draft, salt: "s")
        #expect(throws: InteractivityError.self) { try machine.close(at: time(1), wallMilliseconds: 0) }
        #expect(throws: InteractivityError.self) { try machine.reopen(at: time(1)) }
        #expect(throws: InteractivityError.self) { try machine.rerun(salt: "t") }
        #expect(throws: InteractivityError.self) { try machine.finish() }
        try machine.open(at: time(1))
        #expect(throws: InteractivityError.self) { try machine.open(at: time(2)) }
        #expect(throws: InteractivityError.self) { try machine.edit(draft) }
        try machine.close(at: time(5), wallMilliseconds: 5000)
        #expect(machine.poll.state == .closed)
        #expect(machine.poll.closeAt == time(5))
        try machine.finish()
        #expect(machine.isFinal)
    }

    @Test("reopens with its ballots, and is held again as a new run with another salt")
    func again() throws {
        var machine = PollMachine(id: "p", draft: draft, salt: "s")
        try machine.open(at: time(1))
        try machine.close(at: time(2), wallMilliseconds: 2000)
        try machine.finish()
        try machine.reopen(at: time(3))
        #expect(machine.poll.run == 1)
        #expect(!machine.isFinal)
        try machine.close(at: time(4), wallMilliseconds: 4000)
        try machine.rerun(salt: "t")
        #expect(machine.poll.run == 2)
        #expect(machine.poll.state == .draft)
        #expect(machine.salt == "t")
    }

    @Test("keeps the time of a close that was due before it was noticed")
    func lateClose() throws {
        var timed = draft
        timed.durationMs = 10_000
        var machine = PollMachine(id: "p", draft: timed, salt: "s")
        try machine.open(at: time(100))
        #expect(machine.poll.closeAt == time(110))
        try machine.close(at: ProgramTime(milliseconds: 110_150), wallMilliseconds: 50_150)
        #expect(machine.poll.closeAt == time(110))
        #expect(machine.closedWallMilliseconds == 50_000)
    }

    @Test("gives a viewer who is behind the same time, and no more than 60 s after the close")
    func behind() throws {
        var machine = PollMachine(id: "p", draft: draft, salt: "s")
        #expect(throws: InteractivityError.pollNotOpen) { try machine.admit(playhead: time(1), wallMilliseconds: 0) }
        try machine.open(at: time(100))
        try machine.close(at: time(110), wallMilliseconds: 110_000)
        try machine.admit(playhead: time(110), wallMilliseconds: 130_000)
        try machine.admit(playhead: time(111), wallMilliseconds: 130_000)
        #expect(throws: InteractivityError.pollClosed) {
            try machine.admit(playhead: ProgramTime(milliseconds: 111_001), wallMilliseconds: 130_000)
        }
        try machine.admit(playhead: time(90), wallMilliseconds: 171_000)
        #expect(throws: InteractivityError.pollClosed) {
            try machine.admit(playhead: time(90), wallMilliseconds: 171_001)
        }
        #expect(!machine.isFinalDue(earliestPlayhead: time(111), wallMilliseconds: 171_000))
        #expect(machine.isFinalDue(earliestPlayhead: time(112), wallMilliseconds: 120_000))
        #expect(machine.isFinalDue(earliestPlayhead: time(90), wallMilliseconds: 171_001))
        try machine.finish()
        #expect(throws: InteractivityError.pollClosed) { try machine.admit(playhead: time(90), wallMilliseconds: 0) }
    }

    @Test(
        "refuses drafts that do not fit, naming the field",
        arguments: [
            (PollDraft(question: " ", options: ["A", "B"]), "/question"),
            (PollDraft(question: "Q", options: ["A"]), "/options"),
            (PollDraft(question: "Q", options: ["A", "A"]), "/options/1"),
            (PollDraft(question: "Q", options: ["A", "\u{202E}"]), "/options/1"),
            (PollDraft(question: "Q", options: ["A", "B"], durationMs: 999), "/durationMs"),
        ])
    func badDrafts(_ draft: PollDraft, _ pointer: String) {
        #expect {
            try draft.checked()
        } throws: { error in
            if case InteractivityError.invalid(_, let found) = error { found == pointer } else { false }
        }
    }

    @Test("shows no hidden tally")
    func visibility() throws {
        for visibility in [Poll.ResultsVisibility.afterVote, .never] {
            var machine = PollMachine(
                id: "p", draft: PollDraft(question: "Q", options: ["A", "B"], resultsVisibility: visibility), salt: "s")
            try machine.open(at: time(1))
            #expect(!machine.hasPublicResults)
            try machine.close(at: time(2), wallMilliseconds: 0)
            try machine.finish()
            #expect(!machine.hasPublicResults)
        }
    }
}

@Suite("Reactions")
struct ReactionTests {
    @Test("are summed by second, five a person")
    func sums() throws {
        var buckets = ReactionBuckets()
        #expect(try buckets.add(kind: "applause", count: 3, person: "a", at: 5000) == nil)
        #expect(try buckets.add(kind: "applause", count: 2, person: "a", at: 5400) == nil)
        #expect(throws: InteractivityError.tooManyReactions(retryAfterMs: 1000)) {
            try buckets.add(kind: "heart", count: 1, person: "a", at: 5900)
        }
        #expect(try buckets.add(kind: "heart", count: 1, person: "b", at: 5999) == nil)
        let over = try buckets.add(kind: "heart", count: 1, person: "a", at: 6000)
        #expect(over?.second == 5000)
        #expect(over?.counts == ["applause": 5, "heart": 1])
        #expect(buckets.take(at: 7000)?.counts == ["heart": 1])
        #expect(buckets.take(at: 8000) == nil)
    }

    @Test("of an unknown kind, or none at all, are refused")
    func refused() {
        var buckets = ReactionBuckets()
        #expect(throws: InteractivityError.self) { try buckets.add(kind: "x", count: 1, person: "a", at: 0) }
        for count in [0, -1, 6] {
            #expect(throws: InteractivityError.self) {
                try buckets.add(kind: "heart", count: count, person: "a", at: 0)
            }
        }
    }
}

@Suite("Positions in both logs")
struct ResumePositionTests {
    @Test("are read and written in one form")
    func roundTrip() {
        let text = "live:abc:7,timeline:def:12"
        let positions = ResumePositions(parsing: text)
        #expect(positions.positions[.live] == LogPosition(epoch: "abc", offset: 7))
        #expect(positions.text == text)
    }

    @Test(
        "that can not be read are left out",
        arguments: [
            "", ",", "live", "live:a", "live:a:-1", "live:a:x", "chat:a:1", "live:a:99999999999999999999", "live:a:1:2",
        ])
    func garbage(_ text: String) {
        #expect(ResumePositions(parsing: text).positions.isEmpty)
    }
}
