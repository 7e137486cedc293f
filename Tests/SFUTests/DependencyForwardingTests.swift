// Dependency descriptors through a shard: read once when they come, and written with other frame numbers to each subscriber.

import Media
import RTC
import Testing

@testable import SFU

@Suite("Dependency descriptors on their way")
struct DependencyForwardingTests {
    /// A key frame's of two spatial layers with two temporal ones, after template 10, of frame 0x1234.
    private let key: [UInt8] = [
        0x8A, 0x12, 0x34, 0x81, 0x42, 0x67, 0xAA, 0xAA, 0xAA, 0x45, 0x09, 0xA1, 0x12, 0x66, 0x67, 0x01, 0x3F, 0x00,
        0xB3,
        0x02, 0x7F, 0x01, 0x67,
    ]

    /// The same after template 14.
    private var nextKey: [UInt8] {
        var bytes = key
        (bytes[0], bytes[2], bytes[3], bytes[4]) = (0x8E, 0x99, 0x81, 0xC2)
        return bytes
    }

    private func note(_ element: [UInt8], _ layer: Layer) -> PacketStore.Entry? {
        var entry = PacketStore.Entry()
        let isRead = element.withUnsafeBytes { layer.noteFrame($0, &entry) }
        #expect(isRead == entry.hasFrame)
        return isRead ? entry : nil
    }

    @Test("what fits no structure is not passed on, and what comes late fits the one before")
    func reading() throws {
        let layer = Layer(name: "", index: 0, isVideo: true, clockRate: 90_000)
        #expect(note([0xCD, 0x12, 0x37], layer) == nil, "nobody knows the structure yet")
        let first = try #require(note(key, layer))
        #expect(first.bringsStructure && first.frame == 0x1234)
        let second = try #require(note([0xCD, 0x12, 0x37], layer))
        #expect(!second.bringsStructure && second.frame == 0x1237)
        for element in [[], [0xCD], [0xCD, 0x12], [0xC0, 0, 1], [0xCD, 0, 1, 0x18], Array(key.prefix(20))] as [[UInt8]]
        {
            #expect(note(element, layer) == nil, "\(element)")
        }
        #expect(try #require(note(nextKey, layer)).frame == 0x1299)
        // A repeat of the key frame changes nothing, and a packet of before it is still one.
        #expect(note(nextKey, layer) != nil && note([0xCD, 0x12, 0x38], layer) != nil)
        #expect(note([0xC0 | 17, 0x12, 0x9A], layer) != nil && note([0xC0 | 18, 0x12, 0x9A], layer) == nil)
    }

    private func entry(frame: UInt16, isKey: Bool = false) -> PacketStore.Entry {
        var entry = PacketStore.Entry()
        (entry.hasFrame, entry.bringsStructure, entry.frame) = (true, isKey, frame)
        return entry
    }

    @Test("frames are counted on over a change of layers and of keys, and repeats have the numbers of their own")
    func numbers() throws {
        let run = try SpatialSimulation(seed: 3), consumer = run.consumer
        func send(_ number: Int64, _ frame: UInt16, begins: Bool = false, isFiller: Bool = false) -> UInt16? {
            let out = LayerForwarder.Outgoing(
                number: number, timestampDelta: 0, shift: VP8Shift(), begins: begins, isFiller: isFiller)
            consumer.noteFrame(entry(frame: frame, isKey: begins), as: out)
            return consumer.frames.shift(at: number).map { $0 &+ frame }
        }
        #expect(send(10, 65_534, begins: true) == 65_534 && send(11, 65_535) == 65_535 && send(12, 0) == 0)
        // What goes out as a filler is no frame.
        #expect(send(13, 9, isFiller: true) == 9)
        #expect(send(14, 400, begins: true) == 1 && send(15, 401) == 2)
        #expect(consumer.frames.shift(at: 11) == 0)
        consumer.move(to: run.producer)
        #expect(send(16, 7000, begins: true) == 3)
        // Without a structure nobody could read what follows.
        var plain = entry(frame: 5)
        plain.hasFrame = false
        consumer.noteFrame(
            plain, as: .init(number: 17, timestampDelta: 0, shift: VP8Shift(), begins: true))
        #expect(consumer.frames.shift(at: 17) == nil && consumer.frames.shift(at: 16) != nil)
    }

    /// A key frame's of two spatial layers with two temporal ones each, and a decode target for each of the four.
    private let layered: [UInt8] = [
        0x8A, 0x12, 0x34, 0x81, 0x43, 0x67, 0xAA, 0x22, 0x0A, 0x02, 0x45, 0x09, 0xA1, 0x10,
    ]

    /// A subscriber of these layers, and what becomes of the descriptors that it gets.
    private struct Narrowed {
        let run: SpatialSimulation
        var consumer: Consumer { run.consumer }
        var layer: Layer { run.producer.layers[0] }

        func packet(_ sequence: Int64, at timestamp: UInt32, isKey: Bool = false) throws -> PacketStore.Entry {
            var entry = PacketStore.Entry()
            (entry.sequence, entry.header.timestamp, entry.payloadLength) = (sequence, timestamp, 100)
            let payload = LayerBytes.payload(
                spatial: 0, temporal: 0, isPredicted: !isKey, usesLower: false, first: true, last: true, sizes: [])
            entry.place = try #require(payload.withUnsafeBytes { VideoPayload($0, codec: .vp9) }).place
            return entry
        }

        /// The targets that an element names on its way to the subscriber; nil where it goes as it is.
        func targets(_ element: [UInt8], at timestamp: UInt32) throws -> UInt32? {
            // No packet has another descriptor than before: here each has the number of its length.
            let entry = try packet(Int64(element.count), at: timestamp)
            return try element.withUnsafeBytes { element in
                let written = consumer.descriptor(element, of: entry, layer)
                guard written.baseAddress != element.baseAddress else { return nil }
                return try #require(layer.descriptor(written)).read.activeTargets
            }
        }
    }

    @Test(
        "who gets fewer layers is told in each packet which decode targets are left, and a repeat as for the first time"
    )
    func narrowed() throws {
        let way = Narrowed(run: try SpatialSimulation(seed: 5)), consumer = way.consumer
        let frame: [UInt8] = [0xCD, 0x12, 0x37]
        #expect(note(layered, way.layer) != nil)
        #expect(try way.targets(frame, at: 1000) == nil)
        let lower = LayerLimits(spatial: 0, temporal: 7), slower = LayerLimits(spatial: 0, temporal: 0)
        consumer.spatial = SpatialForwarder(from: try way.packet(1, at: 1000, isKey: true), .all)
        #expect(try way.targets(frame, at: 1000) == nil, "who gets everything gets the publisher's own")
        consumer.spatial = SpatialForwarder(from: try way.packet(1, at: 1000, isKey: true), lower)
        #expect(try way.targets(layered, at: 1000) == 0b0011 && way.targets(frame, at: 1000) == 0b0011)
        // Down to half the rate with a picture, and up with a key picture to everything.
        _ = consumer.spatial?.take(try way.packet(2, at: 4000)) { slower }
        #expect(try way.targets(frame, at: 4000) == 0b0001 && way.targets(frame, at: 1000) == 0b0011)
        _ = consumer.spatial?.take(try way.packet(3, at: 7000, isKey: true)) { .all }
        #expect(try way.targets(layered, at: 7000) == 0b1111 && way.targets(frame, at: 8000) == 0b1111)
        #expect(try way.targets(frame, at: 4000) == 0b0001)
        // Begun anew, it is as at first.
        consumer.spatial?.restart(from: try way.packet(4, at: 9000, isKey: true), .all)
        #expect(try way.targets(frame, at: 9000) == nil)
    }

    @Test("what the publisher does not send is not promised, whoever said so last")
    func publishersTargets() throws {
        let way = Narrowed(run: try SpatialSimulation(seed: 5)), consumer = way.consumer
        func note(_ element: [UInt8], at sequence: Int64) {
            var entry = PacketStore.Entry()
            entry.sequence = sequence
            #expect(element.withUnsafeBytes { way.layer.noteFrame($0, &entry) })
        }
        note(layered, at: 10)
        consumer.spatial = SpatialForwarder(
            from: try way.packet(1, at: 1000, isKey: true), LayerLimits(spatial: 7, temporal: 0))
        let frame: [UInt8] = [0xCD, 0x12, 0x37]
        #expect(try way.targets(frame, at: 1000) == 0b0101)
        // It has left its upper layer out; an older word, come late, changes nothing of that.
        note([0xCD, 0x12, 0x38, 0x41, 0x80], at: 20)
        note([0xCD, 0x12, 0x37, 0x47, 0x80], at: 19)
        #expect(try way.targets(frame, at: 1000) == 0b0001)
        #expect(try way.targets([0xCD, 0x12, 0x36, 0x45, 0x80], at: 1000) == 0b0001, "its own word of that time")
        note(layered, at: 30)
        #expect(try way.targets(frame, at: 1000) == 0b0101 && way.targets(layered, at: 1000) == 0b0101)
        // Where nothing would be left, the publisher's word stands.
        note([0xCD, 0x12, 0x38, 0x44, 0x00], at: 40)
        #expect(try way.targets(frame, at: 1000) == nil)
    }

    @Test("a structure in each packet is read and written once for all subscribers with the same layers")
    func onceForAll() throws {
        let way = Narrowed(run: try SpatialSimulation(seed: 5)), key = layered
        #expect(note(key, way.layer) != nil)
        let limits = [
            LayerLimits(spatial: 0, temporal: 7), .init(spatial: 1, temporal: 7), .init(spatial: 0, temporal: 0),
        ]
        let subscribers = try (0..<30).map { index in
            let consumer = Consumer(
                producer: way.run.producer, session: way.consumer.session, section: index, wish: nil)
            consumer.spatial = SpatialForwarder(from: try way.packet(1, at: 1000, isKey: true), limits[index % 3])
            return consumer
        }
        let packets = try (0..<Int64(60)).map { try way.packet(100 + $0, at: 1000) }
        func send(_ packet: PacketStore.Entry, to consumer: Consumer) -> [UInt8] {
            key.withUnsafeBytes { Array(consumer.descriptor($0, of: packet, way.layer)) }
        }
        // Packet by packet, and as one picture to one after the other.
        let first = packets.map { packet in subscribers.map { send(packet, to: $0) } }
        #expect(way.layer.rewritten.written == 180 && Set(first.joined()).count == 3)
        let again = subscribers.map { consumer in packets.map { send($0, to: consumer) } }
        #expect(way.layer.rewritten.written == 180)
        for (place, subscriber) in again.enumerated() { #expect(subscriber == first.map { $0[place] }) }
        // Under another structure it is written anew.
        #expect(note(nextKey, way.layer) != nil)
        _ = send(packets[0], to: subscribers[0])
        #expect(way.layer.rewritten.written == 181)
    }

    @Test("the descriptor stands under the subscriber's id with its number moved, in the form that it needs")
    func writing() throws {
        for element in [key, [0xCD, 0x12, 0x37]] {
            var stored = [UInt8](repeating: 0, count: 80)
            _ = stored.withUnsafeMutableBytes { room in
                let header = RTPHeader(payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3)
                var writer = RTPExtensionWriter(
                    room, at: header.write(to: room, hasExtension: true) ?? 12, isLong: element.count > 16)
                element.withUnsafeBytes { writer.append(id: 5, $0) }
                return writer.finish()
            }
            var entry = PacketStore.Entry(), ids = ExtensionIDs()
            entry.header = try #require(stored.withUnsafeBytes { RTPHeader($0) })
            ids.dependency = 12
            var out = [UInt8](repeating: 0, count: 80)
            let end = stored.withUnsafeBytes { stored in
                out.withUnsafeMutableBytes { room -> Int? in
                    var forwarded = ForwardedExtensions(entry, in: stored, from: ExtensionIDs(), to: ids)
                    #expect(forwarded.isEmpty)
                    guard let range = entry.header.range(ofExtension: 5, in: stored) else { return nil }
                    forwarded.take(dependency: UnsafeRawBufferPointer(rebasing: stored[range]), shift: 0x10)
                    #expect(!forwarded.isEmpty && forwarded.isLong == (element.count > 16))
                    guard let start = entry.header.write(to: room, hasExtension: true) else { return nil }
                    var writer = RTPExtensionWriter(room, at: start, isLong: forwarded.isLong)
                    forwarded.append(to: &writer, of: stored, as: ids)
                    return writer.finish()
                }
            }
            try out.withUnsafeBytes { bytes in
                let header = try #require(RTPHeader(bytes))
                let range = try #require(header.range(ofExtension: 12, in: bytes))
                #expect(header.payloadOffset == end)
                var expected = element
                expected[2] += 0x10
                #expect(Array(bytes[range]) == expected)
            }
        }
    }
}
