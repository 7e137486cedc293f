// One subscriber's view of one track: its own SSRC, sequence numbers, timestamps and memory of what was sent.

import Control
import Media
import RTC

/// A track on its way to a subscriber; confined to its shard's thread.
final class Consumer {
    /// A packet to be sent, or sent again: nothing but this and the stored bytes decides what goes out.
    struct Packet {
        var number: Int64
        var entry: PacketStore.Entry
        var layer: Int
        var timestampDelta: UInt32
        var shift: VP8Shift
        /// Its number among all packets to the subscriber: a repeat under the same sequence number repeats this too.
        var transportNumber: UInt16
        /// Whether it ends its picture, and whether it goes out without what it carried.
        var marks: Bool, isFiller = false
    }

    /// What it gets; another publication of the same track may take its place.
    private(set) var producer: Producer
    /// Who gets it; its owner, which lets go of its consumers when it ends.
    ///
    /// An unowned reference would be counted for each packet.
    let session: Session
    /// The section of the subscriber's description that carries the track.
    let section: Int
    let ssrc: UInt32, rtxSSRC: UInt32
    var isAccepted = false, usesRTX = false
    /// Whether the subscriber has answered that it does not have the track's codec: it gets no picture, and keeps the rest.
    var lacksCodec = false
    var payloadType: UInt8 = 0, rtxPayloadType: UInt8 = 0
    var midExtension: UInt8 = 0
    var extensions = ExtensionIDs()
    var mid = ShortName()
    var packets: UInt32 = 0, bytes: UInt32 = 0
    /// How long its receiver was told to wait.
    private var toldWait: ToldWait
    var measured = Measured()
    var forwarder: LayerForwarder
    /// The numbers of its frames.
    var frames = FrameNumbers()
    /// What of a stream with layers of its own goes out; nil while none has come.
    var spatial: SpatialForwarder?
    /// The pictures since the last key frame on their way; nil when there are none that it has to catch up with.
    var replay: GroupReplay?
    /// The layers that its subscriber's line has room for.
    var grant = LayerGrant()
    private var nextRTX: Int64
    private var sent = SentPackets()

    /// What of one track's way goes on with the next track in its place: no number may be used twice.
    struct Trail {
        let ssrc: UInt32, rtxSSRC: UInt32
        fileprivate var forwarder: LayerForwarder
        fileprivate var frames = FrameNumbers()
        // Sequence numbers begin below 2^15, so that the rollover counter is 0 for both sides (RFC 3711 section 3.3.1).
        fileprivate var nextRTX = Int64(SecureRandom.u32() & 0x7FFF)
        fileprivate var packets: UInt32 = 0, bytes: UInt32 = 0
        fileprivate var toldWait = ToldWait()

        /// Begins with random numbers, and with names that nothing else to the same subscriber has had.
        init(isVideo: Bool, to session: Session) {
            (ssrc, rtxSSRC) = (session.names.take(), session.names.take())
            forwarder = LayerForwarder(
                isVideo: isVideo, clockRate: isVideo ? 90_000 : 48_000, next: Int64(SecureRandom.u32() & 0x7FFF),
                timestampDelta: SecureRandom.u32())
        }
    }

    /// What a track goes on with that comes in this one's place.
    var trail: Trail {
        var trail = began
        (trail.nextRTX, trail.packets, trail.bytes) = (nextRTX, packets, bytes)
        (trail.forwarder, trail.frames, trail.toldWait) = (forwarder, frames, toldWait)
        trail.forwarder.changeTrack()
        return trail
    }

    private let began: Trail

    init(producer: Producer, session: Session, section: Int, wish: LayerSize?, after trail: Trail? = nil) {
        let trail = trail ?? Trail(isVideo: producer.isVideo, to: session)
        self.producer = producer
        self.session = session
        self.section = section
        began = trail
        (ssrc, rtxSSRC, nextRTX) = (trail.ssrc, trail.rtxSSRC, trail.nextRTX)
        (packets, bytes, forwarder) = (trail.packets, trail.bytes, trail.forwarder)
        (frames, toldWait) = (trail.frames, trail.toldWait)
        if producer.isVideo { forwarder.setWish(producer.wish(wish)) }
    }

    /// Goes on with another publication of the same track, under the same names and numbers.
    func move(to other: Producer) {
        forwarder.changeTrack(from: producer.table)
        if other.layers.count != producer.layers.count {
            grant.release()
            forwarder.setAllowed(grant.allowed)
        }
        producer = other
        spatial = nil
        replay = nil
        sent.leaveStores()
        if extensions.capture != 0 { other.tellsCapture = true }
    }

    /// Takes what a subscriber's description says of how it gets the track.
    ///
    /// - Parameters:
    ///   - media: the track's codec, as the subscriber has it.
    ///   - section: the subscriber's section.
    ///   - mid: its name.
    func take(_ media: MediaSection.Codec, of section: MediaSection, mid: String) {
        payloadType = media.payloadType
        if let rtx = section.rtx(for: media.payloadType) {
            rtxPayloadType = rtx.payloadType
            usesRTX = true
        }
        midExtension = section.extensionID(RTPExtensionURI.mid) ?? 0
        extensions = ExtensionIDs(section)
        // A repeat under the same number must have the same bytes, which only a short while is known how to make.
        if !usesRTX { (extensions.dependency, extensions.playoutDelay) = (0, 0) }
        if extensions.capture != 0 { producer.tellsCapture = true }
        self.mid = ShortName(mid)
        isAccepted = true
    }

    /// Whether nothing went out under a number.
    @inline(__always)
    func isFresh(_ number: Int64) -> Bool { sent.isFresh(number) }

    /// Takes note of a packet that has left.
    @inline(__always)
    func note(_ packet: Packet) {
        sent.note(packet)
        count(packet)
    }

    /// Lets a packet wait for its turn; false where there is no room for one more, and then it comes only if it is asked for.
    func wait(_ packet: Packet) -> Bool {
        let waits = session.downlink.queue(self, number: packet.number, size: packet.entry.payloadLength)
        sent.note(packet, waits: waits)
        return waits
    }

    /// Finds a packet that has waited, to be sent for the first time now.
    func takeWaiting(_ number: Int64) -> Packet? {
        sent.left(number)
        return sent.packet(number, in: producer)
    }

    /// Counts a packet that has left, as sender reports do.
    @inline(__always)
    func count(_ packet: Packet) {
        packets &+= 1
        guard !packet.isFiller else { return }
        bytes &+= UInt32(truncatingIfNeeded: packet.entry.payloadLength)
        measured.bytes &+= UInt64(packet.entry.payloadLength)
    }

    /// Finds what a NACK asks for; counts the repeat.
    func repeated(_ number: UInt16, now: MonotonicTime) -> Result<Packet, DropReasonError> {
        let next = forwarder.next
        let out = next &+ Int64(Int16(bitPattern: number &- UInt16(truncatingIfNeeded: next)))
        guard session.downlink.mayRepeat(isOld: out < forwarder.begin || forwarder.current == nil, now: now) else {
            return .failure(.init(.repeatLimit))
        }
        let found = sent.repeated(out, in: producer, roundTripMs: session.downlink.repeatTripMs, now: now)
        if case .success(let packet) = found { session.downlink.repeated(packet.entry.payloadLength, now: now) }
        return found
    }

    /// How long the subscriber's pictures are to wait, in milliseconds: for what is lost on the way to it, and before on the way from
    /// who publishes them; nil where it has not agreed to hear it, or is left to itself.
    @inline(__always)
    var playoutMs: Int? {
        guard extensions.playoutDelay != 0 else { return nil }
        let own = session.downlink.playoutMs
        guard let late = producer.session.lateness.told else { return own }
        return min(PlayoutWait.longestMs, late + (own ?? 0))
    }

    /// What the next packet says of that; nothing ever where it was not agreed on: a repeat without RTX has the bytes of the first time.
    @inline(__always)
    func nextWait() -> Int? { extensions.playoutDelay == 0 ? nil : toldWait.next(playoutMs) }

    func takeRTXIndex() -> Int64 {
        defer { nextRTX += 1 }
        return nextRTX
    }
}

/// A drop reason that can stand in a `Result`.
struct DropReasonError: Error {
    let reason: DropReason
    init(_ reason: DropReason) { self.reason = reason }
}
