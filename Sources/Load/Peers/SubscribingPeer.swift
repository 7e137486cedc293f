// A subscriber: decrypts, counts, asks again for what is missing, tells when each packet came, and decodes nothing.

import CPacketIO
import Media
import PacketIO
import RTC

/// A subscriber of the load; confined to its thread.
final class SubscribingPeer: LoadPeer {
    private(set) var streams: [ReceivedStream] = []
    private var lastReport: MonotonicTime?
    private var version: UInt64 = 0
    private var last = 0
    private var arrivals = TransportArrivals(), numberExtension: UInt8 = 0
    /// What stands between the kernel's clock, which stamps what comes, and ours, in nanoseconds.
    private let clockOffset = proscenium_wall_nanoseconds() &- SystemClock.monotonic().nanoseconds

    private let feedsBack: Bool

    init(number: Int, socket: PeerSocket, local: UInt32, identity: DTLSIdentity, feedsBack: Bool) {
        self.feedsBack = feedsBack
        super.init(number: number, socket: socket, local: local, identity: identity)
    }

    /// Takes the server's offer and returns the answer; connects at the first.
    func accept(offer text: String, now: MonotonicTime) throws(SDPError) -> String {
        let offer = try SessionDescription(parsing: text)
        let remote = try offer.remoteTransport()
        let local = description
        version += 1
        let answer = offer.answerReceiving(local, from: remote, version: version, feedsBack: feedsBack)
        let told = answer.media.first { !$0.isRejected && $0.hasTransportFeedback }
        numberExtension = told?.extensionID(RTPExtensionURI.transportNumber) ?? 0
        var current: Set<UInt32> = []
        for section in offer.media where !section.isRejected && section.direction.sends {
            guard let source = section.sources.first, source.ssrc != 0 else { continue }
            current.insert(source.ssrc)
            guard !streams.contains(where: { $0.ssrc == source.ssrc }), streams.count < 256 else { continue }
            streams.append(
                ReceivedStream(ssrc: source.ssrc, rtxSSRC: source.rtx, isVideo: section.kind == .video))
        }
        streams.removeAll { !current.contains($0.ssrc) }
        last = 0
        connect(remote, now: now)
        return answer.text()
    }

    /// Whether each stream that was offered has begun.
    var hasAll: Bool { isConnected && !streams.isEmpty && streams.allSatisfy(\.hasBegun) }

    /// Begins to count loss here.
    func beginWindow() { for index in streams.indices { streams[index].beginWindow() } }

    /// All packets that were asked for and came.
    var recovered: UInt64 { streams.reduce(0) { $0 + $1.recovered } }

    override func media(
        _ header: RTPHeader, _ packet: UnsafeRawBufferPointer, arrivedAt: Int64, now: MonotonicTime,
        counters: inout LoadCounters, latency: inout LatencyHistogram
    ) {
        let arrived = arrivedAt != 0 ? arrivedAt : proscenium_wall_nanoseconds()
        // Of whatever comes, padding as well, so that the server learns what the way carries.
        arrivals.note(
            header, in: packet, numberedBy: numberExtension, now: MonotonicTime(nanoseconds: arrived &- clockOffset))
        guard let range = header.payload(in: packet, length: packet.count), let index = find(header.ssrc) else {
            return counters.dropped &+= 1
        }
        counters.packetsReceived &+= 1
        counters.bytesReceived &+= UInt64(packet.count)
        let isRTX = header.ssrc != streams[index].ssrc
        var number = header.sequenceNumber
        if isRTX {
            // The original number stands before the payload (RFC 4588 section 4).
            guard range.count > 2 else { return counters.dropped &+= 1 }
            number = UInt16(packet[range.lowerBound]) << 8 | UInt16(packet[range.lowerBound + 1])
        }
        guard !range.isEmpty else { return }
        streams[index].note(number, header, isRTX: isRTX, now: now, counters: &counters)
        guard header.marker, !isRTX,
            let sentAt = SendStamp.read(UnsafeRawBufferPointer(rebasing: packet[range]))
        else { return }
        latency.note(nanoseconds: arrived &- sentAt)
    }

    @inline(__always)
    private func find(_ ssrc: UInt32) -> Int? {
        if last < streams.count, streams[last].ssrc == ssrc { return last }
        for index in streams.indices where streams[index].ssrc == ssrc || streams[index].rtxSSRC == ssrc {
            last = index
            return index
        }
        return nil
    }

    override func control(_ packet: RTCPPacket, now: MonotonicTime, counters: inout LoadCounters) {
        if case .senderReport(let report) = packet,
            let index = streams.firstIndex(where: { $0.ssrc == report.ssrc })
        {
            streams[index].note(senderReport: report.ntp, now: now)
        }
    }

    override func tick(now: MonotonicTime, counters: inout LoadCounters) {
        super.tick(now: now, counters: &counters)
        guard isConnected else { return }
        var packets: [RTCPPacket] = []
        for index in streams.indices {
            let lost = streams[index].due(now: now, roundTripMs: 50)
            if !lost.isEmpty {
                counters.nacks &+= UInt64(lost.count)
                packets.append(.nack(.init(sender: 1, media: streams[index].ssrc, lost: lost)))
            }
            if streams[index].takeKeyframeNeed() {
                counters.keyframeRequests &+= 1
                packets.append(.pictureLoss(.init(sender: 1, media: streams[index].ssrc)))
            }
        }
        if numberExtension != 0, let media = streams.first?.ssrc {
            let feedback = arrivals.due(sender: 1, media: media, now: now)
            counters.feedbackSent &+= UInt64(feedback.count)
            packets += feedback.map { .transportFeedback($0) }
        }
        if lastReport.map({ now.milliseconds(since: $0) >= 1000 }) ?? true {
            lastReport = now
            let blocks = streams.indices.compactMap { streams[$0].report(now: now) }
            // A report holds up to 31 blocks (RFC 3550 section 6.4.1).
            for start in stride(from: 0, to: blocks.count, by: 31) {
                packets.append(
                    .receiverReport(.init(ssrc: 1, blocks: Array(blocks[start..<min(start + 31, blocks.count)]))))
            }
        }
        guard !packets.isEmpty else { return }
        transport.send(packets)
        settle()
    }
}
