import GRDB
import Media
import Testing

@testable import Interactivity

/// What every store must do, whatever is under it.
@Suite("The store")
struct StoreConformanceTests {
    let folder: TemporaryFolder
    let store: any InteractivityStore

    init() throws {
        folder = try TemporaryFolder()
        store = DatabaseStore(try folder.open())
    }

    func write<Value: Sendable>(
        _ store: (any InteractivityStore)? = nil, _ work: @escaping @Sendable (any StoreTransaction) throws -> Value
    ) async throws -> Value {
        try await GroupCommit(store: store ?? self.store).perform(work)
    }

    static func machine(_ id: String = "p") throws -> PollMachine {
        var machine = PollMachine(id: id, draft: PollDraft(question: "Q", options: ["A", "B"]), salt: "s")
        try machine.open(at: ProgramTime(milliseconds: 1))
        return machine
    }

    static func ballot(_ voter: String, _ option: String = "o1") -> Ballot {
        Ballot(voter: VoterKey(stored: voter), option: option, receipt: "r-\(voter)", acceptedAt: 1)
    }

    static func append(_ transaction: any StoreTransaction, _ time: Int64, _ event: EventKey = gala) throws -> LogEntry
    {
        try transaction.append(
            .timeline, of: event, programTime: ProgramTime(milliseconds: time), wall: 0, kind: "cue", key: "k",
            data: "{}")
    }

    @Test("counts offsets from 1 without gaps, for each log of each event of each organisation")
    func offsets() async throws {
        let other = EventKey(org: "other", event: "gala")
        let offsets = try await write { transaction in
            try [
                Self.append(transaction, 1).offset, Self.append(transaction, 2).offset,
                Self.append(transaction, 1, other).offset, Self.append(transaction, 3).offset,
            ]
        }
        #expect(offsets == [1, 2, 1, 3])
        let heads = try await write { transaction in
            (try transaction.head(.timeline, of: gala), try transaction.head(.live, of: gala))
        }
        #expect(heads.0.position.offset == 3)
        #expect(heads.1.position.offset == 0)
        #expect(heads.0.position.epoch != heads.1.position.epoch)
    }

    @Test("never lets program time fall along a log")
    func monotone() async throws {
        let times = try await write { transaction in
            try [5, 3, 9].map { try Self.append(transaction, $0).programTime.milliseconds }
        }
        #expect(times == [5, 5, 9])
    }

    @Test("takes one ballot of a voter in a run, whatever the option")
    func uniqueBallots() async throws {
        let machine = try Self.machine()
        let (first, second, tally, recount) = try await write { transaction in
            (
                try transaction.insert(Self.ballot("v", "o1"), for: machine, in: gala),
                try transaction.insert(Self.ballot("v", "o2"), for: machine, in: gala),
                try transaction.tally(machine, in: gala), try transaction.recount(machine, in: gala)
            )
        }
        #expect(first)
        #expect(!second)
        #expect(tally.votes == ["o1": 1, "o2": 0])
        #expect(tally == recount)
    }

    @Test("moves a vote when its ballot changes")
    func change() async throws {
        let machine = try Self.machine()
        let (tally, recount) = try await write { transaction in
            _ = try transaction.insert(Self.ballot("v"), for: machine, in: gala)
            try transaction.change(Self.ballot("v"), to: "o2", at: 2, for: machine, in: gala)
            return (try transaction.tally(machine, in: gala), try transaction.recount(machine, in: gala))
        }
        #expect(tally.votes == ["o1": 0, "o2": 1])
        #expect(tally.voters == 1)
        #expect(tally == recount)
    }

    @Test("undoes only the piece of work that throws")
    func savepoints() async throws {
        struct Refusal: Error {}
        let errors = try await store.write([
            { _ = try Self.append($0, 1) },
            { transaction in
                _ = try Self.append(transaction, 2)
                throw Refusal()
            },
            { _ = try Self.append($0, 3) },
        ])
        #expect(errors.map { $0 == nil } == [true, false, true])
        let entries = try await write { try $0.entries(.timeline, of: gala, after: 0, limit: 10) }
        #expect(entries.map(\.programTime.milliseconds) == [1, 3])
        #expect(entries.map(\.offset) == [1, 2])
    }

    @Test("keeps a snapshot, and starts anew under another epoch from one")
    func epochs() async throws {
        let (old, new, snapshot, entries) = try await write { transaction in
            let entry = try Self.append(transaction, 1)
            let new = try transaction.renewEpoch(.timeline, of: gala, state: "{\"polls\":[],\"reactions\":{}}")
            return (
                entry.epoch, new.position, try transaction.snapshot(.timeline, of: gala),
                try transaction.entries(.timeline, of: gala, after: 0, limit: 10)
            )
        }
        #expect(old != new.epoch)
        #expect(new.offset == 0)
        #expect(snapshot?.position == new)
        #expect(entries.isEmpty)
    }

    @Test("has after a crash everything that was acknowledged")
    func crash() async throws {
        let machine = try Self.machine()
        try await write { try $0.save(machine, in: gala) }
        for index in 0..<50 {
            try await write { transaction in
                _ = try transaction.insert(Self.ballot("v\(index)"), for: machine, in: gala)
                _ = try Self.append(transaction, Int64(index))
            }
        }
        try folder.copyAsAfterCrash(to: "after.sqlite")
        let reopened = DatabaseStore(try folder.open("after.sqlite"))
        let (tally, recount, head, read) = try await write(reopened) { transaction in
            (
                try transaction.tally(machine, in: gala), try transaction.recount(machine, in: gala),
                try transaction.head(.timeline, of: gala), try transaction.poll("p", in: gala)
            )
        }
        #expect(tally.votes == ["o1": 50, "o2": 0])
        #expect(recount == tally)
        #expect(head.position.offset == 50)
        #expect(read == machine)
    }

    @Test("forgets a person and keeps the vote; forgets an event wholly")
    func erasure() async throws {
        let machine = try Self.machine(), person = VoterKey(person: "ada", salt: machine.salt)
        let (ballot, tally) = try await write { transaction in
            try transaction.save(machine, in: gala)
            var own = Self.ballot("x")
            own.voter = person
            _ = try transaction.insert(own, for: machine, in: gala)
            try transaction.erase(person: "ada", in: gala)
            return (try transaction.ballot(machine, person, in: gala), try transaction.recount(machine, in: gala))
        }
        #expect(ballot == nil)
        #expect(tally.voters == 1)
        let rest = try await write { transaction in
            try transaction.erase(gala)
            return (try transaction.polls(in: gala).count, try transaction.recount(machine, in: gala).voters)
        }
        #expect(rest == (0, 0))
    }
}

@Suite("The database")
struct StudioDatabaseTests {
    @Test("is in WAL mode with synchronous FULL on the connection that writes")
    func durable() async throws {
        let pool = try TemporaryFolder().open()
        for _ in 0..<3 {
            let (synchronous, mode) = try await pool.write { database in
                (
                    try Int.fetchOne(database, sql: "PRAGMA synchronous"),
                    try String.fetchOne(database, sql: "PRAGMA journal_mode")
                )
            }
            #expect(synchronous == 2)
            #expect(mode == "wal")
        }
    }

    @Test("lets nobody change an entry of a log")
    func appendOnly() async throws {
        let folder = try TemporaryFolder(), pool = try folder.open()
        _ = try await GroupCommit(store: DatabaseStore(pool)).perform { try StoreConformanceTests.append($0, 1) }
        await #expect(throws: DatabaseError.self) {
            try await pool.write { try $0.execute(sql: "UPDATE interactivityLog SET data = 'x'") }
        }
    }
}
