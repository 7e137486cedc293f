// What a worker has counted stays counted when an event ends.

import Control
import Foundation
import Logging
import Media
import Testing
import Web

@testable import Output

@Suite("Counters of an output worker", .timeLimit(.minutes(2)))
struct WorkerCountersTests {
    @Test("they do not fall when an event ends, and have all that its pipeline still worked off")
    func closing() async throws {
        let folder = try TemporaryFolder()
        var ladder = LadderSettings(rungs: [Rung(name: "small", width: 96, height: 54, videoKbps: 100)])
        ladder.preset = .ultrafast
        let worker = try OutputWorker(
            directory: URL(filePath: folder.path), ladder: ladder, logger: Logger(label: "test"), report: { _ in },
            disconnect: { _ in })
        var last = 0.0
        /// Whether nothing was taken back since it was asked before.
        func goesOn(_ name: String) -> Bool {
            let value = worker.counters["proscenium_output_\(name)_total"] ?? 0
            defer { last = value }
            return value >= last
        }
        for round in 1...2 {
            for event in ["demo", "other"] {
                let entrance = IngestEntrance(
                    id: "i-\(event)", name: "obs", kind: .primary, keyHash: RandomToken.hash("key-\(event)"))
                _ = try await worker.handle(
                    .openEvent(EventMedia(event: event, org: "o", version: 1, ingests: [entrance])))
                let served = try #require(worker.entrance(forKey: "key-\(event)")).event
                for index in 0..<5 {
                    let frame = EncodedFrame(
                        codec: .vp8, pts: Int64(index), dts: Int64(index), timescale: 1000, isKeyframe: true,
                        payload: ByteBlock([0]))
                    #expect(served.pipeline.offer(.frame(frame)))
                }
            }
            for event in ["demo", "other"] {
                #expect(goesOn("frames_damaged"))
                _ = try await worker.handle(.closeEvent(event: event))
                #expect(goesOn("frames_damaged"))
            }
            #expect(last == Double(10 * round))
        }
        await worker.stop()
    }
}
