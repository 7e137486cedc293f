// What Studio says to a compositor: the scene, who is there, how to reach the room and the pipeline.

public import Media

/// A command to a compositor.
public enum CompositorCommand: Sendable, Codable, Hashable {
    /// Run the event's program, or go on with these changes; → `.running`.
    case run(ProgramSetup)
    /// Show a scene; → `.shown`.
    case show(ProgramChange)
    /// The take that waits, instead of the one before; nil for none. → `.prepared`.
    case putTake(PendingTake?)
    /// Who is in the room, those on stage first and in the order of the stage; → `.shown`.
    case putCast([CastMember])
    /// What the polls show that cards may name, by id; → `.shown`.
    case putPolls([String: PollPicture])
    /// Answer an offer of the SFU; an unknown session starts a new connection in place of the old one; → `.answer`.
    case offer(session: String, offer: String)
    /// A picture of the program as it is out now, or of a scene as it would look; → `.still`.
    case still(Scene?)
    /// Where the program goes besides the pipeline, and what it may show from outside; → `.connected`.
    case connect(ProgramConnections)
    /// The mean colours of areas of the program's picture as it is out now; → `.reading`.
    case meter([CanvasArea])
    /// How loud the sources and the program are; → `.sound`.
    case sound
    /// Offer the program to the room, with a mix without their own voice for each of these participants; an unknown session
    /// starts a new connection in place of the old one; → `.returnOffer`.
    case returnFeed(session: String, listeners: Set<String>)
    /// The SFU's answer to the last offer of the program; → `.connected`.
    case returnAnswer(session: String, answer: String)
    /// Nobody is there to get the program, so nothing is sent back any more; → `.connected`.
    case endReturnFeed
}

/// The answer of a compositor.
public enum CompositorReply: Sendable, Codable, Hashable {
    /// The program runs on this clock.
    case running(ClockAnchor)
    /// The change is seen from this program time on; `isReady` is false when cards stand in for something.
    case shown(programTime: ProgramTime, isReady: Bool)
    /// A take is kept for its moment; `isReady` is false while cards would stand in for something.
    case prepared(isReady: Bool)
    /// An SDP answer.
    case answer(String)
    /// A JPEG file in base64.
    case still(String)
    /// The connections are as they were told to be; what becomes of each is reported.
    case connected
    /// Mean colours.
    case reading(CanvasReading)
    /// Levels and loudness.
    case sound(SoundReading)
    /// An SDP offer, and what its sections carry, by mid.
    case returnOffer(String, tracks: [String: ReturnTrack])
}

/// A track of the program on its way back to the room.
public struct ReturnTrack: Sendable, Codable, Hashable {
    /// The picture, or a mix.
    public var source: TrackSource
    /// Who gets it.
    public var audience: TrackAudience

    /// Creates a description.
    public init(source: TrackSource, audience: TrackAudience) {
        self.source = source
        self.audience = audience
    }
}

/// All that a compositor needs to make an event's program; the same again changes nothing.
public struct ProgramSetup: Sendable, Codable, Hashable {
    /// The event's slug, and the organisation.
    public var event: String, org: String
    /// Where the program goes: `rtmps://HOST:PORT/live`; the stream name is the compositor's own token.
    public var publishURL: String
    /// The clock of an earlier run, which goes on when it is of this machine; nil starts one.
    public var clock: ClockAnchor?
    /// Every layout that scenes may name.
    public var layouts: [Layout]
    /// Every theme that scenes may name.
    public var themes: [OverlayTheme]
    /// What the polls show that cards may name, by id.
    public var polls: [String: PollPicture]
    /// What the program shows, unless it runs and has shown a newer version.
    public var scene: Scene
    /// The version of the scene.
    public var version: Int64
    /// Who is in the room.
    public var cast: [CastMember]
    /// The take that waits.
    public var take: PendingTake?

    /// Creates a setup.
    public init(
        event: String, org: String, publishURL: String, clock: ClockAnchor?, layouts: [Layout],
        themes: [OverlayTheme] = [], polls: [String: PollPicture] = [:], scene: Scene, version: Int64,
        cast: [CastMember], take: PendingTake? = nil
    ) {
        self.event = event
        self.org = org
        self.publishURL = publishURL
        self.clock = clock
        self.layouts = layouts
        self.themes = themes
        self.polls = polls
        self.scene = scene
        self.version = version
        self.cast = cast
        self.take = take
    }
}

/// A program clock and the machine on which its monotonic clock means something.
public struct ClockAnchor: Sendable, Codable, Hashable {
    /// The clock.
    public var clock: ProgramClock
    /// Names the machine since its last start.
    public var machine: String

    /// Creates an anchor.
    public init(clock: ProgramClock, machine: String) {
        self.clock = clock
        self.machine = machine
    }
}

/// A change of what the program shows.
public struct ProgramChange: Sendable, Codable, Hashable {
    /// How one picture becomes the other.
    public struct Transition: Sendable, Codable, Hashable {
        /// At once; through each other; through black; tiles glide to their new places; from the left.
        public enum Kind: String, Sendable, Codable, CaseIterable { case cut, fade, dip, move, wipe }
        /// The kind.
        public var kind: Kind
        /// How long it takes, 0…5000 ms; a cut takes none.
        public var milliseconds: Int64

        /// Creates a transition.
        public init(kind: Kind, milliseconds: Int64) {
            self.kind = kind
            self.milliseconds = milliseconds
        }
    }

    /// The scene.
    public var scene: Scene
    /// Its version; an older one than what is shown is not taken.
    public var version: Int64
    /// The take that waits, as far as Studio knows; one that has been shown meanwhile is not undone by this scene.
    public var take: String?
    /// Every layout that the scene may name, when they have changed.
    public var layouts: [Layout]?
    /// Every theme that the scene may name, when they have changed.
    public var themes: [OverlayTheme]?
    /// How it comes; a cut by default.
    public var transition: Transition

    /// Creates a change.
    public init(
        scene: Scene, version: Int64, take: String? = nil, layouts: [Layout]? = nil, themes: [OverlayTheme]? = nil,
        transition: Transition = Transition(kind: .cut, milliseconds: 0)
    ) {
        self.scene = scene
        self.version = version
        self.take = take
        self.layouts = layouts
        self.themes = themes
        self.transition = transition
    }
}

/// Somebody in the room, as the compositor needs to know them.
public struct CastMember: Sendable, Codable, Hashable {
    /// The participant's id, as the SFU's tracks name it.
    public var id: String
    /// What a name card says.
    public var name: String, title: String?
    /// Whether they are on stage: shown by `auto`, and heard, also where the scene does not name them.
    public var isOnStage: Bool
    /// What the stage says of their picture; nil leaves the slot's rule.
    public var fit: Layout.Fit?
    /// How much the picture is enlarged, 1…4.
    public var zoom: Double
    /// Whether left and right change places.
    public var isMirrored: Bool
    /// Their level in the mix.
    public var level: SceneAudio.Level
    /// The camera and the screen for which they have a track.
    public var sources: Set<TrackSource>
    /// Those of them that they hide: a card stands in the camera's place.
    public var mutedSources: Set<TrackSource>
    /// Those that come in several sizes, of which the compositor gets what it asks for.
    public var layeredSources: Set<TrackSource>

    /// Creates a member.
    public init(
        id: String, name: String, title: String? = nil, isOnStage: Bool, fit: Layout.Fit? = nil, zoom: Double = 1,
        isMirrored: Bool = false, level: SceneAudio.Level = .init(), sources: Set<TrackSource> = [],
        mutedSources: Set<TrackSource> = [], layeredSources: Set<TrackSource> = []
    ) {
        self.id = id
        self.name = name
        self.title = title
        self.isOnStage = isOnStage
        self.fit = fit
        self.zoom = zoom
        self.isMirrored = isMirrored
        self.level = level
        self.sources = sources
        self.mutedSources = mutedSources
        self.layeredSources = layeredSources
    }
}

/// What a compositor tells by itself.
public enum CompositorEvent: Sendable, Codable, Hashable {
    /// A connection to the SFU has ended: offer a new session, or ask for one.
    case connectionLost(session: String)
    /// How large the pictures of a connection's tracks have to be, all at once; what is not named is needed whole.
    case sizes(session: String, sizes: [String: LayerSize])
    /// A take that waited is shown from this program time on.
    case taken(id: String, programTime: ProgramTime)
    /// The program reaches the pipeline, or does not.
    case publishing(isConnected: Bool)
    /// How the outputs are doing, all of them: when one changes, and each second while one is live.
    case outputs([OutputState])
    /// A roll or the music has ended, or could not go on; told again until the scene is another.
    case rollEnded(asset: String, run: Int64, failure: String?)
    /// Where the program's roll or its music stands; told every few seconds, so that whoever takes over goes on there.
    case rollPlace(asset: String, run: Int64, positionMs: Int64, isPlaying: Bool)
}
