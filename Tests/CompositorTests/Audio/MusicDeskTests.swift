// Music at the desk: how loud it is beside speech and rolls, when it goes, and that looks are taken in once.

import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Music at the desk")
struct MusicDeskTests {
    private static let music = SoundSource.media("m"), ana = SoundSource.participant("ana")
    private static let tone = TestTone(frequency: 500, level: 0.2), voice = TestTone(frequency: 300, level: 0.2)

    private func look(_ music: SceneAudio.Music? = SceneAudio.Music(asset: "m", state: .playing)) throws -> ProgramLook
    {
        var setup = try ProgramBoardTests.setup()
        setup.scene.audio.music = music
        setup.cast = [CastMember(id: "ana", name: "", isOnStage: true)]
        return try #require(ProgramBoard(setup)).look
    }

    /// Mixes blocks of tones; the left side.
    private func mix(
        _ desk: inout SoundDesk, _ tones: [SoundSource: TestTone], _ blocks: Range<Int>,
        minus: ((UnsafeBufferPointer<Float>) -> Void)? = nil
    ) -> [Float] {
        var out: [Float] = [], samples: [Float] = []
        for block in blocks {
            let given = tones.mapValues { $0.block(block) }
            desk.mix(
                { give in for (source, block) in given { block.withUnsafeBufferPointer { give(source, $0) } } },
                into: &out)
            samples += stride(from: 0, to: 960, by: 2).map { out[$0] }
            if let minus { desk.give(to: ["ana"]) { minus($1) } }
        }
        return samples
    }

    /// What half a second of music has once all gains have settled, with somebody who speaks or nobody.
    private func heard(_ look: ProgramLook, isSpeech: Bool, _ others: [SoundSource: TestTone] = [:]) -> Double {
        var desk = SoundDesk(), tones = others.merging([Self.music: Self.tone]) { $1 }
        if isSpeech { tones[Self.ana] = Self.voice }
        desk.set(look)
        return TestTone.amplitude(of: 500, in: mix(&desk, tones, 0..<150).suffix(24_000))
    }

    @Test("makes way for speech by 12 dB, or by none, as the scene says, at its own level")
    func ducks() throws {
        var look = try look()
        let low = 0.2 * pow(10, -12.0 / 20)
        #expect(abs(heard(look, isSpeech: false) - 0.2) < 0.002)
        #expect(abs(heard(look, isSpeech: true) - low) < 0.002)
        look.scene.audio.sources["media:m"] = .init(volume: 0.5)
        #expect(abs(heard(look, isSpeech: true) - low / 2) < 0.002)
        look.scene.audio.ducking.enabled = false
        #expect(abs(heard(look, isSpeech: true) - 0.1) < 0.002)
        look.scene.audio.ducking.enabled = true
        look.scene.audio.music?.duck = false
        #expect(abs(heard(look, isSpeech: true) - 0.1) < 0.002)
        look.scene.audio.sources["media:m"]?.muted = true
        #expect(heard(look, isSpeech: false) < 1e-5)
        look.scene.audio.music = nil
        #expect(heard(look, isSpeech: false) < 1e-5, "music that the scene does not name")
    }

    @Test("is silent while a roll plays alone, and beside any other", arguments: MediaRoll.Audio.allCases)
    func roll(audio: MediaRoll.Audio) throws {
        var look = try look()
        look.scene.media = MediaRoll(asset: "v", state: .playing, audio: audio)
        let roll = [SoundSource.media("v"): TestTone(frequency: 900, level: 0.1)]
        #expect(abs(heard(look, isSpeech: false, roll) - (audio == .exclusive ? 0 : 0.2)) < 0.002)
        look.scene.media?.state = .paused
        #expect(abs(heard(look, isSpeech: false) - 0.2) < 0.002)
    }

    @Test("keeps its level while it goes, and is let go when it is given no more")
    func leaves() throws {
        var look = try look(), desk = SoundDesk()
        look.scene.audio.sources["media:m"] = .init(volume: 0.5)
        desk.set(look)
        _ = mix(&desk, [Self.music: Self.tone], 0..<20)
        // The scene to come knows nothing of the music's level.
        (look.scene.audio.music, look.scene.audio.sources) = (nil, [:])
        desk.set(look)
        let going = mix(&desk, [Self.music: Self.tone], 20..<70)
        #expect(abs(TestTone.amplitude(of: 500, in: going) - 0.1) < 0.001)
        #expect(ClickDetector(frequency: 500, amplitude: 0.1).worst(going) < -75)
        // It still makes way, and for a roll that plays alone it is silent.
        let under = mix(&desk, [Self.music: Self.tone, Self.ana: Self.voice], 70..<170).suffix(24_000)
        #expect(abs(TestTone.amplitude(of: 500, in: under) - 0.1 * pow(10, -12.0 / 20)) < 0.002)
        look.scene.media = MediaRoll(asset: "v", state: .playing)
        desk.set(look)
        let alone = mix(&desk, [Self.music: Self.tone], 170..<270).suffix(24_000)
        #expect(TestTone.amplitude(of: 500, in: alone) < 1e-4)
        _ = mix(&desk, [:], 270..<273)
        let ids = desk.mixer.ids
        #expect(!ids.contains(Self.music))
        // What comes later under its name is nobody's.
        look.scene.media = nil
        desk.set(look)
        let later = mix(&desk, [Self.music: Self.tone], 273..<323)
        #expect(TestTone.amplitude(of: 500, in: later) < 1e-5)
    }

    @Test("that leaves and comes back at once is heard on, at the level of the scene that it comes with")
    func comesBack() throws {
        var look = try look(), desk = SoundDesk()
        desk.set(look)
        _ = mix(&desk, [Self.music: Self.tone], 0..<20)
        look.scene.audio.music = nil
        desk.set(look)
        _ = mix(&desk, [Self.music: Self.tone], 20..<30)
        look.scene.audio.music = SceneAudio.Music(asset: "m", state: .playing, run: 7)
        look.scene.audio.sources["media:m"] = .init(volume: 2)
        desk.set(look)
        _ = mix(&desk, [:], 30..<40)
        let again = mix(&desk, [Self.music: Self.tone], 40..<100).suffix(24_000)
        #expect(abs(TestTone.amplitude(of: 500, in: again) - 0.4) < 0.002)
    }

    @Test("reaches who must not hear themselves, ducked by what they say")
    func minus() throws {
        var desk = SoundDesk(), heard: [Float] = []
        desk.set(try look())
        let tones = [Self.music: Self.tone, Self.ana: Self.voice]
        _ = mix(&desk, tones, 0..<150) { samples in heard += stride(from: 0, to: 960, by: 2).map { samples[$0] } }
        let own = heard.suffix(24_000)
        #expect(abs(TestTone.amplitude(of: 500, in: own) - 0.2 * pow(10, -12.0 / 20)) < 0.002)
        #expect(TestTone.amplitude(of: 300, in: own) < 1e-3)
    }

    @Test("a board is asked for its look once for each that it shows")
    func looks() throws {
        var setup = try ProgramBoardTests.setup()
        setup.cast = [CastMember(id: "ana", name: "", isOnStage: true)]
        let board = try #require(ProgramBoard(setup))
        var known: UInt64 = 0, now: Int64 = 4000
        func isNew() -> Bool {
            _ = board.advance(to: ProgramTime(milliseconds: now))
            now += 33
            guard let (_, number) = board.look(besides: known) else { return false }
            known = number
            return true
        }
        #expect(isNew() && !isNew() && !isNew())
        // Overlays come and go without it; levels, people and takes do not.
        #expect(board.put(polls: [:], onShown: { _ in }) && !isNew())
        var scene = setup.scene
        scene.audio.sources["participant:ana"] = .init(muted: true)
        #expect(board.add(.init(scene: scene, version: 2)) { _ in } && isNew() && !isNew())
        #expect(board.put(cast: []) { _ in } && isNew() && !isNew())
        let take = PendingTake(
            id: "t", scene: Scene(layout: "grid"), transition: .init(kind: .fade, milliseconds: 300),
            at: ProgramTime(milliseconds: now + 100))
        #expect(board.put(take: take) && !isNew())
        now += 200
        #expect(isNew() && board.look.layout.name == "grid" && !isNew())
    }

    @Test("the desk follows a board: gains that were set stay, and change with what is shown")
    func follows() throws {
        var setup = try ProgramBoardTests.setup()
        setup.cast = [CastMember(id: "ana", name: "", isOnStage: true)]
        let board = try #require(ProgramBoard(setup))
        var desk = SoundDesk()
        func run(_ desk: inout SoundDesk, _ blocks: Range<Int>) -> Double {
            var samples: [Float] = []
            for block in blocks {
                desk.follow(board)
                samples += mix(&desk, [Self.ana: Self.voice], block..<block + 1)
            }
            return TestTone.amplitude(of: 300, in: samples.suffix(24_000))
        }
        let first = run(&desk, 0..<70)
        #expect(abs(first - 0.2) < 0.001)
        var scene = setup.scene
        scene.audio.program = .init(volume: 0.5)
        #expect(board.add(.init(scene: scene, version: 2)) { _ in })
        let second = run(&desk, 70..<140)
        #expect(abs(second - 0.2) < 0.001, "nothing is shown before its frame")
        _ = board.advance(to: ProgramTime(milliseconds: 4000))
        let third = run(&desk, 140..<210)
        #expect(abs(third - 0.1) < 0.001)
    }

    @Test("the board names the music that plays, what comes soon, and what waits")
    func named() throws {
        var setup = try ProgramBoardTests.setup()
        setup.scene.audio.music = SceneAudio.Music(asset: "a", state: .playing, run: 3)
        let board = try #require(ProgramBoard(setup))
        _ = board.advance(to: ProgramTime(milliseconds: 4000))
        #expect(board.music.map(\.asset) == ["a"] && board.heardMusic?.run == 3)
        var scene = Scene(layout: "grid", audio: SceneAudio(music: .init(asset: "b", state: .paused, run: 12)))
        let take = PendingTake(
            id: "t", scene: scene, transition: .init(kind: .cut, milliseconds: 0), at: ProgramTime(milliseconds: 5000))
        #expect(board.put(take: take) && Set(board.music.map(\.asset)) == ["a", "b"])
        // A take that names what plays goes on with it.
        scene.audio.music?.asset = "a"
        #expect(board.put(take: PendingTake(id: "u", scene: scene, transition: take.transition, at: take.at)))
        #expect(board.music.map(\.run) == [3])
        board.put(take: nil)
        scene.audio.music = .init(asset: "c", state: .playing, run: 4)
        let number = try board.announce(.init(scene: scene, version: 2)), coming = ComingChanges()
        let order = coming.add(board.look(showing: number))
        #expect(coming.music.map(\.asset) == ["c"] && board.music.map(\.asset) == ["a"])
        #expect(board.add(number, .init(kind: .cut, milliseconds: 0)) { _ in })
        #expect(Set(board.music.map(\.asset)) == ["a", "c"])
        _ = board.advance(to: ProgramTime(milliseconds: 4100))
        coming.remove(order)
        #expect(coming.music.isEmpty && board.heardMusic?.asset == "c")
    }
}
