// Opening the one SQLite file so that what is acknowledged is on disk.

public import GRDB

/// The database of Studio: one SQLite file in WAL mode, durable at every commit.
public enum StudioDatabase {
    /// Opens the file, creating it where it does not exist; the caller runs its migrations.
    ///
    /// GRDB sets `synchronous = NORMAL` in its own set-up of WAL mode, with which the last commits can be lost in a
    /// power failure; `FULL` is set after that, on the one connection that writes.
    ///
    /// - Parameter path: the file's path; its folder exists.
    /// - Throws: `DatabaseError` when the file can not be opened, or when `FULL` does not hold.
    public static func open(path: String) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "studio"
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 4
        let pool = try DatabasePool(path: path, configuration: configuration)
        try pool.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2,
                try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal"
            else { throw DatabaseError(resultCode: .SQLITE_CANTOPEN, message: "durable WAL mode is not to be had") }
        }
        return pool
    }
}
