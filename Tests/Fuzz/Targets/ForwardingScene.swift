// A publisher, two subscribers and the shard between them, for scripts: decrypted packets go in, what is sent is read off a socket.

// The shard's inside is there for tests only: release builds of everything go without it.
#if DEBUG || FUZZING
    import Control
    import Media
    @testable import PacketIO
    import RTC
    @testable import SFU

    /// What takes long to make and holds nothing of a script: sockets, and transports whose peers have proven themselves.
    final class ForwardingLine {
        let identity: DTLSIdentity, socket: UDPSocket, receiver: UDPSocket, transports: [PeerTransport]

        init?() {
            let loopback = NetworkAddress(ipv4: 0x7F00_0001, port: 0)
            guard let identity = DTLSIdentity(), let socket = try? UDPSocket(loopback),
                let receiver = try? UDPSocket(loopback)
            else { return nil }
            (self.identity, self.socket, self.receiver) = (identity, socket, receiver)
            transports = (0..<3).compactMap { _ in Self.connected(identity, at: receiver.address) }
            guard transports.count == 3 else { return nil }
        }

        /// A server's transport whose client has shaken hands with it; long before any script begins.
        private static func connected(_ identity: DTLSIdentity, at address: NetworkAddress) -> PeerTransport? {
            let server = PeerTransport(identity: identity, isServer: true)
            let client = PeerTransport(identity: identity, isServer: false)
            let place = NetworkAddress(ipv4: 0x0A00_0001, port: 7882)
            guard let near = remote(client.local(candidates: [])),
                let far = remote(server.local(candidates: [ICECandidate(host: place)]))
            else { return nil }
            var now = MonotonicTime(milliseconds: 0)
            server.connect(near, role: .server, now: now)
            client.connect(far, role: .client, now: now)
            while now.milliseconds < 1500, server.state != .connected || client.state != .connected {
                for (_, datagram) in client.takeOutgoing() { give(datagram, to: server, from: address, now: now) }
                for (_, datagram) in server.takeOutgoing() { give(datagram, to: client, from: place, now: now) }
                now = now.advanced(byMilliseconds: 10)
                client.handleTimeout(now: now)
                server.handleTimeout(now: now)
            }
            _ = server.takeOutgoing()
            return server.state == .connected ? server : nil
        }

        private static func remote(_ local: LocalTransport) -> RemoteTransport? {
            var description = SessionDescription()
            description.media = [
                .offer(
                    kind: .audio, mid: "0", transport: local, stream: "", track: "", source: .init(ssrc: 1, cname: ""),
                    codecs: MediaSection.offered(.opus))
            ]
            description.bundle = ["0"]
            return try? description.remoteTransport()
        }

        private static func give(
            _ datagram: [UInt8], to peer: PeerTransport, from source: NetworkAddress, now: MonotonicTime
        ) {
            var datagram = datagram
            datagram.withUnsafeMutableBytes { _ = peer.receive($0, from: source, now: now) }
        }
    }

    /// One run: Anna publishes a track; Ben subscribes with repeats of their own, Carl watches by WHEP without.
    final class ForwardingScene {
        /// What is known of one outgoing stream.
        private struct Way {
            var first: Int64, newest: Int64, timestamp: UInt32, count: Int64 = 1
        }
        private struct Name: Hashable {
            var ssrc: UInt32, index: Int64
        }

        private static let end = MonotonicTime(milliseconds: 25_000)

        let core: ShardCore, anna: Session, ben: Session, carl: Session, codec: Codec
        private let room = Room(id: "room"), receiver: UDPSocket, section: MediaSection, isNamed: Bool
        private(set) var producer: Producer
        private(set) var now = MonotonicTime(milliseconds: 2000)
        /// Whether each layer's packets came once and in their order; whether their timestamps went with the time.
        var isOrdered = true, isTimed = true
        private var publications: UInt32 = 0
        private var sent: [Name: [UInt8]] = [:], ways: [UInt32: Way] = [:], repeats: [UInt32: SequenceUnwrapper] = [:]
        /// Packets of each stream that were given up while they waited, and what came of those that left.
        private var givenUp: [UInt32: Int64] = [:], read: UInt64 = 0, sentBefore: UInt64

        /// - Parameters:
        ///   - layers: how many streams the track has.
        ///   - isNamed: whether its description names the SSRC; if not, its packets say what they are.
        ///   - feedsBack: whether Ben tells of each packet.
        init(_ line: ForwardingLine, codec: Codec, layers: Int, isNamed: Bool, feedsBack: Bool) {
            self.codec = codec
            self.isNamed = isNamed
            receiver = line.receiver
            sentBefore = line.socket.statistics.sent
            core = ShardCore(
                socket: line.socket, identity: line.identity,
                configuration: ShardConfiguration(bind: line.socket.address, announced: []), onEvent: { _ in })
            let room = room
            let sessions = ["anna", "ben", "carl"].enumerated().map { index, name in
                let session = Session(
                    id: name, participant: name, isPublisher: index == 0, room: room, transport: line.transports[index])
                session.pathVersion = session.transport.pathVersion
                (session.isConnected, session.hasConsent, session.hasRemote) = (true, true, true)
                return session
            }
            (anna, ben, carl) = (sessions[0], sessions[1], sessions[2])
            let local = line.transports[0].local(candidates: [])
            var section = MediaSection.offer(
                kind: codec.isVideo ? .video : .audio, mid: "0", transport: local, stream: "", track: "",
                source: .init(ssrc: 100, rtx: 200, cname: "anna"), codecs: MediaSection.offered(codec))
            if layers > 1 { section.send(layers: ["q", "h", "f"]) }
            self.section = section
            producer = Self.producer(section, codec, of: anna)
            core.rooms["room"] = room
            room.sessions = sessions
            for session in sessions { core.sessions[session.id] = session }
            if feedsBack { ben.downlink.agree() }
            carl.watches = .participant("anna")
            carl.hearsEverybody = true
            var plain = section
            plain.codecs.removeAll { $0.name == "rtx" }
            carl.seats = [ViewerSeat(section: plain, trail: Consumer.Trail(isVideo: codec.isVideo, to: carl))]
            carl.sections = [(section.kind, nil)]
            if let voice = producer.voice { room.voices.add(voice) }
            begin(producer)
        }

        /// Lets go of what knows each other.
        func end() {
            core.sendWaiting(ben, now: now)
            drain()
            for consumer in ben.consumers + carl.consumers { finish(consumer) }
            never(anna.sources.count > 64 || core.pacing.count > 2, "memory that grows with what is sent")
            producer.consumers = []
            anna.producers = []
            ben.letGo()
            carl.letGo()
            room.sessions = []
        }

        private static func producer(_ section: MediaSection, _ codec: Codec, of session: Session) -> Producer {
            let source: TrackSource = codec.isVideo ? .camera : .microphone
            let producer = Producer(
                track: TrackInfo(
                    id: "track", participant: "anna", session: "anna", source: source, codec: codec, isMuted: false),
                audience: .everybody, section: section, media: section.codecs[0],
                rtx: section.codecs.count > 1 ? section.codecs[1] : nil, session: session)
            producer.isAnnounced = true
            return producer
        }

        private func begin(_ producer: Producer) {
            anna.producers = [producer]
            guard isNamed else { return }
            for layer in producer.layers {
                layer.ssrc = ssrc(layer.index, isRTX: false)
                for isRTX in [false, true] {
                    let ssrc = ssrc(layer.index, isRTX: isRTX)
                    anna.sources.append(.init(ssrc: ssrc, producer: producer, layer: layer, isRTX: isRTX))
                }
            }
        }

        func ssrc(_ layer: Int, isRTX: Bool) -> UInt32 { publications * 1000 + UInt32(layer) + (isRTX ? 200 : 100) }

        // MARK: - Who comes and goes

        func join(_ session: Session) {
            guard session.consumers.isEmpty else { return leave(session) }
            guard session === ben else { return core.seat(carl, to: [producer], now: now) }
            core.subscribe(ben, to: [producer])
            guard let consumer = ben.consumers.first else { return }
            consumer.take(section.codecs[0], of: section, mid: "0")
            core.begin(consumer, now: now)
        }

        private func leave(_ session: Session) {
            for consumer in session.consumers {
                finish(consumer)
                givenUp[consumer.ssrc, default: 0] += Int64(session.downlink.forget(consumer))
                producer.consumers.removeAll { $0 === consumer }
                if session === carl {
                    core.unseat(consumer)
                } else {
                    ben.consumers = []
                    ben.sections[consumer.section].consumer = nil
                }
            }
        }

        /// The same track from another connection.
        func publishAgain() {
            publications += 1
            let next = Self.producer(section, codec, of: anna)
            let voice = producer.voice
            for consumer in producer.consumers {
                core.sendWaiting(consumer.session, now: now)
                drain()
                consumer.move(to: next)
            }
            next.consumers = producer.consumers
            producer.consumers = []
            if let voice {
                voice.close()
                next.voice = voice
            }
            anna.forget(producer)
            producer = next
            begin(next)
            for consumer in next.consumers { core.requestKeyframe(for: consumer, now: now) }
        }

        // MARK: - Packets and time

        func publish(_ packet: [UInt8]) {
            packet.withUnsafeBytes { bytes in
                guard let header = RTPHeader(bytes) else { return }
                anna.uplink.note(header, in: bytes, now: now)
                core.media(anna, bytes, header, now: now)
            }
        }

        func pass(milliseconds: Int64) {
            // All of it before consent runs out, for the transports are of other scripts too.
            let end = min(now.advanced(byMilliseconds: milliseconds), Self.end)
            for _ in 0..<64 where now < end {
                let next = core.handleTimeout(now: now) ?? end
                now = max(min(next, end), now.advanced(byMilliseconds: 1))
                drain()
            }
            now = max(now, end)
        }

        /// Reads what was sent, and says what must never be.
        func drain() {
            core.socket.flush()
            while receiver.receive(now: now, { bytes, _ in note(UnsafeRawBufferPointer(bytes)) }) > 0 {}
        }

        private func note(_ bytes: UnsafeRawBufferPointer) {
            read &+= 1
            guard case .rtp = DatagramKind(bytes) else { return }
            guard let header = RTPHeader(bytes) else { return never(true, "a packet of ours that can't be read") }
            let found = (ben.consumers + carl.consumers).first {
                $0.ssrc == header.ssrc || $0.rtxSSRC == header.ssrc
            }
            guard let consumer = found else { return never(true, "a packet of no track") }
            let isRepeat = consumer.rtxSSRC == header.ssrc, next = consumer.forwarder.next
            never(
                header.payloadType != (isRepeat ? consumer.rtxPayloadType : consumer.payloadType),
                "another payload type")
            // No packet is further from the next number than a publisher's numbers can jump at once.
            let index =
                isRepeat
                ? repeats[header.ssrc, default: SequenceUnwrapper()].unwrap(header.sequenceNumber)
                : next &+ Int64(Int16(bitPattern: header.sequenceNumber &- UInt16(truncatingIfNeeded: next)))
            let name = Name(ssrc: header.ssrc, index: index), packet = Array(bytes)
            // The number is the nonce: twice with other bytes it gives the key away (RFC 7714 section 8.1).
            if let before = sent[name] { return never(before != packet, "a number twice, with other bytes") }
            sent[name] = packet
            guard !isRepeat else { return }
            guard var way = ways[header.ssrc] else {
                ways[header.ssrc] = Way(first: index, newest: index, timestamp: header.timestamp)
                return
            }
            way.count += 1
            way.first = min(way.first, index)
            if index > way.newest {
                let isBehind = Int32(bitPattern: header.timestamp &- way.timestamp) < 0
                never(isOrdered && isTimed && isBehind, "a timestamp that goes back")
                (way.newest, way.timestamp) = (index, header.timestamp)
            }
            ways[header.ssrc] = way
        }

        /// Nothing is missing of what went out, but where a picture was broken off, or given up while it waited.
        private func finish(_ consumer: Consumer) {
            let drops = core.drops
            guard let way = ways[consumer.ssrc], isOrdered, read == core.socket.statistics.sent &- sentBefore,
                drops[.sendBufferFull] == 0, drops[.noRoom] == 0, drops[.notStored] == 0
            else { return }
            let holes = way.newest - way.first + 1 - way.count
            // Nothing is broken off by what comes first, and sound never is.
            let broken = producer.isVideo ? Int64(consumer.forwarder.begun) - 1 : 0
            never(holes > broken + givenUp[consumer.ssrc, default: 0], "numbers that nobody gets")
        }
    }
#endif
