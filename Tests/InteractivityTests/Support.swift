// Clocks, databases and readers for the tests of this room.

import Foundation
import GRDB
import Interactivity
import Media
import NIOCore
import Synchronization
import Testing
import Web

/// Both clocks, moved by hand.
final class TestClock: Sendable {
    static let start: Int64 = 1_800_000_000_000
    private let elapsed = Mutex<Int64>(0)

    func advance(milliseconds: Int64) { elapsed.withLock { $0 += milliseconds } }

    var wall: Int64 { Self.start + elapsed.withLock(\.self) }

    var clock: InteractivityClock {
        InteractivityClock(
            monotonic: { [self] in MonotonicTime(milliseconds: 1000 + elapsed.withLock(\.self)) },
            wallMilliseconds: { [self] in wall })
    }
}

/// A folder that goes away with the test.
final class TemporaryFolder: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "interactivity-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func open(_ name: String = "studio.sqlite") throws -> DatabasePool {
        let pool = try StudioDatabase.open(path: url.appending(path: name).path)
        var migrator = DatabaseMigrator()
        InteractivityMigrations.register(on: &migrator)
        try migrator.migrate(pool)
        return pool
    }

    /// What a power failure at this moment leaves behind: the file and its write-ahead log, without the memory.
    func copyAsAfterCrash(_ name: String = "studio.sqlite", to copy: String) throws {
        for ending in ["", "-wal"] {
            let from = url.appending(path: name + ending), to = url.appending(path: copy + ending)
            if FileManager.default.fileExists(atPath: from.path) { try FileManager.default.copyItem(at: from, to: to) }
        }
    }
}

struct OneEvent: EventDirectory {
    var policy = ParticipationPolicy()

    func event(_ id: String) async throws -> EventScope? {
        id == "gala" ? EventScope(id: id, org: "acme", policy: policy) : nil
    }
}

let gala = EventKey(org: "acme", event: "gala")

/// Keeps what it is sent; can stop taking anything.
final class FakeReader: LiveSubscriber {
    let form: LiveForm
    private let state = Mutex<(messages: [String], ended: UInt16?, isFull: Bool)>(([], nil, false))

    init(_ form: LiveForm = .text) { self.form = form }

    var messages: [String] { state.withLock(\.messages) }
    var ended: UInt16? { state.withLock(\.ended) }

    func stopReading() { state.withLock { $0.isFull = true } }

    func deliver(_ message: ByteBuffer) -> Bool {
        state.withLock { state in
            guard !state.isFull else {
                state.ended = WebSocketCloseCode.slowReader
                return false
            }
            state.messages.append(String(buffer: message))
            return true
        }
    }

    func end(_ code: UInt16, _ reason: String) { state.withLock { $0.ended = code } }

    private var objects: [[String: Any]] {
        messages.compactMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
    }

    /// The kinds of the messages, in order.
    var kinds: [String] { objects.compactMap { $0["kind"] as? String } }

    func offsets(_ log: String) -> [Int64] {
        objects.filter { $0["log"] as? String == log && $0["kind"] as? String != "snapshot" }
            .compactMap { ($0["offset"] as? NSNumber)?.int64Value }
    }

    func data(_ kind: String) -> [[String: Any]] {
        objects.filter { $0["kind"] as? String == kind }.compactMap { $0["data"] as? [String: Any] }
    }
}

/// A service on a database of its own.
final class Stage: Sendable {
    let folder: TemporaryFolder
    let time = TestClock()
    let service: InteractivityService
    let segments: SegmentBox

    final class SegmentBox: Sendable {
        private let all = Mutex<[TimelineSegment]>([])
        func add(_ segment: TimelineSegment) { all.withLock { $0.append(segment) } }
        var list: [TimelineSegment] { all.withLock(\.self) }
    }

    init(queueLimit: Int = 8192) throws {
        folder = try TemporaryFolder()
        let box = SegmentBox()
        segments = box
        service = InteractivityService(
            database: try folder.open(), directory: OneEvent(), clock: time.clock, queueLimit: queueLimit,
            onTimeline: { box.add($0) })
    }

    /// Lets time pass in steps of 200 ms, with a tick after each.
    func pass(_ milliseconds: Int64) async {
        for _ in 0..<(milliseconds / 200) {
            time.advance(milliseconds: 200)
            await service.tick()
        }
    }
}
