// Who may send what: an offer of anything else is refused whole, whatever it calls its sections.

import Control
import Media
import RTC
import RTCClient
import Testing

@testable import SFU

@Suite("What participants may send", .serialized)
struct AllowedSourcesTests {
    private func publish(
        _ harness: Harness, _ tracks: [LocalTrack], sources: [String: TrackSource] = [:], _ allowed: Set<TrackSource>?,
        session: String = "anna-up"
    ) async throws -> SFUReply {
        let client = try RTCClient(name: "allowed", bind: Harness.loopback) { _ in }
        defer { client.stop() }
        let offer = try await client.offer(tracks, stream: "anna")
        return try await harness.shard.send(
            .publish(
                room: "room", participant: "anna", session: session, offer: offer, sources: sources, allowed: allowed))
    }

    private func refusal(_ work: () async throws -> SFUReply) async -> SFUError? {
        do {
            _ = try await work()
            return nil
        } catch {
            return error as? SFUError
        }
    }

    @Test("a first offer of which a part can't be carried is refused whole, and later ones go without it")
    func whole() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let client = try RTCClient(name: "whole", bind: Harness.loopback) { _ in }
        defer { client.stop() }
        let tracks = [LocalTrack(name: "microphone", codec: .opus), LocalTrack(name: "camera", codec: .vp8)]
        let known = try await client.offer(tracks, stream: "anna")
        let strange = known.replacing("VP8/90000", with: "H265/90000")
        func publish(_ offer: String) async throws -> SFUReply {
            try await harness.shard.send(
                .publish(room: "room", participant: "anna", session: "anna-up", offer: offer, sources: [:]))
        }
        let refused = await refusal { try await publish(strange) }
        #expect(refused?.code == .badRequest && refused?.detail.contains("section 1") == true)
        #expect(try await harness.statistics().sessions == 0, "nothing is left of what was refused")
        // Nothing is wanted of what is not sent.
        guard case .answer = try await publish(known) else { throw RTCTestError() }
        guard case .answer(let later) = try await publish(strange) else { throw RTCTestError() }
        #expect(try SessionDescription(parsing: later).media.map(\.isRejected) == [false, true])
        #expect(try await harness.statistics().producers == 1)
        harness.shard.stop()
    }

    @Test("what is not allowed is refused by its name in the command, by what it calls itself, and by its place")
    func refused() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let microphone = LocalTrack(name: "microphone", codec: .opus), camera = LocalTrack(name: "camera", codec: .vp8)
        let nameless = LocalTrack(name: "x", codec: .vp8), sound: Set<TrackSource> = [.microphone]
        let both = await refusal { try await publish(harness, [microphone, camera], sound) }
        #expect(both?.code == .forbidden && both?.detail.contains("camera") == true)
        // A picture does not become a sound by being called one.
        let named = await refusal {
            try await publish(harness, [microphone, camera], sources: ["0": .microphone, "1": .microphone], sound)
        }
        #expect(named?.code == .forbidden)
        let placed = await refusal { try await publish(harness, [nameless], sound) }
        #expect(placed?.code == .forbidden)
        // The second picture of a nameless pair is a screen.
        let second = await refusal {
            try await publish(harness, [nameless, LocalTrack(name: "y", codec: .vp8)], [.camera])
        }
        #expect(second?.code == .forbidden && second?.detail.contains("screen") == true)
        #expect(try await harness.statistics().sessions == 0, "nothing is left of what was refused")
        guard case .answer = try await publish(harness, [microphone], sound) else { throw RTCTestError() }
        guard case .answer = try await publish(harness, [microphone, camera], nil, session: "anna-2") else {
            throw RTCTestError()
        }
        #expect(try await harness.statistics().producers == 3)
        harness.shard.stop()
    }

    @Test("the order of a later offer makes no screen of what counts as a camera")
    func order() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let client = try RTCClient(name: "allowed", bind: Harness.loopback) { _ in }
        let whole = try SessionDescription(
            parsing: try await client.offer(
                [LocalTrack(name: "x", codec: .vp8), LocalTrack(name: "y", codec: .vp8)], stream: "anna"))
        func publish(_ mids: [String]) async throws -> SFUReply {
            var offer = whole
            offer.media = mids.compactMap { mid in whole.media.first { $0.mid == mid } }
            offer.bundle = mids
            return try await harness.shard.send(
                .publish(
                    room: "room", participant: "anna", session: "anna-up", offer: offer.text(),
                    sources: ["0": .camera], allowed: [.camera]))
        }
        guard case .answer = try await publish(["0"]) else { throw RTCTestError() }
        #expect(await refusal { try await publish(["1", "0"]) }?.code == .forbidden)
        #expect(await refusal { try await publish(["0", "1"]) }?.code == .forbidden)
        #expect(try await harness.statistics().producers == 1)
        guard case .answer = try await publish(["0"]) else { throw RTCTestError() }
        client.stop()
        harness.shard.stop()
    }
}
