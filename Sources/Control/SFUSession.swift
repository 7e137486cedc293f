// What a shard carries, for a Studio that does not know it yet.

/// A session as it stands.
public struct SFUSession: Sendable, Codable, Hashable {
    /// So many are told at once.
    public static let pageLimit = 200
    /// The longest note.
    public static let noteLimitBytes = 4096

    /// Its room and its id, and as whom its peer is known.
    public var room: String, id: String, participant: String
    /// What it does.
    public var direction: ConnectionReport.Direction
    /// Whether its peer gives signs of life.
    public var isConnected: Bool
    /// Whether its peer has the floor in the room.
    public var hasFloor: Bool
    /// What others can subscribe to.
    public var tracks: [TrackInfo]
    /// What Studio has written down.
    public var note: String?

    /// Creates a description.
    public init(
        room: String, id: String, participant: String, direction: ConnectionReport.Direction, isConnected: Bool,
        hasFloor: Bool, tracks: [TrackInfo], note: String?
    ) {
        self.room = room
        self.id = id
        self.participant = participant
        self.direction = direction
        self.isConnected = isConnected
        self.hasFloor = hasFloor
        self.tracks = tracks
        self.note = note
    }
}
