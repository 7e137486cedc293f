// The music that a program has loaded: which starts there is room for, asked for their sound until they have faded out.

import Control
import Logging
import Media
import Synchronization

/// Keeps a player for each start of music that the program plays or will play soon.
final class MusicShelf: Sendable {
    /// The most starts at once: what is heard, what comes, and what comes instead of that.
    static let limit = 6

    typealias Key = RollStart
    private typealias Entry = RollStarts<MusicPlayer>.Entry

    private struct Heard {
        var voices = MusicVoices()
        /// Those who have faded out and are to be stopped.
        var gone: [MusicPlayer] = []
    }

    private let starts: RollStarts<MusicPlayer>
    /// Locked by the sound's thread for each block, and before the starts by who needs both.
    private let heard = Mutex(Heard())

    /// Creates a shelf.
    ///
    /// - Parameters:
    ///   - pauseMs: half of how long to wait after a file could not be had the first time.
    ///   - logger: for what goes wrong.
    ///   - report: is told what Studio must know.
    ///   - load: begins a start.
    init(
        pauseMs: Int64 = 500, logger: Logger, report: @escaping @Sendable (CompositorEvent) -> Void,
        load: @escaping @Sendable (Key, RollFaults) async throws -> MusicPlayer
    ) {
        starts = RollStarts("music", pauseMs: pauseMs, logger: logger, report: report, asked: { $0 }, load: load)
    }

    /// Creates a shelf of files, each read by a process of its own.
    convenience init(
        files: RollFiles, executable: String = "/proc/self/exe", logger: Logger,
        report: @escaping @Sendable (CompositorEvent) -> Void
    ) {
        self.init(logger: logger, report: report) { key, faults in
            let file = try await files.file(of: key.asset, as: .audio)
            return MusicPlayer(executable: executable, file: file, fromMs: key.fromMs, faults: faults)
        }
    }

    /// Loads what is missing, and lets go what is not named any more: what is heard of that fades out first.
    func keep(_ keys: Set<Key>) {
        let gone = heard.withLock { heard in
            starts.withLock { state -> [Entry] in
                let gone = state.letGo(besides: keys).filter { !heard.voices.has($0.player) }
                // The newest first: what was asked for before it is not heard any more.
                for key in keys.sorted(by: { $0.run > $1.run })
                where state.entries.count < Self.limit && state.lacks(key) {
                    if let player = heard.voices.player(of: key) {
                        // It was to go, and stays.
                        state.entries[key] = Entry(player: player)
                    } else {
                        starts.begin(key, in: &state)
                    }
                }
                defer { heard.gone = [] }
                return gone + heard.gone.map { Entry(player: $0) }
            }
        }
        starts.end(gone)
    }

    /// Waits until the first samples are there, at most so long.
    ///
    /// - Returns: whether all are there.
    func wait(for keys: Set<Key>, atMost milliseconds: Int64) async -> Bool {
        await starts.wait(for: keys, atMost: milliseconds)
    }

    /// Ends all music; called when nobody asks for its sound any more.
    func stop() {
        starts.close()
        let players = heard.withLock { heard in
            defer { heard.voices = MusicVoices() }
            return heard.voices.players
        }
        keep([])
        for player in players { player.stop() }
    }

    // MARK: - The program's threads

    /// Gives the next 10 ms of the scene's music and of what fades out, 960 samples of each piece; for the sound's thread.
    func sound(_ music: SceneAudio.Music?, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void) {
        heard.withLock { heard in
            heard.voices.follow(music) { starts.player(of: $0) }
            for (key, player) in heard.voices.give({ body(.media($0), $1) }) where starts.player(of: key) !== player {
                // To end it is not this thread's business.
                heard.gone.append(player)
            }
        }
    }

    /// Tells when the music of a look has ended, or can't go on; for the program's thread.
    func tellEnd(of look: ProgramLook) {
        // Also while it stands: it may have come to its end while it faded out.
        if let music = look.scene.audio.music { starts.tellEnd(of: Key(music)) }
    }

    /// Tells how far the music of a look has come.
    func tellPlace(of look: ProgramLook) {
        guard let music = look.scene.audio.music else { return }
        starts.tellPlace(of: Key(music), isPlaying: music.state == .playing)
    }

    /// Lets the ends be told again, because who was told may not have heard.
    func tellAgain() { starts.tellAgain() }

    /// Counters by Prometheus name.
    var counters: [String: Double] {
        heard.withLock { heard in
            let prefix = "proscenium_compositor_music_"
            var counters = starts.counters(prefix)
            counters["\(prefix)now", default: 0] += Double(heard.voices.leavingCount)
            return counters
        }
    }
}

extension RollStart {
    init(_ music: SceneAudio.Music) { self.init(asset: music.asset, run: music.run, fromMs: music.positionMs) }
}

extension ProgramLook {
    /// The music that it plays, or keeps ready.
    var music: Set<MusicShelf.Key> { scene.audio.music.map { [.init($0)] } ?? [] }
}
