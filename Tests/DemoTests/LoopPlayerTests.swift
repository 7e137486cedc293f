// The way through a loop, in virtual time.

import Media
import Testing

@testable import Demo

@Suite("Playing a loop")
struct LoopPlayerTests {
    private static let loop = Result {
        try MediaLoop(SpeakerLook(red: 40, green: 80, blue: 160, pitchHz: 440), seconds: 2, keyframeSeconds: 1)
    }
    private let start = MonotonicTime(milliseconds: 5000)

    private struct Played {
        let track: LoopPlayer.Track, frame: EncodedFrame, at: MonotonicTime
    }

    /// Plays for some time, waking exactly when something is due; `wish` is asked before each wait.
    private func play(
        _ player: inout LoopPlayer, untilMs: Int64, wish: (MonotonicTime) -> Bool = { _ in false }
    ) -> [Played] {
        var played: [Played] = []
        while player.deadline < start.advanced(byMilliseconds: untilMs) {
            let now = player.deadline
            if wish(now) { player.requestKeyframe() }
            while let (track, frame) = player.next(now: now) {
                played.append(Played(track: track, frame: frame, at: now))
            }
        }
        return played
    }

    @Test("sends 30 pictures and 50 packets a second, each at its moment, with stamps that run on over the loop's end")
    func timeline() throws {
        let loop = try Self.loop.get()
        var player = LoopPlayer(loop, start: start)
        let played = play(&player, untilMs: 10_000)
        let pictures = played.filter { $0.track == .camera }, packets = played.filter { $0.track == .microphone }
        #expect(pictures.map(\.frame.pts) == (0..<300).map { Int64($0) * 3000 })
        #expect(packets.map(\.frame.pts) == (0..<500).map { Int64($0) * 960 })
        for item in played {
            let due = start.advanced(
                byNanoseconds: item.frame.pts * 1_000_000_000 / Int64(item.frame.timescale))
            #expect(abs(item.at.nanoseconds(since: due)) < 2)
        }
        #expect(pictures[60].frame.payload === loop.pictures[0].payload && pictures[60].frame.isKeyframe)
        #expect(packets[100].frame.payload === loop.packets[0])
    }

    @Test("serves a wish for a key frame within a beat, and keeps picture and sound together")
    func keyframe() throws {
        let loop = try Self.loop.get()
        var player = LoopPlayer(loop, start: start)
        let played = play(&player, untilMs: 2000) { $0 == start.advanced(byMilliseconds: 620) }
        let pictures = played.filter { $0.track == .camera }, packets = played.filter { $0.track == .microphone }
        let keyframe = try #require(pictures.dropFirst().first { $0.frame.isKeyframe })
        #expect(keyframe.at == start.advanced(byMilliseconds: 700))
        #expect(keyframe.frame.payload === loop.pictures[30].payload)
        let packet = try #require(packets.first { $0.at == keyframe.at })
        #expect(packet.frame.payload === loop.packets[50])
        #expect(pictures.map(\.frame.pts) == (0..<60).map { Int64($0) * 3000 })
    }

    @Test("makes wishes wait that come right after a key frame")
    func impatience() throws {
        var player = LoopPlayer(try Self.loop.get(), start: start)
        let played = play(&player, untilMs: 3000) { _ in true }
        let keyframes = played.filter { $0.track == .camera && $0.frame.isKeyframe }.map(\.at)
        #expect(keyframes.count == 6)
        for (a, b) in zip(keyframes, keyframes.dropFirst()) { #expect(b.milliseconds(since: a) == 500) }
    }

    @Test("leaves out the time in which it was kept waiting, and goes on with a key frame")
    func stall() throws {
        let loop = try Self.loop.get()
        var player = LoopPlayer(loop, start: start)
        _ = play(&player, untilMs: 1000)
        let late = start.advanced(byMilliseconds: 61_250)
        var burst: [(track: LoopPlayer.Track, frame: EncodedFrame)] = []
        while let next = player.next(now: late) { burst.append(next) }
        #expect(burst.count <= 8)
        let picture = try #require(burst.first { $0.track == .camera })
        #expect(picture.frame.isKeyframe && picture.frame.pts == 612 * 3 * 3000)
        let packet = try #require(burst.first { $0.track == .microphone })
        #expect(packet.frame.pts == 612 * 5 * 960)
        #expect(player.deadline > late)
    }
}
