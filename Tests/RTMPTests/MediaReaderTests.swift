// From tags to the steps of a stream.

import Media
import Testing

@testable import RTMP

@Suite("Media reader")
struct MediaReaderTests {
    private var reader = MediaReader()

    private mutating func read(_ type: UInt8, _ stamp: UInt32, _ payload: [UInt8]) throws -> [String] {
        var events: [StreamEvent] = []
        try reader.read(
            RTMPMessage(chunkStreamID: 4, type: type, streamID: 1, timestamp: stamp, payload: payload), into: &events)
        return events.map(label)
    }

    private let sequence: [UInt8] = [0x17, 0, 0, 0, 0] + Sample.videoConfiguration

    @Test("reports a configuration only when it changes")
    mutating func configurations() throws {
        var changed = sequence
        changed[changed.count - 1] ^= 1
        #expect(try read(9, 0, sequence) == ["video 18"])
        #expect(try read(9, 40, sequence) == [])
        #expect(try read(9, 80, changed) == ["video 18"])
        #expect(try read(8, 0, [0xAF, 0, 0x11, 0x90]) == ["audio [17, 144]"])
        #expect(try read(8, 0, [0xAF, 0, 0x11, 0x90]) == [])
        #expect(try read(8, 0, [0xAF, 0, 0x12, 0x10]) == ["audio [18, 16]"])
    }

    @Test("adds a signed composition time")
    mutating func compositionTime() throws {
        _ = try read(9, 0, sequence)
        #expect(try read(9, 100, [0x17, 1, 0, 0, 80] + Sample.picture(9, isIDR: true)) == ["h264 180/100 key 13"])
        #expect(try read(9, 140, [0x27, 1, 0xFF, 0xFF, 0xD8] + Sample.picture(9, isIDR: false)) == ["h264 100/140 13"])
    }

    @Test("calls a key frame only what holds an IDR")
    mutating func keyframes() throws {
        _ = try read(9, 0, sequence)
        #expect(try read(9, 0, [0x17, 1, 0, 0, 0] + Sample.picture(9, isIDR: false)) == ["h264 0/0 13"])
    }

    @Test("makes lengths of two bytes into lengths of four")
    mutating func lengthSizes() throws {
        var short = sequence
        short[9] = 0xFD
        _ = try read(9, 0, short)
        #expect(try read(9, 0, [0x17, 1, 0, 0, 0, 0, 2, 0x65, 1, 0, 1, 0x06]) == ["h264 0/0 key 11"])
    }

    @Test("drops and counts frames before their configuration and frames with broken lengths")
    mutating func drops() throws {
        #expect(try read(9, 0, [0x17, 1, 0, 0, 0] + Sample.picture(9, isIDR: true)) == [])
        #expect(try read(8, 0, [0xAF, 1, 1, 2]) == [])
        _ = try read(9, 0, sequence)
        #expect(try read(9, 0, [0x17, 1, 0, 0, 0, 0, 0, 0, 9, 0x65]) == [])
        #expect(try read(9, 0, [0x17, 1, 0, 0, 0, 0, 0, 0, 0]) == [])
        #expect(try read(9, 0, [0x17, 1, 0, 0, 0]) == [])
        #expect(reader.drops.beforeConfiguration == 2)
        #expect(reader.drops.malformedFrames == 3)
    }

    @Test(
        "refuses broken configurations",
        arguments: [
            [0x17, 0, 0, 0, 0, 0], [0x17, 0, 0, 0, 0, 1, 2, 3, 4, 0xFF, 0xE0],
            [0x17, 0, 0, 0, 0, 1, 2, 3, 4, 0xFE, 0xE1],
            [0x17, 0, 0, 0, 0, 1, 2, 3, 4, 0xFF, 0xE1, 0, 9, 0x67],
        ] as [[UInt8]])
    mutating func brokenConfiguration(payload: [UInt8]) {
        #expect(throws: RTMPError.malformedConfiguration) { try read(9, 0, payload) }
    }

    @Test(
        "refuses other codecs, in the old form and the enhanced one",
        arguments: [
            (9, [0x12, 0]), (8, [0x2F, 1, 2]), (9, [0x90, 0x68, 0x76, 0x63, 0x31]),
            (8, [0x90, 0x4F, 0x70, 0x75, 0x73]),
        ] as [(UInt8, [UInt8])])
    mutating func otherCodecs(type: UInt8, payload: [UInt8]) {
        #expect(throws: RTMPError.unsupportedCodec) { try read(type, 0, payload) }
    }

    @Test("reads avc1 and mp4a of Enhanced RTMP")
    mutating func enhanced() throws {
        let avc1: [UInt8] = [0x61, 0x76, 0x63, 0x31]
        #expect(try read(9, 0, [0x90] + avc1 + Sample.videoConfiguration) == ["video 18"])
        #expect(try read(9, 10, [0x91] + avc1 + [0, 0, 5] + Sample.picture(9, isIDR: true)) == ["h264 15/10 key 13"])
        #expect(try read(9, 20, [0xA3] + avc1 + Sample.picture(9, isIDR: false)) == ["h264 20/20 13"])
        #expect(try read(8, 0, [0x90, 0x6D, 0x70, 0x34, 0x61, 0x11, 0x90]) == ["audio [17, 144]"])
        #expect(try read(8, 5, [0x91, 0x6D, 0x70, 0x34, 0x61, 7]) == ["aac 5/5 1"])
    }

    @Test("ignores empty tags, ends of sequence and command frames")
    mutating func nothing() throws {
        for payload: [UInt8] in [[], [0x17, 2, 0, 0, 0], [0x57, 0]] { #expect(try read(9, 0, payload) == []) }
        #expect(try read(8, 0, []) == [])
    }

    @Test("opens an aggregate and counts its stamps from the message's own")
    mutating func aggregate() throws {
        _ = try read(8, 0, [0xAF, 0, 0x11, 0x90])
        func tag(_ time: UInt8) -> [UInt8] { [8, 0, 0, 3, 0, 0, time, 0, 0, 0, 0, 0xAF, 1, 9, 0, 0, 0, 14] }
        #expect(try read(22, 1000, tag(50) + tag(73)) == ["aac 1000/1000 1", "aac 1023/1023 1"])
        #expect(throws: RTMPError.malformedAggregate) { try read(22, 0, [8, 0, 0, 9, 0]) }
    }

    @Test("ties a program time to the presentation time of the frame that has its stamp")
    mutating func programTime() throws {
        _ = try read(9, 0, sequence)
        let time = ProgramTime(milliseconds: 1_790_000_000_000)
        #expect(try read(18, 100, ProgramTimeMessage.payload(time)) == [])
        #expect(
            try read(9, 100, [0x17, 1, 0, 0, 66] + Sample.picture(9, isIDR: true)) == [
                "time 1790000000000@166", "h264 166/100 key 13",
            ])
    }

    @Test("reads metadata from an object and from an array, with and without @setDataFrame")
    mutating func metadata() throws {
        var bytes: [UInt8] = []
        AMF0Writer.write(.string("onMetaData"), into: &bytes)
        AMF0Writer.write(.object([AMF0Property("width", .number(640))]), into: &bytes)
        _ = try read(18, 0, bytes)
        #expect(reader.metadata?.width == 640)
        var other: [UInt8] = []
        AMF0Writer.write(.string("@setDataFrame"), into: &other)
        AMF0Writer.write(.string("onMetaData"), into: &other)
        AMF0Writer.write(.ecmaArray([AMF0Property("width", .number(800))]), into: &other)
        _ = try read(15, 0, [0] + other)
        #expect(reader.metadata?.width == 800)
        _ = try read(18, 0, [0xFF])
        #expect(reader.drops.unreadableData == 1)
    }
}
