// Entrances for sources on the stage: who brings them, and who may play them.

import Control
import Crypto
import Foundation
import Logging
import Media
import Synchronization
import Testing
import Web

@testable import Output

@Suite("Sources on the stage")
struct SourceEntranceTests {
    private final class Reports: Sendable {
        let all = Mutex<[Report]>([])
        var states: [Report] {
            all.withLock { $0.filter { if case .ingestState = $0 { true } else { false } } }
        }
    }

    private let folder: TemporaryFolder
    private let keys: TokenKeys
    private let reports = Reports()
    private let worker: OutputWorker

    init() async throws {
        folder = try TemporaryFolder()
        keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        worker = try OutputWorker(
            directory: URL(filePath: folder.path), ladder: LadderSettings.standard, logger: Logger(label: "test"),
            report: { [reports] report in reports.all.withLock { $0.append(report) } }, disconnect: { _ in })
        _ = try await worker.handle(.trustKeys([keys.keyID: keys.signingKey.publicKey.pemRepresentation]))
        for event in ["demo", "other"] { _ = try await worker.handle(.openEvent(media(event, version: 1))) }
    }

    private func media(_ event: String, version: Int64, names: [String] = ["camera"]) -> EventMedia {
        let sources = names.map { name in
            IngestEntrance(
                id: "\(name)-\(event)", name: name, kind: .source, keyHash: RandomToken.hash("key-\(name)-\(event)"))
        }
        let primary = IngestEntrance(
            id: "p-\(event)", name: "obs", kind: .primary, keyHash: RandomToken.hash("key-obs"))
        return EventMedia(event: event, org: "o", version: version, ingests: sources + [primary])
    }

    private var authorizer: StreamKeyAuthorizer {
        StreamKeyAuthorizer(worker: { [weak worker] in worker }, nowSeconds: { 50 })
    }

    private func token(_ event: String?, role: WorkerRole = .compositor, exp: Int64 = 100) async throws -> String {
        try await keys.sign(WorkerClaims(id: "c", role: role, event: event, exp: exp))
    }

    private func played(_ app: String, _ name: String) async -> String? {
        await authorizer.authorizePlay(app: app, streamName: name, remoteAddress: "127.0.0.1")
    }

    @Test("are played by the compositor of their event and by nobody else")
    func players() async throws {
        let good = try await token("demo")
        #expect(await played("ingest/camera", good) == "camera-demo")
        #expect(await played("ingest/camera", try await token("other")) == "camera-other")
        for app in ["ingest", "ingest/", "ingest/obs", "ingest/unknown", "live", "live/camera", "ingest/camera/x", ""] {
            #expect(await played(app, good) == nil, "\(app)")
        }
        let person = try await keys.sign(
            TokenClaims(sub: "p", name: nil, org: "o", event: "demo", role: .admin, can: [], exp: 100, jti: "j"))
        for name in [
            "key-camera-demo", "", person, try await token("unknown"), try await token(nil),
            try await token("demo", role: .output), try await token("demo", exp: 50),
        ] { #expect(await played("ingest/camera", name) == nil) }
        await worker.stop()
    }

    @Test("are taken by their key while the entrance is there, whatever comes, and Studio hears of it")
    func publishers() async throws {
        let grant = try #require(
            await authorizer.authorize(app: "live", streamName: "key-camera-demo", remoteAddress: "127.0.0.1"))
        #expect(grant.ingestID == "camera-demo" && grant.isValid())
        grant.sink.onRoom {}
        for _ in 0..<1000 { #expect(grant.sink.offer(.programTime(ProgramTime(milliseconds: 5), pts: 5))) }
        #expect(reports.states == [.ingestState(event: "demo", ingest: "camera-demo", isConnected: true)])
        reports.all.withLock { $0 = [] }
        worker.reportState()
        #expect(reports.states == [.ingestState(event: "demo", ingest: "camera-demo", isConnected: true)])
        #expect(grant.sink.offer(.ended(reason: "test")))
        #expect(reports.states.last == .ingestState(event: "demo", ingest: "camera-demo", isConnected: false))
        _ = try await worker.handle(.openEvent(media("demo", version: 2, names: [])))
        #expect(!grant.isValid())
        let late = await authorizer.authorize(app: "live", streamName: "key-camera-demo", remoteAddress: "127.0.0.1")
        #expect(late == nil)
        #expect(await played("ingest/camera", try await token("demo")) == nil)
        await worker.stop()
    }
}
