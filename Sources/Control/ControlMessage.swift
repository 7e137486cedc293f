// The conversation between Studio and a worker: one JSON text message each.

public import Media

/// What a worker sends.
public enum WorkerMessage: Sendable, Codable, Hashable {
    /// The first message: who it is.
    case register(WorkerRegistration)
    /// Each second: how much of its capacity is used, and its counters by Prometheus name.
    case heartbeat(load: Double, counters: [String: Double])
    /// Something has happened.
    case report(Report)
    /// The answer to a command.
    case reply(id: UInt64, CommandReply)
}

/// How a command ended.
public enum CommandReply: Sendable, Codable, Hashable {
    /// It was carried out.
    case done
    /// A shard's answer.
    case sfu(SFUReply)
    /// A shard refused it.
    case refused(SFUError)
    /// A compositor's answer.
    case compositor(CompositorReply)
    /// It failed, with what was wrong.
    case failed(String)
}

/// What Studio sends.
public enum StudioMessage: Sendable, Codable, Hashable {
    /// The worker is registered; `studio` names this process of Studio's, so that a worker sees whether it is another one.
    case welcome(studio: String)
    /// Something to do; answered with `reply`.
    case command(id: UInt64, Command)
}

/// What Studio asks of a worker.
public enum Command: Sendable, Codable, Hashable {
    /// Output: take playback cookies signed by these keys (id → P-256 public key in PEM form), and no others.
    case trustKeys([String: String])
    /// Output: serve this event, or serve it with these changed entrances.
    case openEvent(EventMedia)
    /// Output: serve this event no more.
    case closeEvent(event: String)
    /// Output: put the timeline of a published segment beside it; the first one stays.
    case putTimeline(event: String, epoch: String, mediaSequence: Int64, json: String)
    /// SFU: a command to its shard.
    case sfu(SFUCommand)
    /// Supervisor: run a compositor for each of these events, and no others.
    case runCompositors([String])
    /// Compositor: what its program shows.
    case compositor(CompositorCommand)
}

/// What Output needs to know of an event.
public struct EventMedia: Sendable, Codable, Hashable {
    /// The event's slug.
    public var event: String
    /// The organisation, for logs.
    public var org: String
    /// Every version of an event's media is newer than the last; an older one is ignored.
    public var version: Int64
    /// The entrances.
    public var ingests: [IngestEntrance]

    /// Creates the description.
    public init(event: String, org: String, version: Int64, ingests: [IngestEntrance]) {
        self.event = event
        self.org = org
        self.version = version
        self.ingests = ingests
    }
}

/// One RTMPS entrance of an event.
public struct IngestEntrance: Sendable, Codable, Hashable {
    /// What comes in by it.
    public enum Kind: String, Sendable, Codable, CaseIterable, Hashable {
        /// A source on the stage; never the program itself.
        case source
        /// The program, from outside.
        case primary
        /// The program's second encoder.
        case backup
    }

    /// The entrance's id.
    public var id: String
    /// Its name in the event.
    public var name: String
    /// What comes in by it.
    public var kind: Kind
    /// The SHA-256 of its stream key, in hexadecimal.
    public var keyHash: String

    /// Creates an entrance.
    public init(id: String, name: String, kind: Kind, keyHash: String) {
        self.id = id
        self.name = name
        self.kind = kind
        self.keyHash = keyHash
    }
}

/// What a worker tells Studio.
public enum Report: Sendable, Codable, Hashable {
    /// Output: this segment of every rung can be fetched. Sent again after a reconnect for what is listed.
    case segmentPublished(SegmentReport)
    /// Output or compositor, each second while a program runs: the event's program clock against the wall.
    case clock(event: String, programTime: ProgramTime, wallMilliseconds: Int64)
    /// Output: an entrance is used, or is free again.
    case ingestState(event: String, ingest: String, isConnected: Bool)
    /// Output: the program of an event runs, or has ended; the master playlist's path lies below `/hls/{event}/`.
    case programState(event: String, isLive: Bool, masterPath: String?)
    /// SFU: something has happened on its shard.
    case sfu(SFUEvent)
    /// Compositor: something has happened in its event.
    case compositor(event: String, CompositorEvent)
}

/// One published segment, the same number in every rung.
public struct SegmentReport: Sendable, Codable, Hashable {
    /// The event's slug.
    public var event: String
    /// The media sequence number.
    public var mediaSequence: Int64
    /// The program time of its first frame.
    public var from: ProgramTime
    /// The program time at which the next segment starts.
    public var to: ProgramTime
    /// Whether it starts with a discontinuity.
    public var isDiscontinuity: Bool

    /// Creates a report.
    public init(event: String, mediaSequence: Int64, from: ProgramTime, to: ProgramTime, isDiscontinuity: Bool) {
        self.event = event
        self.mediaSequence = mediaSequence
        self.from = from
        self.to = to
        self.isDiscontinuity = isDiscontinuity
    }
}
