import Control
import Foundation
import Media
import Testing

@Suite("Music that comes on air with a scene")
struct MusicArrivalTests {
    private typealias Music = SceneAudio.Music

    private func scene(_ music: Music?, _ layout: String = "full") -> Scene {
        Scene(layout: layout, audio: SceneAudio(music: music))
    }

    private func coming(_ music: Music?, after old: Music?, isRunNamed: Bool = false) -> Music? {
        scene(music).coming(after: scene(old, "grid"), run: 9, isRunNamed: isRunNamed, layout: nil, lengthMs: nil)
            .audio.music
    }

    @Test("begins under the number that it is given where other music plays, or none")
    func begins() {
        for old in [nil, Music(asset: "b", state: .playing, run: 3)] {
            for isRunNamed in [false, true] {
                let music = coming(
                    Music(asset: "a", state: .playing, loop: false, duck: false, positionMs: 700, run: 5), after: old,
                    isRunNamed: isRunNamed)
                #expect(
                    music == Music(asset: "a", state: .playing, loop: false, duck: false, positionMs: 700, run: 9))
            }
        }
        #expect(coming(nil, after: Music(asset: "b", state: .playing, run: 3)) == nil)
        // Another piece under the number of the one on air has its place from that one.
        let other = Music(asset: "a", state: .playing, positionMs: 700, run: 3)
        let replaced = coming(
            other, after: Music(asset: "b", state: .playing, positionMs: 700, run: 3), isRunNamed: true)
        #expect(replaced == Music(asset: "a", state: .playing, run: 9))
    }

    @Test("goes on through a take that keeps it, whatever the take's scene says, and stays away where none plays")
    func kept() {
        let music = Music(asset: "a", state: .playing, positionMs: 700, run: 3)
        for asked in [nil, Music(asset: "b", state: .playing, run: 12), Music(asset: "a", state: .paused, run: 12)] {
            var take = PendingTake(
                id: "t", scene: scene(asked), transition: .init(kind: .cut, milliseconds: 0),
                at: ProgramTime(milliseconds: 9), keeps: [.music])
            #expect(take.scene(after: scene(music), layout: nil).audio.music == music)
            #expect(take.scene(after: scene(nil), layout: nil).audio.music == nil)
            take.keeps = nil
            #expect(take.scene(after: scene(music), layout: nil).audio.music?.asset == asked?.asset)
        }
    }

    @Test("a scene is the same where only the places differ at which a compositor began the same starts")
    func same() {
        var one = scene(Music(asset: "a", state: .playing, positionMs: 700, run: 3))
        one.media = MediaRoll(asset: "v", state: .playing, positionMs: 100, run: 4)
        var other = one
        other.media?.positionMs = 200
        other.audio.music?.positionMs = 900
        #expect(one.isSame(as: other) && one != other)
        other.audio.music?.run = 5
        #expect(!one.isSame(as: other))
        #expect(!one.isSame(as: scene(one.audio.music)) && !scene(nil).isSame(as: one) && one.isSame(as: one))
    }

    @Test("goes on where it is on air, with what is new about it, wherever the scene would begin it")
    func goesOn() {
        let old = Music(asset: "a", state: .playing, positionMs: 700, run: 3)
        for (positionMs, run) in [(0, 0), (700, 0), (900, 5), (0, 3)] as [(Int64, Int64)] {
            let music = coming(
                Music(asset: "a", state: .paused, loop: false, duck: false, positionMs: positionMs, run: run),
                after: old)
            #expect(music == Music(asset: "a", state: .paused, loop: false, duck: false, positionMs: 700, run: 3))
        }
    }

    @Test("a scene made from the one on air says by a number or a place which start it means")
    func named() {
        let old = Music(asset: "a", state: .playing, positionMs: 700, run: 3)
        #expect(coming(old, after: old, isRunNamed: true) == old)
        #expect(coming(Music(asset: "a", state: .playing), after: old, isRunNamed: true) == old)
        for (positionMs, run) in [(700, 4), (0, 3), (900, 3), (900, 0)] as [(Int64, Int64)] {
            let asked = Music(asset: "a", state: .playing, positionMs: positionMs, run: run)
            let music = coming(asked, after: old, isRunNamed: true)
            #expect(music?.run == 9 && music?.positionMs == positionMs, "\(positionMs) \(run)")
        }
    }

    @Test("comes and goes beside a roll, by a take, too")
    func besideARoll() {
        let roll = MediaRoll(asset: "v", state: .playing)
        var new = scene(Music(asset: "a", state: .playing))
        new.media = roll
        let old = scene(Music(asset: "a", state: .playing, run: 3))
        let both = new.coming(after: old, run: 9, layout: nil, lengthMs: nil)
        #expect(both.media?.run == 9 && both.audio.music?.run == 3)
        new.media?.state = .stopped
        #expect(new.coming(after: old, run: 9, layout: nil, lengthMs: nil).audio.music?.run == 3)
        for media in [nil, MediaRoll(asset: "v", state: .playing, run: 12)] {
            var scene = scene(Music(asset: "b", state: .playing, run: 12))
            scene.media = media
            let take = PendingTake(
                id: "t", scene: scene, transition: .init(kind: .cut, milliseconds: 0), at: ProgramTime(milliseconds: 9))
            #expect(take.scene(after: old, layout: nil).audio.music?.run == 12)
        }
    }

    @Test("is read strictly, and written as it is read")
    func json() throws {
        func read(_ music: String) throws -> Music? {
            try Scene(json: Data(#"{"layout":"full","audio":{"music":\#(music)}}"#.utf8)).audio.music
        }
        #expect(try read(#"{"asset":"a","state":"playing"}"#) == Music(asset: "a", state: .playing))
        #expect(try read("null") == nil)
        let whole = #"{"asset":"a","state":"paused","loop":false,"duck":false,"positionMs":5,"run":7}"#
        let music = try read(whole)
        #expect(music == Music(asset: "a", state: .paused, loop: false, duck: false, positionMs: 5, run: 7))
        #expect(try JSONDecoder().decode(Music.self, from: JSONEncoder().encode(music)) == music)
        for (wrong, pointer) in [
            (#"{"state":"playing"}"#, "/asset"), (#"{"asset":"","state":"playing"}"#, "/asset"),
            (#"{"asset":"a"}"#, "/state"), (#"{"asset":"a","state":"stopped"}"#, "/state"),
            (#"{"asset":"a","state":"playing","loop":1}"#, "/loop"),
            (#"{"asset":"a","state":"playing","duck":"no"}"#, "/duck"),
            (#"{"asset":"a","state":"playing","positionMs":-1}"#, "/positionMs"),
            (#"{"asset":"a","state":"playing","positionMs":21600001}"#, "/positionMs"),
            (#"{"asset":"a","state":"playing","volume":1}"#, "/volume"),
        ] {
            let error = #expect(throws: SceneError.self, "\(wrong)") { try read(wrong) }
            #expect(error?.pointer == "/audio/music" + pointer, "\(wrong): \(error?.description ?? "")")
        }
    }
}
