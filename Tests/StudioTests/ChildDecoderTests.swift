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

    @Test(
        "what can't be read is refused with the reason",
        arguments: [
            (MediaKind.picture, "GIF89a", "The file is neither PNG, JPEG nor WebP."),
            (.deck, "PK\u{3}\u{4}", "The file is no PDF that can be read: no PDF header."),
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

    @Test("one that does not end is killed")
    func killed() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "script-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = folder.appending(path: "forever")
        try Data("#!/bin/sh\nexec /bin/sleep 60\n".utf8).write(to: script)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
        let start = ContinuousClock.now
        await #expect(throws: Problem.self) { _ = try await decode(.picture, Data(), by: script, seconds: 1) }
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}
