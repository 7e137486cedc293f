// Numbers, files and playlists over restarts, crashes and full disks.

import Foundation
import Media
import Synchronization
import Testing

@testable import Output

/// A folder that goes away with the test.
final class TemporaryFolder: Sendable {
    let path: String
    init() throws {
        path =
            FileManager.default.temporaryDirectory.appendingPathComponent("proscenium-output-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func files(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)")) ?? []).sorted()
    }
}

/// A disk that is full while it is told to be.
final class FullableDisk: SegmentDisk {
    private let disk = LocalDisk()
    private let refusal = Mutex<(@Sendable (String) -> Bool)?>(nil)
    func refuse(_ paths: (@Sendable (String) -> Bool)?) { refusal.withLock { $0 = paths } }
    func write(_ bytes: ByteBlock, to path: String, isDurable: Bool) throws(DiskError) {
        if refusal.withLock({ $0 })?(path) == true { throw DiskError(operation: "write", code: 28) }
        try disk.write(bytes, to: path, isDurable: isDurable)
    }
    func writeOnce(_ bytes: ByteBlock, to path: String) throws(DiskError) -> Bool {
        try disk.writeOnce(bytes, to: path)
    }
    func read(_ path: String, limit: Int) -> [UInt8]? { disk.read(path, limit: limit) }
    func size(of path: String) -> Int? { disk.size(of: path) }
    func makeFolder(_ path: String) throws(DiskError) { try disk.makeFolder(path) }
    func names(in folder: String) -> [String] { disk.names(in: folder) }
    func remove(_ path: String) { disk.remove(path) }
}

@Suite("Event store")
struct EventStoreTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func open(_ disk: any SegmentDisk = LocalDisk()) throws -> EventStore {
        try EventStore(settings: EventStoreSettings(root: folder.path, event: "demo"), disk: disk)
    }

    @discardableResult
    private func publish(_ store: EventStore, _ index: Int64, run: String = "aa", discontinuity: Bool = false) throws
        -> SegmentPublished
    {
        let from = ProgramTime(milliseconds: 1_767_225_600_000 + index * 6000)
        return try store.publish(
            files: ["hi", "lo"].map {
                ($0, ByteBlock([UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 188)))
            }, from: from,
            to: from.advanced(byMilliseconds: 6000), isDiscontinuity: discontinuity, run: run
        ) { state in
            state.variants = ["hi", "lo"].map {
                MasterPlaylist.Variant(
                    uri: "\($0)/index.m3u8", bandwidth: 2, averageBandwidth: 1, codecs: ["avc1.64001e"],
                    resolution: PictureSize(width: 160, height: 90), frameRate: FrameRate(30))
            }
        }
    }

    private func text(_ store: EventStore, _ path: String) -> String? {
        store.playlist(path).map { String(decoding: $0.bytes.array, as: UTF8.self) }
    }
    private func lines(_ store: EventStore, _ prefix: String, _ path: String = "hi/index.m3u8") -> [String] {
        (text(store, path) ?? "").split(separator: "\n").filter { $0.hasPrefix(prefix) }.map(String.init)
    }

    @Test("five are listed, twelve kept, each listed one is on disk, and the tag changes with the text")
    func retention() throws {
        let store = try open()
        #expect(store.playlist("master.m3u8") == nil)
        var tags: Set<String> = []
        for index in 0..<20 {
            #expect(try publish(store, Int64(index)).mediaSequence == Int64(index))
            tags.insert(try #require(store.playlist("hi/index.m3u8")).etag)
        }
        #expect(tags.count == 20)
        #expect(lines(store, "aa-") == (15..<20).map { "aa-\($0).ts" })
        #expect(lines(store, "#EXT-X-MEDIA-SEQUENCE") == ["#EXT-X-MEDIA-SEQUENCE:15"])
        #expect(folder.files("demo/lo") == (8..<20).map { "aa-\($0).ts" }.sorted())
        for index in 8..<20 { #expect(store.segment("lo/aa-\(index).ts")?.bytes == 188) }
        #expect(store.segment("lo/aa-7.ts") == nil)
        #expect(store.segment("../demo/lo/aa-9.ts") == nil)
    }

    @Test("a restart serves the same bytes at once, and goes on with the next number")
    func restart() throws {
        var store = try open()
        for index in 0..<7 { try publish(store, Int64(index)) }
        let before = (text(store, "hi/index.m3u8"), store.playlist("master.m3u8")?.etag)
        store = try open()
        #expect(text(store, "hi/index.m3u8") == before.0)
        #expect(store.playlist("master.m3u8")?.etag == before.1)
        #expect(try publish(store, 9, run: "bb", discontinuity: true).mediaSequence == 7)
        for rung in ["hi", "lo"] {
            #expect(lines(store, "#EXT-X-DISCONTINUITY\n", "\(rung)/index.m3u8").isEmpty)
            #expect((text(store, "\(rung)/index.m3u8") ?? "").contains("aa-6.ts\n#EXT-X-DISCONTINUITY\n"))
        }
        for index in 10..<16 { try publish(store, Int64(index), run: "bb") }
        #expect(lines(store, "#EXT-X-DISCONTINUITY") == ["#EXT-X-DISCONTINUITY-SEQUENCE:1"])
    }

    @Test("the discontinuity sequence counts a tag only when it has left the list")
    func discontinuities() throws {
        let store = try open()
        for index in 0..<3 { try publish(store, Int64(index), discontinuity: index == 1) }
        #expect(lines(store, "#EXT-X-DISCONTINUITY-S") == ["#EXT-X-DISCONTINUITY-SEQUENCE:0"])
        for index in 3..<6 { try publish(store, Int64(index)) }
        #expect(lines(store, "#EXT-X-DISCONTINUITY") == ["#EXT-X-DISCONTINUITY-SEQUENCE:0", "#EXT-X-DISCONTINUITY"])
        try publish(store, 6)
        #expect(lines(store, "#EXT-X-DISCONTINUITY") == ["#EXT-X-DISCONTINUITY-SEQUENCE:1"])
    }

    @Test("a full disk lists nothing new and uses no number", arguments: ["lo/aa-3.ts", "state.json"])
    func full(path: String) throws {
        let disk = FullableDisk()
        let store = try open(disk)
        for index in 0..<3 { try publish(store, Int64(index)) }
        let before = text(store, "hi/index.m3u8")
        disk.refuse { $0.hasSuffix(path) }
        #expect(throws: DiskError(operation: "write", code: 28)) { try publish(store, 3) }
        #expect(text(store, "hi/index.m3u8") == before)
        #expect(!folder.files("demo/hi").contains("aa-3.ts"))
        disk.refuse(nil)
        #expect(try publish(store, 4, discontinuity: true).mediaSequence == 3)
        #expect(try text(open(), "lo/index.m3u8") == text(store, "lo/index.m3u8"))
    }

    @Test("a state that was cut short never lets a number come again", arguments: [0, 1, 40, 300])
    func truncatedState(length: Int) throws {
        var store = try open()
        for index in 0..<6 { try publish(store, Int64(index)) }
        let path = "\(folder.path)/demo/state.json"
        let bytes = try #require(FileManager.default.contents(atPath: path))
        try bytes.prefix(length).write(to: URL(fileURLWithPath: path))
        store = try open()
        #expect(try publish(store, 9, run: "bb", discontinuity: true).mediaSequence == 6)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.removeItem(atPath: "\(folder.path)/demo/state.previous.json")
        store = try open()
        #expect(store.state.nextMediaSequence == 7)
    }

    @Test("what a crash left between files and state is swept away, what was lost is not listed")
    func crashPoints() throws {
        var store = try open()
        for index in 0..<6 { try publish(store, Int64(index)) }
        // Killed after the files of number 6, before the state; and in the middle of a write.
        for name in ["hi/aa-6.ts", "hi/aa-7.ts.tmp", "state.json.tmp"] {
            try Data([1]).write(to: URL(fileURLWithPath: "\(folder.path)/demo/\(name)"))
        }
        // Power loss took the content of an older one.
        try Data().write(to: URL(fileURLWithPath: "\(folder.path)/demo/lo/aa-2.ts"))
        store = try open()
        #expect(folder.files("demo/hi") == ["aa-3.ts", "aa-4.ts", "aa-5.ts"])
        #expect(folder.files("demo") == ["hi", "lo", "state.json", "state.previous.json"])
        #expect(lines(store, "aa-") == ["aa-3.ts", "aa-4.ts", "aa-5.ts"])
        #expect(try publish(store, 9, run: "bb", discontinuity: true).mediaSequence == 6)
    }

    @Test("a time-line is written once, only beside a kept segment, and leaves with it")
    func timeline() throws {
        let store = try open()
        for index in 0..<3 { try publish(store, Int64(index)) }
        #expect(try store.putTimeline(epoch: "e1", mediaSequence: 1, json: ByteBlock(Array("[1]".utf8))))
        #expect(try !store.putTimeline(epoch: "e1", mediaSequence: 1, json: ByteBlock(Array("[2]".utf8))))
        #expect(try !store.putTimeline(epoch: "e1", mediaSequence: 3, json: ByteBlock(Array("[3]".utf8))))
        #expect(throws: EventStoreError.invalidName("../x")) {
            try store.putTimeline(epoch: "../x", mediaSequence: 1, json: ByteBlock([]))
        }
        let found = try #require(store.timeline("timeline/e1/1.json"))
        #expect(FileManager.default.contents(atPath: found.file) == Data("[1]".utf8))
        #expect(store.timeline("timeline/../1.json") == nil)
        #expect(folder.files("demo/timeline/e1") == ["1.json"])
        for index in 3..<14 { try publish(store, Int64(index)) }
        #expect(folder.files("demo/timeline/e1") == [])
    }

    @Test("names that could leave the folder are refused", arguments: ["", "..", "a/b", "a.b", "é"])
    func names(name: String) {
        #expect(throws: EventStoreError.invalidName(name)) {
            try EventStore(settings: EventStoreSettings(root: folder.path, event: name))
        }
    }
}
