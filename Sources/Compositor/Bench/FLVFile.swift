// What the encoders make as an FLV file, as the peers of the benchmark write theirs.

import Foundation
import Media

/// Turns encoded frames into the bytes of an FLV file of one picture track and one sound track.
///
/// Source: Adobe Flash Video File Format Specification 10.1, annex E.
struct FLVFile {
    private static let videoTag: UInt8 = 9, audioTag: UInt8 = 8
    /// Milliseconds from the first decoding time to the first presentation time.
    private var originMs: Int64?

    /// Returns how the file begins.
    ///
    /// - Parameters:
    ///   - video: the AVC configuration record.
    ///   - audio: the AAC configuration.
    func start(video: ByteBlock, audio: ByteBlock) -> Data {
        // Both tracks are there; nine bytes of header, and the length of no tag before.
        var data = Data([0x46, 0x4C, 0x56, 1, 0b101, 0, 0, 0, 9, 0, 0, 0, 0])
        append(Self.videoTag, [0x17, 0, 0, 0, 0], video, atMs: 0, to: &data)
        append(Self.audioTag, [0xAF, 0], audio, atMs: 0, to: &data)
        return data
    }

    /// Returns the tag of a frame.
    mutating func tag(_ frame: EncodedFrame) -> Data {
        let dts = frame.dts * 1000 / Int64(frame.timescale), pts = frame.pts * 1000 / Int64(frame.timescale)
        if frame.codec == .h264, originMs == nil { originMs = dts }
        let stamp = max(0, dts - (originMs ?? 0))
        var data = Data(capacity: frame.payload.count + 32)
        if frame.codec == .h264 {
            let offset = UInt32(truncatingIfNeeded: pts - dts)
            let prefix: [UInt8] = [
                frame.isKeyframe ? 0x17 : 0x27, 1, UInt8(truncatingIfNeeded: offset >> 16),
                UInt8(truncatingIfNeeded: offset >> 8), UInt8(truncatingIfNeeded: offset),
            ]
            append(Self.videoTag, prefix, frame.payload, atMs: stamp, to: &data)
        } else {
            append(Self.audioTag, [0xAF, 1], frame.payload, atMs: stamp, to: &data)
        }
        return data
    }

    private func append(_ type: UInt8, _ prefix: [UInt8], _ payload: ByteBlock, atMs stamp: Int64, to data: inout Data)
    {
        let length = UInt32(prefix.count + payload.count), time = UInt32(truncatingIfNeeded: stamp)
        data.append(type)
        data.append(contentsOf: [length >> 16, length >> 8, length].map { UInt8(truncatingIfNeeded: $0) })
        // The uppermost byte of the time comes last; three bytes of stream id follow.
        data.append(contentsOf: [time >> 16, time >> 8, time, time >> 24].map { UInt8(truncatingIfNeeded: $0) })
        data.append(contentsOf: [0, 0, 0])
        data.append(contentsOf: prefix)
        payload.withBytes { data.append(contentsOf: $0) }
        let tag = length + 11
        data.append(contentsOf: [tag >> 24, tag >> 16, tag >> 8, tag].map { UInt8(truncatingIfNeeded: $0) })
    }
}
