// One piece of music: pass after pass without a gap, standing still, ending, and what goes wrong.

import Foundation
import Media
import Testing

@testable import Compositor

@Suite("A piece of music")
struct MusicPlayerTests {
    /// By how much samples differ from the tone at most, where the first one is that of a place.
    private func off(_ samples: some Collection<Float>, _ music: FakeMusic, at place: Int = 0) -> Float {
        samples.enumerated().reduce(0) { max($0, abs($1.element - music.sample(place + $1.offset))) }
    }

    @Test("a short one goes on at its start without a gap or a step, and is read once", arguments: [96, 9600, 30_048])
    func loops(count: Int) async {
        let music = FakeMusic(count: count), player = music.player()
        defer { player.stop() }
        await player.settled.value
        #expect(player.isReady && player.positionMs == 0)
        // The file has whole periods: what follows its end is what the tone has there.
        let samples = player.left(blocks: 200)
        #expect(samples.count == 200 * 480 && off(samples, music) < 1e-4)
        #expect(music.opened == [0] && player.gaps == 0 && player.end == nil)
        #expect(player.positionMs == Int64(200 * 480 % count) / 48)
        #expect(player.waiting <= 2 * MusicPlayer.soundLimit)
    }

    @Test("a long one is read anew for each pass, ahead of its end, and no more of it waits than 20 s")
    func long() async {
        let music = FakeMusic(count: 21 * 48_000, piece: 4800), player = music.player()
        defer { player.stop() }
        await player.settled.value
        var worst: Float = 0, most = 0
        for second in 0..<23 {
            let samples = player.left(blocks: 100)
            #expect(samples.count == 48_000)
            worst = max(worst, off(samples, music, at: second * 48_000))
            most = max(most, player.waiting)
        }
        #expect(worst < 1e-3 && most <= MusicPlayer.soundLimit + 4800)
        #expect(music.opened.allSatisfy { $0 == 0 } && (2...3).contains(music.opened.count))
        #expect(player.positionMs == 2000 && player.gaps == 0)
    }

    @Test("a file of a single sample costs no more than another")
    func single() async {
        let music = FakeMusic(count: 1), player = music.player()
        defer { player.stop() }
        await player.settled.value
        #expect(player.left(blocks: 50).count == 50 * 480 && music.opened == [0])
        #expect(player.waiting <= MusicPlayer.chunkLimit)
    }

    @Test("nobody asks for it: it stands at its sample, and goes on with the next")
    func stands() async {
        let music = FakeMusic(count: 96_000), player = music.player(fromMs: 500)
        defer { player.stop() }
        await player.settled.value
        #expect(player.positionMs == 500)
        let before = player.left(blocks: 30)
        #expect(player.positionMs == 800)
        let after = player.left(blocks: 30)
        #expect(off(before + after, music, at: 24_000) < 1e-4 && music.opened.first == 500)
    }

    @Test("one that does not loop fades away over its last 10 ms, and is over", arguments: [24_000, 24_300, 100])
    func ends(count: Int) async {
        let music = FakeMusic(count: count, frequency: 430), player = music.player()
        defer { player.stop() }
        await player.settled.value
        #expect(player.end == nil)
        let samples = player.left(blocks: 200, loops: false)
        #expect(samples.count == (count + 479) / 480 * 480)
        #expect(player.end == .over && player.gaps == 0)
        #expect(off(samples.prefix(max(0, count - 480)), music) < 1e-4)
        #expect(samples.dropFirst(count).allSatisfy { $0 == 0 })
        if count > 480 {
            let clicks = ClickDetector(frequency: 430, amplitude: 0.25).worst(
                samples + [Float](repeating: 0, count: 48))
            print("music that ends after \(count) samples leaves \(clicks) dB")
            #expect(clicks < -60)
        }
        #expect(player.left(blocks: 3, loops: false).isEmpty && player.end == .over)
    }

    @Test("looping is turned off and on until the end is heard, whatever has been read ahead")
    func turned() async {
        let music = FakeMusic(count: 24_000), player = music.player()
        defer { player.stop() }
        await player.settled.value
        #expect(player.left(blocks: 40, loops: false).count == 40 * 480)
        #expect(off(player.left(blocks: 70), music, at: 40 * 480) < 1e-4)
        // It stands 4800 samples into its third pass.
        let last = player.left(blocks: 100, loops: false)
        #expect(last.count == 19_200 && player.end == .over)

        // A long one whose reader has nothing to do until it is to loop after all.
        let long = FakeMusic(count: 10 * 48_000, piece: 4800, isOpen: false), other = long.player(fromMs: 2000)
        defer { other.stop() }
        var block = [Float](repeating: 0, count: 960)
        let isAny = block.withUnsafeMutableBufferPointer { other.read(into: $0, loops: false) }
        #expect(!isAny)
        long.letGo()
        await other.settled.value
        #expect(other.left(blocks: 500, loops: false).count == 500 * 480)
        #expect(off(other.left(blocks: 600), long, at: 7 * 48_000) < 1e-3)
        #expect(long.opened.prefix(2) == [2000, 0])
    }

    @Test("where its process dies another one goes on, to the sample")
    func goesOn() async {
        let music = FakeMusic(count: 96_000, fault: .dies(after: 30_010, isOnce: true)), player = music.player()
        defer { player.stop() }
        await player.settled.value
        #expect(off(player.left(blocks: 400), music) < 1e-3)
        // 30 010 samples are 625.2 ms.
        #expect(music.opened.prefix(2) == [0, 625] && player.end == nil)
    }

    @Test("what can't be read is played as far as it goes, and then it has failed")
    func fails() async {
        let cases: [(FakeMusic.Fault?, Int, Int, String)] = [
            (.damaged(after: 24_000), 24_000, 1, "It is damaged."), (.damaged(after: 0), 0, 1, "It is damaged."),
            (.dies(after: 24_000, isOnce: false), 24_000, 4, "The process that read it has died."),
            (.neverOpens, 0, 4, "The process that reads it could not be started."),
            (nil, 0, 1, "There is no sound in it."),
        ]
        for (fault, heard, opened, reason) in cases {
            let music = FakeMusic(count: fault == nil ? 0 : 96_000, fault: fault), player = music.player()
            defer { player.stop() }
            await player.settled.value
            #expect(player.isReady == (heard > 0), "\(reason)")
            #expect(player.left(blocks: 300).count == heard, "\(reason)")
            #expect(player.end == .failed(reason))
            #expect(music.opened.count == opened, "\(reason): \(music.opened)")
            #expect(player.gaps == 0)
        }
    }

    @Test("begun at its end it is over, or begins again")
    func beginsAtItsEnd() async {
        for loops in [true, false] {
            let music = FakeMusic(count: 48_000), player = music.player(fromMs: 1000)
            defer { player.stop() }
            await player.settled.value
            let samples = player.left(blocks: 50, loops: loops)
            #expect(samples.count == (loops ? 24_000 : 0) && off(samples, music) < 1e-4)
            #expect(player.end == (loops ? nil : .over))
        }
    }

    @Test("a reader that falls behind is a gap, and no sample is lost")
    func behind() async {
        let music = FakeMusic(count: 96_000, isOpen: false), player = music.player()
        defer { player.stop() }
        var block = [Float](repeating: 1, count: 960)
        let isAny = block.withUnsafeMutableBufferPointer { player.read(into: $0, loops: true) }
        #expect(!isAny && player.gaps == 0 && !player.isReady, "it has not begun")
        music.letGo()
        await player.settled.value
        #expect(off(player.left(blocks: 10), music) < 1e-4)

        var line = MusicLine(position: 0), given: [Bool] = []
        func read() { given.append(block.withUnsafeMutableBufferPointer { line.read(into: $0) }) }
        line.append(.init(samples: [Float](repeating: 0.5, count: 2 * 700), position: 0))
        read()
        read()
        #expect(given == [true, false] && line.waiting == 220 && line.position == 480)
        line.append(.init(samples: [Float](repeating: 0.25, count: 2 * 700), position: 700))
        read()
        #expect(given.last == true && block[438] == 0.5 && block[440] == 0.25 && line.position == 960)
    }

    @Test("one that is stopped while it waits for room, or for its process, ends")
    func stops() async {
        for isOpen in [true, false] {
            let music = FakeMusic(count: 60 * 48_000, piece: 48_000, isOpen: isOpen), player = music.player()
            if isOpen { await player.settled.value }
            player.stop()
            player.stop()
            await player.settled.value
            #expect(music.opened.count <= 1)
        }
    }
}

@Suite("A fade")
struct FadeTests {
    private func run(_ fade: inout Fade, _ samples: Int) -> [Float] {
        var block = [Float](repeating: 1, count: 2 * samples)
        block.withUnsafeMutableBufferPointer { fade.apply(to: $0) }
        return stride(from: 0, to: 2 * samples, by: 2).map { block[$0] }
    }

    @Test("comes, turns round on its way, and goes, without a step or a corner")
    func turns() {
        var fade = Fade()
        #expect(fade.isSilent && fade.gain == 0)
        fade.move(to: 1, over: 4800)
        var gains = run(&fade, 2000)
        fade.move(to: 1, over: 100)
        gains += run(&fade, 400)
        fade.move(to: 0, over: 9600)
        #expect(!fade.isSilent)
        gains += run(&fade, 9600)
        #expect(fade.isSilent && fade.gain == 0 && gains.last == 0)
        gains += run(&fade, 480)
        let steps = zip(gains, gains.dropFirst()).map { abs($1 - $0) }
        #expect((steps.max() ?? 1) < 1.5 / 4800 * 1.01, "\(steps.max() ?? 1)")
        #expect(gains.max() ?? 0 > 0.45 && gains.max() ?? 1 < 0.55)
        fade.move(to: 1, over: 480)
        #expect(run(&fade, 960).suffix(480).allSatisfy { $0 == 1 })
    }

    @Test("that is hastened goes on from where it is")
    func hastened() {
        var fade = Fade()
        fade.move(to: 1, over: 0)
        #expect(fade.gain == 1)
        fade.move(to: 0, over: 48_000)
        let before = run(&fade, 12_000)
        fade.hasten(to: 480)
        let after = run(&fade, 480)
        #expect(abs((before.last ?? 0) - (after.first ?? 1)) < 0.001 && after.last == 0 && fade.isSilent)
        fade.hasten(to: 480)
        #expect(fade.isSilent)
    }
}
