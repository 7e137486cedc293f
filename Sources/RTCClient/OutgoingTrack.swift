// A track that a client sends: frames in, packets out, kept for repeats.

import Media
import RTC

/// A sent track; confined to the client's thread.
final class OutgoingTrack {
    let track: LocalTrack
    let mid: String
    /// The name of the layer, empty where there is one stream.
    let layer: String
    let ssrc = SecureRandom.u32(), rtxSSRC = SecureRandom.u32()
    var isAccepted = false
    var payloadType: UInt8 = 0, rtxPayloadType: UInt8?
    var midExtension: UInt8 = 0, ridExtension: UInt8 = 0, repairedRidExtension: UInt8 = 0
    var signals = OutgoingSignals()
    var packets: UInt32 = 0, bytes: UInt32 = 0
    let clockRate: Int64
    private let timestampBase = SecureRandom.u32()
    private var next = Int64(SecureRandom.u32() & 0x7FFF), nextRTX = Int64(SecureRandom.u32() & 0x7FFF)
    private var packetizer: FramePacketizer
    private let store: PacketStore

    init(_ track: LocalTrack, mid: String, layer: String) {
        self.track = track
        self.mid = mid
        self.layer = layer
        clockRate = track.codec == .opus ? 48_000 : 90_000
        // Sound is never sent again: what comes late is of no use.
        store = PacketStore(capacity: track.codec.isVideo ? 1024 : 1)
        packetizer = FramePacketizer(codec: track.codec, pictureID: UInt16(truncatingIfNeeded: SecureRandom.u32()))
    }

    var section: (MediaSection.Kind, MediaSection.Source) {
        track.codec == .opus
            ? (.audio, .init(ssrc: ssrc, cname: "")) : (.video, .init(ssrc: ssrc, rtx: rtxSSRC, cname: ""))
    }

    func timestamp(_ ticks: Int64) -> UInt32 { timestampBase &+ UInt32(truncatingIfNeeded: ticks) }

    /// Cuts a frame, encrypts its packets and hands each to `emit` with room to write into.
    func send(
        _ frame: EncodedFrame, _ signal: PictureSignal, level: UInt8?, sender: SRTPSender,
        write: ((UnsafeMutableRawBufferPointer) -> Int?) -> Void
    ) {
        guard isAccepted, frame.timescale > 0, frame.codec == track.codec else { return }
        let scaled = frame.pts.multipliedFullWidth(by: clockRate)
        let (ticks, _) = Int64(frame.timescale).dividingFullWidthClamped(scaled)
        let payloads = frame.payload.withBytes { packetizer.packetize($0) }
        let told =
            track.codec.isVideo
            ? signals.elements(signal, isKeyframe: frame.isKeyframe) : signals.elements(level: level)
        for (index, payload) in payloads.enumerated() {
            let sequence = next
            next += 1
            packets &+= 1
            bytes &+= UInt32(truncatingIfNeeded: payload.count)
            let isLast = index == payloads.count - 1
            let elements = isLast ? told : []
            var header = RTPHeader(
                payloadType: payloadType, sequenceNumber: UInt16(truncatingIfNeeded: sequence),
                timestamp: timestamp(ticks), ssrc: ssrc, marker: track.codec.isVideo && isLast)
            if track.codec.isVideo {
                var entry = PacketStore.Entry()
                entry.sequence = sequence
                entry.header = header
                entry.payloadOffset = elements.count
                entry.payloadLength = payload.count
                (elements + payload).withUnsafeBytes { _ = store.insert($0, entry) }
            }
            payload.withUnsafeBytes { payload in
                elements.withUnsafeBytes { elements in
                    write { self.seal($0, &header, elements, prefix: nil, payload, sender, index: sequence) }
                }
            }
        }
    }

    /// Sends a packet again; returns false when it is no longer there.
    func resend(_ number: UInt16, sender: SRTPSender, write: ((UnsafeMutableRawBufferPointer) -> Int?) -> Void) -> Bool
    {
        let sequence = next &+ Int64(Int16(bitPattern: number &- UInt16(truncatingIfNeeded: next)))
        guard let entry = store.entry(sequence) else { return false }
        var header = entry.header
        let payload = store.payload(entry), elements = store.header(entry)
        if let rtx = rtxPayloadType {
            let index = nextRTX
            nextRTX += 1
            header.payloadType = rtx
            header.ssrc = rtxSSRC
            header.sequenceNumber = UInt16(truncatingIfNeeded: index)
            write { self.seal($0, &header, elements, prefix: number, payload, sender, index: index) }
        } else {
            // The same bytes under the same nonce give the same ciphertext: nothing new is told.
            write { self.seal($0, &header, elements, prefix: nil, payload, sender, index: sequence) }
        }
        return true
    }

    private func seal(
        _ room: UnsafeMutableRawBufferPointer, _ header: inout RTPHeader, _ elements: UnsafeRawBufferPointer,
        prefix: UInt16?, _ payload: UnsafeRawBufferPointer, _ sender: SRTPSender, index: Int64
    ) -> Int? {
        let hasExtension = midExtension != 0 || elements.count > 0
        guard var length = header.write(to: room, hasExtension: hasExtension) else { return nil }
        if hasExtension {
            var writer = RTPExtensionWriter(room, at: length)
            Array(mid.utf8).withUnsafeBytes { writer.append(id: midExtension, $0) }
            if !layer.isEmpty {
                let id = header.ssrc == ssrc ? ridExtension : repairedRidExtension
                Array(layer.utf8).withUnsafeBytes { writer.append(id: id, $0) }
            }
            OutgoingSignals.append(elements, to: &writer)
            guard let end = writer.finish() else { return nil }
            length = end
        }
        var original = (prefix ?? 0).bigEndian
        return withUnsafeBytes(of: &original) { bytes in
            sender.protect(
                room, headerLength: length,
                prefix: prefix == nil ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes,
                payload: payload, ssrc: header.ssrc, index: index)
        }
    }
}

extension Int64 {
    /// Divides a wide product, giving zero instead of trapping where the quotient does not fit.
    fileprivate func dividingFullWidthClamped(_ dividend: (high: Int64, low: UInt64)) -> (Int64, Int64) {
        guard self > 0, dividend.high > -(self / 2), dividend.high < self / 2 else { return (0, 0) }
        let result = dividingFullWidth(dividend)
        return (result.quotient, result.remainder)
    }
}
