// What an event's pipeline must know after `kill -9`: on disk before any segment that depends on it is listed.

internal import FoundationEssentials
public import Media

/// One published segment.
public struct SegmentEntry: Sendable, Equatable, Codable {
    /// Its number; goes on for ever.
    public var mediaSequence: Int64
    /// The run of the pipeline that made it: with the number, a name that is never used twice.
    public var run: String
    /// The program time of its first picture, and of what follows.
    public var from: ProgramTime, to: ProgramTime
    /// Whether a discontinuity lies before it.
    public var isDiscontinuity: Bool
    /// How many discontinuities lie before its first picture since the event's start.
    public var discontinuities: Int64
    /// The size of its file in each rung, in bytes.
    public var bytes: [String: Int]

    /// The name of its file in every rung's folder.
    public var fileName: String { "\(run)-\(mediaSequence).ts" }
}

/// The state of an event's segments.
public struct EventState: Sendable, Equatable, Codable {
    /// The number of the next segment.
    public var nextMediaSequence: Int64 = 0
    /// How many discontinuities there were.
    public var discontinuities: Int64 = 0
    /// Program time at which transport stream stamps are 0; nil before the first segment.
    public var stampOrigin: ProgramTime?
    /// Where the last published segment ended.
    public var lastEnd: ProgramTime?
    /// The segments that are kept, oldest first.
    public var segments: [SegmentEntry] = []
    /// The transport stream counters of each rung.
    public var continuity: [String: TransportStreamContinuity] = [:]
    /// What the master playlist lists.
    public var variants: [MasterPlaylist.Variant] = []
    /// Whether the event was ended on purpose.
    public var isEnded = false

    /// The state of an event that never ran.
    public init() {}

    var json: ByteBlock? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(self)).map { ByteBlock(Array($0)) }
    }

    init?(json bytes: [UInt8]) {
        guard let state = try? JSONDecoder().decode(EventState.self, from: Data(bytes)), state.nextMediaSequence >= 0
        else { return nil }
        self = state
    }
}
