// What other people test their parsers with: `scripts/bootstrap tests` fetches it, nothing of it is kept here.

import Foundation
import FuzzTargets
import Media
import RTC
import Testing

@Suite("Outside corpora")
struct OutsideCorpusTests {
    struct File: Sendable, CustomTestStringConvertible {
        var origin: String, name: String
        var bytes: [UInt8]
        var testDescription: String { name }
    }

    static func files(_ origin: String, _ prefix: String = "", _ suffix: String = "") throws -> [File] {
        // Tests/Fuzz/Tests/NAME of the repository.
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let folder = root.appendingPathComponent(".cache/corpora/\(origin)")
        try #require(
            FileManager.default.fileExists(atPath: folder.path), "scripts/bootstrap tests fetches \(folder.path)")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.lastPathComponent.hasPrefix(prefix) && $0.lastPathComponent.hasSuffix(suffix) }
            .sorted { $0.path < $1.path }
            .map { File(origin: origin, name: $0.lastPathComponent, bytes: Array(try Data(contentsOf: $0))) }
    }

    @Test("no file harms any parser, whatever it was meant for")
    func everything() throws {
        let pion = ["dtls", "ice", "rtcp", "rtp", "sdp", "srtp", "stun", "webrtc"].map { "pion-" + $0 }
        let many = ["libwebrtc"] + pion
        let files = try (["aiortc", "aioice", "janus"] + many).flatMap { origin in
            // Tables are no input.
            try Self.files(origin).filter { !$0.name.hasSuffix(".json") }
        }
        #expect(files.count >= 1600)
        let slow = ["peer", "forwarding"]
        for target in FuzzTarget.all {
            for file in files {
                target.feed(file.bytes)
                // Cut short anywhere; where there are many files at a few places.
                let least = slow.contains(target.name) ? 97 : 3
                let pieces = many.contains(file.origin) ? 4 : file.origin == "janus" ? 16 : Int.max
                for length in stride(from: 0, to: file.bytes.count, by: max(least, file.bytes.count / pieces)) {
                    target.feed(Array(file.bytes.prefix(length)))
                }
            }
        }
    }

    @Test("nothing of what libsrtp is fuzzed with harms what datagrams reach first")
    func datagrams() throws {
        let files = try Self.files("libsrtp2")
        #expect(files.count >= 2000)
        for target in FuzzTarget.all
        where ["stun", "framing", "rtp", "rtcp", "srtp", "vp8", "h264"].contains(target.name) {
            for file in files { target.feed(file.bytes) }
        }
    }

    @Test("what is read of the RTCP that Janus is fuzzed with is read again as it was written")
    func janusRTCP() throws {
        let files = try Self.files("janus", "rtcp_fuzzer")
        var read = 0
        for file in files {
            let packets = file.bytes.withUnsafeBytes { RTCPPacket.parse($0) }
            read += packets.isEmpty ? 0 : 1
            let written = RTCPPacket.write(packets)
            #expect(written.withUnsafeBytes { RTCPPacket.parse($0) } == packets, "\(file.name)")
        }
        #expect(files.count >= 80 && read >= 40, "\(read) of \(files.count) have messages that we act on")
    }

    @Test("the RTP that Janus is fuzzed with is taken apart within its bounds, or refused")
    func janusRTP() throws {
        let files = try Self.files("janus", "rtp_fuzzer")
        var read = 0
        for file in files {
            file.bytes.withUnsafeBytes { bytes in
                guard let header = RTPHeader(bytes) else { return }
                read += 1
                #expect(header.payloadOffset <= bytes.count, "\(file.name)")
                for id in UInt8(1)...14 {
                    guard let range = header.range(ofExtension: id, in: bytes) else { continue }
                    #expect(range.upperBound <= header.payloadOffset, "\(file.name)")
                }
            }
        }
        #expect(files.count >= 25 && read >= 15, "\(read) of \(files.count) have a header")
    }

    @Test("descriptions that Janus is fuzzed with are refused with a reason, or can be said again")
    func janusDescriptions() throws {
        let files = try Self.files("janus", "sdp_fuzzer")
        var read = 0
        for file in files {
            do throws(SDPError) {
                let description = try SessionDescription(parsing: String(decoding: file.bytes, as: UTF8.self))
                read += 1
                let again = try SessionDescription(parsing: description.text())
                #expect(again.media.map(\.kind) == description.media.map(\.kind), "\(file.name)")
                #expect(again.media.map(\.mid) == description.media.map(\.mid), "\(file.name)")
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(files.count >= 60 && read >= 20, "\(read) of \(files.count) are descriptions")
    }

    @Test("aiortc's RTCP messages are read, and written as they were")
    func rtcp() throws {
        let files = try Self.files("aiortc", "rtcp_")
        #expect(files.count == 15)
        for file in files {
            let packets = file.bytes.withUnsafeBytes { RTCPPacket.parse($0) }
            guard !file.name.contains("invalid"), !file.name.contains("truncated") else {
                #expect(packets.isEmpty, "\(file.name): \(packets)")
                continue
            }
            #expect(packets.count == 1, "\(file.name)")
            let written = RTCPPacket.write(packets)
            // Padding is not said again.
            #expect(written == (file.name.contains("padding") ? [0x80, 0xCB, 0, 0] : file.bytes), "\(file.name)")
        }
        let both = try Self.files("aiortc", "rtcp_sr.bin") + Self.files("aiortc", "rtcp_sdes.bin")
        #expect(both.flatMap(\.bytes).withUnsafeBytes { RTCPPacket.parse($0) }.count == 2)
    }

    @Test("aiortc's RTP packets are taken apart")
    func rtp() throws {
        let files = try Self.files("aiortc", "rtp")
        #expect(files.count == 6)
        for file in files {
            file.bytes.withUnsafeBytes { bytes in
                guard let header = RTPHeader(bytes) else {
                    Issue.record("\(file.name) is not read")
                    return
                }
                let payload = header.payload(in: bytes, length: bytes.count)
                if file.name.contains("only_padding") {
                    #expect(header.hasPadding && payload?.isEmpty == true, "\(file.name)")
                } else {
                    #expect(payload?.isEmpty == false, "\(file.name)")
                }
                if file.name.contains("csrc") { #expect(header.payloadOffset == 12 + 4 * Int(bytes[0] & 15)) }
                if file.name.contains("mid") {
                    #expect(header.range(ofExtension: 9, in: bytes).map { Array(bytes[$0]) } == [0x30], "mid 0")
                }
            }
        }
    }

    @Test("aiortc's H.264 payloads are an aggregate, both ends of a fragmented unit, and a slice")
    func h264() throws {
        let payloads = try Self.files("aiortc", "h264_")
        #expect(payloads.count == 4)
        let kinds = payloads.map { file in file.bytes.withUnsafeBytes { VideoPayload($0, codec: .h264) } }
        #expect(kinds.allSatisfy { $0 != nil })
        // The units of the aggregate are parameter sets; the fragmented one is a picture of its own.
        #expect(kinds.map { $0?.startsIDR } == [false, true, false, false])
    }

    @Test("aioice's binding messages are read, and theirs alone are theirs")
    func stun() throws {
        let files = try Self.files("aioice")
        #expect(files.count == 4)
        for file in files {
            let message = try STUNMessage(file.bytes)
            #expect(message.kind == (file.name.contains("response") ? .success : .request), "\(file.name)")
            #expect((message.controlled != nil) == file.name.contains("controlled"))
            #expect((message.controlling != nil) == file.name.contains("controlling"))
            #expect((message.mappedAddress != nil) == file.name.contains("response"))
            #expect(!file.bytes.withUnsafeBytes { message.isAuthentic($0, password: "somebody else's password") })
        }
    }

    /// Reads a description and answers it: whoever can be met gets an answer, all others the reason; whether it is met.
    ///
    /// - Throws: when it is no description.
    private static func meet(_ file: File) throws(SDPError) -> Bool {
        let text = String(decoding: file.bytes, as: UTF8.self)
        let description = try SessionDescription(parsing: text)
        // Ours have credentials in every section.
        if description.media.allSatisfy({ !$0.ufrag.isEmpty }) {
            let again = try SessionDescription(parsing: description.text())
            #expect(again.media.map(\.kind) == description.media.map(\.kind), "\(file.name)")
            #expect(again.media.map(\.mid) == description.media.map(\.mid), "\(file.name)")
        }
        let remote: RemoteTransport
        do throws(SDPError) { remote = try description.remoteTransport() } catch {
            #expect(!error.description.isEmpty)
            // Without multiplexed RTCP, a fingerprint or encryption there is no meeting; with all of them there is.
            let isWhole = ["a=rtcp-mux", "a=fingerprint:sha-256", "SAVPF", "a=ice-ufrag"].allSatisfy(text.contains)
            #expect(!isWhole, "\(file.name): \(error.description)")
            return false
        }
        let local = LocalTransport(
            ufrag: "abcdefgh", password: "abcdefghijklmnopqrstuvwx", fingerprint: remote.fingerprint,
            candidates: [], isLite: true)
        for section in description.media where section.kind != .application {
            let answer = section.answer(local, receives: true)
            #expect(answer.mid == section.mid)
            let takes = section.acceptedCodecs().isEmpty == false
            #expect(answer.isRejected != takes, "\(file.name)")
        }
        return true
    }

    @Test(
        "descriptions by Chromium, Firefox and FreeSWITCH are read; whoever can be met gets an answer, all others the reason"
    )
    func descriptions() throws {
        let files = try Self.files("aiortc", "", ".sdp")
        #expect(files.count >= 20)
        var met = 0
        for file in files {
            do throws(SDPError) { met += try Self.meet(file) ? 1 : 0 } catch {
                Issue.record("\(file.name): \(error.description)")
            }
        }
        #expect(met >= 8, "\(met) could be met")
    }

    @Test(
        "descriptions in the tests of libwebrtc and Pion are met, or refused with the reason",
        arguments: [("libwebrtc", 50, 40, 3), ("pion-webrtc", 25, 22, 3), ("pion-sdp", 6, 2, 0)])
    func othersDescriptions(origin: String, count: Int, read: Int, met: Int) throws {
        let files = try Self.files(origin, "", ".sdp")
        #expect(files.count == count)
        var found = (read: 0, met: 0)
        for file in files {
            do throws(SDPError) {
                let isMet = try Self.meet(file)
                found.read += 1
                found.met += isMet ? 1 : 0
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(found == (read, met))
    }
}
