// What we offer and accept: mid and audio levels, one bundled transport, codecs by `VideoFormats`.

/// What one side's transport is called in every section.
public struct LocalTransport: Sendable {
    /// ICE user name fragment and password.
    public var ufrag: String, password: String
    /// Our certificate.
    public var fingerprint: DTLSFingerprint
    /// Where we can be reached.
    public var candidates: [ICECandidate]
    /// Whether we are an ICE-lite agent.
    public var isLite: Bool

    /// Creates a transport's description.
    public init(ufrag: String, password: String, fingerprint: DTLSFingerprint, candidates: [ICECandidate], isLite: Bool)
    {
        self.ufrag = ufrag
        self.password = password
        self.fingerprint = fingerprint
        self.candidates = candidates
        self.isLite = isLite
    }
}

/// What the peer's transport is called.
public struct RemoteTransport: Sendable {
    /// ICE user name fragment and password.
    public var ufrag: String, password: String
    /// The peer's certificate.
    public var fingerprint: DTLSFingerprint
    /// Who begins DTLS, as the peer says.
    public var setup: MediaSection.Setup
    /// Where the peer can be reached.
    public var candidates: [ICECandidate]
}

extension SessionDescription {
    /// Whether an answer rejects every section of its offer (RFC 3264 section 6): it has no transport then, and needs none.
    public var refusesEverything: Bool { !media.isEmpty && media.allSatisfy(\.isRejected) }

    /// The transport that all accepted sections share.
    ///
    /// - Throws: `SDPError` when something is missing, or sections are not bundled.
    public func remoteTransport() throws(SDPError) -> RemoteTransport {
        guard let first = media.first(where: { !$0.isRejected && $0.kind != .application }) else {
            throw .missing("an accepted audio or video section")
        }
        guard !first.ufrag.isEmpty, first.password.utf8.count >= 22 else { throw .missing("a=ice-ufrag and a=ice-pwd") }
        guard let fingerprint = first.fingerprint else { throw .missing("a=fingerprint with SHA-2") }
        for section in media where !section.isRejected && section.kind != .application {
            guard section.hasRTCPMux else { throw .unsupported("RTP without rtcp-mux") }
            guard section.transport.contains("SAVPF") else {
                throw .unsupported("\(section.transport) without encryption")
            }
            guard media.count == 1 || bundle.contains(section.mid) else {
                throw .unsupported("sections outside the bundle")
            }
        }
        var candidates: [ICECandidate] = []
        for candidate in media.flatMap(\.candidates) where !candidates.contains(candidate) {
            candidates.append(candidate)
        }
        return RemoteTransport(
            ufrag: first.ufrag, password: first.password, fingerprint: fingerprint, setup: first.setup,
            candidates: candidates)
    }

    /// The answer of a client that receives all that this offer sends.
    ///
    /// - Parameters:
    ///   - local: the client's transport.
    ///   - remote: who offers.
    ///   - version: the number of the answer.
    ///   - feedsBack: whether the client tells when each packet has come.
    public func answerReceiving(
        _ local: LocalTransport, from remote: RemoteTransport, version: UInt64, feedsBack: Bool = false
    ) -> SessionDescription {
        var answer = SessionDescription()
        answer.version = version
        answer.media = media.map { section in
            var answer = section.answer(local, receives: true, takesAll: true)
            if !feedsBack { answer.dropTransportFeedback() }
            // Our own client reads the payloads.
            answer.extensions.removeAll { $0.uri == RTPExtensionURI.dependencyDescriptor }
            if !answer.isRejected { answer.setup = remote.setup == .active ? .passive : .active }
            return answer
        }
        answer.bundle = answer.media.filter { !$0.isRejected }.map(\.mid)
        return answer
    }
}

extension MediaSection {
    /// The feedback that we give and take for video.
    public static let videoFeedback = ["nack", "nack pli", "ccm fir", "goog-remb", transportFeedback]
    /// The feedback on all packets of a transport, of whatever kind.
    public static let transportFeedback = "transport-cc"
    static let spokenExtensions = [
        RTPExtensionURI.mid, RTPExtensionURI.rid, RTPExtensionURI.repairedRid, RTPExtensionURI.audioLevel,
        RTPExtensionURI.videoOrientation, RTPExtensionURI.colorSpace, RTPExtensionURI.captureTime,
        RTPExtensionURI.transportNumber, RTPExtensionURI.sendTime, RTPExtensionURI.dependencyDescriptor,
        RTPExtensionURI.playoutDelay,
    ]

    /// Fills in a transport.
    public mutating func use(_ transport: LocalTransport, setup: Setup) {
        ufrag = transport.ufrag
        password = transport.password
        fingerprint = transport.fingerprint
        candidates = transport.candidates
        self.setup = setup
        hasRTCPMux = true
    }

    /// Answers an offered section with the payload types and ids of the offer.
    ///
    /// - Parameters:
    ///   - transport: ours.
    ///   - receives: whether we want the media.
    ///   - takesAll: whether to take every codec that we know; else the first, so that the publisher has no choice left.
    public func answer(_ transport: LocalTransport, receives: Bool, takesAll: Bool = false) -> MediaSection {
        var answer = MediaSection(kind: kind, mid: mid)
        answer.transport = self.transport
        let chosen = acceptedCodecs(all: takesAll)
        guard !isRejected, kind != .application, !chosen.isEmpty else {
            answer.isRejected = true
            answer.codecs = codecs.prefix(1).map { $0 }
            return answer
        }
        answer.codecs = chosen
        answer.use(transport, setup: setup == .passive ? .active : .passive)
        answer.isRTCPMuxOnly = isRTCPMuxOnly
        answer.direction = receives && direction.sends ? .recvonly : .inactive
        answer.extensions = extensions.filter { (1...14).contains($0.id) && Self.spokenExtensions.contains($0.uri) }
        answer.allowsMixedExtensions = allowsMixedExtensions
        // With its structure a descriptor is longer than the one-byte form allows.
        if !allowsMixedExtensions { answer.extensions.removeAll { $0.uri == RTPExtensionURI.dependencyDescriptor } }
        // Nobody here reads when a packet was sent, or how long it should wait.
        if receives {
            answer.extensions.removeAll { [RTPExtensionURI.sendTime, RTPExtensionURI.playoutDelay].contains($0.uri) }
        }
        if receives, direction.sends { answer.simulcast.receives = acceptedLayers }
        return answer
    }

    /// Answers an offered section by sending a track in it, in whichever codec of the offer it may be.
    ///
    /// - Parameters:
    ///   - transport: ours.
    ///   - source: the SSRCs of the track; that of RTX counts for pictures only.
    ///   - stream: the stream part of `a=msid`.
    ///   - track: its track part.
    public func answer(_ transport: LocalTransport, sending source: Source, stream: String, track: String)
        -> MediaSection
    {
        var answer = self.answer(transport, receives: false, takesAll: true)
        guard !answer.isRejected, direction.receives else { return answer }
        answer.direction = .sendonly
        (answer.stream, answer.track) = (stream, track)
        answer.sources = [source]
        if kind != .video { answer.sources[0].rtx = nil }
        return answer
    }

    /// An offered section for a track that we send: our payload types, ids and sources.
    public static func offer(
        kind: Kind, mid: String, transport: LocalTransport, stream: String, track: String, source: Source,
        codecs: [Codec]
    ) -> MediaSection {
        var section = MediaSection(kind: kind, mid: mid)
        section.use(transport, setup: .actpass)
        section.direction = .sendonly
        (section.stream, section.track) = (stream, track)
        section.sources = [source]
        section.codecs = codecs
        section.allowsMixedExtensions = true
        section.extensions = [
            .init(id: OfferedIDs.mid, uri: RTPExtensionURI.mid),
            .init(id: OfferedIDs.transportNumber, uri: RTPExtensionURI.transportNumber),
            .init(id: OfferedIDs.sendTime, uri: RTPExtensionURI.sendTime),
        ]
        if kind == .audio {
            section.extensions.append(.init(id: OfferedIDs.audioLevel, uri: RTPExtensionURI.audioLevel))
        } else {
            section.extensions += [
                .init(id: OfferedIDs.videoOrientation, uri: RTPExtensionURI.videoOrientation),
                .init(id: OfferedIDs.colorSpace, uri: RTPExtensionURI.colorSpace),
                .init(id: OfferedIDs.dependencyDescriptor, uri: RTPExtensionURI.dependencyDescriptor),
                .init(id: OfferedIDs.playoutDelay, uri: RTPExtensionURI.playoutDelay),
            ]
        }
        section.extensions.append(.init(id: OfferedIDs.captureTime, uri: RTPExtensionURI.captureTime))
        return section
    }
}

extension MediaSection {
    /// Whether all packets of the section are numbered, and fed back on.
    public var hasTransportFeedback: Bool {
        extensionID(RTPExtensionURI.transportNumber) != nil
            && codecs.contains { $0.feedback.contains(Self.transportFeedback) }
    }

    /// Takes the feedback on all packets out of a description.
    mutating func dropTransportFeedback() {
        extensions.removeAll { $0.uri == RTPExtensionURI.transportNumber }
        for index in codecs.indices { codecs[index].feedback.removeAll { $0 == Self.transportFeedback } }
    }

    /// Makes an offered section one of several layers, each known by the name that its packets carry (RFC 8852).
    public mutating func send(layers: [String]) {
        simulcast.sends = layers
        sources = []
        extensions += [
            .init(id: OfferedIDs.rid, uri: RTPExtensionURI.rid),
            .init(id: OfferedIDs.repairedRid, uri: RTPExtensionURI.repairedRid),
        ]
    }
}

/// The payload types and extension ids of our own offers.
public enum OfferedIDs {
    /// Payload types; that of the retransmissions of pictures is one more.
    public static let vp8: UInt8 = 96, vp9: UInt8 = 98, h264: UInt8 = 102, h264Baseline: UInt8 = 104, opus: UInt8 = 111
    /// Header extensions.
    public static let mid: UInt8 = 1, audioLevel: UInt8 = 2, videoOrientation: UInt8 = 3, colorSpace: UInt8 = 4
    /// Of sound and pictures alike.
    public static let captureTime: UInt8 = 9
    /// Header extensions of layers.
    public static let rid: UInt8 = 5, repairedRid: UInt8 = 6
    /// The number of a packet among all of its transport.
    public static let transportNumber: UInt8 = 10
    /// When a packet was sent.
    public static let sendTime: UInt8 = 11
    /// Which frame it is part of.
    public static let dependencyDescriptor: UInt8 = 12
    /// How long pictures are to wait before they are shown.
    public static let playoutDelay: UInt8 = 13
}
