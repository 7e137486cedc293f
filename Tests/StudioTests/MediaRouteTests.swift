import Control
import Foundation
import GRDB
import HTTPTypes
import HummingbirdCore
import HummingbirdTesting
import NIOCore
import Synchronization
import Testing
import Web

@testable import Studio

@Suite("Pictures and decks by REST")
struct MediaRouteTests {
    /// Every file below the media folder, as paths in it.
    private func files(_ fixture: StudioFixture) -> [String] {
        let root = fixture.folder.appending(path: "media").path
        return (FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []).filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(root)/\(name)", isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }

    @Test("an event has no more of the disk than its part, and what is refused leaves nothing")
    func room() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "media-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let length = FakeDecoder.picture.count
        let files = MediaFiles(root: root, eventLimitBytes: 2 * length)
        func take(_ event: String) async throws -> String {
            try await files.take(
                RequestBody(buffer: ByteBuffer(bytes: FakeDecoder.picture)), as: .picture, event: event,
                limitBytes: 1000, decoder: FakeDecoder()
            ) { id, _ in id }
        }
        var ids = [try await take("e"), try await take("e")]
        await #expect(throws: Problem.self) { _ = try await take("e") }
        ids.append(try await take("f"))
        #expect(files.file("f", ids[2], "picture.png") != nil)
        let kept = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "e").path)
        #expect(Set(kept) == Set(ids[..<2]))
        files.remove("e", ids[0])
        _ = try await take("e")
        let uploads = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: ".uploads").path)
        #expect(uploads.isEmpty)
    }

    @Test("a picture is taken, listed, shown, kept while a scene shows it, and removed with its file")
    func picture() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.picture, type: "image/png")
            #expect(made.status == .created)
            let id = try #require(made.object["id"] as? String)
            #expect(made.headers[.location] == "/v1/events/e/assets/\(id)")
            #expect(made.object["kind"] as? String == "picture" && made.object["width"] as? Int == 6)
            #expect(files(fixture) == ["e/\(id)/picture.png"])
            let list = try await client.call(.get, "/v1/events/e/assets", admin).object["items"] as? [[String: Any]]
            #expect(list?.map { $0["id"] as? String } == [id])
            #expect(try await client.call(.get, "/v1/events/f/assets/\(id)", admin).status == .notFound)

            for (place, scene) in [
                ("program", #"{"layout":"full","slots":{"main":["image:\#(id)"]}}"#),
                ("preview", #"{"layout":"full","overlays":{"logo":{"asset":"\#(id)"}}}"#),
                ("program", #"{"layout":"full","background":"image:\#(id)"}"#),
            ] {
                #expect(try await client.call(.put, "/v1/events/e/\(place)", admin, scene).status == .ok)
                #expect(try await client.call(.delete, "/v1/events/e/assets/\(id)", admin).status == .conflict)
                _ = try await client.call(.put, "/v1/events/e/\(place)", admin, #"{"layout":"full"}"#)
            }
            #expect(
                try await client.call(
                    .put, "/v1/events/f/program", admin, #"{"layout":"full","background":"image:\#(id)"}"#
                ).status == .unprocessableContent)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(id)", admin).status == .noContent)
            #expect(files(fixture).isEmpty)
        }
    }

    @Test("sound is taken as it is, listed with how long it runs, named to scenes, fetched, and removed with its file")
    func audio() async throws {
        try await withEvent { client, admin, fixture in
            var ids: Set<String> = []
            for type in MediaRoutes.audioTypes + ["audio/ogg; codecs=opus", "Audio/MPEG"] {
                let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.audio, type: type)
                #expect(made.status == .created, "\(type)")
                let id = try #require(made.object["id"] as? String)
                #expect(made.object["kind"] as? String == "audio" && made.object["durationMs"] as? Int == 4000)
                #expect(made.object["width"] == nil && made.object["height"] == nil)
                #expect(made.headers[.location] == "/v1/events/e/assets/\(id)")
                let read = try await client.call(.get, "/v1/events/e/assets/\(id)", admin)
                #expect(NSDictionary(dictionary: read.object) == NSDictionary(dictionary: made.object))
                ids.insert(id)
            }
            #expect(files(fixture) == ids.map { "e/\($0)/audio" }.sorted())
            let list = try await client.call(.get, "/v1/events/e/assets", admin).object["items"] as? [[String: Any]]
            #expect(list?.compactMap { $0["id"] as? String } == ids.sorted())
            let picture = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.picture, type: "image/png")
            #expect(picture.status == .created)
            let (audios, videos) = try await fixture.database.read { database in
                let references = try SceneReferences(database, "e", [:])
                return (references.audios, references.videos)
            }
            #expect(audios == Dictionary(uniqueKeysWithValues: ids.map { ($0, 4000) }) && videos.isEmpty)

            let id = try #require(ids.min())
            let worker = try await fixture.keys.sign(
                WorkerClaims(id: "w", role: .compositor, event: "e", exp: 4_000_000_000))
            try await fixture.runInternal { inside in
                let file = try await inside.call(.get, "/media/e/\(id)/audio", worker)
                #expect(file.status == .ok && file.headers[.contentType] == "application/octet-stream")
                #expect(Data(file.body.readableBytesView) == FakeDecoder.audio)
                #expect(try await inside.call(.get, "/media/e/\(id)/video", worker).status == .notFound)
            }
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(id)", admin).status == .noContent)
            #expect(try await client.call(.get, "/v1/events/e/assets/\(id)", admin).status == .notFound)
            #expect(!files(fixture).contains("e/\(id)/audio"))
        }
    }

    @Test("sound that can't be read, has another type or is too large is refused and leaves nothing on the disk")
    func refuseAudio() async throws {
        try await withEvent { client, admin, fixture in
            let none = try await client.upload("/v1/events/e/assets", admin, Data("#EXTM3U\n".utf8), type: "audio/mpeg")
            #expect(none.status == .unsupportedMediaType && none.object["detail"] as? String == "It is none.")
            for type in ["audio/aac", "audio/midi", "audio/mpegurl", "audio"] {
                let other = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.audio, type: type)
                #expect(other.status == .unsupportedMediaType, "\(type)")
            }
            #expect(files(fixture).isEmpty)
        }
        let root = FileManager.default.temporaryDirectory.appending(path: "media-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let store = MediaFiles(root: root), limitBytes = FakeDecoder.audio.count - 1
        do {
            _ = try await store.take(
                RequestBody(buffer: ByteBuffer(bytes: FakeDecoder.audio)), as: .audio, event: "e",
                limitBytes: limitBytes, decoder: FakeDecoder()
            ) { id, _ in id }
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .contentTooLarge)
        }
        let uploads = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: ".uploads").path)
        #expect(uploads.isEmpty)
        #expect(MediaKind.audio.limitBytes == 500_000_000 && MediaKind.audio.limitSeconds == 120)
    }

    @Test("a deck is taken, its pages are read by who may turn them, and it stays while a scene names it")
    func deck() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload(
                "/v1/events/e/decks", admin, FakeDecoder.deck(pages: 2), type: "application/pdf")
            #expect(made.status == .created)
            let id = try #require(made.object["id"] as? String)
            #expect(made.object["pages"] as? Int == 2)
            #expect(files(fixture) == ["e/\(id)/1.png", "e/\(id)/2.png", "e/\(id)/deck.json"])
            let speaker = try await fixture.token(.speaker, event: "e", can: ["slides"])
            let page = try await client.call(.get, "/v1/events/e/decks/\(id)/pages/2.png", speaker)
            #expect(page.status == .ok && page.headers[.contentType] == "image/png")
            #expect(String(buffer: page.body) == "page 2")
            for name in ["3.png", "0.png", "x.png"] {
                #expect(
                    try await client.call(.get, "/v1/events/e/decks/\(id)/pages/\(name)", admin).status == .notFound)
            }
            _ = try await client.call(.put, "/v1/events/e/slides", admin, #"{"deck":"\#(id)","page":1}"#)
            #expect(try await client.call(.delete, "/v1/events/e/decks/\(id)", admin).status == .conflict)
            _ = try await client.call(.patch, "/v1/events/e/program", admin, #"{"slides":null}"#)
            #expect(try await client.call(.delete, "/v1/events/e/decks/\(id)", admin).status == .noContent)
            #expect(files(fixture).isEmpty)
        }
    }

    @Test("what can't be read, has another type or is too large is refused and leaves nothing on the disk")
    func refuse() async throws {
        try await withEvent { client, admin, fixture in
            let text = Data("no picture".utf8)
            let unread = try await client.upload("/v1/events/e/assets", admin, text, type: "image/png")
            #expect(unread.status == .unsupportedMediaType)
            #expect(unread.object["detail"] as? String == "It is none.")
            #expect(
                try await client.upload("/v1/events/e/decks", admin, text, type: "application/pdf").status
                    == .unsupportedMediaType)
            let gif = try await client.upload("/v1/events/e/assets", admin, text, type: "image/gif")
            #expect(gif.status == .unsupportedMediaType)
            #expect(
                gif.object["detail"] as? String
                    == "Send image/png, image/jpeg, image/webp, video/mp4, video/quicktime, video/webm, video/x-matroska, "
                    + "audio/mpeg, audio/mp4, audio/x-m4a, audio/wav, audio/x-wav, audio/flac, audio/x-flac, audio/ogg, "
                    + "audio/webm, font/ttf, font/otf or font/sfnt."
            )
            let zip = try await client.upload("/v1/events/e/decks", admin, text, type: "application/gzip")
            #expect(zip.object["detail"] as? String == "Send application/pdf or application/zip.")
            var long = FakeDecoder.picture
            long.append(Data(count: MediaKind.picture.limitBytes))
            let large = try await client.upload("/v1/events/e/assets", admin, long, type: "image/png")
            #expect(large.status == .contentTooLarge)
            let keyed = try await client.upload(
                "/v1/events/e/assets", admin, long, type: "image/png", headers: [.idempotencyKey: "k"])
            #expect(keyed.status == .contentTooLarge)
            #expect(files(fixture).isEmpty)
        }
    }

    @Test(
        "what a decoder says and can't be is refused, and leaves nothing",
        arguments: [
            (MediaKind.deck, DecodedMedia(pages: 0)), (.deck, DecodedMedia(pages: -1)),
            (.deck, DecodedMedia(pages: 301)), (.deck, DecodedMedia(pages: .max)),
            (.deck, DecodedMedia(width: 2, height: 2)), (.picture, DecodedMedia(pages: 1)),
            (.picture, DecodedMedia(width: 0, height: 2)), (.picture, DecodedMedia(width: 2, height: -1)),
            (.picture, DecodedMedia(width: 8193, height: 2)), (.picture, DecodedMedia(width: 2, height: .max)),
            (.picture, DecodedMedia(width: 2, height: 2, durationMs: 1)),
            (.video, DecodedMedia(width: 2, height: 2)),
            (.video, DecodedMedia(width: 2, height: 2, durationMs: -1)),
            (.video, DecodedMedia(width: 2, height: 2, durationMs: MediaRoll.longestMs + 1)),
            (.video, DecodedMedia(width: .max, height: 2, durationMs: 1)),
            (.audio, DecodedMedia()), (.audio, DecodedMedia(durationMs: 0)), (.audio, DecodedMedia(durationMs: -1)),
            (.audio, DecodedMedia(durationMs: MediaRoll.longestMs + 1)), (.audio, DecodedMedia(pages: 1)),
            (.audio, DecodedMedia(width: 2, height: 2, durationMs: 1)),
        ] as [(MediaKind, DecodedMedia)])
    func impossible(kind: MediaKind, media: DecodedMedia) async throws {
        try await withEvent(decoder: LyingDecoder(media: media)) { client, admin, fixture in
            let path = kind == .deck ? "decks" : "assets"
            let types: [MediaKind: String] = [
                .deck: "application/pdf", .picture: "image/png", .video: "video/mp4", .audio: "audio/mpeg",
            ]
            let type = try #require(types[kind])
            let answer = try await client.upload("/v1/events/e/\(path)", admin, Data("x".utf8), type: type)
            #expect(answer.status == .unsupportedMediaType)
            let list = try await client.call(.get, "/v1/events/e/\(path)", admin).object["items"] as? [Any]
            #expect(list?.isEmpty == true)
            #expect(files(fixture).isEmpty)
        }
    }

    @Test("a deck that has no pages by its row has none that can be fetched", arguments: [0, -1])
    func noPages(pages: Int) async throws {
        try await withEvent { client, admin, fixture in
            let store = MediaStore(programs: fixture.studio.programs)
            try await store.add(DeckRecord(id: "d", pages: pages), event: "e")
            for name in ["1.png", "0.png", "-1.png"] {
                #expect(
                    try await client.call(.get, "/v1/events/e/decks/d/pages/\(name)", admin).status == .notFound)
            }
        }
    }

    @Test("an upload with an Idempotency-Key is taken once, though it is larger than what stands in memory")
    func idempotency() async throws {
        try await withEvent { client, admin, fixture in
            var file = FakeDecoder.picture
            file.append(Data(count: 3 << 20))
            let once: HTTPFields = [.idempotencyKey: "k"]
            let first = try await client.upload("/v1/events/e/assets", admin, file, type: "image/png", headers: once)
            #expect(first.status == .created)
            let second = try await client.upload("/v1/events/e/assets", admin, file, type: "image/png", headers: once)
            #expect(second.status == .created)
            #expect(first.object["id"] as? String == second.object["id"] as? String)
            file.append(1)
            let other = try await client.upload("/v1/events/e/assets", admin, file, type: "image/png", headers: once)
            #expect(other.status == .conflict)
            #expect(files(fixture).count == 1)
        }
    }

    @Test("files go with their event, and what an earlier run left is swept away")
    func sweep() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.picture, type: "image/png")
            let id = try #require(made.object["id"] as? String)
            let root = fixture.folder.appending(path: "media"), store = MediaFiles(root: root)
            for left in [".uploads/x/in", "e/unknown/picture.png", "gone/y/1.png"] {
                let file = root.appending(path: left)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data("x".utf8).write(to: file)
            }
            store.sweep(known: try await MediaStore(programs: fixture.studio.programs).known())
            #expect(files(fixture) == ["e/\(id)/picture.png"])
            #expect(try await client.call(.delete, "/v1/events/e", admin).status == .noContent)
            #expect(files(fixture).isEmpty)
        }
    }

    @Test("a compositor fetches the files of its own event on the internal listener, and nobody else does")
    func compositor() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.picture, type: "image/png")
            let id = try #require(made.object["id"] as? String)
            func worker(_ role: WorkerRole, _ event: String?) async throws -> String {
                try await fixture.keys.sign(WorkerClaims(id: "w", role: role, event: event, exp: 4_000_000_000))
            }
            let own = try await worker(.compositor, "e"), other = try await worker(.compositor, "f")
            let output = try await worker(.output, "e")
            try await fixture.runInternal { inside in
                let path = "/media/e/\(id)/picture.png"
                let file = try await inside.call(.get, path, own)
                #expect(file.status == .ok)
                #expect(Data(file.body.readableBytesView) == FakeDecoder.picture)
                #expect(try await inside.call(.get, path).status == .unauthorized)
                #expect(try await inside.call(.get, path, other).status == .forbidden)
                #expect(try await inside.call(.get, path, output).status == .forbidden)
                #expect(try await inside.call(.get, path, admin).status == .unauthorized)
                for name in ["1.png", "in", "deck.json", "..%2F..%2Fstudio.sqlite", "%2e%2e"] {
                    #expect(try await inside.call(.get, "/media/e/\(id)/\(name)", own).status == .notFound)
                }
                #expect(try await inside.call(.get, "/media/e/..%2Ff/picture.png", own).status == .notFound)
            }
        }
    }

    @Test("of one event three uploads run at once, one of them is decoded, and a fourth waits outside")
    func fairness() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "media-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let files = MediaFiles(root: root), gate = GateDecoder()
        @Sendable func take(_ event: String) async throws -> String {
            try await files.take(
                RequestBody(buffer: ByteBuffer(bytes: FakeDecoder.picture)), as: .picture, event: event,
                limitBytes: 1000, decoder: gate
            ) { id, _ in id }
        }
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<3 { group.addTask { try await take("e") } }
            try await eventually("one is decoded") { gate.running == 1 }
            await #expect(throws: Problem.self) { _ = try await take("e") }
            group.addTask { try await take("f") }
            try await eventually("another event is decoded beside it") { gate.running == 2 }
            gate.open()
            var ids: Set<String> = []
            for try await id in group { ids.insert(id) }
            #expect(ids.count == 4)
        }
        #expect(gate.most == 2)
        _ = try await take("e")
    }

    @Test("an upload that brings next to nothing is ended with 408, and leaves nothing")
    func slow() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "media-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let files = MediaFiles(root: root, pace: .init(bytes: 1000, milliseconds: 50))
        let (pieces, source) = AsyncStream.makeStream(of: ByteBuffer.self)
        source.yield(ByteBuffer(string: "a"))
        do {
            _ = try await files.take(
                RequestBody(asyncSequence: pieces), as: .picture, event: "e", limitBytes: 1000, decoder: FakeDecoder()
            ) { id, _ in id }
            Issue.record("it was taken")
        } catch let problem as Problem {
            #expect(problem.status == .requestTimeout)
        }
        let uploads = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: ".uploads").path)
        #expect(uploads.isEmpty)
    }
}

/// Says what it is told to, and leaves files.
private struct LyingDecoder: MediaDecoding {
    let media: DecodedMedia

    func decode(_ kind: MediaKind, file: URL, into folder: URL) async throws -> DecodedMedia {
        for name in ["picture.png", "1.png"] { try Data("x".utf8).write(to: folder.appending(path: name)) }
        return media
    }
}

/// Decodes nothing until it is opened, and counts.
private final class GateDecoder: MediaDecoding {
    private struct State {
        var running = 0, most = 0, isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    var running: Int { state.withLock { $0.running } }
    var most: Int { state.withLock { $0.most } }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            return state.waiting
        }
        for one in waiting { one.resume() }
    }

    func decode(_ kind: MediaKind, file: URL, into folder: URL) async throws -> DecodedMedia {
        await withCheckedContinuation { continuation in
            let goes = state.withLock { state in
                state.running += 1
                state.most = max(state.most, state.running)
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if goes { continuation.resume() }
        }
        state.withLock { $0.running -= 1 }
        return DecodedMedia(width: 2, height: 2)
    }
}
