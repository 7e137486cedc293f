// Stills that many ask for are drawn once.

internal import Foundation
internal import Media

/// Remembers pictures for half a second, and lets everybody who asks meanwhile wait for the same one.
actor StillCache {
    static let lifetimeMs: Int64 = 500

    private struct Entry {
        let task: Task<Data, any Error>, startedAt: MonotonicTime
        var isRunning = true
    }

    private var entries: [String: Entry] = [:]
    private let now: @Sendable () -> MonotonicTime

    init(now: @escaping @Sendable () -> MonotonicTime) { self.now = now }

    /// Returns a picture that is at most half a second old, or was asked for before.
    ///
    /// - Parameters:
    ///   - key: names the picture.
    ///   - make: draws it; a failure is remembered as long as a picture.
    func still(_ key: String, make: @escaping @Sendable () async throws -> Data) async throws -> Data {
        let time = now()
        entries = entries.filter { $1.isRunning || time.milliseconds(since: $1.startedAt) < Self.lifetimeMs }
        if let entry = entries[key] { return try await entry.task.value }
        let task = Task { try await make() }
        entries[key] = Entry(task: task, startedAt: time)
        let result = await task.result
        entries[key]?.isRunning = false
        return try result.get()
    }
}
