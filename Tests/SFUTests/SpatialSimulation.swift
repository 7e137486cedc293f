// A publisher of VP9 with three spatial and three temporal layers in one stream, a way that loses and mixes up packets, and one
// subscriber's packets of it, in virtual time.

import Control
import Media
import RTC

@testable import SFU

/// Which frame of which layer.
struct LayerFrame: Hashable {
    var picture: Int, spatial: Int
}

/// A packet that the subscriber got.
struct SentLayerPacket {
    var number: Int64, timestamp: UInt32
    var marks: Bool, isFiller: Bool, begins: Bool
    var frame: LayerFrame, source: Int64, sentAt: Int64
}

/// What the publisher knows of a frame.
struct MadeFrame {
    var refersTo: [LayerFrame] = []
    var packets: [Int64] = []
    var isKey = false, temporal = 0
}

/// How a packet of VP9 with layers begins, on the wire.
enum LayerBytes {
    /// - Parameter sizes: what a structure names, where there is one.
    static func payload(
        spatial: Int, temporal: Int, isPredicted: Bool, usesLower: Bool, first: Bool, last: Bool,
        sizes: ArraySlice<(Int, Int)>
    ) -> [UInt8] {
        let flags = 0x20 | (isPredicted ? 0x40 : 0) | (first ? 8 : 0) | (last ? 4 : 0) | (sizes.isEmpty ? 0 : 2)
        let place = temporal << 5 | (temporal == 0 ? 0x10 : 0) | spatial << 1 | (usesLower ? 1 : 0)
        var bytes: [UInt8] = [UInt8(flags), UInt8(place), 7]
        if !sizes.isEmpty {
            bytes.append(UInt8(sizes.count - 1) << 5 | 0x10)
            for (width, height) in sizes {
                bytes += [width >> 8, width & 255, height >> 8, height & 255].map { UInt8($0) }
            }
        }
        return bytes + [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xF0, 0x16, 0x70]
    }
}

/// Runs in steps of a millisecond; what happens in which is up to the seed.
final class SpatialSimulation {
    static let frameMs: Int64 = 33
    private static let packets = [1, 2, 5]
    private static let sizes = [(320, 180), (640, 360), (1280, 720)]

    var random: LayerRandom
    var now: Int64 = 0
    /// Of a hundred packets; of those that are lost most come again.
    var lossPercent = 0, reorderPercent = 0
    /// How many spatial layers are sent now, how many temporal ones there are, and whether upper ones refer to lower ones in key
    /// pictures only.
    var layers = 3, temporalLayers = 3, isKeyOnly = false
    let producer: Producer, consumer: Consumer
    private(set) var made: [LayerFrame: MadeFrame] = [:]
    private(set) var arrived: Set<Int64> = []
    private(set) var sent: [SentLayerPacket] = []
    private(set) var drops: [DropReason: Int] = [:]
    /// Frames of which a packet came when the stream stood still, or had begun anew behind it.
    private(set) var refused: Set<LayerFrame> = []
    private(set) var keyPictures = 0
    private let session: Session, subscriber: Session, room: Room
    private var entries: [Int64: (entry: PacketStore.Entry, frame: LayerFrame)] = [:]
    private var flying: [Int64: [Int64]] = [:]
    private var sequence: Int64, timestampBase: UInt32
    private var nextFrame: Int64 = 0, picture = 0, cycle = 0, mustKey = true
    private var lastOfTemporal = [Int](repeating: -1, count: 3), sentLayers = 0
    private var askedAt: Int64 = -10_000, keyAt: Int64?

    init(seed: UInt64) throws {
        guard let identity = DTLSIdentity(), let codec = MediaSection.offered(.vp9).first else { throw RTCTestError() }
        var random = LayerRandom(seed)
        room = Room(id: "room")
        session = Session(
            id: "up", participant: "anna", isPublisher: true, room: room,
            transport: PeerTransport(identity: identity, isServer: true))
        subscriber = Session(
            id: "down", participant: "ben", isPublisher: false, room: room,
            transport: PeerTransport(identity: identity, isServer: true))
        var section = MediaSection(kind: .video, mid: "0")
        section.codecs = [codec]
        producer = Producer(
            track: TrackInfo(
                id: "camera.up.0", participant: "anna", session: "up", source: .camera, codec: .vp9, isMuted: false),
            audience: .everybody, section: section, media: codec, rtx: nil, session: session)
        consumer = Consumer(producer: producer, session: subscriber, section: 0, wish: nil)
        producer.consumers = [consumer]
        (subscriber.isConnected, subscriber.hasConsent, consumer.isAccepted) = (true, true, true)
        sequence = .random(in: 0...65535, using: &random)
        timestampBase = .random(in: 0 ... .max, using: &random)
        self.random = random
    }

    func run(to end: Int64) { while now < end { step() } }

    private func step() {
        let moment = LayerSimulation.moment(now)
        for sequence in flying.removeValue(forKey: now) ?? [] { arrive(sequence) }
        if let at = keyAt, at <= now { (mustKey, keyAt) = (true, nil) }
        if now >= nextFrame {
            takePicture()
            nextFrame = now + Self.frameMs
        }
        if now % 100 == 0 {
            producer.look(now: moment)
            if producer.layers[0].wantsKeyframe, now - askedAt >= 500 {
                (askedAt, keyAt) = (now, now + 60)
                producer.layers[0].wantsKeyframe = false
            }
        }
        now += 1
    }

    /// In a cycle of four the second picture of the highest layer refers to the first one, so that it can't be begun with; only
    /// the lowest layer's say that one can go up behind them.
    private func takePicture() {
        if mustKey { cycle = 0 }
        let temporal = temporalLayers < 3 ? 0 : [0, 2, 1, 2][cycle % 4], isKey = mustKey
        let refersTo: Int? = isKey ? nil : cycle % 4 == 3 ? lastOfTemporal[2] : lastOfTemporal[0]
        mustKey = false
        // More of them only with a cycle's first picture.
        if isKey || temporal == 0 || layers < sentLayers {
            let before = sentLayers
            sentLayers = layers
            make(isKey: isKey, temporal: temporal, refersTo: refersTo, new: before)
        } else {
            make(isKey: isKey, temporal: temporal, refersTo: refersTo, new: sentLayers)
        }
        lastOfTemporal[temporal] = picture
        cycle += 1
        picture += 1
    }

    private func make(isKey: Bool, temporal: Int, refersTo: Int?, new: Int) {
        if isKey { keyPictures += 1 }
        for layer in 0..<sentLayers {
            let frame = LayerFrame(picture: picture, spatial: layer)
            let isPredicted = !isKey && layer < new
            let usesLower = layer > 0 && (isKey || !isKeyOnly || !isPredicted)
            var known = MadeFrame(isKey: isKey, temporal: temporal)
            if isPredicted, let refersTo { known.refersTo.append(LayerFrame(picture: refersTo, spatial: layer)) }
            if usesLower { known.refersTo.append(LayerFrame(picture: picture, spatial: layer - 1)) }
            let count = Self.packets[layer] * (isKey ? 4 : 1)
            for packet in 0..<count {
                sequence += 1
                known.packets.append(sequence)
                let entry = entry(
                    frame, temporal, isPredicted: isPredicted, usesLower: usesLower, first: packet == 0,
                    last: packet == count - 1, isKey: isKey)
                entries[sequence] = (entry, frame)
                entries[sequence - 3000] = nil
                var due = now + 20 + Int64(packet / 4)
                if random.happens(reorderPercent) { due += Int64.random(in: 1...15, using: &random) }
                if random.happens(lossPercent) {
                    guard random.happens(80) else { continue }
                    due += Int64.random(in: 40...200, using: &random)
                }
                flying[due, default: []].append(sequence)
            }
            made[frame] = known
        }
    }

    private func payload(
        _ frame: LayerFrame, _ temporal: Int, isPredicted: Bool, usesLower: Bool, first: Bool, last: Bool,
        isKey: Bool
    ) -> [UInt8] {
        LayerBytes.payload(
            spatial: frame.spatial, temporal: temporal, isPredicted: isPredicted, usesLower: usesLower, first: first,
            last: last, sizes: isKey && first && frame.spatial == 0 ? Self.sizes.prefix(sentLayers) : [])
    }

    private func entry(
        _ frame: LayerFrame, _ temporal: Int, isPredicted: Bool, usesLower: Bool, first: Bool, last: Bool, isKey: Bool
    ) -> PacketStore.Entry {
        let bytes = payload(
            frame, temporal, isPredicted: isPredicted, usesLower: usesLower, first: first, last: last, isKey: isKey)
        var entry = PacketStore.Entry()
        entry.sequence = sequence
        entry.header = RTPHeader(
            payloadType: 98, sequenceNumber: UInt16(truncatingIfNeeded: sequence),
            timestamp: timestampBase &+ UInt32(truncatingIfNeeded: now * 90), ssrc: 1,
            marker: last && frame.spatial == sentLayers - 1)
        entry.payloadLength = bytes.count
        payloads[sequence] = bytes
        payloads[sequence - 3000] = nil
        return entry
    }

    private var payloads: [Int64: [UInt8]] = [:]

    /// What the shard does with a packet.
    private func arrive(_ sequence: Int64) {
        guard let (stored, frame) = entries[sequence], let bytes = payloads[sequence] else { return }
        var entry = stored
        let moment = LayerSimulation.moment(now)
        producer.table.note(0, sequence: sequence)
        producer.table.note(0, now: moment)
        bytes.withUnsafeBytes { payload in
            guard let picture = VideoPayload(payload, codec: .vp9) else { return }
            entry.startsKeyframe = picture.startsKeyframe
            entry.place = picture.place
            if picture.startsKeyframe { producer.layers[0].wantsKeyframe = false }
            producer.noteLayers(picture, payload, isRepeat: false, now: moment)
        }
        entries[sequence] = (entry, frame)
        arrived.insert(sequence)
        guard pass(entry, frame, moment) else { return }
        for later in (sequence + 1)...max(sequence + 1, producer.table.facts[0].highest) where arrived.contains(later) {
            guard let (entry, frame) = entries[later] else { continue }
            _ = pass(entry, frame, moment)
        }
    }

    /// Whether the stream begins with it.
    private func pass(_ entry: PacketStore.Entry, _ frame: LayerFrame, _ moment: MonotonicTime) -> Bool {
        switch consumer.pass(entry, of: 0, now: moment) {
        case .failure(let drop):
            drops[drop.reason, default: 0] += 1
            if drop.reason != .otherLayer { refused.insert(frame) }
            return false
        case .success(let out):
            sent.append(
                SentLayerPacket(
                    number: out.number, timestamp: entry.header.timestamp &+ out.timestampDelta, marks: out.marks,
                    isFiller: out.isFiller, begins: out.begins, frame: frame, source: entry.sequence, sentAt: now))
            return out.begins
        }
    }
}
