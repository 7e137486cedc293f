// A phone held upright: what its sender tells comes out at the picture, through the media server.

import Control
import Media
import RTCClient
import SFU
import Testing

@testable import Compositor

@Suite("A camera that tells how it is held", .serialized, .timeLimit(.minutes(5)))
struct TurnedCameraTests {
    /// The first picture of a participant.
    private func picture(of participant: String, in room: StageRoom) async throws -> VideoFrame {
        while true {
            if let picture = room.pictures(at: SystemClock.monotonic())[.participant(participant)] { return picture }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("a quarter turn and full-range BT.709 go from a publisher by way of the media server to the picture")
    func told() async throws {
        let harness = try RoomHarness()
        try await harness.createRoom()
        try await harness.subscribe("down-1")
        let told = PictureSignal(rotation: .clockwise90, color: .init(matrix: .bt709, isFullRange: true))
        let speakers = [
            try await harness.speaker("anna", signal: told), try await harness.speaker("ben"),
        ]
        for speaker in speakers { speaker.start() }
        let turned = try await picture(of: "anna", in: harness.room)
        #expect(turned.rotation == .clockwise90 && turned.width == 320 && turned.height == 180)
        #expect(turned.color == ColorDescription(matrix: .bt709, isFullRange: true))
        let upright = try await picture(of: "ben", in: harness.room)
        #expect(upright.rotation == .none && upright.color == .vp8)
        for speaker in speakers { speaker.stop() }
        harness.stop()
    }
}
