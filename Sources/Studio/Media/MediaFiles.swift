// Files that people upload: taken in to the disk piece by piece, decoded beside it, then put in their place.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import Web

/// The folder of uploaded media: `EVENT/ID/` holds what a decoder has written, `.uploads/` what is still on its way.
final class MediaFiles: Sendable {
    /// How many uploads are taken in at the same time, of all events and of one.
    static let uploadLimit = 16, uploadLimitPerEvent = 3

    /// What of an upload has come.
    private final class Progress: Sendable {
        let bytes = Atomic(0)
    }

    /// What an upload has to bring in a time, so that nobody holds a place by sending next to nothing.
    struct Pace: Sendable {
        var bytes = 64 * 1024
        var milliseconds: Int64 = 15_000
    }

    private let root: URL
    private let eventLimitBytes: Int
    private let pace: Pace
    private let uploading = Mutex<[String: Int]>([:])
    private let decoding = Turns()

    /// Creates the folder's keeper.
    ///
    /// - Parameters:
    ///   - root: the folder.
    ///   - eventLimitBytes: how much of the disk the files of one event may have; a small deck may become large pages.
    ///   - pace: what an upload has to bring in a time.
    init(root: URL, eventLimitBytes: Int = 16 << 30, pace: Pace = Pace()) {
        self.root = root
        self.eventLimitBytes = eventLimitBytes
        self.pace = pace
    }

    private var uploads: URL { root.appending(path: ".uploads") }

    /// The folder of one asset or deck.
    func folder(_ event: String, _ id: String) -> URL { root.appending(path: event).appending(path: id) }

    /// The file that a route names; nil unless the names are of the kind that this class gives.
    func file(_ event: String, _ id: String, _ name: String) -> URL? {
        let isPage = name.hasSuffix(".png") && Self.isPageNumber(name.dropLast(4))
        guard ["picture.png", "deck.json", "video", "audio", "font"].contains(name) || isPage, Self.isPlain(event),
            Self.isPlain(id)
        else {
            return nil
        }
        let file = folder(event, id).appending(path: name)
        return FileManager.default.fileExists(atPath: file.path) ? file : nil
    }

    /// Takes in an upload, decodes it, and keeps what came out.
    ///
    /// Nothing stays on the disk when anything fails.
    ///
    /// - Parameters:
    ///   - body: the upload.
    ///   - kind: what it should be.
    ///   - event: the event's slug.
    ///   - limitBytes: how long it may be.
    ///   - decoder: decodes it.
    ///   - commit: is given the id and what came out, once the files are in their place.
    /// - Returns: what `commit` returns.
    /// - Throws: `Problem` 413 or 415, 503 when too many come at once, or what `commit` throws.
    func take<Value: Sendable>(
        _ body: RequestBody, as kind: MediaKind, event: String, limitBytes: Int, decoder: any MediaDecoding,
        commit: (String, DecodedMedia) async throws -> Value
    ) async throws -> Value {
        try takePlace(event)
        defer { uploading.withLock { $0[event] = ($0[event] ?? 1) > 1 ? ($0[event] ?? 1) - 1 : nil } }
        let id = RandomToken.id(), work = uploads.appending(path: id)
        let result: Result<Value, any Error>
        do {
            let made = work.appending(path: "out")
            try await onDisk { try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true) }
            try await write(body, to: work.appending(path: "in"), limitBytes: limitBytes)
            let media = try await decoding.take(event) {
                try await decoder.decode(kind, file: work.appending(path: "in"), into: made)
            }
            guard media.isPossible(as: kind) else {
                throw Problem(
                    .unsupportedMediaType, "unreadable", "The file can't be read",
                    detail: "What its decoder says can't be.")
            }
            result = .success(try await keep(kind, media, id, event: event, work: work, commit))
        } catch {
            result = .failure(error)
        }
        try? await onDisk { try FileManager.default.removeItem(at: work) }
        return try result.get()
    }

    /// Puts what was decoded in its place, and takes it away again when nobody wants it.
    private func keep<Value: Sendable>(
        _ kind: MediaKind, _ media: DecodedMedia, _ id: String, event: String, work: URL,
        _ commit: (String, DecodedMedia) async throws -> Value
    ) async throws -> Value {
        let made = work.appending(path: "out"), place = folder(event, id)
        if kind == .video || kind == .audio {
            try await onDisk {
                try FileManager.default.moveItem(
                    at: work.appending(path: "in"), to: made.appending(path: kind.rawValue))
            }
        }
        try await checkRoom(for: made, event: event)
        try await onDisk {
            try FileManager.default.createDirectory(
                at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.moveItem(at: made, to: place)
        }
        do {
            return try await commit(id, media)
        } catch {
            await removeLater(event, id)
            throw error
        }
    }

    private func takePlace(_ event: String) throws(Problem) {
        let isFree = uploading.withLock { counts -> Bool in
            guard counts.values.reduce(0, +) < Self.uploadLimit, counts[event, default: 0] < Self.uploadLimitPerEvent
            else { return false }
            counts[event, default: 0] += 1
            return true
        }
        guard isFree else { throw Problem.overloaded("Too many uploads at once.", retryAfterMs: 5000) }
    }

    /// Runs what waits for the disk on the threads that may wait.
    private func onDisk<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(body)
    }

    /// Removes an asset's or deck's files, on the threads that may wait.
    func removeLater(_ event: String, _ id: String) async {
        try? await onDisk { [self] in remove(event, id) }
    }

    /// Removes an asset's or deck's files.
    func remove(_ event: String, _ id: String) { try? FileManager.default.removeItem(at: folder(event, id)) }

    /// Removes all files of an event, on the threads that may wait.
    func removeLater(event: String) async {
        try? await onDisk { [self] in remove(event: event) }
    }

    /// Removes all files of an event.
    func remove(event: String) { try? FileManager.default.removeItem(at: root.appending(path: event)) }

    /// Removes what an earlier run has left: uploads on their way, and files that no row knows.
    ///
    /// - Parameter known: the ids by event.
    func sweep(known: [String: Set<String>]) {
        let manager = FileManager.default
        try? manager.removeItem(at: uploads)
        for event in (try? manager.contentsOfDirectory(atPath: root.path)) ?? [] {
            guard let ids = known[event] else {
                remove(event: event)
                continue
            }
            for id in (try? manager.contentsOfDirectory(atPath: root.appending(path: event).path)) ?? []
            where !ids.contains(id) { remove(event, id) }
        }
    }

    /// Writes piece by piece on the blocking threads, so that an upload is never in memory as a whole.
    private func write(_ body: RequestBody, to file: URL, limitBytes: Int) async throws {
        guard FileManager.default.createFile(atPath: file.path, contents: nil) else {
            throw Problem.overloaded("There is no room for the file.", retryAfterMs: 60_000)
        }
        let handle = try FileHandle(forWritingTo: file)
        defer { try? handle.close() }
        let progress = Progress()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await piece in body {
                    let sum = progress.bytes.wrappingAdd(piece.readableBytes, ordering: .relaxed).newValue
                    guard sum <= limitBytes else {
                        throw Problem(
                            .contentTooLarge, "too-large", "The body is too large",
                            detail: "At most \(limitBytes / 1_000_000) MB are taken.")
                    }
                    try await NIOThreadPool.singleton.runIfActive {
                        try handle.write(contentsOf: Data(piece.readableBytesView))
                    }
                }
            }
            group.addTask { [pace] in
                var before = 0
                while true {
                    try await Task.sleep(for: .milliseconds(pace.milliseconds))
                    let now = progress.bytes.load(ordering: .relaxed)
                    guard now - before >= pace.bytes else {
                        throw Problem(
                            .requestTimeout, "too-slow", "The upload is too slow",
                            detail: "At least \(pace.bytes) bytes are expected in \(pace.milliseconds) ms.")
                    }
                    before = now
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Throws `Problem` 413 when an event would have too much of the disk.
    private func checkRoom(for result: URL, event: String) async throws {
        let folder = root.appending(path: event)
        let length = try await NIOThreadPool.singleton.runIfActive {
            Self.length(below: folder) + Self.length(below: result)
        }
        guard length <= eventLimitBytes else {
            throw Problem(
                .contentTooLarge, "too-large", "The event has too many files",
                detail: "The files of an event have at most \(eventLimitBytes / 1_000_000) MB together.")
        }
    }

    private static func length(below folder: URL) -> Int {
        let keys: Set<URLResourceKey> = [.fileSizeKey, .isRegularFileKey]
        guard let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: Array(keys)) else {
            return 0
        }
        return files.reduce(0) { sum, file in
            guard let values = try? (file as? URL)?.resourceValues(forKeys: keys), values.isRegularFile == true else {
                return sum
            }
            return sum + (values.fileSize ?? 0)
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    }

    private static func isPageNumber(_ text: Substring) -> Bool {
        (1...5).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}
