import Foundation
import HTTPTypes
import Logging
import Testing
import Web

@testable import Studio

/// The program that the build has made beside the tests.
private let built = StudioFixture.repository.appending(path: ".build/debug/proscenium")

@Suite(
    "Decoding in a child process", .enabled(if: FileManager.default.isExecutableFile(atPath: built.path)))
struct ChildDecoderTests {
    /// 6 × 4 pixels of blue, half transparent.
    static let png =
        "iVBORw0KGgoAAAANSUhEUgAAAAYAAAAECAYAAACtBE5DAAAACXBIWXMAAAABAAAAAQBPJcTWAAAAEUlEQVR4nGNgYPhfjx1T"
        + "TQIA4Y4j0aVrp7AAAAAASUVORK5CYII="

    static let pdf = """
        %PDF-1.4
        1 0 obj
        << /Type /Catalog /Pages 2 0 R >>
        endobj
        2 0 obj
        << /Type /Pages /Count 2 /Kids [3 0 R 4 0 R] >>
        endobj
        3 0 obj
        << /Type /Page /Parent 2 0 R /MediaBox [0 0 160 90] >>
        endobj
        4 0 obj
        << /Type /Page /Parent 2 0 R /MediaBox [0 0 90 160] >>
        endobj
        trailer << /Size 5 /Root 1 0 R >>
        %%EOF
        """

    /// Samples of silence: 48 kHz, of one side, 16 bits.
    static func wave(samples: Int, saying said: Int? = nil) -> Data {
        func number(_ value: Int, _ bytes: Int) -> Data {
            Data((0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
        }
        let length = 2 * (said ?? samples)
        let parts: [Data] = [
            Data("RIFF".utf8), number(36 + length, 4), Data("WAVEfmt ".utf8), number(16, 4), number(1, 2), number(1, 2),
            number(48_000, 4), number(96_000, 4), number(2, 2), number(16, 2), Data("data".utf8), number(length, 4),
            Data(count: 2 * samples),
        ]
        return Data(parts.joined())
    }

    private func decode(
        _ kind: MediaKind, _ data: Data, by executable: URL = built, seconds: Int = 30
    ) async throws -> (media: DecodedMedia, files: [String]) {
        let work = FileManager.default.temporaryDirectory.appending(path: "decode-\(UUID().uuidString)")
        let file = work.appending(path: "in"), out = work.appending(path: "out")
        try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        try data.write(to: file)
        let decoder = ChildDecoder(executable: executable, limitSeconds: { _ in seconds }, logger: Logger(label: "t"))
        let media = try await decoder.decode(kind, file: file, into: out)
        return (media, try FileManager.default.contentsOfDirectory(atPath: out.path).sorted())
    }

    @Test("a picture comes out as PNG")
    func picture() async throws {
        let result = try await decode(.picture, try #require(Data(base64Encoded: Self.png)))
        #expect(result.media == DecodedMedia(width: 6, height: 4))
        #expect(result.files == ["picture.png"])
    }

    @Test("a deck comes out as its pages")
    func deck() async throws {
        let result = try await decode(.deck, Data(Self.pdf.utf8))
        #expect(result.media == DecodedMedia(pages: 2))
        #expect(result.files == ["1.png", "2.png", "deck.json"])
    }

    @Test("sound says how long it runs, and one that is cut off is refused")
    func sound() async throws {
        let result = try await decode(.audio, Self.wave(samples: 72_000))
        #expect(result.media == DecodedMedia(durationMs: 1500) && result.files == [])
        do {
            _ = try await decode(.audio, Self.wave(samples: 72_000, saying: 480_000))
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .unsupportedMediaType)
            #expect(problem.detail == "The file is cut off after 1500 ms.")
        }
        do {
            // Seven hours.
            _ = try await decode(.audio, Self.wave(samples: 72_000, saying: 7 * 3600 * 48_000))
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .contentTooLarge)
            #expect(problem.detail == "The file runs for 420 minutes.")
        }
        do {
            _ = try await decode(.video, Self.wave(samples: 72_000))
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .unsupportedMediaType)
            #expect(
                problem.detail == "The file is neither MP4, MOV, WebM nor Matroska, but WAV, which is taken as audio.")
        }
    }

    @Test(
        "what can't be read is refused with the reason",
        arguments: [
            (MediaKind.picture, "GIF89a", "The file is neither PNG, JPEG nor WebP."),
            (.font, "OTTO", "The font's list of tables is damaged."),
            (.deck, "%!PS", "The file is no PDF that can be read: no PDF header."),
            (.deck, "PK\u{3}\u{4}", "The archive has no end, so it is cut off or none."),
            (
                .video, "#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1/a.ts\n",
                "The file is neither MP4, MOV, WebM nor Matroska, but an HLS playlist."
            ),
            (
                .audio, "#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1/a.mp3\n",
                "The file is neither MP3, MP4, WebM, WAV, FLAC nor Ogg, but an HLS playlist."
            ),
            (
                .audio, "ID3\u{3}\u{0}\u{0}\u{7F}\u{7F}\u{7F}\u{7F}",
                "The file is cut off in its ID3 tag, which is said to have 268435465 bytes."
            ),
            (.audio, "fLaC", "The file begins as FLAC but can't be read."),
            (.audio, "OggS", "The file begins as Ogg but can't be read."),
        ])
    func refuse(kind: MediaKind, text: String, reason: String) async throws {
        do {
            _ = try await decode(kind, Data(text.utf8))
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .unsupportedMediaType)
            #expect(problem.detail == reason)
        }
    }

    @Test("a picture of too many pixels is too large, before its memory is taken")
    func pixels() async throws {
        var png = try #require(Data(base64Encoded: Self.png))
        png.replaceSubrange(16..<24, with: [0, 0, 0x1F, 0xFF, 0, 0, 0x1F, 0xFF])
        do {
            _ = try await decode(.picture, png)
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .contentTooLarge)
            #expect(problem.detail == "The picture has 8191 x 8191 pixels.")
        }
    }

    @Test("a process that reads foreign files reaches no network, no program and no process", arguments: [false, true])
    func confined(hasFolder: Bool) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "confined-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let process = Process(), output = Pipe()
        process.executableURL = built
        process.arguments = ["sandbox"] + (hasFolder ? ["--folder", folder.path] : [])
        process.standardOutput = output
        try process.run()
        let text = try #require(try output.fileHandleForReading.readToEnd())
        process.waitUntilExit()
        let report = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        #expect(report["filter"] as? Bool == true)
        #expect(report["possible"] as? [String] == [])
        #expect(report["canWriteItsFolder"] as? Bool == (hasFolder ? true : nil))
    }

    @Test(
        "damaged videos are refused or taken, and always in time",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/ffmpeg")))
    func damaged() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).mp4")
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/ffmpeg")
        process.arguments = [
            "-v", "error", "-f", "lavfi", "-i", "testsrc=s=160x90:d=1", "-c:v", "libx264", "-pix_fmt", "yuv420p",
            file.path,
        ]
        try process.run()
        process.waitUntilExit()
        let whole = try Data(contentsOf: file)
        let taken = try await decode(.video, whole)
        #expect(taken.media.width == 160 && taken.media.height == 90 && taken.files == [])
        #expect(abs((taken.media.durationMs ?? 0) - 1000) < 50)
        // Seeded, so that every run reads the same: a linear congruential generator is random enough for this.
        var state: UInt64 = 7
        func next(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        for _ in 0..<24 {
            var mutated = whole
            // The boxes of the index stand last: most of the damage goes there.
            for _ in 0..<8 { mutated[whole.count - 1 - next(min(whole.count, 1500))] = UInt8(next(256)) }
            do {
                _ = try await decode(.video, mutated, seconds: 20)
            } catch let problem as Problem {
                #expect([.unsupportedMediaType, .contentTooLarge].contains(problem.status))
                #expect(problem.detail != nil)
            }
        }
    }

    @Test(
        "one that wants more memory than it may have ends with an error, and with enough the file is taken",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/ffmpeg")))
    func memory() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "memory-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // 32 million pixels of 48 bits, of one colour: a small file, and 192 MB when it is decoded.
        let file = folder.appending(path: "bomb.png"), process = Process()
        process.executableURL = URL(filePath: "/usr/bin/ffmpeg")
        process.arguments = [
            "-v", "error", "-f", "lavfi", "-i", "color=s=7984x4000:d=0.04", "-frames:v", "1", "-pix_fmt", "rgb48be",
            file.path,
        ]
        try process.run()
        process.waitUntilExit()
        let bomb = try Data(contentsOf: file)
        #expect(bomb.count < 2_000_000)
        #expect(try await decode(.picture, bomb).media == DecodedMedia(width: 3840, height: 1924))
        // As little more than a process has already that a small picture finds room: found out, because it differs.
        let png = try #require(Data(base64Encoded: Self.png))
        var least: URL?
        for megabytes in stride(from: 64, through: 2048, by: 64) where least == nil {
            let script = folder.appending(path: "with-\(megabytes)")
            try Data("#!/bin/sh\nexec '\(built.path)' \"$@\" --memory \(megabytes << 20)\n".utf8).write(to: script)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
            if (try? await decode(.picture, png, by: script).media) != nil { least = script }
        }
        let script = try #require(least)
        do {
            _ = try await decode(.picture, bomb, by: script)
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .contentTooLarge)
            #expect(problem.detail == "The picture needs more memory than there is for one.")
        }
    }

    @Test("one that does not end is killed")
    func killed() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "script-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = folder.appending(path: "forever")
        try Data("#!/bin/sh\nexec /bin/sleep 600\n".utf8).write(to: script)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
        let start = ContinuousClock.now
        await #expect(throws: Problem.self) { _ = try await decode(.picture, Data(), by: script, seconds: 1) }
        // Long before it would have ended by itself, however busy the machine is.
        #expect(ContinuousClock.now - start < .seconds(300))
    }
}
