// A publisher: replays the recording as VP8 and Opus, keeps packets for repeats, reports.

import CPacketIO
import Media
import PacketIO
import RTC

/// A publisher of the load; confined to its thread.
final class PublishingPeer: LoadPeer {
    private struct Track {
        let isVideo: Bool
        let clockRate: Int64
        let ssrc = SecureRandom.u32(), rtxSSRC = SecureRandom.u32(), timestampBase = SecureRandom.u32()
        var payloadType: UInt8 = 0, rtxPayloadType: UInt8?
        var midExtension: UInt8 = 0, levelExtension: UInt8 = 0, numberExtension: UInt8 = 0
        var isAccepted = false
        // Below 2^15, so that both sides begin with the rollover counter 0 (RFC 3711 section 3.3.1).
        var next = Int64(SecureRandom.u32() & 0x7FFF), nextRTX = Int64(SecureRandom.u32() & 0x7FFF)
        var packets: UInt32 = 0, bytes: UInt32 = 0
    }

    private let recording: Recording
    private var tracks = [Track(isVideo: true, clockRate: 90_000), Track(isVideo: false, clockRate: 48_000)]
    private let store = PacketStore(capacity: 1024)
    private var replay: Replay?
    /// The number of the next packet among all that leave.
    private var transportNumber: UInt16 = 0
    private var lastReport: MonotonicTime?
    private let wallNanoseconds: Int64, startedAt: MonotonicTime
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 16)

    init(number: Int, socket: PeerSocket, local: UInt32, identity: DTLSIdentity, recording: Recording) {
        self.recording = recording
        startedAt = SystemClock.monotonic()
        wallNanoseconds = SystemClock.wallMilliseconds() * 1_000_000
        super.init(number: number, socket: socket, local: local, identity: identity)
    }

    deinit { scratch.deallocate() }

    /// Makes the offer of a camera and a microphone.
    func offer() -> String {
        var offer = SessionDescription()
        for (index, track) in tracks.enumerated() {
            var section = MediaSection.offer(
                kind: track.isVideo ? .video : .audio, mid: String(index), transport: description, stream: "load",
                track: track.isVideo ? "camera" : "microphone",
                source: .init(ssrc: track.ssrc, rtx: track.isVideo ? track.rtxSSRC : nil, cname: "load\(number)"),
                codecs: MediaSection.offered(track.isVideo ? .vp8 : .opus))
            section.candidates = index == 0 ? section.candidates : []
            offer.media.append(section)
        }
        offer.bundle = offer.media.map(\.mid)
        return offer.text()
    }

    /// Takes the server's answer and connects.
    func accept(answer text: String, now: MonotonicTime) throws(SDPError) {
        let answer = try SessionDescription(parsing: text)
        let remote = try answer.remoteTransport()
        for section in answer.media where !section.isRejected && section.direction.receives {
            guard let index = Int(section.mid), tracks.indices.contains(index),
                let media = section.acceptedCodecs().first
            else { continue }
            tracks[index].payloadType = media.payloadType
            tracks[index].rtxPayloadType = section.rtx(for: media.payloadType)?.payloadType
            tracks[index].midExtension = section.extensionID(RTPExtensionURI.mid) ?? 0
            tracks[index].levelExtension = section.extensionID(RTPExtensionURI.audioLevel) ?? 0
            // What is sent again without RTX must have the same bytes under the same nonce, so such packets have no number of the way.
            let mayNumber = !tracks[index].isVideo || tracks[index].rtxPayloadType != nil
            tracks[index].numberExtension =
                mayNumber && section.hasTransportFeedback
                ? section.extensionID(RTPExtensionURI.transportNumber) ?? 0 : 0
            tracks[index].isAccepted = true
        }
        guard tracks.allSatisfy(\.isAccepted) else { throw .missing("an accepted camera and microphone") }
        connect(remote, now: now)
    }

    /// When it wants to send next, nil while it is not connected.
    var deadline: MonotonicTime? { isConnected ? replay?.deadline : nil }

    /// Pictures and sounds that came too late to be sent at all.
    var skipped: Int64 { replay?.skipped ?? 0 }

    /// Sends what is due.
    func play(now: MonotonicTime, counters: inout LoadCounters) {
        guard isConnected else { return }
        if replay == nil {
            // Publishers that begin at one moment would send their pictures at one moment for ever.
            let offset = Int64(SecureRandom.u32() % UInt32(clamping: recording.pictureNanoseconds))
            replay = Replay(recording, start: now.advanced(byNanoseconds: offset))
        }
        while let item = replay?.next(now: now) {
            switch item {
            case .picture(let index, let media):
                let payloads = recording.pictures[index].payloads
                for (place, payload) in payloads.enumerated() {
                    send(0, payload, media, marker: place == payloads.count - 1, level: nil, counters: &counters)
                }
            case .sound(let index, let media):
                let sound = recording.sounds[index]
                send(1, sound.payload, media, marker: false, level: sound.level, counters: &counters)
            }
        }
    }

    private func send(
        _ index: Int, _ payload: [UInt8], _ media: Int64, marker: Bool, level: UInt8?, counters: inout LoadCounters
    ) {
        guard let sender = transport.sender, let target = transport.selected, let base = scratch.baseAddress else {
            return
        }
        let sequence = tracks[index].next
        tracks[index].next += 1
        let ticks = media / 1000 * tracks[index].clockRate / 1_000_000
        let header = RTPHeader(
            payloadType: tracks[index].payloadType, sequenceNumber: UInt16(truncatingIfNeeded: sequence),
            timestamp: tracks[index].timestampBase &+ UInt32(truncatingIfNeeded: ticks), ssrc: tracks[index].ssrc,
            marker: marker)
        var length = payload.count
        scratch.copyBytes(from: payload)
        if marker {
            SendStamp.write(proscenium_wall_nanoseconds(), to: base + length)
            length += SendStamp.length
        }
        let stamped = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(scratch)[..<length])
        if tracks[index].isVideo {
            var entry = PacketStore.Entry()
            entry.sequence = sequence
            entry.header = header
            entry.payloadLength = length
            _ = store.insert(stamped, entry)
        }
        seal(index, header, prefix: nil, stamped, level: level, sender: sender, at: sequence, to: target)
        tracks[index].packets &+= 1
        tracks[index].bytes &+= UInt32(length)
        counters.packetsSent &+= 1
    }

    private func seal(
        _ index: Int, _ header: RTPHeader, prefix: UInt16?, _ payload: UnsafeRawBufferPointer, level: UInt8?,
        sender: SRTPSender, at sequence: Int64, to target: NetworkAddress
    ) {
        let room = socket.reserve()
        let track = tracks[index]
        let hasLevel = level != nil && track.levelExtension != 0
        let hasExtension = track.midExtension != 0 || track.numberExtension != 0 || hasLevel
        guard var length = header.write(to: room, hasExtension: hasExtension) else { return }
        if hasExtension {
            var writer = RTPExtensionWriter(room, at: length)
            var mid = UInt8(ascii: "0") + UInt8(index)
            withUnsafeBytes(of: &mid) { writer.append(id: track.midExtension, $0) }
            if hasLevel, let level {
                var value = level < 100 ? level | 0x80 : level
                withUnsafeBytes(of: &value) { writer.append(id: track.levelExtension, $0) }
            }
            if track.numberExtension != 0 {
                var number = transportNumber.bigEndian
                withUnsafeBytes(of: &number) { writer.append(id: track.numberExtension, $0) }
                transportNumber &+= 1
            }
            guard let end = writer.finish() else { return }
            length = end
        }
        var original = (prefix ?? 0).bigEndian
        let total = withUnsafeBytes(of: &original) { bytes in
            sender.protect(
                room, headerLength: length,
                prefix: prefix == nil ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes, payload: payload,
                ssrc: header.ssrc, index: sequence)
        }
        if let total { socket.commit(total, from: local, to: target) }
    }

    override func control(_ packet: RTCPPacket, now: MonotonicTime, counters: inout LoadCounters) {
        switch packet {
        case .nack(let nack):
            guard nack.media == tracks[0].ssrc else { return }
            for number in nack.lost where resend(number) { counters.packetsRepeated &+= 1 }
        case .pictureLoss(let loss) where loss.media == tracks[0].ssrc:
            counters.keyframesWanted &+= 1
            replay?.requestKeyframe()
        case .fullIntraRequest(let request) where request.entries.contains { $0.ssrc == tracks[0].ssrc }:
            counters.keyframesWanted &+= 1
            replay?.requestKeyframe()
        case .transportFeedback: counters.feedbackReceived &+= 1
        default: break
        }
    }

    private func resend(_ number: UInt16) -> Bool {
        let track = tracks[0]
        let sequence = track.next &+ Int64(Int16(bitPattern: number &- UInt16(truncatingIfNeeded: track.next)))
        guard let entry = store.entry(sequence), let sender = transport.sender, let target = transport.selected else {
            return false
        }
        var header = entry.header
        guard let rtx = track.rtxPayloadType else {
            // The same bytes under the same nonce give the same ciphertext.
            seal(
                0, header, prefix: nil, store.payload(entry), level: nil, sender: sender, at: sequence, to: target)
            return true
        }
        let index = track.nextRTX
        tracks[0].nextRTX += 1
        header.payloadType = rtx
        header.ssrc = track.rtxSSRC
        header.sequenceNumber = UInt16(truncatingIfNeeded: index)
        seal(0, header, prefix: number, store.payload(entry), level: nil, sender: sender, at: index, to: target)
        return true
    }

    override func tick(now: MonotonicTime, counters: inout LoadCounters) {
        super.tick(now: now, counters: &counters)
        guard isConnected, let replay, lastReport.map({ now.milliseconds(since: $0) >= 1000 }) ?? true else { return }
        lastReport = now
        let unix = wallNanoseconds &+ now.nanoseconds(since: startedAt)
        for track in tracks where track.packets > 0 {
            let ticks = replay.mediaNanoseconds(at: now) / 1000 * track.clockRate / 1_000_000
            transport.send([
                .senderReport(
                    .init(
                        ssrc: track.ssrc, ntp: NTPTime.from(unixNanoseconds: unix),
                        rtpTimestamp: track.timestampBase &+ UInt32(truncatingIfNeeded: ticks), packets: track.packets,
                        bytes: track.bytes)),
                .sourceDescription(.init(chunks: [.init(ssrc: track.ssrc, cname: "load\(number)")])),
            ])
        }
        settle()
    }
}
