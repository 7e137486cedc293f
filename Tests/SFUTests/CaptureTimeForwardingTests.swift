// When things were captured, as subscribers are told it: on our clock, from the publisher's word or from its reports.

import Media
import RTC
import Testing

@testable import SFU

@Suite("Capture time on its way through the shard")
struct CaptureTimeForwardingTests {
    private static let second: Int64 = 1_000_000_000
    private static let now: Int64 = 1_795_334_400 * second

    /// A clock of a publisher that is so many nanoseconds behind ours.
    private func clock(behind: Int64) -> CaptureClock {
        var clock = CaptureClock()
        clock.note(Self.now - behind, after: nil, at: Self.now)
        return clock
    }

    private func header(_ timestamp: UInt32, marker: Bool = true) -> RTPHeader {
        RTPHeader(payloadType: 96, sequenceNumber: 1, timestamp: timestamp, ssrc: 1, marker: marker)
    }

    /// A packet with one extension in the one-byte form.
    private func packet(id: UInt8, _ element: [UInt8]) throws -> ([UInt8], RTPHeader) {
        var bytes = [UInt8](repeating: 0, count: 100)
        let length = bytes.withUnsafeMutableBytes { room -> Int? in
            guard let start = header(0).write(to: room, hasExtension: true) else { return nil }
            var writer = RTPExtensionWriter(room, at: start)
            element.withUnsafeBytes { writer.append(id: id, $0) }
            return writer.finish()
        }
        bytes = Array(bytes.prefix(try #require(length) + 10))
        return (bytes, try #require(bytes.withUnsafeBytes { RTPHeader($0) }))
    }

    private func told(_ layer: Layer, _ header: RTPHeader, _ clock: CaptureClock, in bytes: [UInt8] = [], id: UInt8 = 0)
        -> Int64
    {
        bytes.withUnsafeBytes { layer.captureTime(of: header, in: $0, id: id, clock, at: Self.now) }
    }

    @Test("a report and a timestamp make it, for the last packet of each picture, and for sound twice a second")
    func fromReports() {
        let behind = 7 * Self.second
        let video = Layer(name: "", index: 0, isVideo: true, clockRate: 90_000)
        #expect(told(video, header(0), clock(behind: behind)) == 0, "no report yet")
        (video.reportNTP, video.reportTimestamp) = (Self.now - behind - Self.second, 0xFFFF_0000)
        // Half a second after the report's moment, across the wrap.
        let timestamp = UInt32(0xFFFF_0000) &+ 45_000
        #expect(told(video, header(timestamp), clock(behind: behind)) == Self.now - Self.second / 2)
        #expect(told(video, header(timestamp, marker: false), clock(behind: behind)) == 0)
        #expect(told(video, header(timestamp), CaptureClock()) == 0, "nobody knows how the clocks lie")
        #expect(told(video, header(0xFFFF_0000 &+ 61 * 90_000), clock(behind: behind)) == 0, "the report is too old")
        let audio = Layer(name: "", index: 0, isVideo: false, clockRate: 48_000)
        (audio.reportNTP, audio.reportTimestamp) = (Self.now - behind, 1000)
        #expect(told(audio, header(520, marker: false), clock(behind: behind)) == Self.now - Self.second / 100)
        #expect(told(audio, header(5000, marker: false), clock(behind: behind)) == 0, "twice a second is enough")
    }

    @Test("a publisher's own word goes before, and is moved to our clock; a moment of another age is none")
    func fromPublisher() throws {
        let behind = 7 * Self.second
        let layer = Layer(name: "", index: 0, isVideo: true, clockRate: 90_000)
        (layer.reportNTP, layer.reportTimestamp) = (Self.now - behind, 0)
        for (moment, expected) in [
            (Self.now - behind - 40_000_000, Self.now - 40_000_000), (Self.now - 3600 * Self.second, 0), (0, 0),
        ] {
            var element = [UInt8](repeating: 0, count: 16)
            let isWritten = element.withUnsafeMutableBytes { CaptureTime.write(unixNanoseconds: moment, to: $0) }
            #expect(isWritten)
            let (bytes, header) = try packet(id: 9, element)
            #expect(abs(told(layer, header, clock(behind: behind), in: bytes, id: 9) - expected) <= 1)
            // Under another id it is not read: the report stands for it.
            #expect(told(layer, header, clock(behind: behind), in: bytes, id: 8) == Self.now)
        }
        let (damaged, header) = try packet(id: 9, [1, 2, 3])
        #expect(told(layer, header, clock(behind: behind), in: damaged, id: 9) == Self.now, "the report's word")
    }

    @Test("goes out under the subscriber's id, the same bytes each time, and to nobody who did not agree")
    func written() throws {
        var entry = PacketStore.Entry()
        entry.header = header(0)
        entry.capture = Self.now - 40_000_000
        func write(_ ids: ExtensionIDs) throws -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: 64)
            let forwarded = bytes.withUnsafeBytes { ForwardedExtensions(entry, in: $0, from: ExtensionIDs(), to: ids) }
            guard !forwarded.isEmpty else { return nil }
            let end = bytes.withUnsafeMutableBytes { room -> Int? in
                var writer = RTPExtensionWriter(room, at: 0)
                forwarded.append(to: &writer, of: UnsafeRawBufferPointer(room), as: ids)
                return writer.finish()
            }
            return Array(bytes.prefix(try #require(end)))
        }
        #expect(try write(ExtensionIDs()) == nil)
        var ids = ExtensionIDs()
        ids.capture = 5
        let first = try #require(try write(ids))
        #expect(try write(ids) == first)
        #expect(first[4] == 5 << 4 | 15)
        let element = try #require(first[5..<21].withUnsafeBytes { CaptureTime($0) })
        #expect(element.offset == 0 && abs(element.unixNanoseconds - entry.capture) <= 1)
        entry.capture = 0
        #expect(try write(ids) == nil)
    }
}
