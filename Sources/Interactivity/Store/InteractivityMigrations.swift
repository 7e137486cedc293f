// The tables of Interactivity, each with the organisation.

public import GRDB

/// The schema of Interactivity, for the migrator that Studio runs.
public enum InteractivityMigrations {
    /// Registers the migrations, oldest first; a registered one never changes again.
    public static func register(on migrator: inout DatabaseMigrator) {
        migrator.registerMigration("interactivity-1") { database in
            try database.execute(sql: Self.first)
        }
    }

    // log: append-only; head: where each log ends; snapshot: the fold at an offset; ballot: one row per voter and run,
    // enforced by the key; tally: the count of those rows, kept in the same transaction; gate: what must not be
    // forgotten in a restart.
    private static let first = """
        CREATE TABLE interactivityHead (
            org TEXT NOT NULL, event TEXT NOT NULL, log TEXT NOT NULL, epoch TEXT NOT NULL,
            "offset" INTEGER NOT NULL, programTime INTEGER NOT NULL,
            PRIMARY KEY (org, event, log)) WITHOUT ROWID;
        CREATE TABLE interactivityLog (
            org TEXT NOT NULL, event TEXT NOT NULL, log TEXT NOT NULL, epoch TEXT NOT NULL, "offset" INTEGER NOT NULL,
            programTime INTEGER NOT NULL, wall INTEGER NOT NULL, kind TEXT NOT NULL, "key" TEXT NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (org, event, log, epoch, "offset")) WITHOUT ROWID;
        CREATE TRIGGER interactivityLogIsAppendOnly BEFORE UPDATE ON interactivityLog
            BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
        CREATE TABLE interactivitySnapshot (
            org TEXT NOT NULL, event TEXT NOT NULL, log TEXT NOT NULL, epoch TEXT NOT NULL, "offset" INTEGER NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (org, event, log, epoch, "offset")) WITHOUT ROWID;
        CREATE TABLE interactivityPoll (
            org TEXT NOT NULL, event TEXT NOT NULL, poll TEXT NOT NULL, position INTEGER NOT NULL, machine TEXT NOT NULL,
            PRIMARY KEY (org, event, poll)) WITHOUT ROWID;
        CREATE TABLE interactivityBallot (
            org TEXT NOT NULL, event TEXT NOT NULL, poll TEXT NOT NULL, run INTEGER NOT NULL, voter TEXT NOT NULL,
            choice TEXT NOT NULL, receipt TEXT NOT NULL, acceptedAt INTEGER NOT NULL,
            PRIMARY KEY (org, event, poll, run, voter)) WITHOUT ROWID;
        CREATE TABLE interactivityTally (
            org TEXT NOT NULL, event TEXT NOT NULL, poll TEXT NOT NULL, run INTEGER NOT NULL, choice TEXT NOT NULL,
            votes INTEGER NOT NULL,
            PRIMARY KEY (org, event, poll, run, choice)) WITHOUT ROWID;
        CREATE TABLE interactivityGate (
            org TEXT NOT NULL, event TEXT NOT NULL, isLive INTEGER NOT NULL, head INTEGER, clockOffset INTEGER,
            segmentOffset INTEGER NOT NULL, mediaSequence INTEGER,
            PRIMARY KEY (org, event)) WITHOUT ROWID;
        """
}

extension InteractivityMigrations {
    /// Returns the ids of an event's polls; none in a database that knows no polls.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - database: inside a transaction of the caller, so that what it stores may name them.
    public static func polls(of event: String, in database: Database) throws -> Set<String> {
        guard try database.tableExists("interactivityPoll"),
            let org = try String.fetchOne(database, sql: "SELECT org FROM event WHERE id = ?", arguments: [event])
        else { return [] }
        return Set(
            try String.fetchAll(
                database, sql: "SELECT poll FROM interactivityPoll WHERE org = ? AND event = ?",
                arguments: [org, event]))
    }
}
