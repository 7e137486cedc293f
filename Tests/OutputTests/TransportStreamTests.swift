// The transport stream writer, walked packet by packet.

import Media
import Output
import Testing

@Suite("Transport stream")
struct TransportStreamTests {
    private let configuration: AVCConfiguration
    init() throws { configuration = try #require(AVCConfiguration(sps: [0x67, 100, 0, 40, 1, 2], pps: [0x68, 1, 2])) }

    private func picture(_ size: Int, type: UInt8) -> ByteBlock {
        var unit = [UInt8](repeating: 0x55, count: size)
        unit[0] = type
        return ByteBlock([0, 0, UInt8(size >> 8), UInt8(size & 255)] + unit)
    }

    private func segment(_ writer: inout TransportStreamWriter, from start: Int64, step: Int64 = 3000) {
        writer.writeTables()
        for index in 0..<12 {
            let time = start + Int64(index) * step
            writer.writeVideo(
                picture(100 + index * 37, type: index == 0 ? 0x65 : 0x41), pts: time, dts: time, isKeyframe: index == 0,
                configuration: configuration)
            for part in 0..<(step / 1500) {
                writer.writeAudio(
                    ByteBlock([UInt8](repeating: UInt8(index), count: 300 + index)), pts: time + part * 1500)
            }
        }
    }

    @Test("tables first, key frame with parameter sets first, whole pictures and ADTS frames come back")
    func structure() {
        var writer = TransportStreamWriter()
        segment(&writer, from: 900_000)
        let walk = TransportStreamWalk(writer.bytes)
        #expect(walk.problems == [])
        #expect(walk.pids.prefix(3) == [0, 0x1000, 0x100])
        let video = walk.units.filter { $0.pid == 0x100 }
        let stamps: [Int64] = (0..<12).map { 900_000 + $0 * 3000 }
        #expect(video.map(\.pts) == stamps)
        #expect(video.map(\.isRandomAccess) == [true] + [Bool](repeating: false, count: 11))
        #expect(TransportStreamWalk.unitTypes(video[0].payload) == [9, 7, 8, 5])
        #expect(TransportStreamWalk.unitTypes(video[1].payload) == [9, 1])
        let audio = walk.units.filter { $0.pid == 0x101 }
        #expect(audio.count == 24)
        for unit in audio {
            #expect(unit.payload[0] == 0xFF && unit.payload[1] == 0xF1)
            let header = unit.payload.prefix(7).map(Int.init)
            let length: Int = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
            #expect(length == unit.payload.count)
        }
    }

    @Test("counters run on over segments and through a stored state")
    func continuity() {
        var first = TransportStreamWriter()
        segment(&first, from: 0)
        var second = TransportStreamWriter(continuity: first.continuity)
        segment(&second, from: 36_000)
        let walk = TransportStreamWalk(second.bytes, counters: TransportStreamWalk(first.bytes).counters)
        #expect(walk.problems == [])
    }

    @Test(
        "clocks are at most 100 ms apart, also where pictures are rare",
        arguments: [3000, 9000, 27_000, 90_000] as [Int64])
    func clocks(step: Int64) {
        var writer = TransportStreamWriter()
        segment(&writer, from: 500_000, step: step)
        let walk = TransportStreamWalk(writer.bytes)
        #expect(walk.problems == [])
        #expect(zip(walk.clocks, walk.clocks.dropFirst()).allSatisfy { $1 > $0 && $1 - $0 <= 9000 })
    }

    @Test("stamps wrap at 33 bits")
    func wrap() {
        var writer = TransportStreamWriter()
        segment(&writer, from: (1 << 33) - 6000)
        let video = TransportStreamWalk(writer.bytes).units.filter { $0.pid == 0x100 }
        let end: Int64 = 1 << 33
        #expect(video.prefix(4).map(\.pts) == [end - 6000, end - 3000, 0, 3000])
    }

    @Test("pictures of every size fill their packets, cut ones lose only what is cut", arguments: 1..<400)
    func sizes(size: Int) {
        var writer = TransportStreamWriter()
        writer.writeTables()
        writer.writeVideo(picture(size, type: 0x41), pts: 0, dts: 0, isKeyframe: false, configuration: configuration)
        var damaged = picture(size, type: 0x41).array + [0, 0, 9, 9, 1]
        damaged[3] = damaged[3] &+ 0
        writer.writeVideo(ByteBlock(damaged), pts: 3000, dts: 3000, isKeyframe: false, configuration: configuration)
        let walk = TransportStreamWalk(writer.bytes)
        #expect(walk.problems == [])
        #expect(walk.units.map(\.payload.count) == [6 + 3 + size, 6 + 3 + size])
    }
}
