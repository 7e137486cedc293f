// Whom a producer keeps silent in the room: held back at the media server, whatever the person says and whenever they come.

internal import Control
internal import HTTPTypes
internal import Media
internal import Web

extension SpeakerRooms {
    /// What is held back of who is kept silent.
    static let soundSources: Set<TrackSource> = [.microphone, .screenAudio]

    /// Whether a producer keeps somebody silent.
    func isSilenced(_ participant: String, _ event: String) -> Bool { silenced[event]?.contains(participant) == true }

    /// Takes over whom an earlier Studio has kept silent, by event.
    func restore(silenced known: [String: Set<String>]) { silenced.merge(known) { mine, _ in mine } }

    /// Keeps somebody silent in the room, or lets them speak; what they have muted themselves stays muted.
    ///
    /// It holds for tracks that come later, and for who leaves and comes again.
    ///
    /// - Throws: the media server's, and 503 when it does not answer; it holds all the same for what comes.
    func setSilenced(_ participant: String, _ event: String, _ isSilenced: Bool) async throws {
        if isSilenced {
            silenced[event, default: []].insert(participant)
        } else {
            silenced[event]?.remove(participant)
            if silenced[event]?.isEmpty == true { silenced[event] = nil }
        }
        changed(event)
        var failure: (any Error)?
        let tracks = rooms[event]?.members[participant]?.tracks.values.map { $0 } ?? []
        for track in tracks where Self.soundSources.contains(track.source) {
            // They may have muted themselves while another track was spoken of.
            let isMuted = isSilenced || rooms[event]?.members[participant]?.muted.contains(track.source) == true
            do {
                _ = try await send(.setMuted(track: track.id, muted: isMuted), event)
            } catch let problem as Problem where problem.status == .notFound {
                // It has ended meanwhile.
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Holds a track back of who is kept silent.
    ///
    /// A new track is offered to others first, so it is held back before anybody has answered; the server moves what is muted over to
    /// whatever takes its place.
    func holdBack(_ track: TrackInfo, _ event: String) {
        guard !track.isMuted, Self.soundSources.contains(track.source), isSilenced(track.participant, event),
            let sfu = rooms[event]?.sfu
        else { return }
        _ = registry.say(.sfu(.setMuted(track: track.id, muted: true)), to: sfu)
    }

    /// Holds back the own tracks of a source, or lets them go on.
    ///
    /// - Throws: `Problem` 409 for who is kept silent and would be heard.
    func setMuted(_ event: EventScope, _ caller: Principal, _ source: TrackSource, _ isMuted: Bool) async throws {
        func check() throws {
            guard !isMuted, Self.soundSources.contains(source), isSilenced(caller.id, event.id) else { return }
            throw Problem.conflict("muted-by-producer", "The producer has muted you in the room.")
        }
        try check()
        if isMuted {
            rooms[event.id]?.members[caller.id]?.muted.insert(source)
        } else {
            rooms[event.id]?.members[caller.id]?.muted.remove(source)
        }
        for track in rooms[event.id]?.members[caller.id]?.tracks.values.filter({ $0.source == source }) ?? [] {
            // A producer may have come between.
            try check()
            _ = try await send(.setMuted(track: track.id, muted: isMuted), event.id)
        }
    }
}
