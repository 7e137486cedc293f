// Reactions: sums per second, with a limit for each person.

/// Adds up reactions in buckets of one second; only the sums leave it.
public struct ReactionBuckets: Sendable {
    /// What people may send.
    public static let kinds: Set<String> = ["applause", "heart", "laugh", "wow", "thumbsUp", "celebrate"]
    /// How many reactions one person may send in a second.
    public static let perPersonLimit = 5
    /// How many people are counted in one second; more are asked to try again.
    static let personLimit = 200_000

    private var second: Int64 = 0
    private var counts: [String: Int] = [:]
    private var persons: [String: Int] = [:]

    /// Creates empty buckets.
    public init() {}

    /// Adds reactions of one person.
    ///
    /// - Parameters:
    ///   - kind: one of `kinds`.
    ///   - count: 1…5.
    ///   - person: who reacts.
    ///   - milliseconds: now, on the program clock.
    /// - Returns: the sums of an earlier second that is over now, with its start in milliseconds.
    public mutating func add(
        kind: String, count: Int, person: String, at milliseconds: Int64
    ) throws(InteractivityError) -> (second: Int64, counts: [String: Int])? {
        guard Self.kinds.contains(kind) else { throw .invalid("This reaction is unknown.", pointer: "/kind") }
        guard (1...Self.perPersonLimit).contains(count) else {
            throw .invalid("A reaction counts 1 to \(Self.perPersonLimit).", pointer: "/count")
        }
        let over = take(at: milliseconds)
        let used = persons[person, default: 0] + count
        guard used <= Self.perPersonLimit, persons.count < Self.personLimit || persons[person] != nil else {
            // A second that was just taken has no counts yet, so sums are never lost with a refusal.
            throw .tooManyReactions(retryAfterMs: 1000)
        }
        persons[person] = used
        counts[kind, default: 0] += count
        return over
    }

    /// Takes the sums of a second that is over.
    public mutating func take(at milliseconds: Int64) -> (second: Int64, counts: [String: Int])? {
        let now = milliseconds - ((milliseconds % 1000) + 1000) % 1000
        guard now != second else { return nil }
        let over = counts.isEmpty ? nil : (second, counts)
        second = now
        counts.removeAll(keepingCapacity: true)
        persons.removeAll(keepingCapacity: true)
        return over
    }
}
