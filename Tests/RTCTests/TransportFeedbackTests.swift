// Transport-wide feedback: its bytes, its bounds, and its way from arrivals back to what was sent.

import Media
import Testing

@testable import RTC

@Suite("Transport-wide feedback")
struct TransportFeedbackTests {
    private static let missing = RTCPTransportFeedback.missing

    private func read(_ text: String) -> RTCPTransportFeedback? {
        let packets = hex(text).withUnsafeBytes { RTCPPacket.parse($0) }
        guard case .transportFeedback(let feedback)? = packets.first else { return nil }
        return feedback
    }

    private func roundTrip(_ arrivals: [Int32]) -> [Int32]? {
        let message = RTCPTransportFeedback(
            sender: 1, media: 2, base: 65_000, reference: -5, count: 255, arrivals: arrivals)
        let bytes = RTCPPacket.write([.transportFeedback(message)])
        #expect(bytes.count % 4 == 0)
        guard case .transportFeedback(let back)? = bytes.withUnsafeBytes({ RTCPPacket.parse($0) }).first else {
            return nil
        }
        #expect(back.base == 65_000 && back.reference == -5 && back.count == 255 && back.sender == 1 && back.media == 2)
        return back.arrivals
    }

    @Test("the chunks of the draft are read: a run, one bit and two bits a packet, small and large deltas")
    func chunks() throws {
        // A run of 3 small ones, then one bit: come, missing, come; the 11 bits behind the count say nothing.
        let one = try #require(
            read("8FCD0007 00000001 00000002 FFFE 0006 000010 07 2003 A800 04 08 0C 04 FF 000000"))
        #expect(one.base == 0xFFFE && one.reference == 16 && one.count == 7)
        #expect(one.arrivals == [4, 12, 24, 28, Self.missing, 283])
        // Two bits: large -2, small 1, missing, large 32767.
        let two = try #require(read("8FCD0006 00000001 00000002 0001 0004 FFFFFF 00 E480 FFFE 01 7FFF 00"))
        // 11 10 01 00 10 00 00 00: a two-bit chunk.
        #expect(two.reference == -1 && two.arrivals == [-2, -1, Self.missing, 32_766])
    }

    @Test("what the draft reserves, what ends early and what tells of too much is no feedback")
    func refused() {
        #expect(read("8FCD0005 00000001 00000002 0001 0002 000000 00 6002 0000 0000") == nil, "a reserved run")
        #expect(read("8FCD0005 00000001 00000002 0001 0001 000000 00 F000 0000 0000") == nil, "a reserved symbol")
        #expect(read("8FCD0005 00000001 00000002 0001 0002 000000 00 2000 0000 0000") == nil, "an empty run")
        #expect(read("8FCD0004 00000001 00000002 0001 0002 000000 00") == nil, "no chunk")
        #expect(read("8FCD0005 00000001 00000002 0001 0010 000000 00 2010 0101") == nil, "deltas that are not there")
        #expect(read("8FCD0005 00000001 00000002 0001 0000 000000 00 0000 0000") == nil, "nothing")
        #expect(read("8FCD0005 00000001 00000002 0001 1001 000000 00 1FFF 0000") == nil, "4097 numbers")
        #expect(read("8FCD0005 00000001 00000002 0001 1000 000000 00 1FFF 0000")?.arrivals.count == 4096)
    }

    @Test("a datagram of many messages tells of no more packets than one message may")
    func amplified() {
        let message = "8FCD0005 00000001 00000002 0001 0800 000000 00 0800 0000"
        let packets = hex(String(repeating: message, count: 50)).withUnsafeBytes { RTCPPacket.parse($0) }
        #expect(packets.count == 2)
        #expect(
            hex(String(repeating: message, count: 50) + "80C90001 00000001").withUnsafeBytes { RTCPPacket.parse($0) }
                .count == 3)
    }

    @Test("where nothing came the time goes on from what was told last")
    func emptyMessage() throws {
        var arrivals = TransportArrivals()
        func due(_ milliseconds: Int64) -> [RTCPTransportFeedback] {
            arrivals.due(sender: 1, media: 2, now: MonotonicTime(milliseconds: milliseconds))
        }
        arrivals.note(0, size: 1200, now: MonotonicTime(milliseconds: 640_000))
        arrivals.note(1, size: 1200, now: MonotonicTime(milliseconds: 640_010))
        let first = try #require(due(640_300).last)
        arrivals.note(1500, size: 1200, now: MonotonicTime(milliseconds: 642_000))
        let later = due(642_300)
        #expect(later.count > 1 && later.dropLast().allSatisfy { $0.reference == first.reference })
        #expect(try #require(later.last).reference > first.reference)
    }

    @Test("any pattern of arrivals is read as it was written")
    func patterns() {
        var random = SeededGenerator(3)
        let fixed: [[Int32]] = [
            [0], [Self.missing], Array(repeating: Self.missing, count: 4096), Array(0..<4096),
            (0..<4096).map { $0 % 2 == 0 ? Self.missing : $0 }, [32_767, 0, 32_767, 32_768, 0],
            (0..<100).map { $0 * 300 },
        ]
        for arrivals in fixed { #expect(roundTrip(arrivals) == arrivals) }
        for _ in 0..<300 {
            var ticks: Int32 = 0
            let lost = Int.random(in: 0...100, using: &random), large = Int.random(in: 0...100, using: &random)
            let arrivals = (0..<Int.random(in: 1...600, using: &random)).map { _ -> Int32 in
                guard Int.random(in: 0..<100, using: &random) >= lost else { return Self.missing }
                let isLarge = Int.random(in: 0..<100, using: &random) < large
                ticks += isLarge ? .random(in: -4000...4000, using: &random) : .random(in: 0...255, using: &random)
                return ticks
            }
            #expect(roundTrip(arrivals) == arrivals)
        }
    }

    @Test("hostile feedback never traps, and nothing is told twice of a packet")
    func hostile() {
        let arrivals: [[Int32]] = [
            [0, 1, Self.missing, 700, -20], (0..<300).map { $0 % 3 == 0 ? Self.missing : $0 * 3 },
            Array(repeating: Self.missing, count: 2000) + [5], (0..<50).map { $0 * 1000 },
        ]
        var seeds: [[UInt8]] = []
        for (index, arrivals) in arrivals.enumerated() {
            let message = RTCPTransportFeedback(
                sender: 1, media: 2, base: UInt16(truncatingIfNeeded: 65_500 + index * 40), reference: 0x7F_FFFF,
                count: 1, arrivals: arrivals)
            seeds.append(RTCPPacket.write([.transportFeedback(message)]))
        }
        seeds.append(hex("8FCD0007 00000001 00000002 FFFE 0006 000010 07 2003 A800 04 08 0C 04 FF 000000"))
        let history = SendHistory()
        var parsed = 0, told = 0, lost = 0
        for index in 0..<70_000 { history.note(size: 1000, now: MonotonicTime(nanoseconds: Int64(index) * 100_000)) }
        let now = MonotonicTime(milliseconds: 7100)
        attack(seeds, rounds: 60_000) { bytes in
            for packet in bytes.withUnsafeBytes({ RTCPPacket.parse($0) }) {
                guard case .transportFeedback(let feedback) = packet else { continue }
                parsed += 1
                #expect(feedback.arrivals.count <= RTCPTransportFeedback.maximum)
                history.match(feedback, now: now) { outcome in
                    if outcome.isLost { lost += 1 } else if outcome.arrivedAt != nil { told += 1 }
                }
            }
        }
        #expect(parsed > 10_000)
        #expect(told <= history.capacity && lost <= history.capacity && told > 100)
        #expect(history.bytesInFlight >= 0)
    }

    @Test("what arrives is told to who sent it: times, losses, what comes late, over wraps of numbers and of the clock")
    func wayBack() {
        // The receiver's clock stands shortly before its 24 bits of 64 ms are used up.
        let offset: Int64 = (1 << 23) * 64_000_000 - 3_000_000_000
        var random = SeededGenerator(8)
        let history = SendHistory()
        var arrivals = TransportArrivals()
        var arrived: [Int64: Int64] = [:], flying: [(at: Int64, number: UInt16, id: Int64)] = []
        var told: [PacketOutcome] = [], isDeaf = false
        for step in Int64(0)..<30_000 {
            let now = MonotonicTime(nanoseconds: step * 1_000_000)
            for _ in 0..<3 {
                let number = UInt16(truncatingIfNeeded: history.next), id = history.next
                history.note(size: Int(id % 1000) + 100, now: now)
                guard Int.random(in: 0..<20, using: &random) > 0 else { continue }
                flying.append((step + .random(in: 20...35, using: &random), number, id))
            }
            isDeaf = step % 7000 > 6600
            for packet in flying where packet.at <= step {
                arrived[packet.id] = packet.at * 1_000_000
                arrivals.note(
                    packet.number, size: 1000, now: MonotonicTime(nanoseconds: packet.at * 1_000_000 + offset))
            }
            flying.removeAll { $0.at <= step }
            let due = arrivals.due(sender: 1, media: 2, now: now.advanced(byNanoseconds: offset))
            for message in due where !isDeaf {
                let bytes = RTCPPacket.write([.transportFeedback(message)])
                #expect(bytes.count < 1100)
                guard case .transportFeedback(let back)? = bytes.withUnsafeBytes({ RTCPPacket.parse($0) }).first else {
                    Issue.record("feedback that can't be read")
                    continue
                }
                history.match(back, now: now) { told.append($0) }
            }
        }
        #expect(told.count > 80_000)
        var reference: Int64?
        for outcome in told {
            // Three packets were sent in a millisecond; their sizes tell them apart.
            let first = outcome.sentAt / 1_000_000 * 3 + 1
            guard let time = outcome.arrivedAt else { continue }
            guard let found = (first..<first + 3).first(where: { Int($0 % 1000) + 100 == outcome.size }),
                let at = arrived[found]
            else {
                Issue.record("a packet that never came: \(outcome)")
                return
            }
            reference = reference ?? time - at
            #expect(abs(time - at - (reference ?? 0)) <= 500_000)
        }
        let late = told.filter(\.wasLost)
        #expect(late.allSatisfy { $0.arrivedAt != nil } && late.count > 100)
        let lost = told.filter(\.isLost).count - late.count
        #expect((3000...6000).contains(lost), "\(lost) of 90 000")
        // Four times for 0.4 s no message came.
        let untold = told.filter(\.isUntold)
        #expect((4500...5100).contains(untold.count) && untold.allSatisfy { $0.arrivedAt == nil }, "\(untold.count)")
        #expect(history.bytesInFlight > 0)
    }

    @Test("feedback comes every 50 to 250 ms, the more is received the sooner")
    func intervals() {
        func count(bytesPerMs: Int) -> Int {
            var arrivals = TransportArrivals(), messages = 0
            for step in Int64(0)..<10_000 {
                let now = MonotonicTime(milliseconds: 5000 + step)
                if step % 5 == 0 { arrivals.note(UInt16(truncatingIfNeeded: step / 5), size: bytesPerMs * 5, now: now) }
                messages += arrivals.due(sender: 1, media: 2, now: now).count
            }
            return messages
        }
        #expect((39...41).contains(count(bytesPerMs: 1)), "8 kbit/s")
        #expect((60...80).contains(count(bytesPerMs: 10)), "80 kbit/s")
        #expect((190...201).contains(count(bytesPerMs: 200)), "1.6 Mbit/s")
    }

    @Test("a jump of numbers is told of as far as the ring reaches, and what is too late of no more")
    func jumps() {
        var arrivals = TransportArrivals()
        let start = MonotonicTime(milliseconds: 1000)
        arrivals.note(100, size: 100, now: start)
        arrivals.note(20_000, size: 100, now: start.advanced(byMilliseconds: 10))
        let first = arrivals.due(sender: 1, media: 2, now: start.advanced(byMilliseconds: 300))
        #expect(first.reduce(0) { $0 + $1.arrivals.count } == 2048)
        #expect(first.last?.arrivals.last != Self.missing)
        arrivals.note(19_400, size: 100, now: start.advanced(byMilliseconds: 310))
        #expect(arrivals.due(sender: 1, media: 2, now: start.advanced(byMilliseconds: 700)).isEmpty)
        arrivals.note(19_600, size: 100, now: start.advanced(byMilliseconds: 710))
        let late = arrivals.due(sender: 1, media: 2, now: start.advanced(byMilliseconds: 1000))
        #expect(late.first?.base == 19_600 && late.first?.arrivals.count == 400 && late.count == 2)
    }

    @Test("what a lost message would have told of is untold, neither lost nor come, and told of if it comes after all")
    func lostMessage() {
        let history = SendHistory(), now = MonotonicTime(milliseconds: 1000)
        for _ in 0..<12 { history.note(size: 100, now: now) }
        func message(_ base: UInt16, _ arrivals: [Int32]) -> [PacketOutcome] {
            let later = now.advanced(byMilliseconds: 100)
            var told: [PacketOutcome] = []
            history.match(
                .init(sender: 1, media: 2, base: base, reference: 5, count: 0, arrivals: arrivals), now: later
            ) { told.append($0) }
            return told
        }
        #expect(message(1, [0, 4, 8]).allSatisfy { $0.arrivedAt != nil && !$0.isUntold })
        let behind = message(7, [20, Self.missing])
        #expect(behind.map(\.isUntold) == [true, true, true, false, false])
        #expect(behind.map(\.isLost) == [false, false, false, false, true])
        #expect(behind.prefix(3).allSatisfy { $0.arrivedAt == nil })
        #expect(history.bytesInFlight == 700, "what is untold may come yet")
        let late = message(4, [10, Self.missing, 12])
        #expect(late.map(\.isUntold) == [true, false, true] && late.map(\.isLost) == [false, true, false])
        #expect(message(4, [10, Self.missing, 12]).isEmpty && history.bytesInFlight == 400)
        #expect(message(9, [0, 0, 0, 0]).count == 4 && history.bytesInFlight == 0)
    }

    @Test("a message about packets that are long forgotten tells of nothing")
    func forgotten() {
        let history = SendHistory(), now = MonotonicTime(milliseconds: 1000)
        for _ in 0..<20_000 { history.note(size: 100, now: now) }
        var told = 0
        for base in [UInt16(1), 100, 5000, 11_000] {
            history.match(
                .init(sender: 1, media: 2, base: base, reference: 5, count: 0, arrivals: [0, 4]),
                now: now.advanced(byMilliseconds: 100)
            ) { _ in told += 1 }
        }
        #expect(told == 0 && history.capacity < 9000)
    }

    @Test("the history grows while many packets are under way, and no further than its bound")
    func growth() {
        let history = SendHistory()
        for index in Int64(0)..<3000 { history.note(size: 10, now: MonotonicTime(nanoseconds: index * 100_000_000)) }
        #expect(history.capacity == SendHistory.initialCapacity, "ten packets a second")
        for index in Int64(0)..<50_000 {
            history.note(size: 10, now: MonotonicTime(nanoseconds: 300_000_000_000 + index * 10_000))
        }
        #expect(history.capacity == SendHistory.maximumCapacity)
        #expect(history.bytesInFlight == 10 * SendHistory.maximumCapacity)
    }
}
