// What a room tells, to whom, and how it describes who is there.

internal import Control
internal import Media
internal import Web

/// Who is told what happens in a room.
protocol RoomListener: AnyObject, Sendable {
    /// Whose it is; nil for a part of the studio.
    var principal: Principal? { get }
    /// The word with which its sessions can be taken over; nil where they can't be.
    var word: String? { get }
    /// Whether it is told of those too whom others do not see.
    var seesHidden: Bool { get }
    /// Who is there when it begins to listen.
    func participantsChanged(_ participants: [SpeakerView])
    /// What is different since it was told last.
    func participantsChanged(_ change: RosterChange)
    /// Something is different, be it nothing that participants are told.
    func roomChanged()
    /// Somebody else has the floor; nil when nobody has it any more.
    func speakerChanged(_ participant: String?)
    /// The own line has room for other layers than before: all tracks that come smaller or not at all.
    func lineChanged(_ limits: [String: LineLimit])
    /// Much is lost on the way to the own subscribing session by UDP.
    func lineLosesMuch()
    /// The room is locked, and who listens is not let in: nothing more is told.
    func shutOut()
    /// The own subscribing session must answer an offer.
    func offered(_ offer: String)
    /// The own sessions are gone: join again.
    func mustRejoin(_ reason: String)
    /// An own session has taken over from another, which has ended; says who hears of it from now on.
    func tookOver(_ session: String) -> (any RoomListener)?
    /// What comes from now on is of a subscribing session that has taken over from another.
    func subscribedAnew()
}

extension RoomListener {
    var principal: Principal? { nil }
    var word: String? { nil }
    var seesHidden: Bool { false }
    func shutOut() {}
    func participantsChanged(_ change: RosterChange) {}
    func roomChanged() {}
    func speakerChanged(_ participant: String?) {}
    func lineChanged(_ limits: [String: LineLimit]) {}
    func lineLosesMuch() {}
    func tookOver(_ session: String) -> (any RoomListener)? { nil }
    func subscribedAnew() {}
}

/// A listener whose sessions another of the same person may take over.
protocol ResumableListener: RoomListener {
    /// Gives its sessions up and ends its connection.
    func surrender() -> ResumeTable.Sessions
}

/// A participant as others see it.
struct SpeakerView: Encodable, Sendable, Hashable {
    struct Track: Encodable, Sendable, Hashable {
        let id: String, kind: String, source: TrackSource, codec: Codec?, muted: Bool, layers: Int?
    }

    struct Connection: Encodable, Sendable, Hashable {
        let state: String
    }

    let id: String, name: String?, role: Role, tracks: [Track], connection: Connection
    /// Whether the program's own sound has theirs; nobody's while no compositor runs.
    var onStage = false
    /// True for those whom a producer keeps silent in the room; missing for everybody else.
    var mutedInRoom: Bool?
    /// True for those whom only producers see; missing for everybody else.
    var hidden: Bool?

    /// The camera and the screen for which they have a track.
    var pictureSources: Set<TrackSource> { Set(tracks.map(\.source).filter(\.isVideo)) }

    /// Those of them that come in several sizes.
    var layeredSources: Set<TrackSource> { Set(tracks.filter { $0.layers ?? 1 > 1 }.map(\.source)) }

    /// Those of them of which they send nothing, because they hide all tracks.
    var mutedSources: Set<TrackSource> {
        pictureSources.subtracting(tracks.filter { !$0.muted }.map(\.source))
    }
}
