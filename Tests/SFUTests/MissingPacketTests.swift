// What a publisher is asked for again, over ways of any length, in virtual time.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("What a publisher is asked for again")
struct MissingPacketTests {
    /// A publisher that sends a picture of three packets every 30 ms; the shard's part is its own code.
    private struct Line {
        let room = Room(id: "room"), session: Session, producer: Producer
        let wayMs: Int64
        /// Whether a packet is lost: by its number, and the how manieth time it is sent.
        let isLost: (Int64, Int) -> Bool
        private(set) var now: Int64 = 0
        private var sequence: Int64 = 0, tries: [Int64: Int] = [:]
        private var packets: [Int64: [Int64]] = [:], asks: [Int64: [UInt16]] = [:]
        /// How often each packet was lost and asked for, and how long it took from when it was missed.
        private(set) var losses: [Int64: Int] = [:], asked: [Int64: Int] = [:]
        private(set) var missedAt: [Int64: Int64] = [:], waitedMs: [Int64: Int64] = [:]
        private var came: Set<Int64> = [], highest: Int64 = -1

        init(roundTripMs: Int64, isKnown: Bool = true, isLost: @escaping (Int64, Int) -> Bool) throws {
            guard let identity = DTLSIdentity() else { throw RTCTestError() }
            session = Session(
                id: "s", participant: "anna", isPublisher: true, room: room,
                transport: PeerTransport(identity: identity, isServer: true))
            var section = MediaSection(kind: .video, mid: "0")
            section.codecs = MediaSection.offered(.vp8)
            let codecs = section.acceptedCodecs()
            producer = Producer(
                track: TrackInfo(id: "camera", participant: "anna", session: "s", source: .camera, isMuted: false),
                audience: .everybody, section: section, media: codecs[0], rtx: codecs[1], session: session)
            producer.layers[0].ssrc = 7
            if isKnown { session.roundTripMs = roundTripMs }
            wayMs = roundTripMs / 2
            self.isLost = isLost
        }

        mutating func run(toMs end: Int64) { while now < end { step() } }

        private mutating func step() {
            let layer = producer.layers[0], moment = MonotonicTime(milliseconds: now)
            for number in packets.removeValue(forKey: now) ?? [] {
                if number > highest {
                    for missed in (highest + 1)..<number { missedAt[missed] = now }
                    highest = number
                } else if came.insert(number).inserted, let since = missedAt[number] {
                    waitedMs[number] = now - since
                }
                came.insert(number)
                _ = layer.nack.note(number, now: moment)
            }
            if now % ShardCore.tickMs == 0, case .nack(let nack)? = producer.askAgain(layer, now: moment) {
                #expect(nack.media == 7)
                for number in nack.lost { asked[Int64(number), default: 0] += 1 }
                asks[now + wayMs, default: []] += nack.lost
            }
            for number in asks.removeValue(forKey: now) ?? [] { send(Int64(number)) }
            if now % 30 == 0 {
                for _ in 0..<3 {
                    send(sequence)
                    sequence += 1
                }
            }
            now += 1
        }

        private mutating func send(_ number: Int64) {
            tries[number, default: 0] += 1
            guard number == 0 || !isLost(number, tries[number] ?? 0) else {
                losses[number, default: 0] += 1
                return
            }
            packets[now + wayMs, default: []].append(number)
        }
    }

    /// The same packets of a hundred are lost each time a test runs.
    private static func chance(_ percent: UInt64, seed: UInt64) -> (Int64, Int) -> Bool {
        { number, turn in
            var random = LayerRandom(seed &+ UInt64(number) &* 64 &+ UInt64(turn))
            return random.next() % 100 < percent
        }
    }

    @Test("each loss costs one request per round trip, however long the way is", arguments: [4, 20, 60, 150, 300, 600])
    func onceEachRoundTrip(roundTripMs: Int64) throws {
        var line = try Line(roundTripMs: roundTripMs, isLost: Self.chance(10, seed: 3))
        line.run(toMs: 30_000)
        // Those of the end may be under way.
        let numbers = line.waitedMs.keys.filter { $0 < 2700 }.sorted()
        #expect(numbers.count > 150)
        for number in numbers { #expect(line.asked[number] == line.losses[number], "packet \(number)") }
        let missing = line.missedAt.keys.filter { $0 < 2700 && line.waitedMs[$0] == nil }
        #expect(missing.isEmpty, "a tenth is lost, and nothing is given up")
    }

    @Test("over a quick line a repeat comes as soon as it can, and so does what is lost again")
    func quickLine() throws {
        var line = try Line(roundTripMs: 20, isLost: Self.chance(20, seed: 5))
        line.run(toMs: 30_000)
        var again = 0
        for (number, waited) in line.waitedMs where number < 2700 {
            let more = Int64((line.losses[number] ?? 0) - 1)
            if more > 0 { again += 1 }
            #expect(waited <= ShardCore.tickMs + 20 + more * 40, "packet \(number), lost \(more) times more")
        }
        #expect(line.waitedMs.count > 400 && again > 50)
    }

    @Test("what is not known yet is taken for 100 ms, and no answer makes the wait longer than a second")
    func unknown() throws {
        func times(_ roundTripMs: Int64?) throws -> [Int64] {
            let line = try Line(roundTripMs: 20, isKnown: false) { _, _ in false }, layer = line.producer.layers[0]
            line.session.roundTripMs = roundTripMs
            for number in [0, 2] as [Int64] { _ = layer.nack.note(number, now: MonotonicTime(milliseconds: 0)) }
            return (0...2500).filter {
                line.producer.askAgain(layer, now: MonotonicTime(milliseconds: Int64($0))) != nil
            }
            .map(Int64.init)
        }
        #expect(try times(nil).prefix(4) == [0, 100, 200, 300])
        #expect(try times(0).prefix(4) == [0, 40, 80, 120])
        #expect(try times(300).prefix(4) == [0, 320, 640, 960])
        #expect(try times(9999) == [0, 1000, 2000])
    }

    @Test("who does not hear for two seconds is asked until a repeat would come too late, and not in a storm")
    func outage() throws {
        // Nothing comes again in the first two seconds that is asked for meanwhile.
        var line = try Line(roundTripMs: 20) { number, turn in number % 10 == 0 && number <= 20 && turn < 15 }
        line.run(toMs: 6000)
        #expect(line.asked[10] == 14 && line.asked[20] == 14)
        let waited = try #require(line.waitedMs[10])
        #expect((1300...2100).contains(waited), "\(waited) ms")
        var never = try Line(roundTripMs: 300) { number, _ in number == 10 }
        never.run(toMs: 10_000)
        #expect((9...10).contains(never.asked[10] ?? 0))
        #expect(never.producer.layers[0].nack.missingCount == 0 && never.producer.layers[0].nack.abandoned == 1)
    }

    // MARK: - Key frames

    private func entry(_ sequence: Int64, picture: UInt32, isKey: Bool = false) -> PacketStore.Entry {
        var entry = PacketStore.Entry()
        entry.sequence = sequence
        entry.header = RTPHeader(
            payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: picture, ssrc: 7)
        entry.payloadOffset = 12
        entry.payloadLength = 4
        entry.startsKeyframe = isKey
        return entry
    }

    private func asked(_ packets: [PacketStore.Entry]) -> Set<UInt16> {
        let layer = Layer(name: "", index: 0, isVideo: true, clockRate: 90_000), now = MonotonicTime(milliseconds: 0)
        layer.wantsKeyframe = true
        for entry in packets {
            _ = layer.nack.note(entry.sequence, now: now)
            [UInt8](repeating: 0, count: 16).withUnsafeBytes { _ = layer.store.insert($0, entry) }
            if entry.startsKeyframe { layer.hasKeyframe(entry) }
        }
        #expect(!layer.wantsKeyframe)
        return Set(layer.nack.due(now: now, roundTripMs: 20))
    }

    @Test("behind a key frame nothing is asked for of the pictures before it")
    func keyframeForgets() {
        let pictures = [entry(1, picture: 10), entry(4, picture: 11), entry(6, picture: 12)]
        #expect(asked(pictures + [entry(7, picture: 13, isKey: true), entry(9, picture: 13)]) == [8])
        // What comes late says nothing of the pictures behind it.
        #expect(
            asked([
                entry(1, picture: 10), entry(3, picture: 12), entry(6, picture: 14), entry(4, picture: 13, isKey: true),
            ])
                == [5])
    }

    @Test("what may be the key frame's own is asked for, though it came before its first packet")
    func keyframeKeepsItsOwn() {
        // The first parameter set is lost, the second comes: 5 may be either picture's, 3 is not wanted.
        #expect(
            asked([
                entry(2, picture: 10), entry(4, picture: 11), entry(6, picture: 12, isKey: true), entry(7, picture: 12),
            ])
                == [5])
        #expect(
            asked([
                entry(2, picture: 10), entry(4, picture: 11), entry(6, picture: 12, isKey: true),
                entry(8, picture: 12, isKey: true),
            ]) == [5, 7])
        #expect(asked([entry(5, picture: 12, isKey: true), entry(7, picture: 12, isKey: true)]) == [6])
    }
}
