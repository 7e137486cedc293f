// Orientation and colour as header extensions: what is read, what is written, and what means nothing.

import Media
import Testing

@testable import RTC

@Suite("Orientation and colour on the wire")
struct VideoExtensionTests {
    private func color(_ bytes: [UInt8]) -> ColorSignal? { bytes.withUnsafeBytes { ColorSignal(element: $0) } }
    private func rotation(_ bytes: [UInt8]) -> PictureRotation? {
        bytes.withUnsafeBytes { PictureRotation(orientation: $0) }
    }

    @Test("the two lowest bits of the orientation turn the picture clockwise; camera and mirror bits are left aside")
    func orientation() {
        #expect([0, 1, 2, 3].compactMap { rotation([$0]) } == PictureRotation.allCases)
        #expect(rotation([0x0D]) == .clockwise90)
        #expect(rotation([]) == nil && rotation([1, 1]) == nil)
        for rotation in PictureRotation.allCases { #expect(self.rotation([rotation.orientationByte]) == rotation) }
    }

    @Test("matrix and range are read by their numbers of H.273 and of libwebrtc")
    func colorSpace() {
        // What Chromium sends for a canvas: BT.709 primaries, sRGB transfer, BT.709 matrix, full range.
        #expect(color([1, 13, 1, 0x20]) == ColorSignal(matrix: .bt709, isFullRange: true))
        // And for a camera on Linux.
        #expect(color([6, 6, 6, 0x10]) == ColorSignal(matrix: .bt601, isFullRange: false))
        #expect(color([5, 1, 5, 0x15]) == ColorSignal(matrix: .bt601, isFullRange: false), "the siting is left aside")
        #expect(
            color([1, 1, 1, 0x20] + [UInt8](repeating: 7, count: 24)) == ColorSignal(matrix: .bt709, isFullRange: true))
    }

    @Test("what is unspecified, derived or of another matrix is not told, and damaged elements are none")
    func untold() {
        #expect(color([2, 2, 2, 0]) == .untold)
        #expect(color([9, 16, 9, 0x30]) == .untold, "BT.2020 and a derived range")
        #expect(color([1, 1, 1, 0]) == ColorSignal(matrix: .bt709))
        for count in 0..<40 where count != 4 && count != 28 {
            #expect(color([UInt8](repeating: 1, count: count)) == nil)
        }
        for value in UInt8.min...UInt8.max {
            _ = color([value, value, value, value])
            _ = rotation([value])
        }
        let camera = ColorSignal(isFullRange: true).description(otherwise: .vp8)
        #expect(camera == ColorDescription(matrix: .bt601, isFullRange: true))
    }

    @Test("what is written is read back")
    func roundTrip() {
        for matrix in [nil, ColorDescription.Matrix.bt601, .bt709] {
            for range in [nil, false, true] {
                let signal = ColorSignal(matrix: matrix, isFullRange: range)
                #expect(color(signal.element) == signal)
            }
        }
    }

    @Test("a video section of an offer names both, and its answer gives them back under the offer's ids")
    func negotiated() throws {
        let identity = try #require(DTLSIdentity())
        let local = LocalTransport(
            ufrag: "ufrag", password: String(repeating: "p", count: 24), fingerprint: identity.fingerprint,
            candidates: [],
            isLite: true)
        var section = MediaSection.offer(
            kind: .video, mid: "0", transport: local, stream: "anna", track: "camera",
            source: .init(ssrc: 1, rtx: 2, cname: "anna"), codecs: MediaSection.offered(.vp8))
        #expect(section.extensionID(RTPExtensionURI.videoOrientation) == OfferedIDs.videoOrientation)
        #expect(section.extensionID(RTPExtensionURI.colorSpace) == OfferedIDs.colorSpace)
        section.extensions = [
            .init(id: 11, uri: RTPExtensionURI.videoOrientation), .init(id: 8, uri: RTPExtensionURI.colorSpace),
            .init(id: 5, uri: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),
            .init(id: 200, uri: RTPExtensionURI.mid),
        ]
        #expect(section.answer(local, receives: true).extensions == Array(section.extensions.prefix(2)))
        let sound = MediaSection.offer(
            kind: .audio, mid: "1", transport: local, stream: "anna", track: "microphone",
            source: .init(ssrc: 3, cname: "anna"), codecs: MediaSection.offered(.opus))
        #expect(sound.extensionID(RTPExtensionURI.videoOrientation) == nil)
    }
}
