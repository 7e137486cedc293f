// The compositor's way in: who may bring an event's program, and what becomes of its clock.

import Control
import Crypto
import Foundation
import Logging
import Media
import NIOPosix
import RTMP
import Synchronization
import Testing
import Web

@testable import Output

/// Keeps what is logged.
final class LogBook: Sendable {
    private let lines = Mutex<[String]>([])
    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var logger: Logger {
        var logger = Logger(label: "test", factory: { _ in Handler(book: self) })
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            book.lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }
}

@Suite("The program's entrance", .timeLimit(.minutes(5)))
struct ProgramEntranceTests {
    private let folder: TemporaryFolder
    private let keys: TokenKeys
    private let book = LogBook()
    private let reports = Reports()
    private let worker: OutputWorker

    private final class Reports: Sendable {
        let all = Mutex<[Report]>([])
        var segments: [SegmentReport] {
            all.withLock { $0.compactMap { if case .segmentPublished(let report) = $0 { report } else { nil } } }
        }
    }

    init() async throws {
        folder = try TemporaryFolder()
        keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        var ladder = LadderSettings(rungs: [
            Rung(name: "big", width: 160, height: 90, videoKbps: 200),
            Rung(name: "small", width: 96, height: 54, videoKbps: 100),
        ])
        ladder.preset = .ultrafast
        worker = try OutputWorker(
            directory: URL(filePath: folder.path), ladder: ladder, logger: book.logger,
            report: { [reports] report in reports.all.withLock { $0.append(report) } }, disconnect: { _ in })
        _ = try await worker.handle(.trustKeys([keys.keyID: keys.signingKey.publicKey.pemRepresentation]))
        for event in ["demo", "other"] {
            _ = try await worker.handle(
                .openEvent(
                    EventMedia(
                        event: event, org: "o", version: 1,
                        ingests: [
                            IngestEntrance(
                                id: "i-\(event)", name: "obs", kind: .primary, keyHash: RandomToken.hash("key-\(event)")
                            )
                        ])))
        }
    }

    private func authorizer(at seconds: Int64 = 50) -> StreamKeyAuthorizer {
        StreamKeyAuthorizer(worker: { [weak worker] in worker }, nowSeconds: { seconds })
    }

    private func token(
        role: WorkerRole = .compositor, event: String? = "demo", exp: Int64 = 100, by signer: TokenKeys? = nil
    ) async throws -> String {
        try await (signer ?? keys).sign(WorkerClaims(id: "compositor-demo", role: role, event: event, exp: exp))
    }

    private func isLetIn(_ name: String, app: String = "live", at seconds: Int64 = 50) async -> String? {
        await authorizer(at: seconds).authorize(app: app, streamName: name, remoteAddress: "127.0.0.1")?.ingestID
    }

    @Test("a compositor's token opens its own event's program, and nothing else does")
    func tokens() async throws {
        let good = try await token()
        #expect(await isLetIn(good) == "program/demo")
        #expect(await isLetIn(try await token(event: "other")) == "program/other")
        #expect(await isLetIn("key-demo") == "i-demo")
        #expect(await isLetIn(good, app: "other") == nil)
        #expect(await isLetIn(good, at: 100) == nil)
        #expect(await isLetIn(try await token(role: .output, event: nil)) == nil)
        #expect(await isLetIn(try await token(role: .sfu)) == nil)
        #expect(await isLetIn(try await token(event: nil)) == nil)
        #expect(await isLetIn(try await token(event: "unknown")) == nil)
        let stranger = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        #expect(await isLetIn(try await token(by: stranger)) == nil)
        let person = try await keys.sign(
            TokenClaims(sub: "p", name: nil, org: "o", event: "demo", role: .admin, can: [], exp: 100, jti: "j"))
        #expect(await isLetIn(person) == nil)
        let parts = good.split(separator: ".").map(String.init)
        let unsigned = Data(#"{"alg":"none","typ":"JWT"}"#.utf8).base64EncodedString()
            .replacing("=", with: "")
        for garbage in [
            "", ".", "..", "a.b.c", String(repeating: "x", count: 5000) + ".b.c", parts[0] + "." + parts[1] + ".",
            parts[0] + "." + parts[1] + "." + String(parts[2].reversed()), unsigned + "." + parts[1] + ".",
            unsigned + "." + parts[1] + "." + parts[2],
        ] { #expect(await isLetIn(garbage) == nil) }
        _ = try await worker.handle(.closeEvent(event: "demo"))
        #expect(await isLetIn(good) == nil)
        await worker.stop()
    }

    @Test("a grant ends with its event, and with its key")
    func validity() async throws {
        let program = try #require(
            await authorizer().authorize(app: "live", streamName: try await token(), remoteAddress: ""))
        let encoder = try #require(
            await authorizer().authorize(app: "live", streamName: "key-demo", remoteAddress: ""))
        #expect(program.isValid() && encoder.isValid())
        let changed = EventMedia(
            event: "demo", org: "o", version: 2,
            ingests: [IngestEntrance(id: "i-demo", name: "obs", kind: .primary, keyHash: RandomToken.hash("new"))])
        _ = try await worker.handle(.openEvent(changed))
        #expect(program.isValid() && !encoder.isValid())
        _ = try await worker.handle(.closeEvent(event: "demo"))
        #expect(!program.isValid())
        // The same name again is another event.
        _ = try await worker.handle(.openEvent(changed))
        #expect(!program.isValid())
        await worker.stop()
    }

    @Test(
        "a program comes in by its token over TLS on its own clock, a second one takes over, and no log has the token")
    func publishes() async throws {
        let certificate = try await TestCertificate.make()
        let group = MultiThreadedEventLoopGroup.singleton
        let server = RTMPServer(
            host: "127.0.0.1", port: 0, tlsContext: certificate.server, eventLoopGroup: group, logger: book.logger,
            authorizer: authorizer())
        try await server.start()
        let port = try #require(server.boundPort)
        let token = try await token()
        #expect(token.utf8.count > 250)
        // An hour less a minute from the wall: what is told counts, not when it comes.
        let start = ProgramGrid.segmentStart(
            atOrAfter: ProgramTime(milliseconds: SystemClock.wallMilliseconds() - 3_540_000))
        let source = try PipelineSource(count: 200)
        let first = try await TestClient.connect(port: port, key: token, trusting: certificate.pem, group: group)
        try await waitUntil("start") { first.isStarted }
        for event in source.events(programStart: start) { first.send(event) }
        try await waitUntil("a segment") { reports.segments.count == 1 }
        #expect(reports.segments.first?.from == start)
        let second = try await TestClient.connect(port: port, key: token, trusting: certificate.pem, group: group)
        try await waitUntil("second") { second.isStarted }
        try await waitUntil("first told") { first.failure != nil }
        #expect(server.counters.ended == ["replaced": 1])
        for event in source.events(programStart: start.advanced(byMilliseconds: 8000)) { second.send(event) }
        try await waitUntil("more segments") {
            reports.segments.contains { $0.to >= start.advanced(byMilliseconds: 12_000) }
        }
        #expect(
            reports.segments.allSatisfy { $0.from.milliseconds % 100 == start.milliseconds % 100 || $0.isDiscontinuity }
        )
        #expect(reports.all.withLock { $0 }.allSatisfy { if case .ingestState = $0 { false } else { true } })
        await server.shutdown()
        await worker.stop()
        for part in token.split(separator: ".") { #expect(!book.text.contains(part)) }
        #expect(book.text.contains("program/demo"))
    }

    @Test("a publisher whose grant is taken back while it waits is let go, and replaces nobody")
    func takenBack() async throws {
        let sink = RecordingSink()
        struct Authorizer: IngestAuthorizer {
            let grant: IngestGrant
            func authorize(app: String, streamName: String, remoteAddress: String) async -> IngestGrant? { grant }
        }
        let box = ValidityBox()
        let server = RTMPServer(
            host: "127.0.0.1", port: 0, tlsContext: nil, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: book.logger,
            authorizer: Authorizer(grant: IngestGrant(ingestID: "i", sink: sink) { box.isValid }))
        try await server.start()
        let port = try #require(server.boundPort)
        let first = try await TestClient.connect(port: port, key: "k", group: MultiThreadedEventLoopGroup.singleton)
        try await waitUntil("start") { first.isStarted }
        box.isValid = false
        let late = try await TestClient.connect(port: port, key: "k", group: MultiThreadedEventLoopGroup.singleton)
        try await waitUntil("refusal") { late.failure != nil }
        #expect(late.failure == .refused(code: "NetStream.Publish.Unauthorized"))
        #expect(first.failure == nil && first.isOpen)
        #expect(server.counters.publishing == 1)
        await server.shutdown()
        await worker.stop()
    }

    private final class ValidityBox: Sendable {
        private let value = Mutex(true)
        var isValid: Bool {
            get { value.withLock { $0 } }
            set { value.withLock { $0 = newValue } }
        }
    }
}
