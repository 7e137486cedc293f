// Packets of a picture that are made equal in length, so that they can go as one message.

import Media
import RTC
import Testing

@testable import SFU

@Suite("Equal sizes")
struct EqualSizesTests {
    @Test func piecesOfAPictureThatDifferByAByteBecomeEqual() {
        var packetizer = FramePacketizer(codec: .vp8, pictureID: 7)
        var equal = 0, pictures = 0
        for size in stride(from: 3000, through: 30_000, by: 37) {
            let lengths = [UInt8](repeating: 1, count: size).withUnsafeBytes { packetizer.packetize($0) }.map(\.count)
            let padded = lengths.dropLast().map { $0 + Int(EqualSizes.padding(of: $0, behind: 20)) }
            pictures += 1
            // The last one may be shorter.
            if Set(padded).count == 1, lengths[lengths.count - 1] <= padded[0] { equal += 1 }
        }
        #expect(equal > pictures * 7 / 10, "\(equal) of \(pictures)")
    }

    @Test func paddingIsAlwaysLessThanAStepAndFitsItsSlot() {
        for length in 0...PacketStore.slotSize {
            let padding = Int(EqualSizes.padding(of: length, behind: 16))
            #expect(padding < EqualSizes.step && (padding == 0 || (length + padding) % EqualSizes.step == 0))
            #expect(padding == 0 || 16 + length + padding <= PacketStore.slotSize)
        }
        #expect(EqualSizes.padding(of: 0, behind: 16) == 0)
    }

    @Test func aPaddedPacketIsReadAsItWasSent() throws {
        var header = RTPHeader(payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3)
        header.hasPadding = true
        var bytes = [UInt8](repeating: 5, count: 12 + 13) + [0, 0, 3]
        _ = bytes.withUnsafeMutableBytes { header.write(to: $0, hasExtension: false) }
        let read = try #require(bytes.withUnsafeBytes { RTPHeader($0) })
        #expect(read.hasPadding)
        #expect(bytes.withUnsafeBytes { read.payload(in: $0, length: $0.count) } == 12..<25)
    }
}
