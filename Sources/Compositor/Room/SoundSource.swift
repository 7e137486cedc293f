// Whose sound it is, and with which other sounds it is handled.

/// A source of the mix.
public enum SoundSource: Hashable, Sendable {
    /// What is handled alike: people who speak, screens with their sound, and rolls and music, which make way for speech.
    public enum Bus: Hashable, Sendable, CaseIterable { case speech, screen, media }

    /// The microphone of a participant.
    case participant(String)
    /// The sound of a participant's screen.
    case screen(String)
    /// A video roll, or music.
    case media(String)
    /// A stream that comes in over RTMPS.
    case ingest(String)

    /// Creates a participant's source.
    public init(participant: String, isScreen: Bool) {
        self = isScreen ? .screen(participant) : .participant(participant)
    }

    /// The bus that it belongs to.
    public var bus: Bus {
        switch self {
        case .participant: .speech
        case .screen, .ingest: .screen
        case .media: .media
        }
    }

    /// The participant whose sound it is; nil for a roll, music or an ingest.
    public var participant: String? {
        switch self {
        case .participant(let id), .screen(let id): id
        case .media, .ingest: nil
        }
    }

    /// The source as scenes write it, such as `participant:ID`.
    public var name: String {
        switch self {
        case .participant(let id): "participant:" + id
        case .screen(let id): "screen:" + id
        case .media(let asset): "media:" + asset
        case .ingest(let name): "ingest:" + name
        }
    }
}
