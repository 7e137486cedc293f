// The room itself: whether anybody new is let in.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct RoomRoutes: Sendable {
    let speakers: SpeakerRooms
    let locks: RoomLocks

    struct Change: Decodable {
        let locked: Bool
    }

    struct View: Encodable {
        let locked: Bool, participants: Int, dominant: String?
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/room", .permission(.seeBackstage)) { _, context in
            try .json(await view(context))
        }
        book.add(.patch, "/v1/events/{event}/room", .permission(.controlProgram)) { request, context in
            let event = try context.requireEvent()
            let body = try await request.json(Change.self, context)
            await speakers.setLocked(event.id, body.locked)
            // Another request may have come between: what is kept is what holds.
            var kept: Set<String>?
            repeat {
                kept = await speakers.lock(of: event.id)
                try await locks.set(event, kept)
            } while await speakers.lock(of: event.id) != kept
            return try .json(await view(context))
        }
    }

    private func view(_ context: WebContext) async throws -> View {
        let event = try context.requireEvent().id
        let caller = try context.requirePrincipal(), seesHidden = SpeakerRoutes.seesHidden(caller)
        return View(
            locked: await speakers.lock(of: event) != nil,
            participants: await speakers.participants(event, withHidden: seesHidden).count,
            // Who stands before a locked door learns that it is locked.
            dominant: await speakers.letsIn(event, caller) ? await speakers.dominantSpeaker(event) : nil)
    }
}
