// Why taking part can be refused, without HTTP.

/// Why a request to take part was refused; every case is an answer, none is a fault of the server.
public enum InteractivityError: Error, Hashable, Sendable {
    /// There is no such poll, or the caller may not know of it yet.
    case unknownPoll
    /// An option that the poll does not have.
    case unknownOption(String)
    /// The poll is a draft.
    case pollNotOpen
    /// The poll takes no more ballots from this playhead.
    case pollClosed
    /// The voter has chosen something else before, and the poll keeps first choices.
    case alreadyVoted
    /// The transition does not fit the state.
    case wrongState(String)
    /// A field does not fit; with a JSON pointer.
    case invalid(String, pointer: String)
    /// The caller may not see the results (yet).
    case resultsHidden
    /// The writer's queue is full.
    case overloaded(retryAfterMs: Int64)
    /// One person reacts too often.
    case tooManyReactions(retryAfterMs: Int64)
    /// The poll was changed since the caller read it.
    case changed
}
