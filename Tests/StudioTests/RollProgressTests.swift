import Control
import Media
import Testing

@testable import Studio

@Suite("How far a roll has run")
struct RollProgressTests {
    private let roll = MediaRoll(asset: "v", state: .playing, positionMs: 500, run: 3)

    private func time(_ milliseconds: Int64) -> ProgramTime { ProgramTime(milliseconds: milliseconds) }

    private func position(
        _ progress: RollProgress, _ roll: MediaRoll, lengthMs: Int64? = 60_000, at milliseconds: Int64
    ) -> Int64? {
        let scene = Scene(layout: "full", media: roll)
        return progress.resumed(scene, lengthMs: lengthMs, at: time(milliseconds)).media?.positionMs
    }

    @Test("counts while it plays and not while it is paused, and a scene shown again changes nothing")
    func pauses() {
        let progress = RollProgress()
        var paused = roll
        paused.state = .paused
        #expect(position(progress, roll, at: 10_000) == 500)
        progress.shown(roll, at: time(10_000))
        progress.shown(roll, at: time(12_000))
        #expect(position(progress, roll, at: 13_000) == 3500)
        progress.shown(paused, at: time(14_000))
        #expect(position(progress, paused, at: 20_000) == 4500)
        progress.shown(roll, at: time(30_000))
        #expect(position(progress, roll, at: 31_000) == 5500)
    }

    @Test("begins anew with another start, another place or another scene")
    func anew() {
        let progress = RollProgress()
        var next = roll
        next.run = 4
        progress.shown(roll, at: time(1000))
        #expect(position(progress, next, at: 5000) == 500)
        progress.shown(next, at: time(5000))
        #expect(position(progress, roll, at: 6000) == 500)
        #expect(position(progress, next, at: 6000) == 1500)
        next.positionMs = 9000
        #expect(position(progress, next, at: 6000) == 9000)
        progress.shown(nil, at: time(7000))
        progress.shown(roll, at: time(8000))
        #expect(position(progress, roll, at: 8000) == 500)
    }

    @Test("is where the compositor says, also when nobody knows since when it plays")
    func reported() {
        // A new Studio takes it for one that begins, until it hears better.
        let progress = RollProgress()
        progress.shown(roll, at: time(100_000))
        progress.reported("v", run: 3, positionMs: 42_000, isPlaying: true, at: time(101_000))
        #expect(position(progress, roll, at: 103_000) == 44_000)
        progress.shown(roll, at: time(104_000))
        #expect(position(progress, roll, at: 105_000) == 46_000)
        progress.reported("v", run: 2, positionMs: 9000, isPlaying: true, at: time(105_000))
        progress.reported("w", run: 3, positionMs: 9000, isPlaying: true, at: time(105_000))
        #expect(position(progress, roll, at: 105_000) == 46_000, "what is said of another one is late")
        progress.reported("v", run: 3, positionMs: 47_000, isPlaying: false, at: time(106_000))
        #expect(position(progress, roll, at: 200_000) == 47_000)
        for wild in [Int64.min, .max] {
            progress.reported("v", run: 3, positionMs: wild, isPlaying: true, at: time(wild))
            let place = position(progress, roll, at: ~wild) ?? -1
            #expect(place >= 500 && place <= 60_000)
        }
    }

    @Test("stays shortly before the end, and where nobody knows an end; times that can't be do no harm")
    func bounds() {
        let progress = RollProgress()
        progress.shown(roll, at: time(0))
        #expect(position(progress, roll, at: 100_000) == 60_000 - MediaRoll.heldMs)
        #expect(position(progress, roll, lengthMs: nil, at: 100_000) == 500)
        #expect(position(progress, roll, lengthMs: 100, at: 100_000) == 500)
        #expect(position(progress, roll, at: -5000) == 500)
        for (shown, now) in [(Int64.min, Int64.max), (.max, .min), (.min, 0), (0, .min)] {
            let wild = RollProgress()
            var paused = roll
            paused.state = .paused
            wild.shown(roll, at: time(shown))
            wild.shown(paused, at: time(now))
            wild.shown(roll, at: time(shown))
            let place = position(wild, roll, at: now) ?? -1
            #expect(place >= 500 && place <= 60_000)
        }
        #expect(progress.resumed(Scene(layout: "full"), lengthMs: 9, at: time(1)) == Scene(layout: "full"))
    }

    private func place(
        _ progress: RollProgress, _ music: SceneAudio.Music, lengthMs: Int64? = 10_000, at milliseconds: Int64
    ) -> Int64? {
        let scene = Scene(layout: "full", media: roll, audio: SceneAudio(music: music))
        let resumed = progress.resumed(scene, lengthMs: nil, musicLengthMs: lengthMs, at: time(milliseconds))
        return resumed.audio.music?.positionMs
    }

    @Test("music goes on where it is by now, round after round while it loops, beside a roll")
    func music() {
        let progress = RollProgress()
        var music = SceneAudio.Music(asset: "m", state: .playing, positionMs: 500, run: 7)
        #expect(place(progress, music, at: 10_000) == 500)
        progress.shown(Scene(layout: "full", media: roll, audio: SceneAudio(music: music)), at: time(10_000))
        #expect(place(progress, music, at: 13_000) == 3500 && position(progress, roll, at: 13_000) == 3500)
        #expect(place(progress, music, at: 20_000) == 500 && place(progress, music, at: 52_700) == 3200)
        #expect(place(progress, music, lengthMs: nil, at: 13_000) == 500)
        progress.reported("m", run: 7, positionMs: 9000, isPlaying: true, at: time(20_000))
        #expect(place(progress, music, at: 20_500) == 9500 && place(progress, music, at: 21_500) == 500)
        #expect(position(progress, roll, at: 21_500) == 12_000)
        progress.reported("v", run: 3, positionMs: 20_000, isPlaying: true, at: time(21_500))
        #expect(place(progress, music, at: 21_500) == 500 && position(progress, roll, at: 21_500) == 20_000)
        music.loop = false
        #expect(place(progress, music, at: 60_000) == 10_000 - MediaRoll.heldMs)
        music.state = .paused
        progress.shown(Scene(layout: "full", audio: SceneAudio(music: music)), at: time(20_700))
        #expect(place(progress, music, at: 90_000) == 9700)
        music.run = 8
        #expect(place(progress, music, at: 90_000) == 500)
        progress.shown(Scene(layout: "full"), at: time(90_000))
        music.run = 7
        #expect(place(progress, music, at: 90_000) == 500)
    }
}
