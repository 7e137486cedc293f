// Refusals as RFC 9457 problems.

import HTTPTypes
import Web

extension Problem {
    /// The problem that tells a client of a refusal.
    init(_ error: InteractivityError) {
        switch error {
        case .unknownPoll: self = .notFound("There is no such poll.")
        case .unknownOption(let option):
            self = Problem(
                .unprocessableContent, "unknown-option", "The poll has no such option",
                detail: "The poll has no option \"\(option.prefix(40))\".", pointer: "/choices/0")
        case .pollNotOpen: self = .conflict("poll-not-open", "The poll is not open.")
        case .pollClosed: self = .conflict("poll-closed", "The poll takes no more votes.")
        case .alreadyVoted: self = .conflict("already-voted", "Another choice was made before, and it stands.")
        case .wrongState(let detail): self = .conflict("wrong-state", detail)
        case .invalid(let detail, let pointer): self = .invalid(detail, pointer: pointer)
        case .resultsHidden:
            self = Problem(
                .forbidden, "results-hidden", "The results are not shown", detail: "The poll does not show them (yet).")
        case .overloaded(let retryAfterMs):
            self = .overloaded(
                "Votes come in faster than they can be written; this one was not counted.", retryAfterMs: retryAfterMs)
        case .tooManyReactions(let retryAfterMs):
            self = .tooMany("One person reacts 5 times a second at most.", retryAfterMs: retryAfterMs)
        case .changed:
            self = Problem(
                .preconditionFailed, "changed", "Somebody else changed it",
                detail: "If-Match names another version than the current one.")
        }
    }
}

/// Runs an answer and turns refusals into problems.
func asProblems<Value>(_ work: () async throws -> Value) async throws -> Value {
    do {
        return try await work()
    } catch let error as InteractivityError {
        throw Problem(error)
    }
}
