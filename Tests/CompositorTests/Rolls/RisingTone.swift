import Foundation
import Synchronization
import Testing

@testable import Compositor

/// A tone that rises, so that every moment of it is told from every other; made by ffmpeg, and the same number by number.
enum RisingTone {
    /// A kind of file, and what may be expected of it.
    struct Kind: Sendable, CustomStringConvertible {
        var name: String
        var codec: [String]
        var rate = 48_000
        /// How far a sample of 16 bits and less may be off; nil when the coder loses something.
        var error: Float?
        /// By how many samples the place of a sample may be off, because stamps are rounded.
        var rounding = 2

        var description: String { name }
    }

    static let kinds = [
        Kind(name: "a.mp3", codec: ["-c:a", "libmp3lame", "-b:a", "160k"]),
        Kind(name: "variable.mp3", codec: ["-c:a", "libmp3lame", "-q:a", "4"], rate: 44_100),
        Kind(name: "a.m4a", codec: ["-c:a", "aac", "-b:a", "160k"]),
        Kind(name: "lossless.m4a", codec: ["-c:a", "alac"], error: 0.001, rounding: 0),
        Kind(name: "8.wav", codec: ["-c:a", "pcm_u8"], error: 0.01, rounding: 0),
        Kind(name: "16.wav", codec: ["-c:a", "pcm_s16le"], error: 0.001, rounding: 0),
        Kind(name: "24.wav", codec: ["-c:a", "pcm_s24le"], error: 0.001, rounding: 0),
        Kind(name: "32.wav", codec: ["-c:a", "pcm_s32le"], error: 0.001, rounding: 0),
        Kind(name: "float.wav", codec: ["-c:a", "pcm_f32le"], error: 0.001, rounding: 0),
        Kind(name: "double.wav", codec: ["-c:a", "pcm_f64le"], error: 0.001, rounding: 0),
        Kind(name: "44.wav", codec: ["-c:a", "pcm_s16le"], rate: 44_100),
        Kind(name: "a.flac", codec: ["-c:a", "flac"], error: 0.001, rounding: 0),
        Kind(name: "large.wav", codec: ["-c:a", "pcm_s16le", "-rf64", "always"], error: 0.001, rounding: 0),
        Kind(name: "flac.ogg", codec: ["-c:a", "flac"], error: 0.001, rounding: 0),
        Kind(name: "vorbis.ogg", codec: ["-c:a", "libvorbis", "-q:a", "5"]),
        Kind(name: "opus.ogg", codec: ["-c:a", "libopus", "-b:a", "128k"]),
        Kind(name: "a.webm", codec: ["-c:a", "libopus", "-b:a", "128k"], rounding: 48),
    ]

    static func kind(_ name: String) throws -> Kind { try #require(kinds.first { $0.name == name }) }

    /// Those whose containers or coders differ in how a place is found.
    static let placed = kinds.filter { !["8.wav", "24.wav", "32.wav", "float.wav", "double.wav"].contains($0.name) }

    static let milliseconds: Int64 = 3000
    static let samples: [Float] = (0..<144_000).map { index in
        let t = Double(index) / 48_000
        return Float(0.4 * sin(2 * Double.pi * (300 * t + 500 * t * t)))
    }

    /// The tone on the left and another one on the right.
    static func source(_ rate: Int) -> [String] {
        ["-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(300*t+500*t*t))|0.2*sin(2*PI*300*t)':s=\(rate):d=3"]
    }

    private static let made = Mutex<[String: Data]>([:])

    /// A file of a kind, made once for all tests.
    static func make(_ kind: Kind, in folder: URL) throws -> URL {
        let file = folder.appending(path: kind.name)
        if let data = made.withLock({ $0[kind.name] }) {
            try data.write(to: file)
        } else {
            try run(source(kind.rate) + kind.codec + ["-t", "3", file.path])
            let data = try Data(contentsOf: file)
            made.withLock { $0[kind.name] = data }
        }
        return file
    }

    static func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: Video.ffmpeg)
        process.arguments = ["-v", "error", "-y"] + arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    /// Looks at bytes as an upload of sound is looked at.
    static func describe(
        _ data: Data, in folder: URL, limits: RollLimits = RollLimits()
    ) throws -> Int64 {
        let file = folder.appending(path: "file")
        try data.write(to: file)
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        return try RollProbe.describeSound(descriptor: handle.fileDescriptor, limits: limits)
    }

    /// The reason for which bytes are refused.
    static func reason(_ data: Data, in folder: URL, limits: RollLimits = RollLimits()) throws -> String {
        do {
            return "taken: \(try describe(data, in: folder, limits: limits)) ms"
        } catch let error as RollError { return error.reason }
    }

    /// What is heard of a file: the place of the first sample, all of the left side, and whether there was no hole.
    struct Heard {
        var first: Int64?
        var left: [Float] = []
        var isContinuous = true
    }

    static func decode(_ file: URL, fromMs: Int64 = 0) throws -> Heard {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        let limits = RollLimits()
        let container = try RollContainer(descriptor: handle.fileDescriptor, limits: limits, soundOnly: true)
        let decoder = try RollSoundDecoder(container, limits: limits, fromMs: fromMs)
        var heard = Heard()
        var goesOn = true
        while goesOn {
            goesOn = try decoder.next { position, block in
                let first = heard.first ?? position
                heard.first = first
                heard.isContinuous = heard.isContinuous && position == first + Int64(heard.left.count)
                for index in stride(from: 0, to: block.count, by: 2) { heard.left.append(block[index]) }
            }
        }
        return heard
    }

    /// By how many samples half a second of sound comes late that should begin at a place of the tone; nil when it is
    /// none of it within 60 samples.
    static func lateness(of sound: ArraySlice<Float>, at place: Int) -> Int? {
        guard sound.count >= 24_000, place >= 60, place + 24_060 < samples.count else { return nil }
        let sound = Array(sound.prefix(24_000))
        var best: (late: Int, error: Float) = (0, .infinity)
        for late in -60...60 {
            var error: Float = 0
            for index in stride(from: 0, to: 24_000, by: 25) {
                let difference = sound[index] - samples[place + index - late]
                error += difference * difference
            }
            if error < best.error { best = (late, error) }
        }
        // The tone's own power is 0.08.
        return best.error < 960 * 0.01 ? best.late : nil
    }
}
