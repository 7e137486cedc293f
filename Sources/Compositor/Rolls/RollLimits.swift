// What a video roll may be, and why one is refused.

/// What a video roll may cost.
public struct RollLimits: Sendable, Hashable {
    /// Pixels of a picture, and of each of its sides.
    public var pixels = 4096 * 2304, side = 4096
    /// How long it may run.
    public var milliseconds: Int64 = 6 * 3_600_000
    /// Packets of all tracks; 6 h of 60 pictures and 100 blocks of sound a second are 3.5 million.
    public var packets = 4_000_000
    /// Tracks that the file may name.
    public var tracks = 16
    /// Bytes of packets that wait for the other track, when a file interleaves them badly.
    public var waitingBytes = 48 << 20

    /// The standard.
    public init() {}
}

/// Why a roll can't be read.
public enum RollError: Error, Equatable, Sendable {
    /// The file is of another kind; the text says what it looks like.
    case otherKind(String)
    /// libavformat or a decoder can't read it; the text says where.
    case unreadable(String)
    /// It asks for more than is allowed.
    case tooLarge(String)

    /// One sentence for people.
    public var reason: String {
        switch self {
        case .otherKind(let text), .unreadable(let text), .tooLarge(let text): text
        }
    }
}

/// What a roll is.
public struct RollDescription: Sendable, Hashable, Codable {
    /// The size in pixels as it is seen: rotated, and with square pixels.
    public var width: Int, height: Int
    /// How long it runs.
    public var durationMs: Int64
    /// Whether it has sound.
    public var hasSound: Bool

    /// Creates a description.
    public init(width: Int, height: Int, durationMs: Int64, hasSound: Bool) {
        self.width = width
        self.height = height
        self.durationMs = durationMs
        self.hasSound = hasSound
    }
}
