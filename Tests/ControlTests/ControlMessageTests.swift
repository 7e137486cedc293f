import Control
import Crypto
import Foundation
import JWTKit
import Media
import Testing
import Web

@Suite("Control messages")
struct ControlMessageTests {
    @Test("come back as they were sent")
    func roundTrip() throws {
        let entrance = IngestEntrance(id: "i", name: "obs", kind: .primary, keyHash: "h")
        let down: [StudioMessage] = [
            .welcome(studio: "s"), .command(id: 1, .trustKeys(["k": "pem"])),
            .command(id: 2, .openEvent(EventMedia(event: "e", org: "o", version: 3, ingests: [entrance]))),
            .command(id: 3, .closeEvent(event: "e")),
            .command(
                id: 5,
                .sfu(.publish(room: "r", participant: "p", session: "s", offer: "v=0", sources: ["0": .screenAudio]))),
            .command(
                id: 6,
                .sfu(
                    .publish(
                        room: "r", participant: "p", session: "s", offer: "v=0", sources: ["0": .programMix],
                        audiences: ["0": .only(["a", "b"]), "1": .everybody]))),
            .command(id: 7, .compositor(.returnFeed(session: "s", listeners: ["a"]))),
            .command(id: 4, .putTimeline(event: "e", epoch: "x", mediaSequence: 7, json: "{}")),
        ]
        for message in down {
            #expect(try JSONDecoder().decode(StudioMessage.self, from: JSON.encoder.encode(message)) == message)
        }
        let up: [WorkerMessage] = [
            .heartbeat(load: 0.5, counters: ["c": 1]), .reply(id: 1, .done), .reply(id: 1, .failed("no")),
            .reply(
                id: 4,
                .compositor(.returnOffer("v=0", tracks: ["0": ReturnTrack(source: .program, audience: .everybody)]))),
            .reply(id: 2, .refused(SFUError(.full, "x"))), .reply(id: 3, .sfu(.offer(nil))),
            .report(.sfu(.offer(session: "s", offer: "v=0"))),
            .report(.clock(event: "e", programTime: ProgramTime(milliseconds: 6000), wallMilliseconds: 5000)),
            .report(
                .segmentPublished(
                    SegmentReport(
                        event: "e", mediaSequence: 1, from: ProgramTime(milliseconds: 0),
                        to: ProgramTime(milliseconds: 6000), isDiscontinuity: false))),
        ]
        for message in up {
            #expect(try JSONDecoder().decode(WorkerMessage.self, from: JSON.encoder.encode(message)) == message)
        }
    }

    @Test("a worker's token is no person's, and a person's no worker's")
    func audiences() async throws {
        let keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let worker = try await keys.sign(WorkerClaims(id: "output-1", role: .output, event: nil, exp: 100))
        #expect(try await keys.verifyWorker(worker, nowSeconds: 1).sub == "output-1")
        #expect(HandedOverToken.subject(of: worker) == "output-1")
        await #expect(throws: Problem.self) { try await keys.verifyWorker(worker, nowSeconds: 100) }
        await #expect(throws: Problem.self) { try await keys.verify(worker, nowSeconds: 1) }
        let person = try await keys.sign(
            TokenClaims(sub: "p", name: nil, org: "o", event: nil, role: .admin, can: [], exp: 100, jti: "j"))
        await #expect(throws: Problem.self) { try await keys.verifyWorker(person, nowSeconds: 1) }
    }

    @Test("a token is handed over by a descriptor, one line of bounded length")
    func handOver() throws {
        func read(_ text: String) -> String? {
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { return nil }
            _ = text.withCString { write(ends[1], $0, text.utf8.count) }
            close(ends[1])
            defer { close(ends[0]) }
            return HandedOverToken.read(descriptor: ends[0])
        }
        #expect(read("abc.def\nrest") == "abc.def")
        #expect(read("\n") == nil)
        #expect(read("") == nil)
        #expect(read(String(repeating: "x", count: 10_000))?.utf8.count == 4096)
    }
}
