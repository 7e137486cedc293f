// A publisher of three layers, by simulcast or in one stream, the shard's way to one subscriber, a line, and the subscriber, in virtual time.

import Control
import Media
import RTC

@testable import SFU

/// Runs in steps of a millisecond; the shard's part is its own code without sockets and encryption.
struct LineSimulation {
    /// Bits per second of each layer, and of the voice.
    static let layerRates = [120_000, 400_000, 1_300_000], voiceRate = 40_000
    static let frameMs = 33.0

    struct Settings {
        var link: LinkModel
        /// Whether the subscriber tells of each packet; if not it reports what it has lost.
        var feedsBack = true
        /// Whether somebody speaks.
        var hasVoice = true
        /// Whether the layers come in one stream (VP9), each referring to the one below.
        var isSpatial = false
        /// Bits per second of the smallest layer, and of those above it.
        var smallestRate = layerRates[0], largerRates = Array(layerRates.dropFirst())
        /// What the subscriber shows; nil for the largest.
        var size: LayerSize?
        /// Of a hundred messages back that are lost; and whether the subscriber asks as browsers do that only receive: at once, each
        /// 100 ms from then on, and for a key frame after three seconds.
        var backLossPercent = 0, asksLikeBrowsers = false
        /// Whether the subscriber has agreed to be told how long pictures are to wait.
        var takesWaits = true
        var seed: UInt64 = 1
    }

    private enum Content {
        case media(number: Int64, frame: Int, isKey: Bool, isFirst: Bool, isLast: Bool), voice, padding
    }
    private struct Flying {
        var transport: UInt16, size: Int, content: Content, waitMs: Int
    }

    let session: Session, publisher: Session, room = Room(id: "room")
    let producer: Producer, consumer: Consumer
    var link: LinkModel
    /// Of a hundred messages back that are lost, from now on.
    var backLossPercent: Int
    private let feedsBack: Bool, hasVoice: Bool, isSpatial: Bool, layerRates: [Int], asksLikeBrowsers: Bool
    private(set) var now = 0
    // The publisher.
    private var sequences = [Int64](repeating: 1000, count: 3), mustKey = [true, true, true], nextFrame = 0.0, frame = 0
    private var random: LayerRandom
    private var askedAt: [Int?] = [nil, nil, nil], lastAsk = [-10_000, -10_000, -10_000], reportAt = 0
    private var frames: [Int: (frame: Int, isKey: Bool, isFirst: Bool)] = [:]
    // On the way.
    private var flying: [Int: [Flying]] = [:], feedback: [Int: [RTCPTransportFeedback]] = [:]
    private var nacks: [Int: [UInt16]] = [:], asks: Set<Int> = []
    // The subscriber.
    private var arrivals = TransportArrivals(),
        receivedParts: [Int64: (frame: Int, isKey: Bool, isFirst: Bool, isLast: Bool)] = [:]
    private var nextNumber: Int64?, highest: Int64 = -1, missing: [Int64: (tries: Int, at: Int)] = [:], stuckSince: Int?
    private var toldWaitMs = 0
    private var lastShown: Int?, lost = 0, expected = 0, reportedAt = 0
    // What is measured.
    private(set) var layers: [(at: Int, layer: Int?)] = []
    private(set) var freezes: [(at: Int, lengthMs: Int)] = []
    private(set) var bitsSent: [Int] = []
    private(set) var voiceSent = 0, voiceArrived = 0, shown = 0, paddingBytes = 0
    private(set) var longestVoiceMs = 0.0
    private(set) var estimates: [Int] = []
    /// When it was said that the line loses much whatever is sent.
    private(set) var toldLossyAt: [Int] = []
    /// How many packets have told how long pictures are to wait.
    private(set) var waitsTold = 0
    /// What a browser would show.
    var playout = PlayoutModel()

    static func moment(_ milliseconds: Int) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + Int64(milliseconds)) }

    init(_ settings: Settings) throws {
        guard let identity = DTLSIdentity() else { throw RTCTestError() }
        func session(_ id: String, _ room: Room, isPublisher: Bool) -> Session {
            Session(
                id: id, participant: id, isPublisher: isPublisher, room: room,
                transport: PeerTransport(identity: identity, isServer: true))
        }
        publisher = session("anna", room, isPublisher: true)
        self.session = session("ben", room, isPublisher: false)
        var section = MediaSection(kind: .video, mid: "0")
        section.codecs = MediaSection.offered(settings.isSpatial ? .vp9 : .vp8)
        section.extensions = [
            .init(id: 1, uri: RTPExtensionURI.mid), .init(id: 5, uri: RTPExtensionURI.rid),
            .init(id: 6, uri: RTPExtensionURI.repairedRid),
        ]
        if !settings.isSpatial { section.simulcast.sends = ["q", "h", "f"] }
        producer = Producer(
            track: TrackInfo(
                id: "camera", participant: "anna", session: "anna", source: .camera,
                codec: settings.isSpatial ? .vp9 : .vp8,
                isMuted: false),
            audience: .everybody, section: section, media: section.codecs[0], rtx: section.codecs[1], session: publisher
        )
        consumer = Consumer(producer: producer, session: self.session, section: 0, wish: settings.size)
        consumer.isAccepted = true
        consumer.usesRTX = true
        if settings.takesWaits { consumer.extensions.playoutDelay = OfferedIDs.playoutDelay }
        publisher.producers = [producer]
        self.session.consumers = [consumer]
        feedsBack = settings.feedsBack
        hasVoice = settings.hasVoice
        isSpatial = settings.isSpatial
        layerRates = [settings.smallestRate] + settings.largerRates
        (backLossPercent, asksLikeBrowsers) = (settings.backLossPercent, settings.asksLikeBrowsers)
        link = settings.link
        random = LayerRandom(settings.seed)
        nextFrame = Double.random(in: 0..<Self.frameMs, using: &random)
        if feedsBack { self.session.downlink.agree() }
    }

    mutating func run(to end: Int) { while now < end { step() } }

    private mutating func step() {
        let moment = Self.moment(now)
        publish()
        for message in feedback.removeValue(forKey: now) ?? [] { session.downlink.take(message, now: moment) }
        for number in nacks.removeValue(forKey: now) ?? [] {
            guard case .success(let packet) = consumer.repeated(number, now: moment) else { continue }
            let part = part(packet)
            emit(size(of: packet), part)
        }
        if asks.remove(now) != nil, let layer = consumer.forwarder.current { ask(layer) }
        for packet in flying.removeValue(forKey: now) ?? [] { arrive(packet) }
        if now % 5 == 0 { pace() }
        if now % 20 == 0 { tick() }
        if now % 1000 == 0 { bitsSent.append(0) }
        subscriber()
        if layers.last?.layer != consumer.shownLayer || layers.isEmpty { layers.append((now, consumer.shownLayer)) }
        now += 1
    }

    // MARK: - The publisher

    private mutating func publish() {
        if hasVoice, now % 20 == 0 { voice() }
        for layer in 0..<3 where askedAt[layer].map({ $0 <= now }) ?? false {
            askedAt[layer] = nil
            mustKey[layer] = true
        }
        if now >= reportAt {
            reportAt = now + 1000
            for layer in producer.layers.indices {
                producer.table.note(
                    layer, reportNanoseconds: Int64(now) * 1_000_000, timestamp: UInt32(truncatingIfNeeded: now * 90))
            }
        }
        if now % 100 == 0 {
            if let layer = consumer.forwarder.wanted(producer.table, now: Self.moment(now)) { ask(layer) }
            if consumer.needsLargerLayer(now: Self.moment(now)) { ask(0) }
        }
        guard Double(now) >= nextFrame else { return }
        nextFrame += Self.frameMs
        frame += 1
        if isSpatial { spatialPicture() } else { for layer in 0..<3 { picture(layer) } }
    }

    /// A key frame is asked for, and taken after the publisher's round trip.
    private mutating func ask(_ layer: Int) {
        guard now - lastAsk[layer] >= 500 else { return }
        lastAsk[layer] = now
        askedAt[layer] = now + 60
    }

    private mutating func picture(_ layer: Int) {
        let isKey = mustKey[layer]
        mustKey[layer] = false
        let (bytes, count) = size(of: layerRates[layer], isKey: isKey)
        for index in 0..<count {
            var entry = entry(of: layer, bytes / count, isLast: index == count - 1)
            entry.startsKeyframe = isKey && index == 0
            keep(entry, layer, isKey: isKey, isFirst: index == 0)
            take(entry, producer.layers[layer])
        }
    }

    /// A picture of all layers, which become packets of one stream: of a layer what it has more than the one below.
    private mutating func spatialPicture() {
        let isKey = mustKey[0]
        mustKey[0] = false
        for layer in 0..<3 {
            let rate = layerRates[layer] - (layer > 0 ? layerRates[layer - 1] : 0)
            let (bytes, count) = size(of: rate, isKey: isKey)
            for index in 0..<count {
                let (first, last) = (index == 0, index == count - 1)
                var entry = entry(of: 0, bytes / count, isLast: last && layer == 2)
                let payload = LayerBytes.payload(
                    spatial: layer, temporal: 0, isPredicted: !isKey, usesLower: layer > 0, first: first, last: last,
                    sizes: isKey && first && layer == 0 ? [(320, 180), (640, 360), (1280, 720)] : [])
                payload.withUnsafeBytes { bytes in
                    guard let picture = VideoPayload(bytes, codec: .vp9) else { return }
                    entry.place = picture.place
                    entry.startsKeyframe = picture.startsKeyframe
                    producer.noteLayers(picture, bytes, isRepeat: false, now: Self.moment(now))
                }
                keep(entry, 0, isKey: isKey, isFirst: first && layer == 0)
                take(entry, producer.layers[0])
            }
        }
    }

    /// No picture is as large as the one before.
    private mutating func size(of bitrate: Int, isKey: Bool) -> (bytes: Int, packets: Int) {
        let size = Double(bitrate) * Self.frameMs / 8000 * Double.random(in: 0.6...1.4, using: &random)
        let bytes = Int(size) * (isKey ? 5 : 1)
        return (bytes, max(1, (bytes + 1099) / 1100))
    }

    private mutating func entry(of layer: Int, _ length: Int, isLast: Bool) -> PacketStore.Entry {
        sequences[layer] += 1
        var entry = PacketStore.Entry()
        entry.sequence = sequences[layer]
        entry.header = RTPHeader(
            payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: entry.sequence),
            timestamp: UInt32(truncatingIfNeeded: now * 90), ssrc: UInt32(layer + 1), marker: isLast)
        entry.payloadOffset = 12
        entry.payloadLength = length
        return entry
    }

    private mutating func keep(_ entry: PacketStore.Entry, _ layer: Int, isKey: Bool, isFirst: Bool) {
        frames[Int(entry.sequence) << 2 | layer] = (frame, isKey, isFirst)
        frames[Int(entry.sequence - 3000) << 2 | layer] = nil
    }

    // MARK: - The shard

    /// What the shard does with a packet.
    private mutating func take(_ entry: PacketStore.Entry, _ layer: Layer) {
        let moment = Self.moment(now)
        producer.table.note(layer.index, sequence: entry.sequence)
        producer.table.note(layer.index, now: moment)
        layer.rate.note(entry.payloadLength + 60, at: moment.nanoseconds)
        if isSpatial {
            producer.spatial?.carry(entry.payloadLength + 60, of: entry.place.spatial, now: moment)
        } else if entry.startsKeyframe {
            producer.table.note(layer.index, size: PictureSize(width: 320 << layer.index, height: 180 << layer.index))
        }
        let bytes = [UInt8](repeating: 0, count: 12 + entry.payloadLength)
        bytes.withUnsafeBytes { _ = layer.store.insert($0, entry) }
        guard case .success(let out) = consumer.pass(entry, of: layer.index, now: moment) else { return }
        let packet = Consumer.Packet(
            number: out.number, entry: entry, layer: layer.index, timestampDelta: out.timestampDelta, shift: out.shift,
            transportNumber: 0, marks: out.marks, isFiller: out.isFiller)
        guard session.downlink.mayLeave(consumer, now: moment) else {
            _ = consumer.wait(packet)
            return
        }
        consumer.note(packet)
        emit(size(of: packet), part(packet))
    }

    private func size(of packet: Consumer.Packet) -> Int { packet.isFiller ? 61 : packet.entry.payloadLength + 60 }

    private func part(_ packet: Consumer.Packet) -> Content {
        let found = frames[Int(packet.entry.sequence) << 2 | packet.layer] ?? (0, false, false)
        return .media(
            number: packet.number, frame: found.frame, isKey: found.isKey,
            isFirst: found.isFirst && !packet.isFiller, isLast: packet.marks)
    }

    private mutating func emit(_ size: Int, _ content: Content) {
        let number = session.downlink.nextNumber
        var isVideo = true
        if case .voice = content { isVideo = false }
        session.downlink.note(size: size - 28, isNumbered: feedsBack, isVideo: isVideo, now: Self.moment(now))
        if !bitsSent.isEmpty { bitsSent[bitsSent.count - 1] += size * 8 }
        if case .media = content, consumer.playoutMs != nil { waitsTold += 1 }
        guard let at = link.send(size, at: Double(now)) else { return }
        flying[max(now + 1, Int(at.rounded(.up))), default: []].append(
            Flying(transport: number, size: size, content: content, waitMs: consumer.playoutMs ?? 0))
    }

    private mutating func voice() {
        voiceSent += 1
        emit(Self.voiceRate / 50 / 8, .voice)
    }

    private mutating func pace() {
        let moment = Self.moment(now)
        while let waiting = session.downlink.nextPaced(moment) {
            guard let packet = waiting.consumer.takeWaiting(waiting.number) else { continue }
            consumer.count(packet)
            emit(size(of: packet), part(packet))
        }
        while session.downlink.probeLacks(moment) > 0 {
            paddingBytes += 320
            emit(320, .padding)
        }
    }

    private mutating func tick() {
        let moment = Self.moment(now)
        var wanted: Int?
        session.downlink.look(session.consumers, speaker: room.speaker, now: moment) { consumer, isJammed in
            _ = consumer.followGrant(isJammed: isJammed)
            if consumer.forwarder.current == nil { wanted = consumer.forwarder.wanted(producer.table, now: moment) }
        }
        if let wanted { ask(wanted) }
        if session.downlink.losesMuch(now: moment) { toldLossyAt.append(now) }
        if now % 1000 == 0 { estimates.append(session.downlink.bitrate ?? 0) }
    }

    // MARK: - The subscriber

    private mutating func arrive(_ packet: Flying) {
        if feedsBack { arrivals.note(packet.transport, size: packet.size, now: Self.moment(now)) }
        switch packet.content {
        case .padding: break
        case .voice: voiceArrived += 1
        case .media(let number, let frame, let isKey, let isFirst, let isLast):
            let begin = nextNumber ?? number
            if nextNumber == nil {
                guard isKey, isFirst else { return }
                nextNumber = number
            }
            guard number >= begin else { return }
            receivedParts[number] = (frame, isKey, isFirst, isLast)
            missing[number] = nil
            toldWaitMs = packet.waitMs
            if number > highest {
                if highest >= 0 { for hole in (highest + 1)..<number where hole >= begin { missing[hole] = (0, now) } }
                expected += Int(number - max(highest, begin - 1))
                lost += Int(number - max(highest, begin - 1)) - 1
                highest = number
            }
            show()
        }
    }

    /// Shows every picture that is whole, in order; one that does not become so is waited for until a key frame lies behind it.
    private mutating func show() {
        while let next = nextNumber {
            if let part = receivedParts[next] {
                nextNumber = next + 1
                receivedParts[next] = nil
                stuckSince = nil
                if part.isLast { shownPicture(part.frame) }
                continue
            }
            // A number that was left out behind a broken picture, or one that is lost: a key frame goes on behind either.
            let keys = receivedParts.filter { $0.value.isKey && $0.value.isFirst && $0.key > next }.map(\.key)
            guard let key = keys.min() else {
                if highest >= next, stuckSince == nil { stuckSince = now }
                return
            }
            nextNumber = key
            missing = missing.filter { $0.key > key }
            receivedParts = receivedParts.filter { $0.key >= key }
        }
    }

    private mutating func shownPicture(_ frame: Int) {
        shown += 1
        playout.decode(captured: Double(frame) * Self.frameMs, now: Double(now), told: Double(toldWaitMs))
        if let lastShown, now - lastShown > 500 { freezes.append((lastShown, now - lastShown)) }
        lastShown = now
    }

    private mutating func comesBack() -> Bool { backLossPercent == 0 || !random.happens(backLossPercent) }

    private mutating func subscriber() {
        let back = Int(link.delayMs)
        if asksLikeBrowsers, now % 1000 == 0 {
            consumer.session.downlink.note(roundTripMs: Int64(2 * back + Int.random(in: 0..<10, using: &random)))
        }
        if asksLikeBrowsers, now % 20 != 0, missing.values.contains(where: { $0.tries == 0 }) {
            let first = missing.filter { $0.value.tries == 0 }.keys.sorted()
            for number in first { missing[number] = (1, now + 100) }
            if comesBack() { nacks[now + back, default: []] += first.map { UInt16(truncatingIfNeeded: $0) } }
        }
        if now % 20 == 0 {
            var asked: [UInt16] = []
            for (number, state) in missing where now >= state.at {
                guard state.tries < 10 else {
                    missing[number] = nil
                    continue
                }
                missing[number] = (state.tries + 1, now + (asksLikeBrowsers ? 100 : max(40, 2 * back + 20)))
                asked.append(UInt16(truncatingIfNeeded: number))
            }
            if !asked.isEmpty, comesBack() { nacks[now + back, default: []] += asked.sorted() }
            if let since = stuckSince, now - since > (asksLikeBrowsers ? 3000 : 300) {
                if comesBack() { asks.insert(now + back) }
                stuckSince = now
            }
            if feedsBack {
                let messages = arrivals.due(sender: 1, media: 1, now: Self.moment(now + 77_777))
                for message in messages where comesBack() { feedback[now + back, default: []].append(message) }
            }
        }
        guard !feedsBack, now - reportedAt >= 1000, expected > 0 else { return }
        reportedAt = now
        session.downlink.take(
            RTCPReportBlock(
                ssrc: consumer.ssrc, fractionLost: UInt8(min(255, lost * 256 / max(1, expected))), totalLost: 0,
                highestSequence: 0, jitter: 0, lastSenderReport: 0, delaySinceLastSenderReport: 0))
        (expected, lost) = (0, 0)
    }
}

extension LineSimulation {
    /// After how many milliseconds a right layer came that stayed for five seconds at least; nil when none did.
    func settled(on right: Set<Int>, from start: Int, to end: Int) -> Int? {
        for (index, change) in layers.enumerated() where change.layer.map(right.contains) ?? false {
            let next = layers.dropFirst(index + 1).first { !($0.layer.map(right.contains) ?? false) }
            let begin = max(change.at, start), until = min(next?.at ?? end, end)
            if until - begin >= 5000 { return begin - start }
        }
        return nil
    }

    /// How often another layer was sent.
    func changes(from start: Int, to end: Int) -> Int { layers.filter { $0.at > start && $0.at < end }.count }

    /// What was sent above what the line carries, as a share of what it carries, in whole seconds.
    func overuse(from start: Int, to end: Int, bitrate: Int) -> Double {
        let seconds = bitsSent.dropFirst(start / 1000).prefix((end - start) / 1000)
        let over = seconds.reduce(0) { $0 + max(0, $1 - bitrate) }
        return Double(over) / Double(max(1, seconds.count * bitrate))
    }

    func frozenMs(from start: Int, to end: Int) -> Int {
        freezes.filter { $0.at >= start && $0.at < end }.reduce(0) { $0 + $1.lengthMs }
    }
}
