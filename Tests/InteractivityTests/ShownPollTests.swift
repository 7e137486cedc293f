import Media
import Testing

@testable import Interactivity

@Suite("Polls on the program")
struct ShownPollTests {
    private func shown(_ stage: Stage) async throws -> ShownPoll {
        try #require(try await stage.service.shown("p", event: "gala"))
    }

    private func poll(_ visibility: Poll.ResultsVisibility) async throws -> Stage {
        let stage = try Stage()
        _ = try await stage.poll(
            PollDraft(question: "Which?", options: ["A", "B", "C"], resultsVisibility: visibility))
        for (person, choice) in [("ada", "o1"), ("bob", "o1"), ("cyd", "o3")] {
            _ = try await stage.vote(person, choice)
        }
        stage.time.advance(milliseconds: 1500)
        await stage.service.tick()
        return stage
    }

    @Test("live results are shown as they come, in whole percentages that add up")
    func live() async throws {
        let stage = try await poll(.live)
        let now = try await shown(stage)
        #expect(now.question == "Which?" && now.options == ["A", "B", "C"])
        #expect(now.percents == [67, 0, 33] && now.voters == 3)
        #expect(try await stage.service.shown("nowhere", event: "gala") == nil)
    }

    @Test("hidden results stay hidden on the program", arguments: [Poll.ResultsVisibility.afterVote, .never])
    func hidden(visibility: Poll.ResultsVisibility) async throws {
        let stage = try await poll(visibility)
        #expect(try await shown(stage).percents == nil)
        _ = try await stage.close()
        let after = try await shown(stage)
        #expect(after.percents == nil && after.voters == nil)
    }

    @Test("results for after the close come with it, and go while the poll is open again")
    func afterClose() async throws {
        let stage = try await poll(.afterClose)
        #expect(try await shown(stage).percents == nil)
        _ = try await stage.close()
        #expect(try await shown(stage).percents == [67, 0, 33])
        let room = try await stage.service.room(gala)
        _ = try await stage.service.perform(room) { try $0.reopen("p") }
        #expect(try await shown(stage).percents == nil)
    }

    @Test("results for a reveal come with it")
    func reveal() async throws {
        let stage = try await poll(.onReveal)
        #expect(try await shown(stage).percents == nil)
        let room = try await stage.service.room(gala)
        _ = try await stage.service.perform(room) { try $0.reveal("p") }
        #expect(try await shown(stage).percents == [67, 0, 33])
    }

    @Test("a draft shows its question without results")
    func draft() async throws {
        let stage = try Stage()
        let room = try await stage.service.room(gala)
        _ = try await stage.service.perform(room) {
            try $0.create(PollDraft(question: "Q", options: ["A", "B"]), id: "p", salt: "s", opens: false)
        }
        let now = try await shown(stage)
        #expect(now.options == ["A", "B"] && now.percents == nil)
    }

    @Test("percentages add up to 100 whatever the votes are")
    func rounding() {
        for votes in [[1, 1, 1], [0, 0, 0], [7, 0, 2, 3], [1], [999, 1], [1, 1, 1, 1, 1, 1, 1]] {
            let percents = ShownPoll.percents(votes)
            #expect(percents.reduce(0, +) == (votes.reduce(0, +) == 0 ? 0 : 100) && percents.count == votes.count)
        }
        #expect(ShownPoll.percents([1, 1, 1]) == [34, 33, 33])
    }
}
