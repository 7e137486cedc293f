import Control
import Media
import Testing

@Suite("A video roll that comes on air with a scene")
struct RollArrivalTests {
    private let home = Scene(layout: "full", background: .color(RGBColor(red: 1, green: 2, blue: 3)))

    private func scene(_ media: MediaRoll, layout: String = "media-full") -> Scene {
        Scene(layout: layout, slots: ["main": SlotSources([.media(media.asset)])], media: media)
    }

    private func coming(_ media: MediaRoll, after old: Scene, isRunNamed: Bool = false) -> MediaRoll? {
        scene(media).coming(after: old, run: 9, isRunNamed: isRunNamed, layout: nil, lengthMs: 60_000).media
    }

    @Test("begins under the number that it is given, and goes back to what was on air")
    func begins() {
        for run in [0, 4] as [Int64] {
            let media = coming(MediaRoll(asset: "a", state: .playing, positionMs: 700, run: run), after: home)
            #expect(media?.run == 9 && media?.positionMs == 700 && media?.after == .init(home))
        }
        let named = MediaRoll.After(Scene(layout: "grid"))
        #expect(coming(MediaRoll(asset: "a", state: .playing, after: named), after: home)?.after == named)
        // In place of another one it goes back to what that one would have gone back to.
        let other = scene(MediaRoll(asset: "b", state: .playing, run: 3, after: named))
        #expect(coming(MediaRoll(asset: "a", state: .playing), after: other)?.after == named)
        let stopped = scene(MediaRoll(asset: "a", state: .stopped, run: 3, after: named))
        let anew = coming(MediaRoll(asset: "a", state: .paused, run: 3), after: stopped, isRunNamed: true)
        #expect(anew?.run == 9 && anew?.after == named)
    }

    @Test("goes on where it is on air, with what is new about it")
    func goesOn() {
        let back = MediaRoll.After(home)
        let old = scene(MediaRoll(asset: "a", state: .playing, positionMs: 700, run: 3, after: back))
        for (positionMs, run) in [(0, 0), (700, 0), (700, 5), (0, 3)] as [(Int64, Int64)] {
            let media = coming(
                MediaRoll(asset: "a", state: .paused, then: .hold, positionMs: positionMs, run: run), after: old)
            #expect(media == MediaRoll(asset: "a", state: .paused, then: .hold, positionMs: 700, run: 3, after: back))
        }
        #expect(coming(MediaRoll(asset: "a", state: .playing, positionMs: 900), after: old)?.run == 9)
    }

    @Test("a scene made from the one on air says by its number which start it means, and what comes back")
    func named() {
        let old = scene(MediaRoll(asset: "a", state: .playing, positionMs: 700, run: 3, after: .init(home)))
        var media = old.media ?? MediaRoll(asset: "a", state: .stopped)
        #expect(coming(media, after: old, isRunNamed: true) == media)
        media.after = nil
        #expect(coming(media, after: old, isRunNamed: true) == media)
        media.positionMs = 0
        #expect(coming(media, after: old, isRunNamed: true)?.run == 9)
        (media.positionMs, media.run) = (700, 4)
        #expect(coming(media, after: old, isRunNamed: true)?.run == 9)
        (media.positionMs, media.run) = (0, 0)
        #expect(coming(media, after: old, isRunNamed: true)?.run == 3)
    }

    @Test("that stands at its end stays there, or begins")
    func held() {
        let end = 60_000 - MediaRoll.heldMs
        let old = scene(MediaRoll(asset: "a", state: .paused, then: .hold, positionMs: end, run: 3))
        for isRunNamed in [false, true] {
            let stays = coming(
                MediaRoll(asset: "a", state: .paused, positionMs: end, run: 3), after: old, isRunNamed: isRunNamed)
            #expect(stays?.run == 3 && stays?.positionMs == end)
            let plays = coming(
                MediaRoll(asset: "a", state: .playing, positionMs: end, run: 3), after: old, isRunNamed: isRunNamed)
            #expect(plays?.run == 9 && plays?.positionMs == 0)
            let cued = coming(MediaRoll(asset: "a", state: .paused), after: old, isRunNamed: isRunNamed)
            #expect(cued?.run == 9 && cued?.positionMs == 0)
        }
    }

    @Test("that no slot shows, or that plays in the picture as it is, changes nothing when it has ended")
    func staysWithin() {
        let heard = Scene(layout: "grid", media: MediaRoll(asset: "a", state: .playing))
        #expect(heard.coming(after: home, run: 9, layout: nil, lengthMs: nil).media?.after == nil)
        let standing = Scene(layout: "full", slots: ["main": SlotSources([.media("a")])])
        var playing = standing
        playing.media = MediaRoll(asset: "a", state: .playing)
        #expect(playing.coming(after: standing, run: 9, layout: nil, lengthMs: nil).media?.after == nil)
        let stopped = Scene(layout: "full", media: MediaRoll(asset: "a", state: .stopped, run: 4))
        for scene in [standing, stopped] {
            #expect(scene.coming(after: home, run: 9, layout: nil, lengthMs: nil) == scene)
        }
    }
}
