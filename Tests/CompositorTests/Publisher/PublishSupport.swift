// What the publishers' tests share: an entrance that remembers, a log that is kept, and frames.

import Foundation
import Logging
import Media
import Output
import Synchronization
import Testing

@testable import Compositor

/// An entrance that remembers what each connection brought, and has room for a name while it is told so.
final class PublishEntrance: IngestAuthorizer {
    private struct Sink: IngestSink {
        let entrance: PublishEntrance, index: Int
        func offer(_ event: StreamEvent) -> Bool { entrance.offer(event, from: index) }
        func onRoom(_ resume: @escaping @Sendable () -> Void) { entrance.state.withLock { $0.resumes.append(resume) } }
    }
    private struct State {
        var names: Set<String>
        var brought: [(name: String, events: [StreamEvent])] = []
        var full: Set<String> = []
        var resumes: [@Sendable () -> Void] = []
    }
    private let state: Mutex<State>

    init(names: Set<String> = ["secret-name"]) { state = Mutex(State(names: names)) }

    var connections: [[StreamEvent]] { state.withLock { $0.brought.map(\.events) } }
    var frames: Int { connections.joined().count { if case .frame = $0 { true } else { false } } }

    /// What the connections of one name brought.
    func connections(_ name: String) -> [[StreamEvent]] {
        state.withLock { $0.brought.filter { $0.name == name }.map(\.events) }
    }

    func setNames(_ names: Set<String>) { state.withLock { $0.names = names } }

    func setRoom(_ hasRoom: Bool, for name: String = "secret-name") {
        let resumes = state.withLock { state in
            if hasRoom { state.full.remove(name) } else { state.full.insert(name) }
            return state.resumes
        }
        for resume in resumes { resume() }
    }

    func authorize(app: String, streamName: String, remoteAddress: String) async -> IngestGrant? {
        state.withLock { state in
            guard app == "live", state.names.contains(streamName) else { return nil }
            state.brought.append((streamName, []))
            return IngestGrant(
                ingestID: "of \(streamName.hashValue)", sink: Sink(entrance: self, index: state.brought.count - 1))
        }
    }

    private func offer(_ event: StreamEvent, from index: Int) -> Bool {
        state.withLock { state in
            if case .ended = event { return true }
            guard !state.full.contains(state.brought[index].name) else { return false }
            state.brought[index].events.append(event)
            return true
        }
    }
}

/// Keeps every line that is logged.
final class PublishLog: Sendable {
    let lines = Mutex<[String]>([])
    var logger: Logger { Logger(label: "test", factory: { _ in Handler(log: self) }) }

    struct Handler: LogHandler {
        let log: PublishLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { log.lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") } }
    }

    /// Waits until something is so.
    func waitUntil(_ what: String, seconds: Double = 30, _ condition: () -> Bool) async throws {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: Int64(seconds * 1000))
        while !condition() {
            guard SystemClock.monotonic() < deadline else {
                throw NSError(domain: "waited in vain for \(what): \(lines.withLock { $0.suffix(5) })", code: 1)
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

enum PublishFrames {
    static let video = ByteBlock([
        1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 4, 0x67, 0x64, 0, 0x1F, 1, 0, 3, 0x68, 0xEB, 0xE3,
    ])
    static let audio = ByteBlock([0x11, 0x90])

    /// Picture `index` of a program with 30 pictures and an IDR every two seconds.
    static func picture(_ index: Int64, bytes size: Int = 1000) -> EncodedFrame {
        let isIDR = index % 60 == 0
        var payload: [UInt8] = [
            0, UInt8(size >> 16 & 255), UInt8(size >> 8 & 255), UInt8(size & 255), isIDR ? 0x65 : 0x41,
        ]
        payload += [UInt8](repeating: 7, count: size - 1)
        return EncodedFrame(
            codec: .h264, pts: index, dts: index, timescale: 30, isKeyframe: isIDR, payload: ByteBlock(payload))
    }
}
