// Music from real files in a process of their own: ffmpeg makes a tone of whole periods.

import Foundation
import Glibc
import Media
import Testing

@testable import Compositor

private enum Tone {
    /// Makes a file of 500 Hz that is open without a name.
    static func file(_ kind: String, seconds: Int) throws -> RollFile {
        let file = FileManager.default.temporaryDirectory.appending(path: "tone-\(UUID().uuidString).\(kind)")
        defer { unlink(file.path) }
        let tone = "0.25*sin(2*PI*500*t)"
        try RisingTone.run(["-f", "lavfi", "-i", "aevalsrc='\(tone)|\(tone)':s=48000:d=\(seconds)", file.path])
        return try Video.open(file)
    }

    static func off(_ samples: [Float]) -> Double {
        samples.enumerated().reduce(0) { worst, sample in
            max(worst, abs(Double(sample.element) - 0.25 * sin(2 * Double.pi * Double(sample.offset % 96) / 96)))
        }
    }
}

@Suite("Music in its process", .enabled(if: Video.isThere && Video.isProgramThere))
struct MusicFileTests {
    @Test(
        "begins again to the sample, whether it is repeated from memory or read anew, from any place",
        arguments: [("wav", 3, 0), ("wav", 3, 1250), ("flac", 21, 19_000)] as [(String, Int, Int64)])
    func loops(kind: String, seconds: Int, fromMs: Int64) async throws {
        let file = try Tone.file(kind, seconds: seconds)
        let player = MusicPlayer(executable: Video.program, file: file, fromMs: fromMs)
        defer { player.stop() }
        await player.settled.value
        #expect(player.isReady && player.positionMs == fromMs)
        let samples = player.left(blocks: 400)
        #expect(samples.count == 400 * 480 && player.gaps == 0)
        // All places here are whole periods.
        #expect(Tone.off(samples) < 0.001)
        #expect(player.positionMs == (fromMs + 4000) % Int64(1000 * seconds))
    }

    @Test("what is no sound is told with its reason, at once, and a program that can't be started after some tries")
    func fails() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "none-\(UUID().uuidString)")
        defer { unlink(path.path) }
        try Data("#EXTM3U\n".utf8).write(to: path)
        let file = try Video.open(path)
        for program in [Video.program, "/bin/false", "/nowhere/at/all"] {
            let player = MusicPlayer(executable: program, file: file, fromMs: 0)
            await player.settled.value
            let reason = player.end?.failure
            #expect(!player.isReady && reason != nil, "\(program)")
            #expect(program != Video.program || reason?.contains("HLS playlist") == true, "\(reason ?? "")")
            player.stop()
        }
    }
}
