// The rolls that a program has loaded: brought, begun, asked for pictures and sound, told when they end.

import Control
import Foundation
import Logging
import Media
import Synchronization

/// Keeps a roll for each that the program shows or will show soon.
final class RollShelf: Sendable {
    /// The most rolls at once: what is shown, what goes, what comes, and what follows.
    static let limit = 6

    /// A start of a roll: another run of the same file begins anew.
    ///
    /// Where it begins does not tell two starts apart.
    struct Key: Hashable, Sendable {
        var asset: String
        var run: Int64
        var fromMs: Int64

        static func == (one: Self, other: Self) -> Bool { one.asset == other.asset && one.run == other.run }

        func hash(into hasher: inout Hasher) {
            hasher.combine(asset)
            hasher.combine(run)
        }
    }

    private struct Entry {
        var roll: (any Roll)?
        var fetching: Task<Void, Never>?
        var failure: String?
        var isTold = false, isCounted = false
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var pauses: [Key: (until: MonotonicTime, failures: Int)] = [:]
        var isStopped = false
        func entry(_ key: Key) -> Entry? {
            entries[key] ?? (key.run == 0 ? entries.first { $0.key.asset == key.asset }?.value : nil)
        }

        var loaded: UInt64 = 0, ended: UInt64 = 0, failed: UInt64 = 0, late: UInt64 = 0, gaps: UInt64 = 0
    }

    private let files: RollFiles
    private let frameRate: FrameRate
    private let shop: PaintShop
    private let executable: String
    private let logger: Logger
    private let report: @Sendable (CompositorEvent) -> Void
    private let state = Mutex(State())
    /// What the sound's thread may hear now.
    private let playing = Mutex<(asset: String, roll: any Roll)?>(nil)
    private let block = Mutex<[Float]>([Float](repeating: 0, count: 960))

    init(
        files: RollFiles, frameRate: FrameRate, shop: PaintShop, executable: String = "/proc/self/exe", logger: Logger,
        report: @escaping @Sendable (CompositorEvent) -> Void
    ) {
        self.files = files
        self.frameRate = frameRate
        self.shop = shop
        self.executable = executable
        self.logger = logger
        self.report = report
    }

    /// Loads what is missing, and lets go what is not named any more.
    func keep(_ keys: Set<Key>) {
        let gone = state.withLock { state -> [Entry] in
            var gone: [Entry] = []
            // What was loaded ahead, in a slot or as the next one, is there already when it is started.
            for key in keys where key.run != 0 && key.fromMs == 0 && state.entries[key] == nil {
                let ahead = Key(asset: key.asset, run: 0, fromMs: 0)
                guard state.entries[ahead]?.roll?.end == nil else { continue }
                if state.entries[ahead]?.roll != nil {
                    state.entries[key] = state.entries[ahead]
                    state.entries[ahead] = nil
                }
            }
            for (key, entry) in state.entries where !keys.contains(key) {
                state.entries[key] = nil
                gone.append(entry)
                Self.count(entry, &state)
            }
            state.pauses = state.pauses.filter { keys.contains($0.key) }
            guard !state.isStopped else { return gone }
            let now = SystemClock.monotonic()
            // What plays comes first: what is only looked at ahead makes room for it.
            for key in keys.filter({ $0.run != 0 }) + keys.filter({ $0.run == 0 }) where state.entries[key] == nil {
                if state.entries.count >= Self.limit {
                    guard key.run != 0, let spare = state.entries.keys.first(where: { $0.run == 0 }),
                        let entry = state.entries.removeValue(forKey: spare)
                    else { continue }
                    Self.count(entry, &state)
                    gone.append(entry)
                }
                if let pause = state.pauses[key], now < pause.until { continue }
                // A file that is loaded stands for itself where no start is named.
                if key.run == 0, state.entries.keys.contains(where: { $0.asset == key.asset }) { continue }
                state.entries[key] = Entry()
                if let media = BuiltInMedia(rawValue: key.asset) {
                    state.entries[key]?.roll = BuiltInRoll(media, shop: shop, fromMs: key.fromMs)
                } else {
                    state.entries[key]?.fetching = Task { [self] in await fetch(key) }
                }
                state.loaded += 1
            }
            return gone
        }
        for entry in gone {
            entry.fetching?.cancel()
            entry.roll?.stop()
        }
    }

    /// Waits until the rolls' first pictures are there, at most so long.
    ///
    /// - Returns: whether all are there.
    func wait(for keys: Set<Key>, atMost milliseconds: Int64) async -> Bool {
        let (entries, isLeftOut) = state.withLock { state in
            let isLeftOut = !state.isStopped && keys.contains { state.entry($0) == nil && state.pauses[$0] == nil }
            return (keys.compactMap { state.entry($0) }, isLeftOut)
        }
        guard !keys.isEmpty else { return true }
        let answer = FirstAnswer()
        let timer = Task {
            try? await Task.sleep(for: .milliseconds(milliseconds))
            answer.give(false)
        }
        Task { [self] in
            // One that there is no room for now is not given up for that at once.
            guard !isLeftOut else { return }
            for entry in entries { await entry.fetching?.value }
            for roll in rolls(keys) {
                await withCheckedContinuation { continuation in roll.whenSettled { continuation.resume() } }
            }
            answer.give(rolls(keys).count == keys.count && rolls(keys).allSatisfy(\.isReady))
            timer.cancel()
        }
        return await answer.value
    }

    /// Ends all rolls.
    func stop() {
        state.withLock { $0.isStopped = true }
        keep([])
        playing.withLock { $0 = nil }
    }

    /// Adds the pictures that rolls stand at, for what is drawn before it is shown.
    func stills(_ keys: Set<Key>, into pictures: inout [SceneSource: VideoFrame]) {
        for key in keys {
            let roll = state.withLock { $0.entry(key)?.roll }
            if let picture = roll?.shown, pictures[.media(key.asset)] == nil { pictures[.media(key.asset)] = picture }
        }
    }

    // MARK: - The program's threads

    /// Adds the pictures of a frame, and tells what has ended.
    func pictures(
        _ showing: ProgramVideo.Showing, look: ProgramLook, into pictures: inout [SceneSource: VideoFrame]
    ) {
        let media = look.scene.media
        let named = media.map { Key($0) }
        let entries = state.withLock { state in state.entries.compactMap { key, entry in entry.roll.map { (key, $0) } }
        }
        var heard: (asset: String, roll: any Roll)?
        for (key, roll) in entries {
            let isNamed = key == named, isPlaying = isNamed && media?.state == .playing
            let picture = roll.picture(showing, isPlaying: isPlaying)
            // Of two starts of one file, the scene's own is seen.
            if media?.asset == key.asset, !isNamed || media?.state == .stopped { continue }
            if let picture { pictures[.media(key.asset)] = picture }
            if isPlaying, roll.end == nil { heard = (key.asset, roll) }
            if isPlaying, let end = roll.end { tell(key, end.failure) }
        }
        playing.withLock { $0 = heard }
        if let named, media?.state == .playing {
            let failure = state.withLock { $0.entries[named]?.failure }
            if let failure { tell(named, failure) }
        }
    }

    /// Gives the sound of the roll that plays.
    func sound(at moment: MonotonicTime, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void) {
        guard let (asset, roll) = playing.withLock({ $0 }) else { return }
        block.withLock { block in
            block.withUnsafeMutableBufferPointer { samples in
                if roll.sound(at: moment, into: samples) { body(.media(asset), UnsafeBufferPointer(samples)) }
            }
        }
    }

    /// Tells how far the roll of a look has run, so that Studio knows it whatever it has missed.
    func tellPlace(of look: ProgramLook) {
        guard let media = look.scene.media, media.state != .stopped else { return }
        let roll = state.withLock { $0.entries[Key(media)]?.roll }
        guard let roll, roll.isReady, roll.end == nil else { return }
        report(
            .rollPlace(
                asset: media.asset, run: media.run, positionMs: roll.positionMs, isPlaying: media.state == .playing))
    }

    /// Lets the ends be told again, because who was told may not have heard.
    func tellAgain() {
        state.withLock { state in for key in state.entries.keys { state.entries[key]?.isTold = false } }
    }

    /// Counters by Prometheus name.
    var counters: [String: Double] {
        state.withLock { state in
            var (late, gaps) = (state.late, state.gaps)
            for case let player as RollPlayer in state.entries.values.map(\.roll) {
                late += player.faults.late
                gaps += player.faults.gaps
            }
            let prefix = "proscenium_compositor_rolls_"
            return [
                "\(prefix)loaded_total": Double(state.loaded), "\(prefix)ended_total": Double(state.ended),
                "\(prefix)failed_total": Double(state.failed), "\(prefix)late_pictures_total": Double(late),
                "\(prefix)sound_gaps_total": Double(gaps), "\(prefix)now": Double(state.entries.count),
            ]
        }
    }

    // MARK: - Inside

    private func rolls(_ keys: Set<Key>) -> [any Roll] {
        state.withLock { state in keys.compactMap { state.entry($0)?.roll } }
    }

    private static func count(_ entry: Entry, _ state: inout State) {
        guard let player = entry.roll as? RollPlayer else { return }
        state.late += player.faults.late
        state.gaps += player.faults.gaps
    }

    private func tell(_ key: Key, _ failure: String?) {
        let isNews = state.withLock { state -> Bool in
            guard state.entries[key]?.isTold == false else { return false }
            state.entries[key]?.isTold = true
            guard state.entries[key]?.isCounted == false else { return true }
            state.entries[key]?.isCounted = true
            if failure == nil { state.ended += 1 } else { state.failed += 1 }
            return true
        }
        guard isNews else { return }
        if let failure {
            logger.warning("a roll can't go on", metadata: ["asset": "\(key.asset)", "reason": "\(failure)"])
        }
        report(.rollEnded(asset: key.asset, run: key.run, failure: failure))
    }

    private func fetch(_ key: Key) async {
        do {
            let file = try await files.file(of: key.asset)
            let player = RollPlayer(executable: executable, file: file, fromMs: key.fromMs, frameRate: frameRate)
            let isTaken = state.withLock { state in
                guard !state.isStopped, state.entries[key] != nil else { return false }
                state.entries[key]?.roll = player
                return true
            }
            if !isTaken { player.stop() }
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("a roll can't be had", metadata: ["asset": "\(key.asset)", "error": "\(error)"])
            state.withLock { state in
                let failures = min((state.pauses[key]?.failures ?? 0) + 1, 6)
                state.pauses[key] = (SystemClock.monotonic().advanced(byMilliseconds: 500 << Int64(failures)), failures)
                // Tried again by and by; after some times it counts as one that can't be played.
                if failures >= 3 {
                    state.entries[key]?.failure = "The file can't be had: \(error)."
                } else {
                    state.entries[key] = nil
                }
            }
        }
    }
}

extension RollShelf.Key {
    init(_ media: MediaRoll) { self.init(asset: media.asset, run: media.run, fromMs: media.positionMs) }
}

extension ProgramLook {
    /// The rolls that it shows, and the one that follows.
    var rolls: Set<RollShelf.Key> {
        guard let media = scene.media, media.state != .stopped, media.then == .next, let next = media.next.first else {
            return shownRolls
        }
        return shownRolls.union([.init(asset: next, run: 0, fromMs: 0)])
    }

    /// The rolls that it shows.
    var shownRolls: Set<RollShelf.Key> {
        var keys: Set<RollShelf.Key> = []
        if let media = scene.media, media.state != .stopped { keys.insert(.init(media)) }
        for source in layout.slots.flatMap({ (scene.slots[$0.id] ?? $0.content).sources }) {
            if case .media(let asset) = source, asset != scene.media?.asset {
                keys.insert(.init(asset: asset, run: 0, fromMs: 0))
            }
        }
        return keys
    }
}
