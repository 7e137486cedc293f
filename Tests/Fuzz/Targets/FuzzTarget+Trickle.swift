// What comes while a connection stands: fragments of descriptions, and what receivers tell of packets' arrival.

import Media
import RTC

extension FuzzTarget {
    /// Fragments by WHIP and WHEP: what is read once can be said, and is read the same way.
    static let fragment = FuzzTarget("fragment") {
        let credentials = ["a=ice-ufrag:4ZcD", "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlFN"]
        let section = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0"]
        let candidates = [
            "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1",
            "a=candidate:473322822 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active generation 0",
            "a=candidate:1 1 udp 2122194687 0d5a6cf6-2fd5-4d49-a1b6-5f2e5f5d6a0e.local 61766 typ host",
            "a=candidate:9 2 udp 1 192.0.2.1 1 typ relay raddr 0.0.0.0 rport 0",
        ]
        return [
            credentials + section + candidates + ["a=end-of-candidates"], section + candidates, credentials,
            ["a=end-of-candidates"],
        ].map { Array(($0.joined(separator: "\r\n") + "\r\n").utf8) }
    } run: { bytes in
        guard let fragment = try? ICEFragment(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
        var ours = fragment
        if ours.mid.isEmpty { ours.mid = "0" }
        never((try? ICEFragment(parsing: fragment.text())) != ours, "what is written is read otherwise")
    }

    /// Which packets were sent, and bytes that tell of them: each packet is told of once, or as lost and then as come.
    ///
    /// A count of packets, then messages: milliseconds that pass, packets that follow, a length, and so many bytes of RTCP.
    static let feedback = FuzzTarget("feedback") {
        func told(_ base: UInt16, _ arrivals: [Int32]) -> [UInt8] {
            let message = RTCPPacket.write([
                .transportFeedback(
                    .init(sender: 1, media: 2, base: base, reference: 7, count: 0, arrivals: arrivals))
            ])
            return [30, 3, UInt8(truncatingIfNeeded: message.count)] + message
        }
        let missing = RTCPTransportFeedback.missing
        return [
            [0, 60] + told(1, [0, 40, 80, missing, 300, 299, missing]) + told(4, [0, missing, 5]),
            [2, 0] + told(500, Array(repeating: missing, count: 40) + [9]),
            [0, 5] + told(0xFFF0, Array(repeating: 3, count: 30)),
        ]
    } run: { bytes in
        var input = FuzzInput(bytes), now = MonotonicTime(milliseconds: 1000)
        var history = SendHistory(), arrivals = TransportArrivals(), outstanding = 0
        func send(_ count: Int, to history: inout SendHistory) {
            for index in 0..<count {
                history.note(size: 100 + index % 1100, probe: UInt8(index & 3), now: now)
                now = now.advanced(byNanoseconds: 300_000)
            }
        }
        send(Int(input.word()) % 10_000, to: &history)
        while !input.isAtEnd {
            now = now.advanced(byMilliseconds: Int64(input.byte()))
            let more = Int(input.byte())
            send(more, to: &history)
            let message = input.take(Int(input.byte()))
            for packet in message.withUnsafeBytes({ RTCPPacket.parse($0) }) {
                guard case .transportFeedback(let feedback) = packet else { continue }
                never(feedback.arrivals.count > RTCPTransportFeedback.maximum, "more packets than a message holds")
                var last = Int64.min, before = history.bytesInFlight
                history.match(feedback, now: now) { outcome in
                    never(outcome.sentAt < last, "packets out of their order")
                    never(outcome.sentAt > now.nanoseconds, "a packet from the future")
                    last = outcome.sentAt
                    if !outcome.wasLost, outcome.isLost || outcome.arrivedAt != nil { before -= outcome.size }
                }
                never(history.bytesInFlight != before || before < 0, "bytes that nobody sent")
                never(history.capacity > 8192, "memory that grows with what is told")
            }
            // The other way: the same bytes as numbers of what came.
            for byte in message { arrivals.note(UInt16(byte) &* 97 &+ UInt16(more), size: 100, now: now) }
            for told in arrivals.due(sender: 1, media: 2, now: now) {
                let written = RTCPPacket.write([.transportFeedback(told)])
                let again = written.withUnsafeBytes { RTCPPacket.parse($0) }
                never(again != [.transportFeedback(told)], "what we tell is read otherwise")
                outstanding += told.arrivals.count
            }
        }
        _ = outstanding
    }
}
