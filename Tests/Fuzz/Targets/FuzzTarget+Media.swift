// RTP, RTCP, SRTP, and what video codecs say of their payloads.

import Media
import RTC

extension FuzzTarget {
    private static let extended: [UInt8] =
        [0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xBE, 0xDE, 0, 2, 0x10, 0x61, 0x22, 1, 2, 3, 0, 0] + [1, 2, 3, 4]
    private static let twoByte: [UInt8] =
        [0xB1, 224, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0x10, 0, 0, 1, 3, 1, 0x61, 0] + [1, 2, 3, 4, 0, 2]

    static let rtp = FuzzTarget("rtp") {
        // A moment with the offset of its clock, and one without.
        let head: [UInt8] = [0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xBE, 0xDE, 0],
            time: [UInt8] = [0xE9, 1, 2, 3, 4, 5, 6, 7]
        return [
            extended, twoByte, head + [5, 0x9F] + time + [UInt8](repeating: 0xFF, count: 8) + [0, 0, 0, 1],
            head + [3, 0x97] + time + [0, 0, 0, 1],
        ]
    } run: { bytes in
        guard let header = RTPHeader(bytes) else { return }
        never(header.payloadOffset > bytes.count, "a header longer than its packet")
        for id: UInt8 in [1, 2, 3, 4, 9, 14, 15, 16, 255] {
            guard let range = header.range(ofExtension: id, in: bytes) else { continue }
            never(
                range.lowerBound < header.extensionOffset
                    || range.upperBound > header.extensionOffset + header.extensionLength,
                "an extension outside of its block")
            let element = UnsafeRawBufferPointer(rebasing: bytes[range])
            _ = PictureRotation(orientation: element)
            _ = ColorSignal(element: element)
            repeats(CaptureTime(element))
        }
        for length in [bytes.count, bytes.count / 2, header.payloadOffset] {
            guard let range = header.payload(in: bytes, length: length) else { continue }
            never(
                range.lowerBound < header.payloadOffset || range.upperBound > length, "a payload outside of its packet")
        }
        var out = [UInt8](repeating: 0, count: 12)
        _ = out.withUnsafeMutableBytes { header.write(to: $0, hasExtension: false) }
        let again = out.withUnsafeBytes { RTPHeader($0) }
        never(
            again?.ssrc != header.ssrc || again?.timestamp != header.timestamp || again?.marker != header.marker
                || again?.sequenceNumber != header.sequenceNumber || again?.payloadType != header.payloadType,
            "what was written is read otherwise")
    }

    /// What we write of a moment is the same one, to what a tick of 2^-32 s is.
    private static func repeats(_ told: CaptureTime?) {
        guard let told else { return }
        var element = [UInt8](repeating: 0, count: CaptureTime.elementLength)
        let isWritten = element.withUnsafeMutableBytes {
            CaptureTime.write(unixNanoseconds: told.unixNanoseconds, to: $0)
        }
        let read = element.withUnsafeBytes { CaptureTime($0) }
        never(!isWritten || read?.offset != 0, "a moment of ours that is not read")
        never(read.map { ($0.unixNanoseconds &- told.unixNanoseconds).magnitude > 1 } ?? true, "another moment")
    }

    static let rtcp = FuzzTarget("rtcp") {
        [
            [0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 1, 0],
            [0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 9, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            [0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, 0x61, 0x62, 0x63, 0, 0, 0], [0x81, 203, 0, 1, 0, 0, 0, 1],
            [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0x80, 1], [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
            [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0],
            [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4D, 0x42, 1, 12, 1, 2, 0, 0, 0, 2],
            [0x83, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0x0E, 0x49, 0xF0, 0x28],
            [0xA1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0x80, 1, 0, 0, 0, 4],
        ]
    } run: { bytes in
        let packets = RTCPPacket.parse(bytes)
        let written = RTCPPacket.write(packets)
        let again = written.withUnsafeBytes { RTCPPacket.parse($0) }
        // What was understood once can be said, and is understood the same way.
        never(again.count != packets.count, "\(packets.count) messages became \(again.count)")
        for (one, other) in zip(packets, again) {
            switch (one, other) {
            // A request may name a packet twice and in any order; said again it names it once.
            case (.nack(let one), .nack(let other)):
                // Of very long ones the tail may lie behind what is read.
                never(!Set(other.lost).isSubset(of: one.lost), "other packets are asked for")
                never(
                    one.lost.count <= RTCPNACK.maximum - 17 && Set(other.lost) != Set(one.lost),
                    "fewer packets are asked for")
            // A name that is no text is one with replacement characters, cut to its room.
            case (.sourceDescription(let one), .sourceDescription(let other)):
                never(one.chunks.map(\.ssrc) != other.chunks.map(\.ssrc), "other sources are described")
            default: never(one != other, "what is written is read otherwise")
            }
        }
    }

    static let vp8 = FuzzTarget("vp8") {
        [
            [0x90, 0x80, 0x81, 0x02, 0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1, 0],
            [0x90, 0xE0, 0x81, 0x02, 7, 0x60, 0x11, 0, 0], [0x80, 0x20, 0x40, 1], [0x10, 1, 2, 3],
        ]
    } run: { bytes in
        guard let payload = VideoPayload(bytes, codec: .vp8) else { return }
        never(payload.offset > bytes.count, "a descriptor longer than its payload")
        let shift = VP8Shift(from: payload.indices, behind: VP8Indices())
        let moved = payload.indices.moved(by: shift)
        var out = [UInt8](repeating: 0, count: bytes.count + 8)
        let length = out.withUnsafeMutableBytes { moved.write(over: bytes, to: $0) }
        never(length > bytes.count, "a descriptor that grows")
        guard length > 0 else { return }
        // The same descriptor with other numbers in it.
        let again = (out[..<length] + Array(bytes)[length...]).withUnsafeBytes { VideoPayload($0, codec: .vp8) }
        never(
            again?.offset != payload.offset || again?.indices.length != payload.indices.length,
            "a descriptor that changed")
    }

    static let vp9 = FuzzTarget("vp9") {
        [
            [0x8A, 0x81, 0x02, 0x08, 0x04, 2, 0x80, 1, 0x68, 0, 0x82, 0x49, 0x83, 0x42],
            [0xA8, 0x81, 0x02, 0x25, 3, 1, 2],
            [0xF8, 0x05, 0x25, 0x03, 0x02, 9], [0x88, 0x01, 0x82],
            // Three spatial layers with their sizes and a group of pictures; the second layer of a picture between.
            [0xAA, 0x81, 0x02, 0x00, 3, 0x58, 1, 0x40, 0, 0xB4, 2, 0x80, 1, 0x68, 5, 0, 2, 0xD0, 1, 0x54, 1, 0x82],
            [0xEC, 0x81, 0x02, 0x53, 3, 0x86],
        ]
    } run: { bytes in
        guard let payload = VideoPayload(bytes, codec: .vp9) else { return }
        never(payload.offset > bytes.count, "a descriptor longer than its payload")
        never(payload.place.spatial > 7 || payload.place.temporal > 7, "a layer that there can't be")
        never(
            !payload.place.isLayered && (payload.place.spatial > 0 || payload.place.temporal > 0),
            "a layer without layers")
        guard let structure = VP9Descriptor(bytes)?.structure else { return }
        never(structure.count > VP9Structure.maximumLayers, "more layers than there can be")
        never(payload.hasStructure != (structure.count > 0), "a structure that is told of otherwise")
        for layer in -1...VP9Structure.maximumLayers {
            let size = structure.size(layer)
            never(size != nil && !(0..<structure.count).contains(layer), "the size of a layer that there is not")
        }
    }

    static let dependency = FuzzTarget("dependency") {
        [
            // A key frame of two spatial layers with two temporal ones and their sizes, and a frame behind it.
            [
                23, 0x8A, 0x12, 0x34, 0x81, 0x42, 0x67, 0xAA, 0xAA, 0xAA, 0x45, 0x09, 0xA1, 0x12, 0x66, 0x67, 0x01,
                0x3F,
                0x00, 0xB3, 0x02, 0x7F, 0x01, 0x67, 0xCD, 0x12, 0x37,
            ],
            // The same, and a frame with targets, differences and a chain of its own.
            [
                23, 0x8A, 0x12, 0x34, 0x81, 0x42, 0x67, 0xAA, 0xAA, 0xAA, 0x45, 0x09, 0xA1, 0x12, 0x66, 0x67, 0x01,
                0x3F,
                0x00, 0xB3, 0x02, 0x7F, 0x01, 0x67, 0xCB, 0x00, 0x09, 0x7D, 0x54, 0x9A, 0x55, 0x00,
            ],
            [0, 0x80, 0, 7, 0x7C, 0x55, 0xAA],
            // Two layers of each kind with a target for each, and a frame that says which of them are left.
            [
                14, 0x8A, 0x12, 0x34, 0x81, 0x43, 0x67, 0xAA, 0x22, 0x0A, 0x02, 0x45, 0x09, 0xA1, 0x10, 0xCD, 0x12,
                0x37, 0x41, 0x80,
            ],
        ]
    } run: { bytes in
        // The first may bring a structure, the second may follow it.
        var input = FuzzInput(bytes)
        let first = input.take(Int(input.byte())), second = input.rest()
        let key = first.withUnsafeBytes { DependencyDescriptor($0, known: nil) }
        if let structure = key?.structure {
            never(!(1...64).contains(structure.templates), "more templates than have numbers")
            never(!(1...32).contains(structure.decodeTargets), "more targets than there can be")
            never(structure.chains > structure.decodeTargets || structure.spatialLayers > 4, "more than there can be")
        } else {
            never(key != nil, "a frame of which nothing is known")
        }
        guard (3...255).contains(second.count),
            let frame = second.withUnsafeBytes({ DependencyDescriptor($0, known: key?.structure) })
        else { return }
        // Written with another number it is the same frame otherwise.
        var out = [UInt8](repeating: 0, count: 300)
        let end = out.withUnsafeMutableBytes { room -> Int? in
            let header = RTPHeader(payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3)
            guard let start = header.write(to: room, hasExtension: true) else { return nil }
            var writer = RTPExtensionWriter(
                room, at: start, isLong: second.count > RTPExtensionWriter.maximumShortLength)
            second.withUnsafeBytes { writer.append(id: 12, descriptor: $0, shift: 1000) }
            return writer.finish()
        }
        let again = out.withUnsafeBytes { bytes -> DependencyDescriptor? in
            guard let header = RTPHeader(bytes), header.payloadOffset == end,
                let range = header.range(ofExtension: 12, in: bytes)
            else { return nil }
            return DependencyDescriptor(UnsafeRawBufferPointer(rebasing: bytes[range]), known: key?.structure)
        }
        var expected = frame
        expected.frameNumber &+= 1000
        never(again != expected, "what was written is read otherwise")
        guard let structure = frame.structure ?? key?.structure else { return }
        // Nor with another word on its targets, and that stays as it is when it is written once more.
        func narrow(_ element: [UInt8], _ read: DependencyDescriptor?) -> [UInt8]? {
            var out = [UInt8](repeating: 0, count: 300)
            let count = element.withUnsafeBytes { element in
                out.withUnsafeMutableBytes { read?.write(element, activeTargets: 1, of: structure, to: $0) }
            }
            return count.map { Array(out.prefix($0)) }
        }
        func read(_ element: [UInt8]) -> DependencyDescriptor? {
            element.withUnsafeBytes { DependencyDescriptor($0, known: key?.structure) }
        }
        let narrowed = narrow(Array(second), frame), told = narrowed.flatMap(read)
        never(told?.activeTargets != 1 || told?.structure != frame.structure, "other targets than were written")
        never(told?.frameNumber != frame.frameNumber || told?.templateID != frame.templateID, "another frame")
        never(narrowed.flatMap { narrow($0, told) } != narrowed, "written once more it is something else")
    }

    static let h264 = FuzzTarget("h264") {
        [
            [0x65, 0x88, 1, 2], [0x67, 0x42, 0xE0, 0x1F, 1], [0x78, 0, 3, 0x67, 0x42, 1, 0, 2, 0x65, 1],
            [0x7C, 0x85, 1, 2], [0x7C, 0x45, 3, 4], [0x41, 0x9A, 1],
        ]
    } run: { bytes in
        _ = VideoPayload(bytes, codec: .h264)
        // What we send of one unit we understand, however long it is.
        let unit = [0x65] + Array(bytes), count = UInt32(unit.count)
        let frame = [UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)] + unit
        let packets = frame.withUnsafeBytes { H264Packetizer.packetize($0) }
        never(packets.isEmpty, "a unit that is not sent")
        for packet in packets {
            never(packet.withUnsafeBytes { VideoPayload($0, codec: .h264) } == nil, "a packet of ours that is not read")
        }
    }

    /// A codec, then packets: a step of the sequence number, one of time, a length, and so many bytes.
    static let assembler = FuzzTarget("assembler") {
        let key: [UInt8] = [0x10, 0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1], delta: [UInt8] = [0x10, 0x11, 1, 2]
        return [
            [0, 1, 0x80, 11] + key + [1, 0x83, 4] + delta + [2, 0x83, 4] + delta,
            [1, 1, 0x80, 8, 0x8C, 0x81, 1, 0x82, 0x49, 0x83, 0x42, 0, 1, 0x83, 3, 0xC8, 1, 2],
            [2, 1, 0x80, 4, 0x65, 0x88, 1, 2, 1, 3, 4, 0x7C, 0x81, 1, 2, 1, 0x83, 4, 0x7C, 0x41, 3, 4],
            [3, 1, 0, 3, 0xF8, 1, 2, 200, 3, 3, 0xF8, 1, 2],
        ]
    } run: { bytes in
        var input = FuzzInput(bytes), now = MonotonicTime(milliseconds: 1000)
        let codecs: [Codec] = [.vp8, .vp9, .h264, .opus]
        var assembler = FrameAssembler(codec: codecs[Int(input.byte() & 3)], maximumWaitMs: 100)
        var sequence: Int64 = 100, timestamp: UInt32 = 0, last: Int64?
        while !input.isAtEnd {
            sequence += Int64(Int8(bitPattern: input.byte()))
            let time = input.byte()
            timestamp &+= UInt32(time & 0x7F) * 1000
            let payload = input.take(Int(input.byte()))
            payload.withUnsafeBytes {
                assembler.insert(
                    sequence: sequence, timestamp: timestamp, marker: time & 0x80 != 0, payload: $0, now: now)
            }
            now = now.advanced(byMilliseconds: 5)
            while let frame = assembler.pop(now: now) {
                never(frame.payload.count == 0, "an empty picture")
                last = frame.timestamp
            }
        }
        _ = last
    }

    /// A profile, then packets: what we seal we open, and what we did not seal is refused.
    static let srtp = FuzzTarget("srtp") {
        [
            [0] + extended, [1] + extended, [2] + twoByte, [3, 0x80, 200, 0, 1, 0, 0, 0, 1],
            [4] + extended + [UInt8](repeating: 0, count: 20),
        ]
    } run: { bytes in
        var input = FuzzInput(bytes)
        let choice = input.byte(), profile: SRTPProfile = choice & 1 == 0 ? .aeadAES128GCM : .aes128CMHMACSHA1
        let salt = [UInt8](repeating: 9, count: profile.saltLength)
        guard let keys = SRTPKeys(profile: profile, key: [UInt8](repeating: 3, count: 16), salt: salt) else { return }
        let sender = SRTPSender(keys), receiver = SRTPReceiver(keys), packet = input.rest()
        var raw = packet
        raw.withUnsafeMutableBytes { raw in
            // A tag that comes out right by chance takes 2^80 tries.
            if let header = RTPHeader(UnsafeRawBufferPointer(raw)) {
                never((try? receiver.unprotect(raw, header: header)) != nil, "a stranger's packet was opened")
            }
        }
        raw = packet
        raw.withUnsafeMutableBytes { never((try? receiver.unprotectRTCP($0)) != nil, "a stranger's report was opened") }
        var sealed = sender.protectRTCP(packet)
        if !sealed.isEmpty {
            let length = sealed.withUnsafeMutableBytes { try? receiver.unprotectRTCP($0) }
            never(
                length != packet.count || Array(sealed.prefix(packet.count)) != packet, "a report of ours is not opened"
            )
        }
        guard let header = packet.withUnsafeBytes({ RTPHeader($0) }) else { return }
        var out = packet + [UInt8](repeating: 0, count: profile.rtpOverhead)
        let length = out.withUnsafeMutableBytes { out in
            packet.withUnsafeBytes { packet in
                sender.protect(
                    out, headerLength: header.payloadOffset,
                    payload: UnsafeRawBufferPointer(rebasing: packet[header.payloadOffset...]), ssrc: header.ssrc,
                    index: Int64(header.sequenceNumber))
            }
        }
        never(length != out.count, "a packet of ours has another length")
        let opened = out.withUnsafeMutableBytes { try? receiver.unprotect($0, header: header).length }
        never(opened != packet.count || Array(out.prefix(packet.count)) != packet, "a packet of ours is not opened")
    }

    /// Sequence numbers, timestamps and moments, as statistics, unwrapping and requests for what is missing see them.
    static let sequences = FuzzTarget("sequences") {
        [[0, 1, 0, 2, 0, 5, 0, 4, 0xFF, 0xFF, 0, 0], [0x7F, 0xFF, 0x80, 0, 0xFF, 0xFE, 0, 3]]
    } run: { bytes in
        var input = FuzzInput(bytes), now = MonotonicTime(milliseconds: 1000)
        var unwrapper = SequenceUnwrapper(), times = TimestampUnwrapper(), nacks = NackGenerator()
        var statistics = ReceiveStatistics(clockRate: 90_000)
        while !input.isAtEnd {
            let number = input.word(), sequence = unwrapper.unwrap(number)
            never(UInt16(truncatingIfNeeded: sequence) != number, "a number that unwraps to another")
            let stamp = UInt32(number) &* 70_000
            never(UInt32(truncatingIfNeeded: times.unwrap(stamp)) != stamp, "a timestamp that unwraps to another")
            _ = nacks.note(sequence, now: now)
            statistics.note(sequence: sequence, timestamp: stamp, now: now)
            now = now.advanced(byMilliseconds: Int64(number & 63))
            if number & 7 == 0 { _ = statistics.report(ssrc: 1, now: now) }
            never(nacks.due(now: now, roundTripMs: 30).count > NackGenerator.maximumMissing, "too much is asked for")
        }
    }
}
