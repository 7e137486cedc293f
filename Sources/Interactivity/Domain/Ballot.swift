// One voter's choice, and the key that stands for the voter.

import Web

/// What stands for a person in one run of a poll.
///
/// It can not be turned back into the person without the run's salt, nor be linked between polls.
public struct VoterKey: Hashable, Sendable {
    /// The key as it stands in the database.
    public let value: String

    /// Derives the key of a person: SHA-256 over salt and person.
    ///
    /// - Parameters:
    ///   - person: the stable id of the person in the organisation.
    ///   - salt: the salt of the poll's run, random, of constant length.
    public init(person: String, salt: String) { value = RandomToken.hash("\(salt)/\(person)") }

    /// Takes a key out of the database.
    public init(stored value: String) { self.value = value }
}

/// A ballot as it was written down.
public struct Ballot: Hashable, Sendable {
    /// Who voted.
    public var voter: VoterKey
    /// The chosen option.
    public var option: String
    /// A random id by which the voter can be sure that it counts.
    public var receipt: String
    /// When it was taken, wall time in milliseconds since the Unix epoch.
    public var acceptedAt: Int64

    /// Creates a ballot.
    public init(voter: VoterKey, option: String, receipt: String, acceptedAt: Int64) {
        self.voter = voter
        self.option = option
        self.receipt = receipt
        self.acceptedAt = acceptedAt
    }
}

/// A ballot on its way in, with everything that the decision needs.
public struct BallotRequest: Hashable, Sendable {
    /// The poll.
    public var poll: String
    /// The run that the voter has seen.
    public var run: Int
    /// The stable id of the person.
    public var person: String
    /// The chosen options; exactly one for single choice.
    public var choices: [String]
    /// Where the voter is, held inside what the voter can possibly see.
    public var playhead: Int64
    /// When the ballot arrived, wall time in milliseconds.
    public var arrivedAt: Int64
}
