// The starts of rolls or of music that a shelf keeps: what was fetched for each, when to try again, what has been told.

import Control
import Logging
import Media
import Synchronization

/// A start of a roll or of music: another run of the same file begins anew.
///
/// Where it begins does not tell two starts apart.
struct RollStart: Hashable, Sendable {
    var asset: String
    var run: Int64
    var fromMs: Int64

    static func == (one: Self, other: Self) -> Bool { one.asset == other.asset && one.run == other.run }

    func hash(into hasher: inout Hasher) {
        hasher.combine(asset)
        hasher.combine(run)
    }
}

/// Keeps a player for each start that its shelf wants, and tells Studio how far it comes.
///
/// Which starts are wanted, and how many, is the shelf's business. Whatever it wants, and in whatever order files come:
/// - A start has one player at most; one that comes for a start that has another, or is not wanted any more, is ended.
/// - A file that can't be had is asked for again after a pause that doubles each time; the third time the start has failed,
///   until it is let go.
/// - An end is logged and counted once. It is told once, and once more after each `tellAgain()`.
/// - After `close()` nothing begins any more.
final class RollStarts<Player: Sendable>: Sendable {
    /// What is kept for a start.
    struct Entry: Sendable {
        var player: Player?
        fileprivate var fetching: Task<Void, Never>?
        fileprivate var failure: String?
        fileprivate var isTold = false, isCounted = false

        init(player: Player?) { self.player = player }
    }

    /// What is kept for all starts, as the shelf changes it.
    struct State: Sendable {
        var entries: [RollStart: Entry] = [:]
        fileprivate var pauses: [RollStart: (until: MonotonicTime, failures: Int)] = [:]
        fileprivate var isClosed = false
        fileprivate var loaded: UInt64 = 0, ended: UInt64 = 0, failed: UInt64 = 0

        /// What is kept for a start; where no run is named, for any one of its file.
        func entry(_ start: RollStart) -> Entry? {
            entries[start] ?? (start.run == 0 ? entries.first { $0.key.asset == start.asset }?.value : nil)
        }

        /// Whether a start that is wanted is to be begun now.
        func lacks(_ start: RollStart) -> Bool {
            guard !isClosed, entries[start] == nil else { return false }
            return pauses[start].map { $0.until <= SystemClock.monotonic() } ?? true
        }

        /// Takes out what is not wanted any more; the shelf ends it.
        mutating func letGo(besides wanted: Set<RollStart>) -> [Entry] {
            pauses = pauses.filter { wanted.contains($0.key) }
            let gone = entries.filter { !wanted.contains($0.key) }
            for start in gone.keys { entries[start] = nil }
            return Array(gone.values)
        }
    }

    /// What its players have missed.
    let faults = RollFaults()
    private let name: String
    private let pauseMs: Int64
    private let logger: Logger
    private let report: @Sendable (CompositorEvent) -> Void
    private let asked: @Sendable (Player) -> any StartPlayer
    private let load: @Sendable (RollStart, RollFaults) async throws -> Player
    private let state = Mutex(State())

    /// Creates it without any start.
    ///
    /// - Parameters:
    ///   - name: what is played, for what is logged.
    ///   - pauseMs: half of how long to wait after a file could not be had the first time.
    ///   - logger: for what goes wrong.
    ///   - report: is told what Studio must know.
    ///   - asked: gives what is asked of a player: an `any Roll` is no `StartPlayer` by itself.
    ///   - load: begins a start, whose player counts what it misses.
    init(
        _ name: String, pauseMs: Int64, logger: Logger, report: @escaping @Sendable (CompositorEvent) -> Void,
        asked: @escaping @Sendable (Player) -> any StartPlayer,
        load: @escaping @Sendable (RollStart, RollFaults) async throws -> Player
    ) {
        self.name = name
        self.pauseMs = pauseMs
        self.logger = logger
        self.report = report
        self.asked = asked
        self.load = load
    }

    /// The player of a start, once it is there.
    func player(of start: RollStart) -> Player? { state.withLock { $0.entries[start]?.player } }

    /// All players that are there.
    var players: [(RollStart, Player)] {
        state.withLock { state in state.entries.compactMap { start, entry in entry.player.map { (start, $0) } } }
    }

    // MARK: - What the shelf wants

    /// Looks at what is kept, or changes it.
    func withLock<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    /// Begins a start, by fetching its player if there is none yet; called under the lock.
    func begin(_ start: RollStart, _ player: Player? = nil, in state: inout State) {
        var entry = Entry(player: player)
        if player == nil { entry.fetching = Task { [self] in await fetch(start) } }
        state.entries[start] = entry
        state.loaded += 1
    }

    /// Ends what was taken out; called when the lock is free again.
    func end(_ gone: [Entry]) {
        for entry in gone {
            entry.fetching?.cancel()
            entry.player.map(asked)?.stop()
        }
    }

    /// Begins nothing any more.
    func close() { state.withLock { $0.isClosed = true } }

    /// Waits until that is there which starts begin with, at most so long.
    ///
    /// - Returns: whether all are ready.
    func wait(for starts: Set<RollStart>, atMost milliseconds: Int64) async -> Bool {
        guard !starts.isEmpty else { return true }
        let (fetches, isLeftOut) = state.withLock { state in
            let isLeftOut = !state.isClosed && starts.contains { state.entry($0) == nil && state.pauses[$0] == nil }
            return (starts.compactMap { state.entry($0)?.fetching }, isLeftOut)
        }
        return await FirstAnswer<Bool>.within(milliseconds) { [self] in
            // One that there is no room for now is not given up for that at once.
            guard !isLeftOut else { return nil }
            for fetching in fetches { await fetching.value }
            for player in askedPlayers(of: starts) { await player.settled.value }
            let players = askedPlayers(of: starts)
            return players.count == starts.count && players.allSatisfy(\.isReady)
        }
    }

    // MARK: - What Studio is told

    /// Tells that a start has ended or can't go on, when it has and that is news.
    func tellEnd(of start: RollStart) {
        let news = state.withLock { state -> (failure: String?, isFirst: Bool)? in
            guard let entry = state.entries[start], !entry.isTold,
                let end = entry.failure.map({ RollEnd.failed($0) }) ?? entry.player.flatMap({ asked($0).end })
            else { return nil }
            state.entries[start]?.isTold = true
            state.entries[start]?.isCounted = true
            guard !entry.isCounted else { return (end.failure, false) }
            if end.failure == nil { state.ended += 1 } else { state.failed += 1 }
            return (end.failure, true)
        }
        guard let news else { return }
        if let failure = news.failure, news.isFirst {
            logger.warning("\(name) can't go on", metadata: ["asset": "\(start.asset)", "reason": "\(failure)"])
        }
        report(.rollEnded(asset: start.asset, run: start.run, failure: news.failure))
    }

    /// Lets the ends be told again, because who was told may not have heard.
    func tellAgain() {
        state.withLock { state in for start in state.entries.keys { state.entries[start]?.isTold = false } }
    }

    /// Tells how far a start has come while it goes on, so that Studio knows it whatever it has missed.
    func tellPlace(of start: RollStart, isPlaying: Bool) {
        guard let player = player(of: start).map(asked), player.isReady, player.end == nil else { return }
        report(.rollPlace(asset: start.asset, run: start.run, positionMs: player.positionMs, isPlaying: isPlaying))
    }

    /// Counters by Prometheus name.
    ///
    /// - Parameter prefix: what the names begin with.
    func counters(_ prefix: String) -> [String: Double] {
        state.withLock { state in
            [
                "\(prefix)loaded_total": Double(state.loaded), "\(prefix)ended_total": Double(state.ended),
                "\(prefix)failed_total": Double(state.failed),
                "\(prefix)sound_gaps_total": Double(faults.soundGaps.load(ordering: .relaxed)),
                "\(prefix)now": Double(state.entries.count),
            ]
        }
    }

    // MARK: - Inside

    private func askedPlayers(of starts: Set<RollStart>) -> [any StartPlayer] {
        state.withLock { state in starts.compactMap { state.entry($0)?.player }.map(asked) }
    }

    private func fetch(_ start: RollStart) async {
        do {
            let player = try await load(start, faults)
            let isTaken = state.withLock { state in
                // One that was let go meanwhile and is wanted again has been asked for again.
                guard !state.isClosed, let entry = state.entries[start], entry.player == nil else { return false }
                state.entries[start]?.player = player
                return true
            }
            if !isTaken { asked(player).stop() }
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("\(name) can't be had", metadata: ["asset": "\(start.asset)", "error": "\(error)"])
            state.withLock { state in
                let failures = min((state.pauses[start]?.failures ?? 0) + 1, 6)
                let until = SystemClock.monotonic().advanced(byMilliseconds: pauseMs << Int64(failures))
                state.pauses[start] = (until, failures)
                // Tried again by and by; after some times it counts as one that can't be played.
                if failures >= 3 {
                    state.entries[start]?.failure = "The file can't be had: \(error)."
                } else {
                    state.entries[start] = nil
                }
            }
        }
    }
}
