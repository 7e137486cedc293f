// The chunk stream, byte by byte.

import Testing

@testable import RTMP

@Suite("Chunk reader")
struct ChunkReaderTests {
    private func read(_ bytes: [UInt8], limits: RTMPLimits = RTMPLimits()) throws -> [RTMPMessage] {
        var reader = ChunkReader(limits: limits)
        var input = InputBuffer(bytes)
        var messages: [RTMPMessage] = []
        while let message = try reader.next(from: &input) { messages.append(message) }
        return messages
    }

    private func full(
        _ id: UInt8 = 3, time: UInt32 = 0, length: UInt32, type: UInt8 = 9, extended: UInt32? = nil
    ) -> [UInt8] {
        var bytes: [UInt8] = [id]
        bytes.appendBig24(time)
        bytes.appendBig24(length)
        bytes += [type, 1, 0, 0, 0]
        if let extended { bytes.appendBig32(extended) }
        return bytes
    }

    @Test(
        "reads chunk stream numbers of one, two and three bytes",
        arguments: [
            ([0x03], 3), ([0x3F], 63), ([0x00, 0x00], 64), ([0x00, 0xFF], 319), ([0x01, 0x00, 0x01], 320),
            ([0x01, 0xFF, 0xFF], 65_599),
        ] as [([UInt8], UInt32)])
    func basicHeader(bytes: [UInt8], id: UInt32) throws {
        let messages = try read(bytes + [0, 0, 5, 0, 0, 1, 9, 1, 0, 0, 0, 0xAA])
        #expect(
            messages == [RTMPMessage(chunkStreamID: id, type: 9, streamID: 1, timestamp: 5, payload: [0xAA])])
    }

    @Test("adds the deltas of formats 1, 2 and 3")
    func deltas() throws {
        let bytes =
            full(time: 100, length: 1) + [1] + [0x43, 0, 0, 20, 0, 0, 2, 8, 2, 2] + [0x83, 0, 0, 30, 3, 3]
            + [0xC3, 4, 4]
        let messages = try read(bytes)
        #expect(messages.map(\.timestamp) == [100, 120, 150, 180])
        #expect(messages.map(\.type) == [9, 8, 8, 8])
        #expect(messages.map(\.payload) == [[1], [2, 2], [3, 3], [4, 4]])
    }

    @Test("takes format 3 after format 0 as the timestamp repeated, as the specification says")
    func formatThreeAfterZero() throws {
        #expect(try read(full(time: 40, length: 1) + [1, 0xC3, 2]).map(\.timestamp) == [40, 80])
    }

    @Test("accepts a first chunk of format 1, as librtmp's ping has")
    func firstFormatOne() throws {
        #expect(try read([0x42, 0, 0, 7, 0, 0, 1, 4, 9]).map(\.timestamp) == [7])
    }

    @Test("refuses a first chunk of format 2 or 3", arguments: [0x83, 0xC3] as [UInt8])
    func firstFormatTwoOrThree(byte: UInt8) {
        #expect(throws: RTMPError.chunkStreamNotStarted(3)) { try read([byte, 0, 0, 0]) }
    }

    @Test("reads an extended timestamp that is repeated in each chunk, and one that is not", arguments: [true, false])
    func extendedTimestamp(isRepeated: Bool) throws {
        let stamp: UInt32 = 0x0100_0010
        let payload = (0..<300).map { UInt8(truncatingIfNeeded: $0 &+ 7) }
        var bytes = full(time: 0xFF_FFFF, length: 300, extended: stamp) + payload[0..<128]
        for start in [128, 256] {
            bytes.append(0xC3)
            if isRepeated { bytes.appendBig32(stamp) }
            bytes += payload[start..<min(300, start + 128)]
        }
        let messages = try read(bytes)
        #expect(messages.map(\.timestamp) == [stamp])
        #expect(messages.first?.payload == payload)
    }

    @Test("decides that no stamp is repeated when fewer than four bytes are left of the message")
    func shortTail() throws {
        let bytes = full(time: 0xFF_FFFF, length: 130, extended: 0x0100_0000) + [UInt8](repeating: 5, count: 128)
        #expect(try read(bytes + [0xC3, 5, 5]).map(\.payload.count) == [130])
    }

    @Test("keeps an absolute extended timestamp when format 3 starts a new message")
    func extendedFormatThree() throws {
        var bytes = full(time: 0xFF_FFFF, length: 1, extended: 0x0200_0000) + [1, 0xC3]
        bytes.appendBig32(0x0200_0000)
        #expect(try read(bytes + [2]).map(\.timestamp) == [0x0200_0000, 0x0200_0000])
    }

    @Test("interleaves the chunks of several streams")
    func interleaving() throws {
        let video = [UInt8](repeating: 1, count: 200)
        let bytes =
            full(6, length: 200) + video[0..<128] + full(4, length: 2, type: 8) + [2, 2] + [0xC6] + video[128...]
        #expect(try read(bytes).map(\.type) == [8, 9])
    }

    @Test("obeys a new chunk size at once, also within a message of another stream")
    func setChunkSize() throws {
        let video = [UInt8](repeating: 1, count: 400)
        let bytes =
            full(6, length: 400) + video[0..<128] + full(2, length: 4, type: 1) + [0, 0, 1, 0] + [0xC6]
            + video[128..<384] + [0xC6] + video[384...]
        #expect(try read(bytes).map(\.payload.count) == [400])
    }

    @Test("takes the huge chunk sizes of hardware and refuses tiny ones")
    func chunkSizes() throws {
        let head = full(2, length: 4, type: 1)
        let big = head + [0x7F, 0xFF, 0xFF, 0xFF] + full(6, length: 500) + [UInt8](repeating: 0, count: 500)
        #expect(try read(big).count == 1)
        for value: UInt32 in [0, 1, 127, 0x8000_0000, .max] {
            var bytes = head
            bytes.appendBig32(value)
            #expect(throws: RTMPError.badChunkSize(value)) { try read(bytes) }
        }
    }

    @Test("forgets an aborted message")
    func abort() throws {
        let bytes =
            full(6, length: 300) + [UInt8](repeating: 0, count: 128) + full(2, length: 4, type: 2) + [0, 0, 0, 6]
            + full(6, length: 1) + [9]
        #expect(try read(bytes).map(\.payload) == [[9]])
    }

    @Test("refuses a header inside an unfinished message")
    func interrupted() {
        let bytes = full(6, length: 300) + [UInt8](repeating: 0, count: 128) + full(6, length: 1)
        #expect(throws: RTMPError.messageInterrupted(6)) { try read(bytes) }
    }

    @Test("refuses a declared length above the limit before any of its bytes")
    func tooLong() {
        #expect(throws: RTMPError.messageTooLong(0xFF_FFFF)) { try read(full(length: 0xFF_FFFF)) }
    }

    @Test("holds only the bytes that came, whatever length is declared")
    func memoryGrowsWithBytes() throws {
        var reader = ChunkReader(limits: RTMPLimits())
        var bytes: [UInt8] = []
        for id: UInt8 in 3..<34 { bytes += full(id, length: 10 << 20) + [UInt8](repeating: 1, count: 128) }
        var input = InputBuffer(bytes + full(34, length: 10 << 20) + [1, 2, 3])
        #expect(try reader.next(from: &input) == nil)
        #expect(reader.pendingBytes == 31 * 128 + 3)
    }

    @Test("refuses more pending bytes than the limit")
    func pending() {
        var limits = RTMPLimits()
        limits.maximumPendingBytes = 1000
        var bytes: [UInt8] = []
        for id: UInt8 in 3..<12 { bytes += full(id, length: 5000) + [UInt8](repeating: 0, count: 128) }
        #expect(throws: RTMPError.tooManyPendingBytes) { try read(bytes, limits: limits) }
    }

    @Test("refuses the 33rd chunk stream")
    func tooManyStreams() throws {
        var bytes: [UInt8] = []
        for id: UInt8 in 3..<35 { bytes += full(id, length: 0) }
        #expect(try read(bytes).count == 32)
        #expect(throws: RTMPError.tooManyChunkStreams) { try read(bytes + full(35, length: 0)) }
    }

    @Test("unwraps stamps across 2^32 and steps back without losing the count")
    func unwrapping() {
        var clock = TimestampUnwrapper()
        #expect(clock.unwrap(0xFFFF_FFF0) == 0xFFFF_FFF0)
        #expect(clock.unwrap(0x10) == 0x1_0000_0010)
        #expect(clock.unwrap(0xFFFF_FFFF) == 0xFFFF_FFFF)
        #expect(clock.peek(5) == 0x1_0000_0005)
    }
}

@Suite("Chunk writer")
struct ChunkWriterTests {
    @Test("writes formats 0, 1 and 2")
    func formats() {
        var writer = ChunkWriter()
        var output: [UInt8] = []
        func message(_ time: UInt32, _ payload: [UInt8]) -> RTMPMessage {
            RTMPMessage(chunkStreamID: 6, type: 9, streamID: 1, timestamp: time, payload: payload)
        }
        writer.write(message(1000, [1]), into: &output)
        writer.write(message(1033, [1, 2]), into: &output)
        writer.write(message(1066, [3, 4]), into: &output)
        writer.write(message(1000, [5, 6]), into: &output)
        #expect(
            output == [
                0x06, 0, 3, 0xE8, 0, 0, 1, 9, 1, 0, 0, 0, 1,
                0x46, 0, 0, 33, 0, 0, 2, 9, 1, 2,
                0x86, 0, 0, 33, 3, 4,
                0x06, 0, 3, 0xE8, 0, 0, 2, 9, 1, 0, 0, 0, 5, 6,
            ])
    }

    @Test("repeats an extended timestamp in every chunk")
    func extended() {
        var writer = ChunkWriter()
        var output: [UInt8] = []
        let payload = [UInt8](repeating: 7, count: 129)
        writer.write(
            RTMPMessage(chunkStreamID: 6, type: 9, streamID: 1, timestamp: 0x0100_0000, payload: payload),
            into: &output)
        #expect(Array(output[..<16]) == [6, 0xFF, 0xFF, 0xFF, 0, 0, 129, 9, 1, 0, 0, 0, 1, 0, 0, 0])
        #expect(Array(output.suffix(6)) == [0xC6, 1, 0, 0, 0, 7])
    }

    @Test("is read back as it was written, at any chunk size and cut anywhere", arguments: [128, 1000, 65_536])
    func roundTrip(chunkSize: Int) throws {
        var generator = SeededGenerator(seed: UInt64(chunkSize))
        var writer = ChunkWriter()
        var reader = ChunkReader(limits: RTMPLimits())
        var wire: [UInt8] = []
        writer.changeChunkSize(to: chunkSize, into: &wire)
        var sent: [RTMPMessage] = []
        var time: UInt32 = 0xFFFF_0000
        for _ in 0..<300 {
            let size = Int.random(in: 0...Int.random(in: 1...5000, using: &generator), using: &generator)
            time = time &+ UInt32.random(in: 0...900, using: &generator)
            if Int.random(in: 0..<20, using: &generator) == 0 { time = time &+ 0x0100_0000 }
            let message = RTMPMessage(
                chunkStreamID: [3, 4, 6, 64, 400].randomElement(using: &generator) ?? 3,
                type: [8, 9, 18].randomElement(using: &generator) ?? 8, streamID: 1, timestamp: time,
                payload: (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) })
            sent.append(message)
            writer.write(message, into: &wire)
        }
        var input = InputBuffer()
        var received: [RTMPMessage] = []
        var start = 0
        while start < wire.count {
            let end = min(wire.count, start + Int.random(in: 1...4000, using: &generator))
            wire[start..<end].withUnsafeBytes { input.append($0) }
            start = end
            while let message = try reader.next(from: &input) { received.append(message) }
        }
        #expect(received == sent)
        #expect(reader.pendingBytes == 0)
    }
}
