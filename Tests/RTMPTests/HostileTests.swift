// Bytes that nobody honest sends: a corpus, and mutations of true sessions with fixed seeds.

import Foundation
import Media
import Testing

@testable import RTMP

@Suite("Hostile bytes")
struct HostileTests {
    /// What a real session sends to the server, in the pieces of our client.
    private static let session: [UInt8] = {
        var pair = Pair(client: newClient(chunkSize: 128))
        var wire: [UInt8] = []
        func drain() {
            while let action = pair.client.nextAction() {
                guard case .send(let bytes) = action else { continue }
                wire += bytes
                pair.server.receive(bytes)
            }
        }
        for _ in 0..<10 {
            drain()
            while let action = pair.server.nextAction(now: moment(0)) {
                if case .send(let bytes) = action { pair.client.receive(bytes) }
                if case .authorize = action { pair.server.accept(now: moment(0)) }
            }
        }
        for event: StreamEvent in [
            .videoConfiguration(ByteBlock(Sample.videoConfiguration)),
            .audioConfiguration(ByteBlock(Sample.audioConfiguration)),
            .programTime(ProgramTime(milliseconds: 1), pts: 0), Sample.video(0, 0, isIDR: true, size: 700),
            Sample.audio(2), Sample.video(0x100_0000, 0x100_0000, isIDR: false, size: 400), .ended(reason: ""),
        ] { pair.client.send(event) }
        drain()
        return wire
    }()

    /// Feeds bytes in pieces and returns the events; the machine may close, but not trap, hang or grow.
    private func feed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [String] {
        var server = newServer()
        var events: [String] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 1...2000, using: &generator))
            server.receive(Array(bytes[start..<end]))
            start = end
            while let action = server.nextAction(now: moment(0)) {
                if case .authorize = action { server.accept(now: moment(0)) }
                if case .event(let event) = action { events.append(label(event)) }
            }
        }
        server.connectionClosed()
        while let action = server.nextAction(now: moment(0)) {
            if case .event(let event) = action { events.append(label(event)) }
        }
        #expect(server.phase == .closed)
        #expect(events.count { $0.hasPrefix("ended") } <= 1 || events.contains("ended unpublished"))
        return events
    }

    @Test("the true session gives its events")
    func baseline() {
        var generator = SeededGenerator(seed: 0)
        #expect(
            feed(Self.session, &generator) == [
                "video 18", "audio [17, 144]", "time 1@0", "h264 0/0 key 704", "aac 2/2 4",
                "h264 16777216/16777216 404", "ended unpublished",
            ])
    }

    @Test("mutated sessions end in order", arguments: 0..<8)
    func mutations(shard: UInt64) {
        var generator = SeededGenerator(seed: 1000 + shard)
        for _ in 0..<400 {
            var bytes = Self.session
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                // Past the handshake, whose contents are random anyway.
                let at = Int.random(in: 3073..<bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: bytes.remove(at: at)
                case 3: bytes.insert([0, 0xFF, 0x7F, 0x80].randomElement(using: &generator) ?? 0, at: at)
                default:
                    let end = min(bytes.count, at + Int.random(in: 1...200, using: &generator))
                    bytes.insert(contentsOf: Array(bytes[at..<end]), at: at)
                }
            }
            _ = feed(bytes, &generator)
        }
    }

    @Test("random bytes after the handshake end in order")
    func noise() {
        var generator = SeededGenerator(seed: 99)
        for _ in 0..<500 {
            let noise = (0..<Int.random(in: 1...3000, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            _ = feed(Self.session.prefix(3073) + noise, &generator)
        }
    }

    @Test("mutated answers do not trap the client")
    func client() {
        var pair = Pair(client: newClient(.play))
        var answers: [UInt8] = []
        for _ in 0..<10 {
            while let action = pair.client.nextAction() {
                if case .send(let bytes) = action { pair.server.receive(bytes) }
            }
            while let action = pair.server.nextAction(now: moment(0)) {
                if case .authorize = action { pair.server.accept(now: moment(0)) }
                guard case .send(let bytes) = action else { continue }
                answers += bytes
                pair.client.receive(bytes)
            }
        }
        #expect(pair.client.phase == .running)
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<1000 {
            var bytes = answers
            for _ in 0..<4 {
                bytes[Int.random(in: 3073..<bytes.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            var client = newClient(.play)
            client.receive(bytes)
            while client.nextAction() != nil {}
            client.connectionClosed()
            while client.nextAction() != nil {}
            #expect(client.failure != nil)
        }
    }

    @Test("every file of the corpus is survived, after the handshake and in a running stream")
    func corpus() throws {
        let folder = try #require(Bundle.module.url(forResource: "Corpus", withExtension: nil))
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "hex" }
        #expect(files.count >= 8)
        var generator = SeededGenerator(seed: 3)
        for file in files {
            let digits = try String(contentsOf: file, encoding: .utf8)
                .split(separator: "\n").filter { !$0.hasPrefix("#") }.joined()
                .filter { !$0.isWhitespace }
            let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { offset -> UInt8? in
                let start = digits.index(digits.startIndex, offsetBy: offset)
                let end = digits.index(start, offsetBy: 2, limitedBy: digits.endIndex) ?? digits.endIndex
                return UInt8(digits[start..<end], radix: 16)
            }
            #expect(!bytes.isEmpty, "\(file.lastPathComponent)")
            _ = feed(Self.session.prefix(3073) + bytes, &generator)
            var pair = Pair(client: newClient())
            pair.run()
            pair.server.receive(bytes)
            pair.run()
            pair.server.connectionClosed()
            pair.run()
            #expect(pair.serverEvents.last.map(label)?.hasPrefix("ended") == true, "\(file.lastPathComponent)")
        }
    }
}
