// Who is in the room, who of them is on stage, and how they are seen and heard.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import Web

struct StageRoutes: Sendable {
    let programs: ProgramStore
    let speakers: SpeakerRooms
    let control: any ProgramControl
    let turns = Turns()

    struct Placing: Decodable {
        let slot: String?, fit: Layout.Fit?, zoom: Double?, mirror: Bool?
    }

    struct Change: Decodable {
        let name: String?, title: String?, volume: Double?, muted: Bool?, mutedInRoom: Bool?
    }

    struct PlaceView: Encodable {
        let participant: String, onStage: Bool
        var fit: Layout.Fit?, zoom: Double?, mirror: Bool?
    }

    /// A participant as the studio sees them.
    struct ParticipantView: Encodable {
        let id: String, name: String?, title: String?, role: Role, onStage: Bool, muted: Bool, mutedInRoom: Bool
        let volume: Double
        /// Whether they have the floor in the room.
        let dominant: Bool
        /// True for whom only producers see.
        let hidden: Bool?
        let tracks: [SpeakerView.Track], connection: Connection

        struct Connection: Encodable {
            let state: String, rttMs: Int64?, loss: Double?, bitrate: Int?
        }

        init(
            _ person: SpeakerView, _ said: ParticipantSettings?, onStage: Bool, dominant: String?,
            _ figures: ConnectionFigures.Person?
        ) {
            id = person.id
            name = said?.name ?? person.name
            title = said?.title
            role = person.role
            self.onStage = onStage
            self.dominant = person.id == dominant
            hidden = person.hidden
            muted = said?.isMuted ?? false
            mutedInRoom = said?.isMutedInRoom ?? false
            volume = said?.volume ?? 1
            tracks = person.tracks
            connection = Connection(
                state: person.connection.state, rttMs: figures?.roundTripMs, loss: figures?.loss,
                bitrate: figures?.bitrate)
        }
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/participants", .permission(.seeBackstage)) { _, context in
            let event = try context.requireEvent().id, caller = try context.requirePrincipal()
            try await speakers.checkLock(event, caller)
            let seesHidden = SpeakerRoutes.seesHidden(caller)
            let people = await speakers.participants(event, withHidden: seesHidden)
            let settings = try await programs.settings(of: event)
            let stage = Set(try await programs.state(of: event).stage.map(\.participant))
            let dominant = await speakers.dominantSpeaker(event), figures = await speakers.connectionFigures(event)
            let views = people.map {
                ParticipantView($0, settings[$0.id], onStage: stage.contains($0.id), dominant: dominant, figures[$0.id])
            }
            return try .json(Page(items: views, next: nil))
        }
        book.add(.patch, "/v1/events/{event}/participants/{participant}", .permission(.controlProgram)) {
            request, context in
            try await change(request, context)
        }
        book.add(.put, "/v1/events/{event}/stage/{participant}", .permission(.controlProgram)) { request, context in
            try await put(request, context)
        }
        book.add(.delete, "/v1/events/{event}/stage/{participant}", .permission(.controlProgram)) { _, context in
            try await remove(context)
        }
    }

    private func change(_ request: Request, _ context: WebContext) async throws -> Response {
        let event = try context.requireEvent().id, id = try context.pathParameter("participant")
        let body = try await request.json(Change.self, context)
        if let name = body.name { try PersonText.check(name, "A name", least: 1, pointer: "/name") }
        if let title = body.title { try PersonText.check(title, "A title", least: 0, pointer: "/title") }
        if let volume = body.volume, !(0...4).contains(volume) {
            throw Problem.invalid("volume is 0 to 4.", pointer: "/volume")
        }
        guard let person = await speakers.participants(event).first(where: { $0.id == id }) else {
            throw Problem.notFound("There is no such participant.")
        }
        let (said, shown) = try await apply(body, to: id, event: event)
        let isOnStage = try await programs.state(of: event).stage.contains { $0.participant == id }
        let dominant = await speakers.dominantSpeaker(event)
        let figures = await speakers.knownFigures(of: id, event: event)
        return try .json(
            Shown(ParticipantView(person, said, onStage: isOnStage, dominant: dominant, figures), shown))
    }

    /// Keeps what a producer says of a participant, and tells the compositor; and the media server, where somebody is to be silent in the
    /// room or no longer: one producer after the other, so that what is kept last is what it was told last.
    ///
    /// - Returns: what is said of them now, and from when on it is seen.
    /// - Throws: `Problem` 404 when there is no such event, and what the media server says; what is kept stays so.
    func apply(
        _ body: Change, to id: String, event: String
    ) async throws -> (said: ParticipantSettings, shown: ShownAt?) {
        guard body.mutedInRoom != nil else { return try await keep(body, of: id, event: event) }
        return try await turns.take("\(event) \(id)") {
            // The program first: it waits for no media server.
            let kept = try await keep(body, of: id, event: event)
            try await speakers.setSilenced(id, event, kept.said.isMutedInRoom)
            return kept
        }
    }

    private func keep(
        _ body: Change, of id: String, event: String
    ) async throws -> (said: ParticipantSettings, shown: ShownAt?) {
        let said = try await programs.changeSettings(of: id, event: event) { settings in
            settings.name = body.name ?? settings.name
            if let title = body.title { settings.title = title.isEmpty ? nil : title }
            settings.volume = body.volume ?? settings.volume
            settings.isMuted = body.muted ?? settings.isMuted
            settings.isMutedInRoom = body.mutedInRoom ?? settings.isMutedInRoom
        }
        return (said, await control.castChanged(event: event))
    }

    private func put(_ request: Request, _ context: WebContext) async throws -> Response {
        let event = try context.requireEvent().id, id = try context.pathParameter("participant")
        let body = try await request.json(Placing.self, context)
        if let zoom = body.zoom, !(1...4).contains(zoom) {
            throw Problem.invalid("zoom is 1 to 4.", pointer: "/zoom")
        }
        let place = StagePlace(
            participant: id, fit: body.fit, zoom: body.zoom ?? 1, mirror: body.mirror ?? false)
        let present = Set(await speakers.participants(event).map(\.id)), isInRoom = present.contains(id)
        let before = try await programs.state(of: event).version
        let state = try await programs.update(event) { state, references in
            // Those who have left keep their places until the places are needed.
            if state.stage.count >= ProgramStore.stageLimit {
                state.stage.removeAll { !present.contains($0.participant) && $0.participant != id }
            }
            let index = state.stage.firstIndex { $0.participant == id }
            guard isInRoom || index != nil else { throw Problem.notFound("There is no such participant.") }
            if let index {
                state.stage[index] = place
            } else {
                guard state.stage.count < ProgramStore.stageLimit else {
                    throw Problem.conflict("too-many", "A stage has at most \(ProgramStore.stageLimit) places.")
                }
                state.stage.append(place)
            }
            guard let slot = body.slot else { return }
            guard let layout = references.layouts[state.scene.layout] else {
                throw Problem.conflict("layout", "The program's layout is gone.")
            }
            try state.scene.put(participant: id, into: slot, of: layout)
        }
        let shown = try await tell(state, event, hasNewScene: state.version != before)
        return try .json(
            Shown(
                PlaceView(participant: id, onStage: true, fit: place.fit, zoom: place.zoom, mirror: place.mirror),
                shown))
    }

    private func remove(_ context: WebContext) async throws -> Response {
        let event = try context.requireEvent().id, id = try context.pathParameter("participant")
        let isInRoom = await speakers.participants(event).contains { $0.id == id }
        let before = try await programs.state(of: event).version
        let state = try await programs.update(event) { state, _ in
            guard isInRoom || state.stage.contains(where: { $0.participant == id }) else {
                throw Problem.notFound("There is no such participant.")
            }
            state.stage.removeAll { $0.participant == id }
            state.scene.remove(participant: id)
        }
        let shown = try await tell(state, event, hasNewScene: state.version != before)
        return try .json(Shown(PlaceView(participant: id, onStage: false), shown))
    }

    /// Tells the compositor first who is there, then the scene that names them.
    private func tell(_ state: ProgramState, _ event: String, hasNewScene: Bool) async throws -> ShownAt? {
        let cast = await control.castChanged(event: event)
        guard hasNewScene else { return cast }
        return try await control.showIfThere(state.change(), event: event) ?? cast
    }
}
