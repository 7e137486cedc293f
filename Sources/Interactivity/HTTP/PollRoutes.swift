// Polls over HTTP: what moderators do, what voters do, what everybody reads.

import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Media
import Synchronization
public import Web

private struct NewPoll: Decodable {
    let kind: Poll.Kind?, question: String, options: [String], durationMs: Int64?
    let resultsVisibility: Poll.ResultsVisibility?, voteChange: Poll.VoteChange?, open: Bool?
}

private struct PollChange: Decodable {
    let kind: Poll.Kind?, question: String?, options: [String]?, durationMs: Int64?
    let resultsVisibility: Poll.ResultsVisibility?, voteChange: Poll.VoteChange?
}

private struct BallotBody: Decodable {
    let choices: [String], playhead: Int64?
}

private struct NoBody: Decodable {}

extension InteractivityService {
    private static let polls = "/v1/events/{event}/polls"

    /// Adds every route of taking part to the book.
    public func addRoutes(to book: RouteBook) {
        addPollRoutes(to: book)
        addTransitionRoutes(to: book)
        addVoterRoutes(to: book)
        addLiveRoutes(to: book)
    }

    private func addPollRoutes(to book: RouteBook) {
        book.add(.get, Self.polls, .permission(.watchProgram)) { [self] _, context in
            let (room, caller) = try await place(context)
            return try await .json(Page(items: visiblePolls(room, caller), next: nil))
        }
        book.add(.post, Self.polls, .permission(.moderate)) { [self] request, context in
            let (room, _) = try await place(context)
            let body = try await request.json(NewPoll.self, context)
            return try await asProblems {
                let draft = try PollDraft(
                    kind: body.kind ?? .single, question: body.question, options: body.options,
                    durationMs: body.durationMs, resultsVisibility: body.resultsVisibility ?? .live,
                    voteChange: body.voteChange ?? .never
                ).checked()
                let id = RandomToken.id(), salt = RandomToken.secret(), opens = body.open ?? false
                let outcome = try await perform(room) { try $0.create(draft, id: id, salt: salt, opens: opens) }
                return try Self.answer(
                    outcome, status: .created, location: "/v1/events/\(room.key.event)/polls/\(id)")
            }
        }
        book.add(.get, Self.polls + "/{poll}", .permission(.watchProgram)) { [self] _, context in
            let (room, caller) = try await place(context), id = try context.pathParameter("poll")
            return try await asProblems {
                if Carrier(of: caller) == .immediate {
                    let machine = try await writer.perform { try $0.poll(id, in: room.key) }
                    guard let machine else { throw InteractivityError.unknownPoll }
                    return try Self.answer(PollOutcome(machine: machine))
                }
                guard let poll = try await visiblePolls(room, caller).first(where: { $0.id == id }) else {
                    throw InteractivityError.unknownPoll
                }
                return try .json(poll)
            }
        }
        book.add(.patch, Self.polls + "/{poll}", .permission(.moderate)) { [self] request, context in
            let (room, _) = try await place(context), id = try context.pathParameter("poll")
            let body = try await request.json(PollChange.self, context)
            let tag = request.headers[.ifMatch].flatMap { $0 == "*" ? nil : $0 }
            return try await asProblems {
                try Self.answer(
                    try await perform(room) { ledger in
                        try ledger.edit(id, ifUnchanged: { tag == nil || tag == Self.etag($0) }) {
                            try body.applied(to: $0).checked()
                        }
                    })
            }
        }
    }

    private func addTransitionRoutes(to book: RouteBook) {
        typealias Transition = @Sendable (PollLedger, String) throws -> PollOutcome
        let transitions: [(String, Transition)] = [
            ("open", { try $0.open($1) }), ("close", { try $0.close($1) }), ("reopen", { try $0.reopen($1) }),
            ("reveal", { try $0.reveal($1) }), ("rerun", { try $0.rerun($1, salt: RandomToken.secret()) }),
        ]
        for (name, transition) in transitions {
            book.add(.post, Self.polls + "/{poll}/" + name, .permission(.moderate)) { [self] request, context in
                let (room, _) = try await place(context), id = try context.pathParameter("poll")
                _ = try await request.json(NoBody.self, context)
                return try await asProblems {
                    try Self.answer(try await perform(room) { try transition($0, id) })
                }
            }
        }
    }

    private func addVoterRoutes(to book: RouteBook) {
        book.add(.put, Self.polls + "/{poll}/ballots/me", .permission(.takePart)) { [self] request, context in
            let (room, caller) = try await place(context), id = try context.pathParameter("poll")
            let body = try await request.json(BallotBody.self, context)
            return try await asProblems {
                try .json(
                    try await vote(
                        room, poll: id, person: caller.id, carrier: Carrier(of: caller), choices: body.choices,
                        playhead: body.playhead.map { ProgramTime(milliseconds: $0) }))
            }
        }
        book.add(.get, Self.polls + "/{poll}/results", .permission(.watchProgram)) { [self] _, context in
            let (room, caller) = try await place(context), id = try context.pathParameter("poll")
            return try await asProblems {
                try .json(try await results(room, poll: id, person: caller.id, carrier: Carrier(of: caller)))
            }
        }
    }

    /// The room that the path names, and who calls.
    func place(_ context: WebContext) async throws -> (EventRoom, Principal) {
        let event = try context.requireEvent(), caller = try context.requirePrincipal()
        return try await asProblems { (try await room(EventKey(org: event.org, event: event.id)), caller) }
    }

    /// Everything for the studio, drafts too; for others what their carrier has let out.
    private func visiblePolls(_ room: EventRoom, _ caller: Principal) async throws -> [Poll] {
        let carrier = Carrier(of: caller)
        if carrier == .immediate { return try await writer.perform { try $0.polls(in: room.key).map(\.poll) } }
        return room.state.withLock { $0.carriers[carrier]?.timeline.polls.map(\.poll) ?? [] }
    }

    private static func etag(_ machine: PollMachine) -> String { "\"\(machine.poll.id)-\(machine.revision)\"" }

    private static func answer(
        _ outcome: PollOutcome, status: HTTPResponse.Status = .ok, location: String? = nil
    ) throws -> Response {
        var headers: HTTPFields = [.eTag: etag(outcome.machine)]
        headers[.location] = location
        return try .json(outcome.machine.poll, status: status, headers: headers)
    }
}

extension PollChange {
    /// The draft with these changes.
    func applied(to poll: Poll) -> PollDraft {
        PollDraft(
            kind: kind ?? poll.kind, question: question ?? poll.question, options: options ?? poll.options.map(\.text),
            durationMs: durationMs ?? poll.durationMs, resultsVisibility: resultsVisibility ?? poll.resultsVisibility,
            voteChange: voteChange ?? poll.voteChange)
    }
}
