// What a shard says of its connections while media flows, and how long packets are in it.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("Reports of connections", .serialized)
struct ConnectionReportTests {
    private let camera = LocalTrack(name: "camera", codec: .vp8)

    private func reports(_ harness: Harness, _ participant: String?) async throws -> [ConnectionReport] {
        let reply = try await harness.shard.send(.connections(room: "room", participant: participant))
        guard case .connections(let reports) = reply else { throw RTCTestError() }
        return reports
    }

    @Test("a publisher's and a subscriber's: path, protection, rates, loss, requests and layers; in short of everybody")
    func report() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera])
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben", loss: LossModel(seed: 3, incomingPercent: 10))
        #expect(log.waitConnected())
        let start = SystemClock.monotonic()
        var asked = -1
        // Three seconds in step with the clock: rates are those of a second.
        for index in 0..<150 {
            let keyframes = publisherLog.keyframes.load(ordering: .relaxed)
            publisher.send(TestFrames.vp8(index, isKeyframe: keyframes != asked, size: 5000), on: "camera")
            asked = keyframes
            let wait = start.advanced(byMilliseconds: Int64(index + 1) * 20).milliseconds(
                since: SystemClock.monotonic())
            if wait > 0 { try await Task.sleep(for: .milliseconds(wait)) }
        }
        let up = try #require(try await reports(harness, "anna").first)
        #expect(up.direction == .publishes && up.state == .connected && up.session == "anna-up")
        #expect(up.protection == "SRTP_AEAD_AES_128_GCM")
        let path = try #require(up.path)
        #expect(path.transport == "udp" && path.family == "ipv4" && path.paths >= 1 && path.moves == 0)
        #expect(path.address.hasPrefix("127.0.0.1:"))
        // 5 kB, fifty times a second; a machine under load sends fewer.
        #expect((400_000...3_000_000).contains(up.bitrateIn), "\(up.bitrateIn) bit/s")
        #expect(up.bitrateOut == 0)
        // No media goes to a publisher: it answers our clock.
        #expect((0...2000).contains(try #require(up.roundTripMs)))
        let sent = try #require(up.tracks.first)
        #expect(sent.id == "camera.anna-up.0" && sent.isFlowing && sent.keyframeRequests >= 1)
        #expect(sent.layers.count == 1 && sent.layers[0].isActive && sent.layers[0].width == 640)
        #expect(sent.layers[0].height == 360 && sent.layers[0].name == nil)
        let down = try #require(try await reports(harness, "ben").first)
        #expect(down.direction == .receives && down.state == .connected)
        #expect((400_000...3_000_000).contains(down.bitrateOut), "\(down.bitrateOut) bit/s")
        let got = try #require(down.tracks.first)
        #expect(got.participant == "anna" && got.isFlowing && got.layer == 0)
        #expect(got.nacks > 10 && got.retransmissions > 10, "\(got.nacks) \(got.retransmissions)")
        let trip = try #require(down.roundTripMs)
        #expect((0...2000).contains(trip))
        let all = try await reports(harness, nil)
        #expect(all.map(\.participant).sorted() == ["anna", "ben"] && all.allSatisfy { $0.tracks.isEmpty })
        #expect(try await reports(harness, "nobody").isEmpty)
        _ = try await harness.shard.send(.setMuted(track: "camera.anna-up.0", muted: true))
        #expect(try await reports(harness, "ben").first?.tracks.first?.isFlowing == false)
        await #expect(throws: SFUError.self) {
            _ = try await harness.shard.send(.connections(room: "elsewhere", participant: nil))
        }
        // Every forwarded packet has been timed, and none of them took a second.
        let statistics = try await harness.statistics()
        #expect(statistics.latencyCounts.reduce(0, +) == statistics.packetsForwarded)
        #expect(statistics.latencyNanoseconds / max(1, statistics.packetsForwarded) < 1_000_000_000)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("durations are counted in their buckets, the bound included, and told as a histogram that adds up")
    func latency() {
        var latency = ForwardingLatency()
        latency.note(3, nanoseconds: 20_000)
        latency.note(2, nanoseconds: 20_001)
        latency.note(1, nanoseconds: 60_000_000)
        latency.note(4, nanoseconds: -5)
        #expect(latency.counts == [7, 2] + Array(repeating: 0, count: 9) + [1])
        let series = ForwardingLatency.series(latency.counts, nanoseconds: latency.nanoseconds, name: "x")
        #expect(series["x_seconds_bucket{le=\"2e-05\"}"] == 7 && series["x_seconds_bucket{le=\"5e-05\"}"] == 9)
        #expect(series["x_seconds_bucket{le=\"0.05\"}"] == 9 && series["x_seconds_bucket{le=\"+Inf\"}"] == 10)
        #expect(series["x_seconds_count"] == 10)
        #expect(abs((series["x_seconds_sum"] ?? 0) - 0.060100002) < 1e-9)
        #expect(series.count == 14)
    }

    @Test("rates are those of the time between two looks")
    func rates() {
        var measured = Measured(), now = MonotonicTime(nanoseconds: 0)
        measured.bytes = 1_000_000
        measured.measure(now: now)
        #expect(measured.bitrate == 0, "of one look nothing follows")
        now = now.advanced(byMilliseconds: 1000)
        measured.bytes += 125_000
        measured.measure(now: now)
        #expect(measured.bitrate == 1_000_000)
        now = now.advanced(byMilliseconds: 2000)
        measured.measure(now: now)
        #expect(measured.bitrate == 0)
    }
}
