import Media
import Synchronization
import Testing

@testable import Interactivity

extension Stage {
    func poll(_ draft: PollDraft = PollDraft(question: "Which?", options: ["A", "B"])) async throws -> String {
        let room = try await service.room(gala)
        return try await service.perform(room) { try $0.create(draft, id: "p", salt: "salt", opens: true) }
            .machine.poll.id
    }

    func vote(_ person: String, _ choice: String = "o1", playhead: Int64? = nil) async throws -> BallotReceipt {
        try await service.vote(
            try await service.room(gala), poll: "p", person: person, carrier: .published, choices: [choice],
            playhead: playhead.map { ProgramTime(milliseconds: $0) })
    }

    func close() async throws -> PollResults? {
        try await service.perform(try await service.room(gala)) { try $0.close("p") }.results
    }

    func recount() async throws -> Tally {
        try await service.writer.perform { transaction in
            guard let machine = try transaction.poll("p", in: gala) else { throw InteractivityError.unknownPoll }
            return try transaction.recount(machine, in: gala)
        }
    }

    func join(_ reader: FakeReader, _ carrier: Carrier, resume: String = "") async throws {
        _ = try await service.join(
            try await service.room(gala),
            JoinRequest(
                subscriber: reader, carrier: carrier, resume: ResumePositions(parsing: resume), reconnectAfterMs: 1,
                expiresAtWallMilliseconds: .max))
    }

    /// One published segment of 6 s that ends so many milliseconds ago.
    func publish(_ sequence: Int64, lag: Int64 = 1000) async throws {
        let end = ProgramTime(milliseconds: time.wall - lag)
        try await service.mediaPublished(
            event: "gala", mediaSequence: sequence, from: end.advanced(byMilliseconds: -6000), to: end)
    }
}

@Suite("Voting")
struct VotingTests {
    @Test("gives the same receipt for the same choice, and 409 for another")
    func doubleVotes() async throws {
        let stage = try Stage()
        _ = try await stage.poll()
        let first = try await stage.vote("ada"), again = try await stage.vote("ada")
        #expect(first == again)
        await #expect(throws: InteractivityError.alreadyVoted) { try await stage.vote("ada", "o2") }
        #expect(try await stage.recount().votes == ["o1": 1, "o2": 0])
    }

    @Test("lets a choice be changed until the close where the poll says so")
    func changes() async throws {
        let stage = try Stage()
        _ = try await stage.poll(PollDraft(question: "Q", options: ["A", "B"], voteChange: .untilClose))
        let first = try await stage.vote("ada"), changed = try await stage.vote("ada", "o2")
        #expect(first.receipt == changed.receipt)
        let results = try await stage.close()
        #expect(results?.tally == ["o1": 0, "o2": 1])
        await #expect(throws: InteractivityError.pollClosed) { try await stage.vote("ada", "o1") }
        #expect(try await stage.vote("ada", "o2").receipt == first.receipt)
    }

    @Test("counts exactly one of many votes that one person sends at once")
    func concurrent() async throws {
        let stage = try Stage()
        _ = try await stage.poll()
        let wins = await withTaskGroup(of: String?.self, returning: Set<String>.self) { group in
            for index in 0..<400 {
                group.addTask { try? await stage.vote("ada", index % 2 == 0 ? "o1" : "o2").receipt }
            }
            var wins: Set<String> = []
            for await receipt in group { if let receipt { wins.insert(receipt) } }
            return wins
        }
        #expect(wins.count == 1)
        #expect(try await stage.recount().voters == 1)
    }

    @Test("counts exactly the votes that were taken before the close", arguments: 0..<10)
    func stopRace(_ round: Int) async throws {
        let stage = try Stage()
        _ = try await stage.poll()
        let closeAfter = 20 * (round + 1)
        let (accepted, results) = try await withThrowingTaskGroup(of: (Bool, PollResults?).self) { group in
            for index in 0..<300 {
                if index == closeAfter { group.addTask { (false, try await stage.close()) } }
                group.addTask { ((try? await stage.vote("v\(index)", "o\(index % 2 + 1)")) != nil, nil) }
            }
            var accepted = 0, results: PollResults?
            for try await (isAccepted, closing) in group {
                accepted += isAccepted ? 1 : 0
                results = closing ?? results
            }
            return (accepted, results)
        }
        #expect(results?.voters == accepted)
        #expect(results?.provisional == false)
        #expect(try await stage.recount().voters == accepted)
    }

    @Test("refuses options that the poll does not have, and more than one choice")
    func unknownOptions() async throws {
        let stage = try Stage()
        _ = try await stage.poll()
        await #expect(throws: InteractivityError.unknownOption("o3")) { try await stage.vote("ada", "o3") }
        let room = try await stage.service.room(gala)
        for choices in [[], ["o1", "o2"]] {
            await #expect(throws: InteractivityError.self) {
                try await stage.service.vote(
                    room, poll: "p", person: "ada", carrier: .published, choices: choices, playhead: nil)
            }
        }
        #expect(try await stage.recount().voters == 0)
    }

    @Test("has every acknowledged vote after a crash, and goes on")
    func crash() async throws {
        let stage = try Stage()
        _ = try await stage.poll()
        let receipt = try await stage.vote("ada")
        try stage.folder.copyAsAfterCrash(to: "after.sqlite")
        let again = InteractivityService(
            database: try stage.folder.open("after.sqlite"), directory: OneEvent(), clock: stage.time.clock,
            onTimeline: { _ in })
        let room = try await again.room(gala)
        let same = try await again.vote(
            room, poll: "p", person: "ada", carrier: .published, choices: ["o1"], playhead: nil)
        #expect(same == receipt)
        #expect(try await again.perform(room) { try $0.close("p") }.results?.voters == 1)
    }

    @Test("closes by itself at the program time that it said, with final results when no program is live")
    func timed() async throws {
        let stage = try Stage(), reader = FakeReader()
        try await stage.join(reader, .published)
        _ = try await stage.poll(PollDraft(question: "Q", options: ["A", "B"], durationMs: 5000))
        _ = try await stage.vote("ada")
        await stage.pass(6000)
        #expect(reader.kinds.suffix(2) == ["poll.closed", "poll.results"])
        let closed = reader.data("poll.closed").first?["closeAt"] as? Int64
        #expect(closed == TestClock.start + 5000)
        #expect(reader.data("poll.results").last?["provisional"] as? Bool == false)
        await #expect(throws: InteractivityError.pollClosed) { try await stage.vote("bob") }
    }

    @Test("sends a tally on at most once a second, and never a hidden one", arguments: Poll.ResultsVisibility.all)
    func broadcasts(_ visibility: Poll.ResultsVisibility) async throws {
        let stage = try Stage(), reader = FakeReader(), studio = FakeReader()
        try await stage.join(reader, .published)
        try await stage.join(studio, .immediate)
        _ = try await stage.poll(PollDraft(question: "Q", options: ["A", "B"], resultsVisibility: visibility))
        for index in 0..<25 {
            _ = try await stage.vote("v\(index)")
            await stage.pass(200)
        }
        let count = reader.data("poll.results").count
        #expect(visibility == .live ? (4...6).contains(count) : count == 0)
        #expect(studio.data("poll.results").count == count)
        _ = try await stage.close()
        await stage.pass(2000)
        let isPublic = visibility == .live || visibility == .afterClose
        #expect(reader.data("poll.results").last?["voters"] as? Int == (isPublic ? 25 : nil))
        try await stage.publish(1)
        #expect(stage.segments.list.contains { $0.json.contains("poll.results") } == isPublic)
        let all = (reader.messages + studio.messages + stage.segments.list.map(\.json)).joined()
        #expect(!all.contains("salt"))
        #expect(isPublic || !all.contains("\"tally\""))
    }

    @Test("shows results in answers as the poll allows")
    func results() async throws {
        let stage = try Stage()
        _ = try await stage.poll(PollDraft(question: "Q", options: ["A", "B"], resultsVisibility: .afterVote))
        _ = try await stage.vote("ada")
        let room = try await stage.service.room(gala)
        let own = try await stage.service.results(room, poll: "p", person: "ada", carrier: .published)
        #expect(own.voters == 1)
        await #expect(throws: InteractivityError.resultsHidden) {
            try await stage.service.results(room, poll: "p", person: "bob", carrier: .published)
        }
        #expect(try await stage.service.results(room, poll: "p", person: "host", carrier: .immediate).voters == 1)
    }
}

extension Poll.ResultsVisibility {
    static let all: [Self] = [.live, .afterVote, .afterClose, .onReveal, .never]
}
