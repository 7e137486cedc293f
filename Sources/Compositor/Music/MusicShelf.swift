// The music that a program has loaded: brought, begun, asked for its sound, told when it ends.

import Control
import Logging
import Media
import Synchronization

/// Keeps a player for each start of music that the program plays or will play soon.
final class MusicShelf: Sendable {
    /// The most starts at once: what is heard, what comes, and what comes instead of that.
    static let limit = 6

    typealias Key = RollShelf.Key

    fileprivate struct Entry {
        var player: MusicPlayer?
        var fetching: Task<Void, Never>?
        var failure: String?
        var isTold = false, isCounted = false
    }

    fileprivate struct State {
        var entries: [Key: Entry] = [:]
        var pauses: [Key: (until: MonotonicTime, failures: Int)] = [:]
        var voices = MusicVoices()
        /// Those who have faded out and are to be stopped.
        var gone: [MusicPlayer] = []
        var isStopped = false
        var loaded: UInt64 = 0, ended: UInt64 = 0, failed: UInt64 = 0, gaps: UInt64 = 0
    }

    private let load: @Sendable (Key) async throws -> MusicPlayer
    private let pauseMs: Int64
    private let logger: Logger
    private let report: @Sendable (CompositorEvent) -> Void
    private let state = Mutex(State())
    private let sum = Mutex([Float](repeating: 0, count: 960)), part = Mutex([Float](repeating: 0, count: 960))

    /// Creates a shelf.
    ///
    /// - Parameters:
    ///   - pauseMs: how long to wait after a file could not be had, doubled each time.
    ///   - logger: for what goes wrong.
    ///   - report: is told what Studio must know.
    ///   - load: begins a start.
    init(
        pauseMs: Int64 = 500, logger: Logger, report: @escaping @Sendable (CompositorEvent) -> Void,
        load: @escaping @Sendable (Key) async throws -> MusicPlayer
    ) {
        self.pauseMs = pauseMs
        self.logger = logger
        self.report = report
        self.load = load
    }

    /// Creates a shelf of files, each read by a process of its own.
    convenience init(
        files: RollFiles, executable: String = "/proc/self/exe", logger: Logger,
        report: @escaping @Sendable (CompositorEvent) -> Void
    ) {
        self.init(logger: logger, report: report) { key in
            let file = try await files.file(of: key.asset, as: .audio)
            return MusicPlayer(executable: executable, file: file, fromMs: key.fromMs)
        }
    }

    /// Loads what is missing, and lets go what is not named any more: what is heard of that fades out first.
    func keep(_ keys: Set<Key>) {
        let (ended, fetches) = state.withLock { state -> ([MusicPlayer], [Task<Void, Never>]) in
            var ended = state.gone, fetches: [Task<Void, Never>] = []
            state.gone = []
            for (key, entry) in state.entries where !keys.contains(key) {
                state.entries[key] = nil
                if let fetching = entry.fetching { fetches.append(fetching) }
                if let player = entry.player, !state.voices.has(player) { ended.append(player) }
            }
            for player in ended { state.gaps += player.gaps }
            state.pauses = state.pauses.filter { keys.contains($0.key) }
            guard !state.isStopped else { return (ended, fetches) }
            let now = SystemClock.monotonic()
            // The newest first: what was asked for before it is not heard any more.
            for key in keys.sorted(by: { $0.run > $1.run })
            where state.entries[key] == nil && state.entries.count < Self.limit {
                if let pause = state.pauses[key], now < pause.until { continue }
                if let player = state.voices.player(of: key) {
                    // It was to go, and stays.
                    state.entries[key] = Entry(player: player)
                    continue
                }
                state.entries[key] = Entry(fetching: Task { [self] in await fetch(key) })
                state.loaded += 1
            }
            return (ended, fetches)
        }
        for fetching in fetches { fetching.cancel() }
        for player in ended { player.stop() }
    }

    /// Waits until the first samples are there, at most so long.
    ///
    /// - Returns: whether all are there.
    func wait(for keys: Set<Key>, atMost milliseconds: Int64) async -> Bool {
        guard !keys.isEmpty else { return true }
        let (fetches, isLeftOut) = state.withLock { state in
            let isLeftOut = !state.isStopped && keys.contains { state.entries[$0] == nil && state.pauses[$0] == nil }
            return (keys.compactMap { state.entries[$0]?.fetching }, isLeftOut)
        }
        let answer = FirstAnswer()
        let timer = Task {
            try? await Task.sleep(for: .milliseconds(milliseconds))
            answer.give(false)
        }
        Task { [self] in
            // One that there is no room for now is not given up for that at once.
            guard !isLeftOut else { return }
            for fetching in fetches { await fetching.value }
            let players = state.withLock { state in keys.compactMap { state.entries[$0]?.player } }
            for player in players {
                await withCheckedContinuation { continuation in player.whenSettled { continuation.resume() } }
            }
            answer.give(players.count == keys.count && players.allSatisfy(\.isReady))
            timer.cancel()
        }
        return await answer.value
    }

    /// Ends all music; called when nobody asks for its sound any more.
    func stop() {
        let players = state.withLock { state in
            state.isStopped = true
            defer { state.voices = MusicVoices() }
            return state.voices.players
        }
        keep([])
        for player in players { player.stop() }
    }

    // MARK: - The program's threads

    /// Gives the next 10 ms of the scene's music and of what fades out, 960 samples of each piece; for the sound's thread.
    func sound(_ music: SceneAudio.Music?, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void) {
        sum.withLock { sum in
            part.withLock { part in
                sum.withUnsafeMutableBufferPointer { sum in
                    part.withUnsafeMutableBufferPointer { part in
                        state.withLock { $0.sound(music, sum, part, body) }
                    }
                }
            }
        }
    }

    /// Tells when the music of a look has ended, or can't go on; for the program's thread.
    func tellEnd(of look: ProgramLook) {
        // Also while it stands: it may have come to its end while it faded out.
        guard let music = look.scene.audio.music else { return }
        let key = Key(music)
        let news = state.withLock { state -> (failure: String?, isFirst: Bool)? in
            guard let entry = state.entries[key], !entry.isTold,
                let end = entry.failure.map({ RollEnd.failed($0) }) ?? entry.player?.end
            else { return nil }
            state.entries[key]?.isTold = true
            state.entries[key]?.isCounted = true
            guard !entry.isCounted else { return (end.failure, false) }
            if end.failure == nil { state.ended += 1 } else { state.failed += 1 }
            return (end.failure, true)
        }
        guard let news else { return }
        if let failure = news.failure, news.isFirst {
            logger.warning("music can't go on", metadata: ["asset": "\(key.asset)", "reason": "\(failure)"])
        }
        report(.rollEnded(asset: key.asset, run: key.run, failure: news.failure))
    }

    /// Tells how far the music of a look has come, so that Studio knows it whatever it has missed.
    func tellPlace(of look: ProgramLook) {
        guard let music = look.scene.audio.music else { return }
        let player = state.withLock { $0.entries[Key(music)]?.player }
        guard let player, player.isReady, player.end == nil else { return }
        report(
            .rollPlace(
                asset: music.asset, run: music.run, positionMs: player.positionMs, isPlaying: music.state == .playing))
    }

    /// Lets the ends be told again, because who was told may not have heard.
    func tellAgain() {
        state.withLock { state in for key in state.entries.keys { state.entries[key]?.isTold = false } }
    }

    /// Counters by Prometheus name.
    var counters: [String: Double] {
        state.withLock { state in
            let loaded = state.entries.values.compactMap(\.player)
            let leaving = state.voices.players.filter { player in !loaded.contains { $0 === player } }
            let gaps = (loaded + leaving + state.gone).reduce(state.gaps) { $0 + $1.gaps }
            let prefix = "proscenium_compositor_music_"
            return [
                "\(prefix)loaded_total": Double(state.loaded), "\(prefix)ended_total": Double(state.ended),
                "\(prefix)failed_total": Double(state.failed), "\(prefix)sound_gaps_total": Double(gaps),
                "\(prefix)now": Double(state.entries.count + state.voices.leavingCount),
            ]
        }
    }

    // MARK: - Inside

    private func fetch(_ key: Key) async {
        do {
            let player = try await load(key)
            let isTaken = state.withLock { state in
                // One that was let go meanwhile and named again has been asked for again.
                guard !state.isStopped, let entry = state.entries[key], entry.player == nil else { return false }
                state.entries[key]?.player = player
                return true
            }
            if !isTaken { player.stop() }
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("music can't be had", metadata: ["asset": "\(key.asset)", "error": "\(error)"])
            state.withLock { state in
                let failures = min((state.pauses[key]?.failures ?? 0) + 1, 6)
                state.pauses[key] = (
                    SystemClock.monotonic().advanced(byMilliseconds: pauseMs << Int64(failures)), failures
                )
                // Tried again by and by; after some times it counts as music that can't be played.
                if failures >= 3 {
                    state.entries[key]?.failure = "The file can't be had: \(error)."
                } else {
                    state.entries[key] = nil
                }
            }
        }
    }
}

extension MusicShelf.State {
    fileprivate mutating func sound(
        _ music: SceneAudio.Music?, _ sum: UnsafeMutableBufferPointer<Float>,
        _ part: UnsafeMutableBufferPointer<Float>, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void
    ) {
        let entries = entries
        voices.follow(music) { entries[$0]?.player }
        for (key, player) in voices.give(sum, part, { body(.media($0), $1) }) where entries[key]?.player !== player {
            // To end it is not this thread's business.
            gone.append(player)
        }
    }
}

extension RollShelf.Key {
    init(_ music: SceneAudio.Music) { self.init(asset: music.asset, run: music.run, fromMs: music.positionMs) }
}

extension ProgramLook {
    /// The music that it plays, or keeps ready.
    var music: Set<MusicShelf.Key> { scene.audio.music.map { [.init($0)] } ?? [] }
}
