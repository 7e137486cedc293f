// The rolls that a program has loaded: which ones there is room for, and asked for pictures and sound.

import Control
import Logging
import Media
import Synchronization

/// Keeps a roll for each that the program shows or will show soon.
final class RollShelf: Sendable {
    /// The most rolls at once: what is shown, what goes, what comes, and what follows.
    static let limit = 6

    typealias Key = RollStart

    private let shop: PaintShop
    private let starts: RollStarts<any Roll>
    /// What the sound's thread may hear now.
    private let playing = Mutex<(asset: String, roll: any Roll)?>(nil)
    private let block = Mutex<[Float]>([Float](repeating: 0, count: 960))

    /// Creates a shelf.
    ///
    /// - Parameters:
    ///   - shop: draws what needs no file.
    ///   - pauseMs: half of how long to wait after a file could not be had the first time.
    ///   - logger: for what goes wrong.
    ///   - report: is told what Studio must know.
    ///   - load: begins a start of a file.
    init(
        shop: PaintShop, pauseMs: Int64 = 500, logger: Logger,
        report: @escaping @Sendable (CompositorEvent) -> Void,
        load: @escaping @Sendable (Key, RollFaults) async throws -> any Roll
    ) {
        self.shop = shop
        starts = RollStarts("a roll", pauseMs: pauseMs, logger: logger, report: report, asked: { $0 }, load: load)
    }

    /// Creates a shelf of files, each read by a process of its own.
    convenience init(
        files: RollFiles, frameRate: FrameRate, shop: PaintShop, executable: String = "/proc/self/exe", logger: Logger,
        report: @escaping @Sendable (CompositorEvent) -> Void
    ) {
        self.init(shop: shop, logger: logger, report: report) { key, faults in
            let file = try await files.file(of: key.asset)
            return RollPlayer(
                executable: executable, file: file, fromMs: key.fromMs, frameRate: frameRate, faults: faults)
        }
    }

    /// Loads what is missing, and lets go what is not named any more.
    func keep(_ keys: Set<Key>) {
        let gone = starts.withLock { state -> [RollStarts<any Roll>.Entry] in
            // What was loaded ahead, in a slot or as the next one, is there already when it is started.
            for key in keys where key.run != 0 && key.fromMs == 0 && state.entries[key] == nil {
                let ahead = Key(asset: key.asset, run: 0, fromMs: 0)
                guard let roll = state.entries[ahead]?.player, roll.end == nil else { continue }
                state.entries[key] = state.entries.removeValue(forKey: ahead)
            }
            var gone = state.letGo(besides: keys)
            // What plays comes first: what is only looked at ahead makes room for it.
            for key in keys.filter({ $0.run != 0 }) + keys.filter({ $0.run == 0 }) where state.lacks(key) {
                if state.entries.count >= Self.limit {
                    guard key.run != 0, let spare = state.entries.keys.first(where: { $0.run == 0 }),
                        let entry = state.entries.removeValue(forKey: spare)
                    else { continue }
                    gone.append(entry)
                }
                // A file that is loaded stands for itself where no start is named.
                if key.run == 0, state.entries.keys.contains(where: { $0.asset == key.asset }) { continue }
                let builtIn = BuiltInMedia(rawValue: key.asset).map { BuiltInRoll($0, shop: shop, fromMs: key.fromMs) }
                starts.begin(key, builtIn, in: &state)
            }
            return gone
        }
        starts.end(gone)
    }

    /// Waits until the rolls' first pictures are there, at most so long.
    ///
    /// - Returns: whether all are there.
    func wait(for keys: Set<Key>, atMost milliseconds: Int64) async -> Bool {
        await starts.wait(for: keys, atMost: milliseconds)
    }

    /// Ends all rolls.
    func stop() {
        starts.close()
        keep([])
        playing.withLock { $0 = nil }
    }

    /// Adds the pictures that rolls stand at, for what is drawn before it is shown.
    func stills(_ keys: Set<Key>, into pictures: inout [SceneSource: VideoFrame]) {
        for key in keys {
            let roll = starts.withLock { $0.entry(key)?.player }
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
        var heard: (asset: String, roll: any Roll)?
        for (key, roll) in starts.players {
            let isNamed = key == named, isPlaying = isNamed && media?.state == .playing
            let picture = roll.picture(showing, isPlaying: isPlaying)
            // Of two starts of one file, the scene's own is seen.
            if media?.asset == key.asset, !isNamed || media?.state == .stopped { continue }
            if let picture { pictures[.media(key.asset)] = picture }
            if isPlaying, roll.end == nil { heard = (key.asset, roll) }
        }
        playing.withLock { $0 = heard }
        if let named, media?.state == .playing { starts.tellEnd(of: named) }
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

    /// Tells how far the roll of a look has run.
    func tellPlace(of look: ProgramLook) {
        guard let media = look.scene.media, media.state != .stopped else { return }
        starts.tellPlace(of: Key(media), isPlaying: media.state == .playing)
    }

    /// Lets the ends be told again, because who was told may not have heard.
    func tellAgain() { starts.tellAgain() }

    /// Counters by Prometheus name.
    var counters: [String: Double] {
        let prefix = "proscenium_compositor_rolls_", late = starts.faults.latePictures.load(ordering: .relaxed)
        return starts.counters(prefix).merging(["\(prefix)late_pictures_total": Double(late)]) { $1 }
    }
}

extension RollStart {
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
