// The store on SQLite.

public import GRDB

/// The embedded store: SQLite through GRDB, migrated by `InteractivityMigrations`.
public struct DatabaseStore: InteractivityStore {
    private let pool: DatabasePool

    /// Creates a store on a database that `StudioDatabase.open` has opened.
    public init(_ pool: DatabasePool) { self.pool = pool }

    /// Runs work in one transaction, each piece in a savepoint.
    public func write(_ work: [@Sendable (any StoreTransaction) throws -> Void]) async throws -> [(any Error)?] {
        try await pool.write { database in
            let transaction = DatabaseTransaction(database)
            return try work.map { piece in
                var refusal: (any Error)?
                do {
                    try database.inSavepoint {
                        try piece(transaction)
                        return .commit
                    }
                } catch let error as DatabaseError where error.resultCode != .SQLITE_CONSTRAINT {
                    // A full or failing disk: nothing of this transaction may be acknowledged.
                    throw error
                } catch {
                    transaction.forget()
                    refusal = error
                }
                return refusal
            }
        }
    }

    /// Returns entries of one epoch after an offset.
    public func entries(
        _ log: LogName, of event: EventKey, epoch: String, after offset: Int64, limit: Int
    ) async throws -> [LogEntry] {
        try await pool.read {
            try DatabaseTransaction.entries($0, log, event, epoch: epoch, after: offset, limit: limit)
        }
    }
}
