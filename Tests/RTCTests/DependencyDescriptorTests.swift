// Dependency descriptors: structures and frames as the payload format's appendix writes them, and what is none.

import Testing

@testable import RTC

/// Writes fields of so many bits, most significant first.
private struct Bits {
    private(set) var bytes: [UInt8] = []
    private var count = 0

    mutating func put(_ value: Int, _ width: Int) {
        for bit in stride(from: width - 1, through: 0, by: -1) {
            if count % 8 == 0 { bytes.append(0) }
            bytes[count / 8] |= UInt8(value >> bit & 1) << UInt8(7 - count % 8)
            count += 1
        }
    }
}

@Suite("Dependency descriptor")
struct DependencyDescriptorTests {
    /// A key frame's: two spatial layers with two temporal ones each, three decode targets, one chain.
    private func keyFrame(hasSizes: Bool = true) -> [UInt8] {
        var bits = Bits()
        // The first of several packets of frame 0x1234, after template 10.
        bits.put(0b10, 2)
        bits.put(10, 6)
        bits.put(0x1234, 16)
        bits.put(0b10000, 5)
        bits.put(10, 6)
        bits.put(2, 5)
        // Four templates: S0T0, S0T1, S1T0, S1T1.
        for next in [1, 2, 1, 3] { bits.put(next, 2) }
        for _ in 0..<12 { bits.put(2, 2) }
        // Their differences: none; 2; 1 and 4; 1 and 2.
        for differences in [[], [2], [1, 4], [1, 2]] {
            for difference in differences {
                bits.put(1, 1)
                bits.put(difference - 1, 4)
            }
            bits.put(0, 1)
        }
        // One chain of up to three: ns(4) has two bits; by which chain each target is protected: ns(1) has none.
        bits.put(1, 2)
        for _ in 0..<4 { bits.put(3, 4) }
        bits.put(hasSizes ? 1 : 0, 1)
        if hasSizes { for size in [319, 179, 639, 359] { bits.put(size, 16) } }
        return bits.bytes
    }

    private func parse(_ bytes: [UInt8], _ known: DependencyStructure? = nil) -> DependencyDescriptor? {
        bytes.withUnsafeBytes { DependencyDescriptor($0, known: known) }
    }

    @Test("a key frame brings its structure, and frames behind it follow its templates")
    func structure() throws {
        let key = try #require(parse(keyFrame())), structure = try #require(key.structure)
        #expect(key.startsFrame && !key.endsFrame && key.frameNumber == 0x1234 && key.templateID == 10)
        #expect(structure.decodeTargets == 3 && structure.chains == 1)
        #expect(structure.templates == 4 && structure.templateOffset == 10 && structure.spatialLayers == 2)
        let upper = try #require(parse([0xC0 | 13, 0x12, 0x37], structure))
        #expect(upper.startsFrame && upper.endsFrame && upper.frameNumber == 0x1237 && upper.structure == nil)
        #expect(parse([0xC0 | 14, 0, 0], structure) == nil && parse([0xC0 | 9, 0, 0], structure) == nil)
        #expect(parse([0xC0 | 10, 0, 7]) == nil, "without a structure nobody knows what it says")
    }

    @Test("templates are counted around 63")
    func wrappedTemplates() throws {
        var bytes = keyFrame()
        // Four templates from 62 on.
        bytes[0] = 0x80 | 62
        bytes[3] = 0b10000_111
        bytes[4] = 0b110_00010
        let structure = try #require(parse(bytes)?.structure)
        #expect(structure.templateOffset == 62)
        for (id, isOne) in [(61, false), (62, true), (63, true), (0, true), (1, true), (2, false)] {
            #expect((parse([UInt8(id), 0, 1], structure) != nil) == isOne)
        }
    }

    @Test("a frame may have differences and targets of its own")
    func custom() throws {
        let structure = try #require(parse(keyFrame(hasSizes: false))?.structure)
        var bits = Bits()
        bits.put(0b11, 2)
        bits.put(11, 6)
        bits.put(9, 16)
        bits.put(0b01111, 5)
        bits.put(0b101, 3)
        for _ in 0..<3 { bits.put(1, 2) }
        for (size, difference) in [(1, 3), (3, 300), (0, 0)] {
            bits.put(size, 2)
            if size > 0 { bits.put(difference - 1, 4 * size) }
        }
        bits.put(77, 8)
        #expect(try #require(parse(bits.bytes, structure)).frameNumber == 9)
        for count in 4..<bits.bytes.count {
            #expect(parse(Array(bits.bytes.prefix(count)), structure) == nil, "\(count) bytes")
        }
    }

    /// A key frame's of two spatial layers with two temporal ones each, and a decode target for each of the four.
    private let layered: [UInt8] = [
        0x8A, 0x12, 0x34, 0x81, 0x43, 0x67, 0xAA, 0x22, 0x0A, 0x02, 0x45, 0x09, 0xA1, 0x10,
    ]

    private func write(
        _ element: [UInt8], _ targets: UInt32, _ structure: DependencyStructure, room count: Int = 255
    ) -> [UInt8]? {
        guard let read = parse(element, structure) else { return nil }
        var room = [UInt8](repeating: 0xFF, count: count)
        let length = element.withUnsafeBytes { element in
            room.withUnsafeMutableBytes { read.write(element, activeTargets: targets, of: structure, to: $0) }
        }
        return length.map { Array(room.prefix($0)) }
    }

    @Test("decode targets are left that need no layer above those that are sent")
    func targets() throws {
        let structure = try #require(parse(layered)?.structure)
        #expect(structure.decodeTargets == 4 && structure.allTargets == 0b1111)
        for (spatial, temporal, left) in [
            (0, 0, 0b0001), (0, 1, 0b0011), (0, 7, 0b0011), (1, 0, 0b0101), (1, 1, 0b1111), (7, 7, 0b1111),
        ] as [(UInt8, UInt8, UInt32)] {
            #expect(structure.targets(upTo: spatial, temporal: temporal) == left, "S\(spatial)T\(temporal)")
        }
    }

    @Test("a descriptor is written with another word on its targets, and everything else in it stays")
    func narrowed() throws {
        let structure = try #require(parse(layered)?.structure)
        #expect(parse(layered)?.activeTargets == nil)
        // Five flags and four targets.
        let short = try #require(write([0xCD, 0x12, 0x37], 0b0011, structure))
        #expect(short == [0xCD, 0x12, 0x37, 0x41, 0x80] && parse(short, structure)?.activeTargets == 0b0011)
        #expect(write(short, 0b0101, structure) == [0xCD, 0x12, 0x37, 0x42, 0x80])
        let key = try #require(write(layered, 0b0011, structure)), read = try #require(parse(key))
        #expect(key == layered[..<3] + [0xC1] + layered[4...] + [0x30])
        #expect(read.structure == structure && read.activeTargets == 0b0011 && read.frameNumber == 0x1234)
        #expect(write(key, 0b0101, structure) == key.dropLast() + [0x50])
        // Targets and differences of its own.
        var custom = Bits(), expected = Bits()
        for isNarrowed in [false, true] {
            var bits = Bits()
            for (value, width) in [(0b11, 2), (11, 6), (9, 16), (isNarrowed ? 0b01110 : 0b00110, 5)] {
                bits.put(value, width)
            }
            if isNarrowed { bits.put(0b0101, 4) }
            for (value, width) in [(0b00100111, 8), (3, 2), (299, 12), (0, 2)] { bits.put(value, width) }
            if isNarrowed { expected = bits } else { custom = bits }
        }
        #expect(write(custom.bytes, 0b0101, structure) == expected.bytes)
        for (element, length) in [([0xCD, 0x12, 0x37], 4), (layered, 14), (custom.bytes, expected.bytes.count - 1)] {
            #expect(write(element, 1, structure, room: length) == nil, "there is no room for it")
        }
    }

    @Test("what is cut short is none, and nothing traps")
    func hostile() {
        let key = keyFrame()
        for count in 0..<key.count { #expect(parse(Array(key.prefix(count))) == nil, "\(count) bytes") }
        let structure = parse(key)?.structure
        attack([key, layered, [0xC0 | 13, 0, 1], [0x0A, 0, 1, 0x78, 0x55, 0xAA]]) { bytes in
            guard let frame = parse(bytes, structure) else { return }
            if let follows = frame.structure ?? structure, let written = write(bytes, 1, follows) {
                let again = parse(written, structure)
                #expect(again?.activeTargets == 1 && again?.structure == frame.structure)
                #expect(write(written, 1, follows) == written)
            }
            guard let read = frame.structure else { return }
            #expect((1...64).contains(read.templates) && (1...32).contains(read.decodeTargets))
            #expect(read.chains <= read.decodeTargets && (1...4).contains(read.spatialLayers))
        }
    }

    @Test("a frame's number is moved where it is written, in either form of extensions")
    func written() throws {
        for isLong in [false, true] {
            let element: [UInt8] = [0xC1, 0xFF, 0xFE] + [UInt8](repeating: 0x55, count: isLong ? 40 : 5)
            var packet = [UInt8](repeating: 0, count: 120)
            let end = packet.withUnsafeMutableBytes { room -> Int? in
                let header = RTPHeader(payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3)
                guard let length = header.write(to: room, hasExtension: true) else { return nil }
                var writer = RTPExtensionWriter(room, at: length, isLong: isLong)
                [UInt8(7)].withUnsafeBytes { writer.append(id: 1, $0) }
                element.withUnsafeBytes { writer.append(id: 12, descriptor: $0, shift: 3) }
                return writer.finish()
            }
            packet.withUnsafeBytes { bytes in
                let header = RTPHeader(bytes), range = header?.range(ofExtension: 12, in: bytes)
                #expect(header?.payloadOffset == end)
                #expect(range.map { Array(bytes[$0]) } == [0xC1, 0x00, 0x01] + element[3...])
                #expect(header?.range(ofExtension: 1, in: bytes).map { Array(bytes[$0]) } == [7])
            }
        }
    }

    @Test("it is agreed on only where both forms of extensions are")
    func negotiation() throws {
        func offer(_ lines: [String]) throws -> MediaSection {
            let text = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"] + lines
            return try #require(try SessionDescription(parsing: text.joined(separator: "\r\n")).media.first)
        }
        let section = [
            "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=sendonly", "a=rtpmap:96 VP8/90000",
            "a=extmap:5 \(RTPExtensionURI.dependencyDescriptor)",
        ]
        let transport = LocalTransport(
            ufrag: "abcd", password: "abcdefghijklmnopqrstuvwx",
            fingerprint: DTLSFingerprint(algorithm: "sha-256", bytes: []), candidates: [],
            isLite: true)
        for (lines, isAgreed) in [
            (section, false), (["a=extmap-allow-mixed"] + section, true), (section + ["a=extmap-allow-mixed"], true),
        ] {
            let answer = try offer(lines).answer(transport, receives: true)
            #expect((answer.extensionID(RTPExtensionURI.dependencyDescriptor) == 5) == isAgreed)
            #expect(answer.allowsMixedExtensions == isAgreed)
        }
    }
}
