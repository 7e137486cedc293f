// What a publisher who has proven itself may do to those who watch: its packets are a stranger's word.

#if DEBUG || FUZZING
    import Control
    import Media
    import RTC
    @testable import SFU
    import Synchronization

    extension FuzzTarget {
        private static let turn = Mutex(())
        /// Of the process, used in turn.
        nonisolated(unsafe) private static let line = ForwardingLine()

        /// Settings, then steps: packets of the publisher, what subscribers say, who comes and goes, and time.
        static let forwarding: [FuzzTarget] = [
            FuzzTarget("forwarding") {
                func script(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap(\.self) }
                func packet(_ kind: UInt8, _ head: UInt8, _ words: UInt8) -> [UInt8] { [0xC0, kind, head, words] }
                let time: [UInt8] = [13, 33], nack: [UInt8] = [10, 0, 2, 0, 3, 10, 1, 1, 0, 1], ben: [UInt8] = [15, 0]
                let carl: [UInt8] = [15, 1], again: [UInt8] = [15, 2], report: [UInt8] = [12, 0, 0, 0, 0, 0]
                let key = packet(4, 1, 40), delta = packet(4, 2, 40), padding: [UInt8] = [0x80, 0x10, 0]
                let group = script(key, time, delta, time, padding, delta, time)
                let layers = script(packet(0, 0, 9), packet(0, 2, 9), packet(4, 4, 9))
                return [
                    script([0], ben, [13, 20], group, carl, group, nack, [13, 0x90], nack, carl, carl, group),
                    script(
                        [1], ben, carl, packet(0, 1, 9), packet(0, 3, 9), packet(4, 5, 9), time, [14, 1, 1], layers,
                        nack),
                    script([4], ben, carl, report, group, packet(5, 1, 40), packet(6, 1, 40), time, [14, 1, 9], group),
                    script([4], ben, group, [13, 0xB0], packet(5, 1, 40), [13, 0xB0], again, key, group, nack),
                    script([8 + 16], ben, group, group, [14, 8, 0x55, 13, 0xA0], group, [11, 3, 9, 0xFF, 0], group),
                    script([3], ben, carl, packet(4, 0, 20), [13, 20], packet(4, 0, 20), [15, 3], packet(4, 0, 20)),
                    script(
                        [2], ben, packet(0, 1, 9), packet(4, 3, 9), time, [0, 0x48, 0x7F, 0xF0, 3, 3, 0x41, 1, 2], nack),
                ]
            } run: { bytes in
                turn.withLock { _ in
                    guard let line else { fatalError("no line") }
                    var input = FuzzInput(bytes)
                    let settings = input.byte(), codecs: [Codec] = [.vp8, .vp9, .h264, .opus]
                    let scene = ForwardingScene(
                        line, codec: codecs[Int(settings & 3)], layers: settings & 4 == 0 ? 1 : 3,
                        isNamed: settings & 8 == 0, feedsBack: settings & 16 != 0)
                    var publisher = ScriptedPublisher(), steps = 0
                    while !input.isAtEnd, steps < 400 {
                        steps += 1
                        let step = input.byte()
                        switch step & 15 {
                        case 10, 11: said(by: step & 1 == 0 ? scene.ben : scene.carl, &input, scene)
                        case 12: scene.report(input.byte(), input.word(), input.word(), publisher)
                        case 13:
                            let time = input.byte()
                            scene.pass(milliseconds: Int64(time & 0x7F) * (time & 0x80 == 0 ? 1 : 20))
                        case 14: limit(input.byte(), input.byte(), scene)
                        case 15:
                            switch input.byte() & 3 {
                            case 0: scene.join(scene.ben)
                            case 1: scene.join(scene.carl)
                            case 2:
                                scene.publishAgain()
                                publisher = ScriptedPublisher()
                            default: scene.core.setMuted(!scene.producer.track.isMuted, scene.producer, now: scene.now)
                            }
                        default: publisher.send(step, &input, scene)
                        }
                        scene.drain()
                    }
                    scene.end()
                }
            }
        ]

        /// What a subscriber asks for: repeats of what it got lately, or a key frame; and what it has lost.
        private static func said(by session: Session, _ input: inout FuzzInput, _ scene: ForwardingScene) {
            let kind = input.byte(), back = input.byte(), mask = input.word()
            guard let consumer = session.consumers.first else { return }
            let first = UInt16(truncatingIfNeeded: consumer.forwarder.next) &- UInt16(back)
            switch kind & 3 {
            case 0, 1:
                var lost = [first]
                for bit in UInt16(0)..<16 where mask >> bit & 1 == 1 { lost.append(first &+ bit &+ 1) }
                scene.core.control(session, .nack(.init(sender: 1, media: consumer.ssrc, lost: lost)), now: scene.now)
            case 2:
                scene.core.control(session, .pictureLoss(.init(sender: 1, media: consumer.ssrc)), now: scene.now)
            default:
                // Each bit of the mask is a packet that came; the others are lost.
                let base = session.downlink.nextNumber &- UInt16(back)
                let arrivals = (0..<16).map {
                    mask >> UInt16($0) & 1 == 1 ? Int32($0) * Int32(kind >> 2) : RTCPTransportFeedback.missing
                }
                let reference = Int32(truncatingIfNeeded: scene.now.milliseconds / 64)
                scene.core.control(
                    session,
                    .transportFeedback(
                        .init(sender: 1, media: 2, base: base, reference: reference, count: back, arrivals: arrivals)),
                    now: scene.now)
            }
        }

        /// What Ben shows, or what the line of either has room for.
        private static func limit(_ kind: UInt8, _ value: UInt8, _ scene: ForwardingScene) {
            let session = kind & 16 == 0 ? scene.ben : scene.carl
            switch kind & 3 {
            case 0:
                let size = LayerSize(width: Int(value & 15) * 100, height: Int(value >> 4) * 60)
                _ = try? scene.core.setSizes(["track": size], of: session, now: scene.now)
            case 1:
                guard let consumer = session.consumers.first else { return }
                consumer.forwarder.setAllowed(value)
                if consumer.forwarder.current == nil { consumer.replay = nil }
            default: session.hearsEverybody = value & 1 == 1
            }
        }
    }

    /// Makes packets of steps.
    private struct ScriptedPublisher {
        private var sequences: [UInt16] = [0xFFF0, 7, 0x7FFF], timestamps: [UInt32] = [0, 0xFFFF_0000, 0x7FFF_0000]
        private static let offsets: [UInt32] = [0, 0xFFFF_0000, 0x7FFF_0000]

        /// What a layer's clock says.
        func clock(_ layer: Int, _ scene: ForwardingScene) -> UInt32 {
            let ticks = scene.now.milliseconds * Int64(scene.producer.clockRate) / 1000
            return Self.offsets[layer] &+ UInt32(truncatingIfNeeded: ticks)
        }

        /// Sends one: the step says how much of it is as it should be, and a byte what it has.
        mutating func send(_ step: UInt8, _ input: inout FuzzInput, _ scene: ForwardingScene) {
            let kind = input.byte(), layer = Int(kind & 3) % scene.producer.layers.count
            var sequence = sequences[layer] &+ 1
            if step & 32 != 0 {
                sequence = sequences[layer] &+ UInt16(bitPattern: Int16(Int8(bitPattern: input.byte())))
            }
            if kind & 64 != 0 { sequence = sequences[layer] &+ input.word() }
            let isRTX = kind & 8 != 0 && scene.producer.rtxPayloadType != nil, isStrange = kind & 128 != 0
            if sequence != sequences[layer] &+ 1 || isRTX || isStrange { scene.isOrdered = false }
            if step & 128 != 0 {
                timestamps[layer] = clock(layer, scene)
            } else {
                scene.isTimed = false
                timestamps[layer] &+= UInt32(bitPattern: Int32(Int8(bitPattern: input.byte()))) &* 750
            }
            var payload: [UInt8] = isRTX ? [UInt8(sequence >> 8), UInt8(sequence & 255)] : []
            if step & 64 != 0 {
                payload += head(input.byte(), scene.codec)
                payload += [UInt8](repeating: 5, count: Int(input.byte()) * 4)
            } else {
                payload += input.take(Int(input.byte()))
            }
            let ssrc = isStrange ? UInt32(input.byte()) << 4 : scene.ssrc(layer, isRTX: isRTX)
            var packet = [UInt8](repeating: 0, count: 12)
            let type = (isRTX ? scene.producer.rtxPayloadType : nil) ?? scene.producer.payloadType
            var header = RTPHeader(
                payloadType: type, sequenceNumber: sequence, timestamp: timestamps[layer], ssrc: ssrc,
                marker: kind & 4 != 0)
            header.hasPadding = kind & 16 != 0
            let hasElements = kind & 32 != 0, isUnknown = !scene.anna.sources.contains { $0.ssrc == ssrc }
            _ = packet.withUnsafeMutableBytes { header.write(to: $0, hasExtension: hasElements || isUnknown) }
            if hasElements {
                packet += block(input.take(Int(input.byte())), isLong: step & 16 != 0)
            } else if isUnknown {
                let rid = Array("qhf".utf8)[layer]
                let id = isRTX ? OfferedIDs.repairedRid : OfferedIDs.rid
                packet += block([OfferedIDs.mid << 4, 0x30, id << 4, rid], isLong: false)
            }
            packet += payload
            if header.hasPadding { packet += [0, 0, 3] }
            // A repeat is of a number from before.
            if !isRTX { sequences[layer] = sequence }
            scene.publish(packet)
        }

        private func block(_ elements: [UInt8], isLong: Bool) -> [UInt8] {
            let words = (elements.count + 3) / 4
            return (isLong ? [0x10, 0] : [0xBE, 0xDE]) + [0, UInt8(words)] + elements
                + [UInt8](repeating: 0, count: words * 4 - elements.count)
        }

        /// The beginning of a payload: of a key frame, or of what follows one.
        private func head(_ kind: UInt8, _ codec: Codec) -> [UInt8] {
            switch codec {
            case .vp8 where kind & 1 == 1: [0x90, 0x80, 0x81, kind, 0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1, 0]
            case .vp8: kind & 2 == 0 ? [0x80, 0x20, 0x40, 1] : [0x90, 0xE0, 0x81, kind, 7, 0x60, 0x11, 0, 0]
            case .vp9: layer(kind)
            case .h264: kind & 1 == 1 ? (kind & 2 == 0 ? [0x65, 0x88] : [0x67, 0x42, 0xE0, 0x1F]) : [0x41, 0x9A]
            default: [0xFC, kind]
            }
        }
    }

    /// A whole frame of a VP9 layer without picture numbers: a bit for a key frame, its places, and whether it may be switched up to.
    private func layer(_ kind: UInt8) -> [UInt8] {
        let isKey = kind & 1 == 1, spatial = kind >> 1 & 3, temporal = kind >> 3 & 3, switchesUp = kind >> 5 & 1
        let place = temporal << 5 | switchesUp << 4 | spatial << 1
        return [isKey ? 0x2C : 0x6C, place, 0, 0xAA]
    }

    extension ForwardingScene {
        /// A sender report of a layer, right or wrong by so much.
        fileprivate func report(_ kind: UInt8, _ offset: UInt16, _ ticks: UInt16, _ publisher: ScriptedPublisher) {
            let layer = Int(kind & 3) % producer.layers.count
            let away = Int64(Int16(bitPattern: offset)) * 1_000_000
            let report = RTCPSenderReport(
                ssrc: ssrc(layer, isRTX: false),
                ntp: NTPTime.from(unixNanoseconds: core.unixNanoseconds(now) &+ away &* (kind & 4 == 0 ? 1 : 10_000)),
                rtpTimestamp: publisher.clock(layer, self)
                    &+ UInt32(bitPattern: Int32(Int16(bitPattern: ticks))) &* (kind & 8 == 0 ? 1 : 65_535),
                packets: 1, bytes: 1)
            core.control(anna, .senderReport(report), now: now)
        }
    }
#else
    extension FuzzTarget {
        static let forwarding: [FuzzTarget] = []
    }
#endif
