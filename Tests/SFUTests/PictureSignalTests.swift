// Which signal belongs to which picture, when packets come in any order, and when they tell nonsense.

import Media
import RTC
import Testing

@testable import RTCClient

@Suite("The signals of a track")
struct PictureSignalTests {
    private static let turned = PictureSignal(rotation: .clockwise90, color: .init(.program))

    private func fixture() -> PictureSignals {
        var section = MediaSection(kind: .video, mid: "0")
        section.extensions = [
            .init(id: 3, uri: RTPExtensionURI.videoOrientation), .init(id: 4, uri: RTPExtensionURI.colorSpace),
        ]
        return PictureSignals(section)
    }

    /// A packet with the elements given as id and bytes.
    private func note(_ signals: inout PictureSignals, _ timestamp: UInt32, _ elements: [(UInt8, [UInt8])]) {
        var bytes = [UInt8](repeating: 0, count: 200)
        let header = RTPHeader(payloadType: 96, sequenceNumber: 1, timestamp: timestamp, ssrc: 1)
        bytes.withUnsafeMutableBytes { raw in
            _ = header.write(to: raw, hasExtension: true)
            var writer = RTPExtensionWriter(raw, at: 12)
            for (id, value) in elements { value.withUnsafeBytes { writer.append(id: id, $0) } }
            _ = writer.finish()
        }
        bytes.withUnsafeBytes { raw in if let read = RTPHeader(raw) { signals.note(read, raw) } }
    }

    private let told: [(UInt8, [UInt8])] = [(3, [1]), (4, [1, 13, 1, 0x10])]

    @Test("what a key frame tells holds for the frames after it, until it changes or a key frame tells nothing")
    func holds() {
        var signals = fixture()
        note(&signals, 1000, told)
        #expect(signals.take(timestamp: 1000, isKeyframe: true) == Self.turned)
        #expect(signals.take(timestamp: 4000, isKeyframe: false) == Self.turned)
        note(&signals, 7000, [(3, [0])])
        #expect(signals.take(timestamp: 7000, isKeyframe: false) == PictureSignal(color: .init(.program)))
        #expect(signals.take(timestamp: 10_000, isKeyframe: true) == PictureSignal())
    }

    @Test("packets of later frames that come early wait for their frame, across the timestamp's wrap")
    func order() {
        var signals = fixture()
        note(&signals, 2000, [(3, [2])])
        note(&signals, UInt32.max - 999, told)
        #expect(signals.take(timestamp: UInt32.max - 999, isKeyframe: true) == Self.turned)
        #expect(signals.take(timestamp: 2000, isKeyframe: false).rotation == .half)
    }

    @Test("what lost frames told holds too, but not beyond a key frame")
    func lost() {
        var signals = fixture()
        note(&signals, 1000, told)
        note(&signals, 2000, [(3, [3])])
        #expect(signals.take(timestamp: 3000, isKeyframe: false).rotation == .clockwise270)
        note(&signals, 4000, told)
        #expect(signals.take(timestamp: 5000, isKeyframe: true) == PictureSignal())
    }

    @Test("elements of a wrong length tell nothing, and what waits is bounded")
    func hostile() {
        var signals = fixture()
        note(&signals, 1000, [(3, [1, 2]), (4, [1, 1, 1])])
        #expect(signals.take(timestamp: 1000, isKeyframe: true) == PictureSignal())
        for index in 0..<10_000 { note(&signals, UInt32(2_000_000 + index * 3000), told) }
        #expect(signals.take(timestamp: 2000, isKeyframe: true) == PictureSignal())
        var random = UInt64(7)
        for _ in 0..<20_000 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let byte = UInt8(truncatingIfNeeded: random >> 40), length = Int(random >> 50 & 15) + 1
            let id = UInt8(truncatingIfNeeded: random >> 60) & 7 + 1
            note(&signals, UInt32(truncatingIfNeeded: random), [(id, [UInt8](repeating: byte, count: length))])
            if random >> 33 & 3 == 0 {
                _ = signals.take(timestamp: UInt32(truncatingIfNeeded: random >> 8), isKeyframe: random >> 20 & 1 == 0)
            }
        }
    }
}
