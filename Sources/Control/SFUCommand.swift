// What Studio says to a shard and hears from it, as plain values that travel over any wire.

public import Media

/// What a track shows or plays.
public enum TrackSource: String, Sendable, Codable, Hashable, CaseIterable {
    case camera, screen, microphone, screenAudio
    /// What the compositor sends back: the program's picture, and its sound for one listener without their own voice.
    case program, programMix

    /// What people call it.
    public var title: String {
        switch self {
        case .camera: "camera"
        case .screen: "screen"
        case .microphone: "microphone"
        case .screenAudio: "screen's sound"
        case .program: "program"
        case .programMix: "program's sound"
        }
    }

    /// Whether it is a picture.
    public var isVideo: Bool { self == .camera || self == .screen || self == .program }
    /// Whether people send it; the rest is the program's, and nobody else's.
    public var isOfPeople: Bool { self != .program && self != .programMix }
}

/// Who gets a track; nobody ever gets their own.
public enum TrackAudience: Sendable, Codable, Hashable {
    /// Everybody who subscribes.
    case everybody
    /// These participants, whether they are there yet or not.
    case only(Set<String>)
    /// Those who watch the program and are not in the room.
    case viewers

    /// For whom a compositor makes the mix that viewers hear; nobody may come by this name.
    public static let viewersName = "proscenium-viewers"

    /// Whether somebody belongs to it.
    public func includes(_ participant: String) -> Bool {
        switch self {
        case .everybody: true
        case .only(let participants): participants.contains(participant)
        case .viewers: false
        }
    }
}

/// What somebody watches who takes part in nothing.
public enum WatchedSource: Sendable, Codable, Hashable {
    /// What the compositor sends back, with the sound that everybody hears.
    case program
    /// A participant's camera and microphone.
    case participant(String)
}

/// A published track.
public struct TrackInfo: Sendable, Codable, Hashable {
    /// Unique on the shard: `SOURCE.SESSION.MID`; also the track part of `a=msid` towards subscribers.
    public var id: String
    /// Who publishes it; also the stream part of `a=msid` towards subscribers.
    public var participant: String
    /// The session that carries it.
    public var session: String
    /// What it is.
    public var source: TrackSource
    /// How it is encoded; nil from a shard that does not say.
    public var codec: Codec?
    /// Whether the shard holds it back.
    public var isMuted: Bool
    /// In how many sizes it may come; nil for one.
    public var layers: Int?

    /// Creates a description.
    public init(
        id: String, participant: String, session: String, source: TrackSource, codec: Codec? = nil, isMuted: Bool,
        layers: Int? = nil
    ) {
        self.id = id
        self.participant = participant
        self.session = session
        self.source = source
        self.codec = codec
        self.isMuted = isMuted
        self.layers = layers
    }
}

/// The box in which a subscriber shows a track, in pixels of its screen.
public struct LayerSize: Sendable, Codable, Hashable {
    /// The largest side.
    public static let maximum = 16384
    /// Pixels; with a side of 0 the track is not shown, and nothing of it is sent.
    public var width: Int, height: Int

    /// Creates a size.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// Whether anything is shown.
    public var isShown: Bool { width > 0 && height > 0 }
    /// Whether both sides are in range.
    public var isAllowed: Bool { (0...Self.maximum).contains(width) && (0...Self.maximum).contains(height) }
}

/// How a subscriber gets a track whose largest picture it asks for, where its line has no room for that.
public enum LineLimit: String, Sendable, Codable, Hashable {
    /// In a smaller layer, or not at all.
    case smaller, paused
}

/// A command to a shard.
public enum SFUCommand: Sendable, Codable, Hashable {
    /// Makes a room; again is no error.
    case createRoom(room: String)
    /// Ends a room and all of its sessions.
    case closeRoom(room: String)
    /// Writes down with a session what Studio has to know of it, for the Studio that comes after this one; → `.done`.
    case note(session: String, text: String)
    /// The sessions, in the order of their ids, at most `SFUSession.pageLimit` behind the one that is named; → `.sessions`. Offers that
    /// wait for an answer are made again.
    case sessions(after: String?)
    /// Ends every room: Studio does not know them any more; → `.done`.
    case closeRooms
    /// Takes a publisher's offer, or its next one on the same session; → `.answer`. `sources` names what sections carry by
    /// mid; where it does not, the track part of `a=msid` or the order decides. `audiences` says by mid who gets what, where
    /// that is not everybody; another one than before ends and begins subscriptions. `allowed` is what this participant may
    /// send, nil for everything; an offer of anything else is refused whole. `replacing` names a session of theirs whose tracks
    /// the new one takes over as soon as it can; that one is ended then. With `goesOn` the session is not made where there is none.
    case publish(
        room: String, participant: String, session: String, offer: String, sources: [String: TrackSource],
        audiences: [String: TrackAudience] = [:], allowed: Set<TrackSource>? = nil, replacing: String? = nil,
        goesOn: Bool = false)
    /// Opens a session that gets the tracks of all other participants that are for it; → `.offer`, nil while there are none.
    /// Of the voices it gets the loudest, unless it hears everybody.
    case subscribe(room: String, participant: String, session: String, hearsEverybody: Bool = false)
    /// Takes the offer of a viewer, who gets one picture and one sound and is told of nothing else; → `.answer`.
    case watch(room: String, viewer: String, session: String, offer: String, source: WatchedSource)
    /// Takes a subscriber's answer to the last offer; → `.done`.
    case answer(session: String, answer: String)
    /// Ends a session; → `.done`.
    case leave(session: String)
    /// Holds a track back, or lets it go on; → `.done`.
    case setMuted(track: String, muted: Bool)
    /// Says in which size a subscriber shows each track, all at once: what is not named is shown whole; → `.done`.
    case setSizes(session: String, sizes: [String: LayerSize])
    /// Asks a publisher for a keyframe, throttled; → `.done`.
    case requestKeyframe(track: String)
    /// Offers a subscriber other ICE credentials, with the same keys and no gap in its media; → `.done`. A publisher restarts by an
    /// offer with other credentials.
    case restart(session: String)
    /// Takes a fragment of a description (RFC 8840) from a peer that has made the offer: candidates, or with `restarts` other
    /// credentials; → `.fragment`, nil where there is nothing to say.
    case fragment(session: String, text: String, restarts: Bool)
    /// → `.statistics`.
    case statistics
    /// How the connections of a room are: of everybody in short, or of one participant with their tracks; → `.connections`.
    case connections(room: String, participant: String?)
}

/// The answer to a command.
public enum SFUReply: Sendable, Codable, Hashable {
    case done
    case answer(String)
    case offer(String?)
    case fragment(String?)
    case statistics(SFUStatistics)
    case connections([ConnectionReport])
    case sessions([SFUSession])
}

/// Why a command was refused.
public struct SFUError: Error, Sendable, Codable, Hashable, CustomStringConvertible {
    /// The kind of refusal, for the status code of HTTP.
    public enum Code: String, Sendable, Codable {
        case malformed, badRequest, forbidden, notFound, conflict, full, stopped
    }
    /// The kind of refusal.
    public var code: Code
    /// One sentence for the one who sent the command.
    public var detail: String

    /// Creates an error.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// Code and detail.
    public var description: String { "\(code.rawValue): \(detail)" }
}

/// What happened on a shard.
public enum SFUEvent: Sendable, Codable, Hashable {
    /// A session's transport is up, for the first time or again.
    case connected(room: String, participant: String, session: String)
    /// A session's peer gives no sign of life any more; it is waited for.
    case disconnected(room: String, participant: String, session: String)
    /// A track can be subscribed to.
    case published(room: String, track: TrackInfo)
    /// A track has ended.
    case unpublished(room: String, track: TrackInfo)
    /// A track was muted or unmuted here.
    case muted(room: String, track: TrackInfo)
    /// More is known of a track: how many layers its packets name.
    case changed(room: String, track: TrackInfo)
    /// Somebody else has the floor, or nobody has it any more.
    case speaking(room: String, participant: String?)
    /// A subscriber's line has room for other layers than before: all tracks that it gets smaller or not at all, by their ids.
    case limited(session: String, tracks: [String: LineLimit])
    /// Much of what goes to a subscriber by UDP is lost, however little is sent: another way may be better.
    case lossy(session: String)
    /// A session has taken over from another one of the same participant, which ends now.
    case replaced(room: String, session: String, by: String)
    /// A subscriber must answer a new offer.
    case offer(session: String, offer: String)
    /// A session has ended.
    case left(room: String, participant: String, session: String, reason: String)
}

/// What a shard counts.
public struct SFUStatistics: Sendable, Codable, Hashable {
    /// What there is now.
    public var rooms = 0, sessions = 0, producers = 0, consumers = 0
    /// Of those, tracks that a subscriber does not get because it does not have their codec.
    public var consumersWithoutCodec = 0
    /// Tracks that a subscriber gets in a smaller layer than it asks for, and those that it does not get, because its line has no
    /// room for more.
    public var consumersLimited = 0, consumersPaused = 0
    /// Subscribers whose line is measured, and what those lines carry together, in bits per second.
    public var linesMeasured = 0, linesBitrate = 0
    /// Bytes of padding that lines were probed with, since the start.
    public var paddingBytes: UInt64 = 0
    /// Packets since the start.
    public var packetsIn: UInt64 = 0, packetsForwarded: UInt64 = 0, packetsRetransmitted: UInt64 = 0
    /// Packets that publishers sent again because the shard asked.
    public var packetsRecovered: UInt64 = 0
    /// Keyframes that publishers were asked for.
    public var keyframeRequests: UInt64 = 0
    /// How often a subscriber began with the pictures that were here, and nobody was asked for a key frame.
    public var groupsReplayed: UInt64 = 0
    /// Datagrams that the kernel did not take.
    public var sendDropped: UInt64 = 0
    /// Sessions whose peer has gone silent and is waited for.
    public var sessionsAway = 0
    /// Sessions whose tracks another one of the same participant has taken over.
    public var sessionsReplaced: UInt64 = 0
    /// Dependency descriptors that could not be read, and were not passed on.
    public var descriptorsRefused: UInt64 = 0
    /// Sessions of those who watch and take part in nothing.
    public var viewers = 0
    /// How often media has gone over to another path of the sessions that there are.
    public var pathMoves: UInt64 = 0
    /// TCP connections that are open now.
    public var streams = 0
    /// TCP connections that were taken, and that were refused because there were too many.
    public var streamsAccepted: UInt64 = 0, streamsRefused: UInt64 = 0
    /// TCP connections that were closed because nobody here knew them, and because what they sent was no packet.
    public var streamsUnproven: UInt64 = 0, streamsMalformed: UInt64 = 0
    /// Forwarded packets by how long they were in the shard, one number for each bucket, and all of those times, in nanoseconds.
    public var latencyCounts: [UInt64] = [], latencyNanoseconds: UInt64 = 0
    /// Drops by reason.
    public var drops: [String: UInt64] = [:]

    /// Zeros.
    public init() {}
}
