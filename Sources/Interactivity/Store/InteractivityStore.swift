// What Interactivity needs of a store; every implementation passes the one conformance suite.

public import Media

/// What must survive a restart of the gate.
public struct GateRecord: Hashable, Sendable {
    /// Whether a program is live.
    public var isLive = false
    /// Everything before it is published.
    public var head: ProgramTime?
    /// Program time minus wall time, in milliseconds.
    public var clockOffset: Int64?
    /// Up to this offset the timeline stands in segments.
    public var segmentOffset: Int64 = 0
    /// The number of the last media segment with a timeline segment.
    public var mediaSequence: Int64?

    /// Creates the record of an event that was never live.
    public init() {}
}

/// The end of a log.
public struct LogHead: Hashable, Sendable {
    /// The epoch and the last offset.
    public var position: LogPosition
    /// The program time of the last entry.
    public var programTime: ProgramTime
}

/// A stored fold of a log.
public struct LogSnapshot: Hashable, Sendable {
    /// Up to where entries are folded in.
    public var position: LogPosition
    /// The state as JSON.
    public var data: String
}

/// One transaction: everything in it is written, or nothing; transactions follow each other in one serial order.
///
/// It is used on the store's own thread only, inside `write`.
public protocol StoreTransaction: AnyObject {
    /// Returns where a log ends, starting the log with a random epoch where there is none.
    func head(_ log: LogName, of event: EventKey) throws -> LogHead
    /// Adds an entry; its program time is never earlier than that of the entry before.
    func append(
        _ log: LogName, of event: EventKey, programTime: ProgramTime, wall: Int64, kind: String, key: String,
        data: String
    ) throws -> LogEntry
    /// Returns entries after an offset of the current epoch, in order.
    func entries(_ log: LogName, of event: EventKey, after offset: Int64, limit: Int) throws -> [LogEntry]
    /// Returns the newest snapshot of the current epoch.
    func snapshot(_ log: LogName, of event: EventKey) throws -> LogSnapshot?
    /// Keeps a snapshot of the current epoch, and forgets older ones.
    func keep(_ snapshot: LogSnapshot, of log: LogName, in event: EventKey) throws
    /// Starts a log anew under another epoch, from a snapshot at offset 0.
    func renewEpoch(_ log: LogName, of event: EventKey, state: String) throws -> LogHead

    /// Returns a poll.
    func poll(_ id: String, in event: EventKey) throws -> PollMachine?
    /// Returns the polls in the order of their creation.
    func polls(in event: EventKey) throws -> [PollMachine]
    /// Writes a poll, new or changed.
    func save(_ machine: PollMachine, in event: EventKey) throws

    /// Returns what a voter has chosen.
    func ballot(_ poll: PollMachine, _ voter: VoterKey, in event: EventKey) throws -> Ballot?
    /// Writes a ballot and counts it; returns false, and writes nothing, when the voter has one already.
    func insert(_ ballot: Ballot, for poll: PollMachine, in event: EventKey) throws -> Bool
    /// Changes the choice of a ballot, and moves its vote.
    func change(_ ballot: Ballot, to choice: String, at wall: Int64, for poll: PollMachine, in event: EventKey) throws
    /// Returns the votes of the poll's run.
    func tally(_ poll: PollMachine, in event: EventKey) throws -> Tally
    /// Counts the ballots of the poll's run one by one: what the tally must equal.
    func recount(_ poll: PollMachine, in event: EventKey) throws -> Tally

    /// Returns what the gate must not forget.
    func gate(of event: EventKey) throws -> GateRecord
    /// Writes what the gate must not forget.
    func save(_ gate: GateRecord, of event: EventKey) throws

    /// Cuts the tie between a person and the ballots, whose votes stay counted.
    func erase(person: String, in event: EventKey) throws
    /// Deletes everything of an event.
    func erase(_ event: EventKey) throws
}

/// Keeps the logs, the polls and the ballots.
public protocol InteractivityStore: Sendable {
    /// Runs work in one transaction; when it returns, what was written is durable.
    ///
    /// Each piece of work stands by itself: what one throws undoes that one only, and is its result.
    ///
    /// - Throws: when the transaction as a whole failed; then nothing of it is written.
    func write(_ work: [@Sendable (any StoreTransaction) throws -> Void]) async throws -> [(any Error)?]

    /// Returns entries of one epoch after an offset, in order, without waiting for writers.
    func entries(
        _ log: LogName, of event: EventKey, epoch: String, after offset: Int64, limit: Int
    ) async throws -> [LogEntry]
}
