// Who may come back for what: in virtual time, with words that are late, foreign or made up.

import Media
import Testing

@testable import Studio

@Suite("Coming back to sessions")
struct ResumeTableTests {
    private let ada = ResumeTable.Owner(participant: "ada", org: "o", event: "e")
    private let sessions = ResumeTable.Sessions(published: "up", subscribed: "down")

    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

    @Test("who comes back in time has what they left, once")
    func inTime() {
        var table = ResumeTable()
        table.stand("word", ada)
        #expect(table.park("word", sessions, now: at(1000)).isEmpty)
        #expect(table.claim("word", ada, now: at(30_999)) == .parked(sessions))
        #expect(table.claim("word", ada, now: at(30_999)) == .refused && table.count == 0)
        #expect(table.expire(now: at(100_000)).isEmpty, "what was taken is not ended")
    }

    @Test("who comes too late is refused, and what they left is ended once")
    func late() {
        var table = ResumeTable()
        table.stand("word", ada)
        _ = table.park("word", sessions, now: at(0))
        #expect(table.expire(now: at(29_999)).isEmpty)
        #expect(table.claim("word", ada, now: at(30_000)) == .refused)
        #expect(table.expire(now: at(30_000)) == [sessions])
        #expect(table.expire(now: at(30_000)).isEmpty && table.count == 0)
        #expect(table.claim("word", ada, now: at(10)) == .refused)
    }

    @Test("somebody else, another event and another organisation get nothing, and cost the owner nothing")
    func foreign() {
        var table = ResumeTable()
        table.stand("word", ada)
        _ = table.park("word", sessions, now: at(0))
        for other in [
            ResumeTable.Owner(participant: "bob", org: "o", event: "e"),
            .init(participant: "ada", org: "x", event: "e"), .init(participant: "ada", org: "o", event: "f"),
        ] { #expect(table.claim("word", other, now: at(1)) == .refused) }
        for word in ["", "wor", "word ", "WORD", String(repeating: "w", count: 100_000)] {
            #expect(table.claim(word, ada, now: at(1)) == .refused)
        }
        #expect(table.claim("word", ada, now: at(2)) == .parked(sessions))
    }

    @Test("a socket that seems to stand hands over to the one that says its word")
    func standing() {
        var table = ResumeTable()
        table.stand("word", ada)
        #expect(table.claim("word", ada, now: at(5)) == .standing)
        #expect(table.claim("word", ada, now: at(5)) == .refused)
        // Its own end, which comes later, parks nothing any more: what it still had, if anything, is ended.
        #expect(table.park("word", .init(), now: at(6)) == [.init()])
        #expect(table.count == 0)
    }

    @Test("a socket that comes and goes a thousand times leaves one word at most")
    func flapping() {
        var table = ResumeTable(), ended = 0
        for round in Int64(0)..<1000 {
            let word = "word-\(round)"
            table.stand(word, ada)
            ended += table.park(word, sessions, now: at(round * 100)).count
            if round % 3 != 0 { #expect(table.claim(word, ada, now: at(round * 100 + 50)) == .parked(sessions)) }
            ended += table.expire(now: at(round * 100)).count
            #expect(table.count <= 101)
        }
        #expect(ended + table.expire(now: at(1_000_000)).count == 334)
        #expect(table.count == 0)
    }

    @Test("what is left behind is bounded: the oldest is given up")
    func bounded() {
        var table = ResumeTable(), ended: [ResumeTable.Sessions] = []
        for index in 0..<ResumeTable.maximumParked + 10 {
            table.stand("word-\(index)", ada)
            ended += table.park("word-\(index)", .init(published: "\(index)", subscribed: nil), now: at(1))
        }
        #expect(ended.map(\.published) == (0..<10).map { "\($0)" } && table.count == ResumeTable.maximumParked)
    }
}
