// The program's picture in two codecs: VP8 for everybody, H.264 for who has said not to have that, and neither for nobody.

import Control
import Media
import RTC

/// Whether anybody gets a track that is made for them; a plain value, in the times that it is told.
///
/// Who has gone may come back, and somebody else may come: a while must pass before it counts as nobody.
struct Demand: Sendable, Hashable {
    /// Whether it is to be made.
    private(set) var isThere = false
    private var lastTaken: MonotonicTime?

    /// Looks again; returns whether it has changed.
    ///
    /// - Parameters:
    ///   - isTaken: whether somebody gets the track now.
    ///   - lingerMs: how long it is made on for nobody.
    ///   - now: the time.
    mutating func look(isTaken: Bool, lingerMs: Int64, now: MonotonicTime) -> Bool {
        let was = isThere
        if isTaken {
            lastTaken = now
            isThere = true
        } else if let lastTaken, now.milliseconds(since: lastTaken) >= lingerMs {
            isThere = false
        }
        return was != isThere
    }
}

extension Session {
    /// Whether a picture of the program in this codec is for whoever is behind the session: of two that they could take they get one.
    func takes(programIn codec: Codec) -> Bool { (codec == .vp8) != lacksVP8 }

    /// Reads from a section with which a viewer's picture was answered, or from a subscriber's answer to one, whether they lack VP8.
    func noteCodecs(of section: MediaSection) {
        guard section.kind == .video, !section.isRejected else { return }
        let codecs = Set(section.codecs.compactMap(\.carried))
        if codecs.contains(.h264), !codecs.contains(.vp8) { lacksVP8 = true }
    }
}

extension Producer {
    /// What a subscriber is offered of the track: with a program's VP8 its other codec, so that who lacks VP8 keeps the section and says so.
    var offeredCodecs: [MediaSection.Codec] {
        let codecs = MediaSection.offered(carrying: codec)
        return track.source == .program && codec == .vp8 ? codecs + MediaSection.offered(.h264) : codecs
    }

    /// What the track's publisher is told of its use: nothing of it is wanted, or as much as anybody may send.
    ///
    /// - Parameters:
    ///   - isDue: whether to tell it again though nothing has changed: a message may get lost.
    ///   - configuration: how long it goes on for nobody, and the most that it may take.
    ///   - now: the time.
    func told(isDue: Bool, _ configuration: ShardConfiguration, now: MonotonicTime) -> RTCPPacket? {
        guard track.source == .program, let ssrc = layers[0].ssrc else { return nil }
        let isTaken = consumers.contains { !$0.lacksCodec }
        let isNew = demand.look(isTaken: isTaken, lingerMs: configuration.programLingerMs, now: now)
        guard isNew || isDue else { return nil }
        // What is left in the store is over when somebody comes.
        if isNew, !demand.isThere { for layer in layers { layer.group.forget() } }
        let bound = demand.isThere ? UInt64(configuration.maximumPublisherBitrate) : 0
        return .bitrateLimit(.init(sender: Session.reporterSSRC, entries: [.init(ssrc: ssrc, bitsPerSecond: bound)]))
    }
}

extension ShardCore {
    /// Gives a subscriber who has said to lack VP8 the program's other picture in the same section, by another offer.
    func exchangeProgram(of session: Session) {
        let others = session.consumers.filter { $0.producer.track.source == .program && !session.gets($0.producer) }
        guard !others.isEmpty else { return }
        for consumer in others {
            consumer.producer.consumers.removeAll { $0 === consumer }
            drops.count(.lacksCodec, consumer.forgetUnsent())
            session.consumers.removeAll { $0 === consumer }
            session.sections[consumer.section].consumer = nil
        }
        for other in session.room.sessions where other.isPublisher {
            subscribe(session, to: other.producers.filter { $0.isAnnounced && $0.track.source == .program })
        }
        session.offerIsStale = true
    }
}
