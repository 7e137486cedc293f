// The program's music in virtual time: how it comes and goes with scenes, and what is told of it.

import Control
import Foundation
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("The program's music")
struct MusicShelfTests {
    private typealias Music = SceneAudio.Music

    /// What was told.
    final class Told: Sendable {
        private let box = Mutex<[CompositorEvent]>([])
        var events: [CompositorEvent] { box.withLock { $0 } }
        func note(_ event: CompositorEvent) { box.withLock { $0.append(event) } }
    }

    /// The players that a shelf has begun.
    private final class Players: Sendable {
        private let box = Mutex<[MusicShelf.Key: MusicPlayer]>([:])
        var all: [MusicPlayer] { box.withLock { Array($0.values) } }
        subscript(key: MusicShelf.Key) -> MusicPlayer? { box.withLock { $0[key] } }
        func add(_ player: MusicPlayer, _ key: MusicShelf.Key) { box.withLock { $0[key] = player } }
    }

    /// A shelf of tones.
    private final class Stage: Sendable {
        let told: Told
        let players: Players
        let shelf: MusicShelf

        /// - Parameters:
        ///   - pieces: by asset; one that is not there can't be had.
        ///   - pauseMs: after which it is asked for again.
        init(_ pieces: [String: FakeMusic], pauseMs: Int64 = 1) {
            let players = Players(), told = Told()
            self.players = players
            self.told = told
            shelf = MusicShelf(
                pauseMs: pauseMs, logger: Logger(label: "test"), report: { told.note($0) }
            ) { key, faults in
                guard let piece = pieces[key.asset] else { throw RollFiles.Failure.status(404) }
                let player = piece.player(fromMs: key.fromMs, faults: faults)
                players.add(player, key)
                return player
            }
        }

        deinit { shelf.stop() }

        func player(_ music: SceneAudio.Music) -> MusicPlayer? { players[.init(music)] }

        /// Loads music and waits until it is there.
        func load(_ music: [SceneAudio.Music]) async -> Bool {
            let keys = Set(music.map { MusicShelf.Key($0) })
            shelf.keep(keys)
            return await shelf.wait(for: keys, atMost: 30_000)
        }

        /// What is heard of each piece in so many blocks; silence where it is not given.
        func run(_ music: SceneAudio.Music?, blocks: Int) -> [String: [Float]] {
            var heard: [String: [Float]] = [:]
            for block in 0..<blocks {
                // Test time runs faster than the readers: what comes next is there before it is asked for.
                for player in players.all { player.waitForMore() }
                shelf.sound(music) { source, samples in
                    guard case .media(let asset) = source else { return }
                    let silence = [Float](repeating: 0, count: 480 * block - heard[asset, default: []].count)
                    heard[asset, default: []] += silence + stride(from: 0, to: 960, by: 2).map { samples[$0] }
                }
            }
            return heard.mapValues { $0 + [Float](repeating: 0, count: 480 * blocks - $0.count) }
        }
    }

    /// The mean level of each block.
    private func levels(_ samples: [Float]) -> [Double] {
        stride(from: 0, to: samples.count, by: 480).map { at in
            let sum = samples[at..<at + 480].reduce(0) { $0 + Double($1) * Double($1) }
            return (sum / 480).squareRoot()
        }
    }

    private static let full = 0.25 / 2.0.squareRoot()

    @Test("comes within 0.3 s, goes within 1 s, and leaves nothing above −75 dB outside its tone")
    func comesAndGoes() async {
        let music = Music(asset: "a", state: .playing, run: 1), stage = Stage(["a": FakeMusic(count: 96_000)])
        #expect(await stage.load([music]))
        let coming = stage.run(music, blocks: 60)["a"] ?? []
        // Another scene names it no more: what is heard of it goes on.
        stage.shelf.keep([])
        let going = stage.run(nil, blocks: 130)["a"] ?? []
        let before = levels(coming), after = levels(going)
        #expect(before.count == 60 && before[0] < 0.01 * Self.full && abs(before[15] / Self.full - 0.5) < 0.1)
        #expect(before[30...].allSatisfy { abs($0 - Self.full) < 0.001 })
        #expect(abs(after[0] - Self.full) < 0.001 && abs(after[50] / Self.full - 0.5) < 0.05)
        #expect(after[101...].allSatisfy { $0 == 0 } && after[95] > 0)
        #expect(zip(after, after.dropFirst()).allSatisfy { $0 + 1e-6 >= $1 })
        let clicks = ClickDetector(frequency: 500, amplitude: 0.25).worst(coming + going)
        print("music that comes and goes leaves \(clicks) dB")
        #expect(clicks < -75)
        // Who has faded out is ended.
        #expect(stage.shelf.counters["proscenium_compositor_music_now"] == 0)
        stage.shelf.keep([])
        #expect(stage.run(nil, blocks: 5).isEmpty)
    }

    @Test("a scene that names the same music changes nothing about it, and a pause keeps its place")
    func staysAndStands() async throws {
        var music = Music(asset: "a", state: .playing, run: 1)
        let piece = FakeMusic(count: 96_000), stage = Stage(["a": piece])
        #expect(await stage.load([music]))
        var heard = stage.run(music, blocks: 40)["a"] ?? []
        music.positionMs = 700
        #expect(await stage.load([music]))
        heard += stage.run(music, blocks: 40)["a"] ?? []
        let steady = heard.dropFirst(14_400).enumerated()
        #expect(steady.allSatisfy { abs($0.element - piece.sample(14_400 + $0.offset)) < 1e-4 })
        let player = try #require(stage.player(music))
        #expect(player.positionMs == 800)

        music.state = .paused
        let paused = stage.run(music, blocks: 100)["a"] ?? []
        // It fades out over 0.3 s of itself.
        #expect(levels(paused)[31...].allSatisfy { $0 == 0 } && player.positionMs == 1100)
        music.state = .playing
        let resumed = stage.run(music, blocks: 60)["a"] ?? []
        #expect(player.positionMs == 1700)
        let again = resumed.dropFirst(14_400).enumerated()
        #expect(again.allSatisfy { abs($0.element - piece.sample(52_800 + 14_400 + $0.offset)) < 1e-4 })
        let clicks = ClickDetector(frequency: 500, amplitude: 0.25)
        #expect(clicks.worst(paused) < -75 && clicks.worst(resumed) < -75)
        #expect(piece.opened == [0] && stage.shelf.counters["proscenium_compositor_music_loaded_total"] == 1)
    }

    @Test("other music comes while what was there goes, each at its own pace")
    func changes() async {
        let first = Music(asset: "a", state: .playing, run: 1), second = Music(asset: "b", state: .playing, run: 2)
        let stage = Stage(["a": FakeMusic(count: 96_000), "b": FakeMusic(count: 96_000, frequency: 700)])
        #expect(await stage.load([first]))
        _ = stage.run(first, blocks: 60)
        #expect(await stage.load([first, second]))
        let heard = stage.run(second, blocks: 120).mapValues { levels($0) }
        stage.shelf.keep([.init(second)])
        let going = heard["a"] ?? [], coming = heard["b"] ?? []
        #expect(going.count == 120 && abs(going[50] / Self.full - 0.5) < 0.05 && going[101...].allSatisfy { $0 == 0 })
        #expect(coming.count == 120 && coming[0] < 0.01 && coming[30...].allSatisfy { abs($0 - Self.full) < 0.001 })
    }

    @Test("the same music from another place is one source, and goes as fast as it comes")
    func seeks() async {
        let first = Music(asset: "a", state: .playing, run: 1)
        let second = Music(asset: "a", state: .playing, positionMs: 250, run: 2)
        let stage = Stage(["a": FakeMusic(count: 96_000)])
        #expect(await stage.load([first]))
        _ = stage.run(first, blocks: 50)
        #expect(await stage.load([second]))
        // Both stand at whole periods, so that they add up.
        let heard = stage.run(second, blocks: 60)
        #expect(heard.count == 1)
        let both = levels(heard["a"] ?? [])
        #expect(both.count == 60 && both.allSatisfy { abs($0 - Self.full) < 0.01 })
        #expect(stage.player(second)?.positionMs == 850)
        let clicks = ClickDetector(frequency: 500, amplitude: 0.25).worst(heard["a"] ?? [])
        #expect(clicks < -75)
        #expect(stage.shelf.counters["proscenium_compositor_music_now"] == 1)
    }

    @Test("many starts in a row leave four that are heard at most")
    func many() async {
        let stage = Stage(Dictionary(uniqueKeysWithValues: (0..<8).map { ("\($0)", FakeMusic(count: 96_000)) }))
        for number in 0..<8 {
            let music = Music(asset: "\(number)", state: .playing, run: Int64(number + 1))
            #expect(await stage.load([music]))
            let heard = stage.run(music, blocks: 10).filter { $0.value.suffix(480).contains { $0 != 0 } }
            #expect(heard.count <= MusicVoices.leavingLimit + 1 && heard["\(number)"] != nil)
        }
    }

    private func look(_ music: SceneAudio.Music?) throws -> ProgramLook {
        var setup = try ProgramBoardTests.setup()
        setup.scene.audio.music = music
        return try #require(ProgramBoard(setup)).look
    }

    @Test("its end is told once, and again when nobody seems to have heard")
    func ends() async throws {
        let music = Music(asset: "a", state: .playing, loop: false, run: 4)
        let stage = Stage(["a": FakeMusic(count: 24_000)]), look = try look(music)
        #expect(await stage.load([music]))
        _ = stage.run(music, blocks: 30)
        stage.shelf.tellEnd(of: look)
        stage.shelf.tellPlace(of: look)
        #expect(stage.told.events == [.rollPlace(asset: "a", run: 4, positionMs: 300, isPlaying: true)])
        _ = stage.run(music, blocks: 30)
        for _ in 0..<3 { stage.shelf.tellEnd(of: look) }
        stage.shelf.tellPlace(of: look)
        #expect(stage.told.events.dropFirst() == [.rollEnded(asset: "a", run: 4, failure: nil)])
        stage.shelf.tellAgain()
        stage.shelf.tellEnd(of: try self.look(Music(asset: "a", state: .paused, loop: false, run: 4)))
        // Also when it was to stand meanwhile.
        #expect(stage.told.events.count == 3)
        stage.shelf.tellAgain()
        stage.shelf.tellEnd(of: try self.look(nil))
        #expect(stage.told.events.count == 3)
        stage.shelf.tellEnd(of: look)
        #expect(stage.told.events.count == 4)
        #expect(stage.shelf.counters["proscenium_compositor_music_ended_total"] == 1)
        #expect(stage.shelf.counters["proscenium_compositor_music_failed_total"] == 0)
    }

    @Test("what can't be read, and what can't be had after some tries, is told with its reason")
    func fails() async throws {
        let broken = Music(asset: "a", state: .playing, run: 4), gone = Music(asset: "none", state: .playing, run: 5)
        let stage = Stage(["a": FakeMusic(count: 96_000, fault: .damaged(after: 0))])
        #expect(await stage.load([broken]) == false)
        stage.shelf.tellEnd(of: try look(broken))
        #expect(stage.told.events == [.rollEnded(asset: "a", run: 4, failure: "It is damaged.")])
        #expect(await stage.load([gone]) == false)
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while stage.told.events.count < 2, SystemClock.monotonic() < deadline {
            _ = await stage.load([gone])
            stage.shelf.tellEnd(of: try look(gone))
            try await Task.sleep(for: .milliseconds(1))
        }
        let reason = "The file can't be had: Studio answers 404."
        #expect(stage.told.events.dropFirst() == [.rollEnded(asset: "none", run: 5, failure: reason)])
        #expect(stage.shelf.counters["proscenium_compositor_music_failed_total"] == 2)
    }

    @Test("that is not there in time is not waited for, and comes when it is")
    func late() async {
        let piece = FakeMusic(count: 96_000, isOpen: false), stage = Stage(["a": piece])
        let music = Music(asset: "a", state: .playing, run: 1), key = MusicShelf.Key(music)
        stage.shelf.keep([key])
        #expect(await stage.shelf.wait(for: [key], atMost: 20) == false)
        stage.shelf.sound(music) { _, _ in Issue.record("nothing is there") }
        piece.letGo()
        #expect(await stage.shelf.wait(for: [key], atMost: 30_000))
        #expect(levels(stage.run(music, blocks: 40)["a"] ?? []).last ?? 0 > 0.99 * Self.full)
        #expect(stage.shelf.counters["proscenium_compositor_music_sound_gaps_total"] == 0)
        // One that is let go before it was heard is ended at once.
        let other = Music(asset: "a", state: .paused, run: 2)
        #expect(await stage.load([music, other]))
        stage.shelf.keep([key])
        #expect(stage.shelf.counters["proscenium_compositor_music_now"] == 1)
    }
}
