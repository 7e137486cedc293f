// The producer of the demo: sets the event up, brings the speakers on stage, and changes the scene by the schedule.

import Crypto
import Foundation
import Logging
import Media
import NIOHTTP1
import Web

/// Drives an event by the REST API alone.
///
/// Everything may be done again: an event that is there is used, creations carry an Idempotency-Key made of what they
/// create, and what Studio refuses now is tried again later.
struct Show: Sendable {
    let event: String
    let studio: StudioClient
    let logger: Logger
    /// Tells this event from an earlier one of the same name, whose speakers and files are gone: the event's `startsAt`.
    var edition = ""

    // MARK: - Setting up

    /// Makes the event where it is missing, and returns its edition.
    func createEvent() async throws -> String {
        let now = JSON.timestamp(milliseconds: SystemClock.wallMilliseconds())
        let creation = EventCreation(id: event, title: "Proscenium demo", startsAt: now)
        do {
            try await studio.send(.POST, "/v1/events", json: creation)
        } catch StudioError.refused(status: 409, _) {
            // It is there from an earlier start.
        }
        return try await studio.send(.GET, "/v1/events/\(event)").json(EventView.self).startsAt ?? ""
    }

    /// Starts the program, unless it runs.
    func startEvent() async throws {
        let state = try await studio.send(.GET, "/v1/events/\(event)").json(EventView.self).state
        guard state != "live", state != "starting" else { return }
        try await studio.send(.POST, "/v1/events/\(event)/start", json: NoBody())
    }

    /// Makes an invitation, or returns the one that was made before.
    func invite(
        _ role: String, name: String? = nil, can: [String]? = nil, maxUses: Int
    ) async throws -> InvitationView {
        let body = InvitationCreation(role: role, name: name, can: can, maxUses: maxUses)
        let key = key("\(role) \(name ?? "") \(can ?? []) \(maxUses)")
        return try await studio.send(
            .POST, "/v1/events/\(event)/invitations", json: body, headers: ["Idempotency-Key": key]
        ).json(InvitationView.self)
    }

    /// Uses a speaker's invitation and returns the token; the same device comes back as the same participant.
    func accept(_ invitation: InvitationView) async throws -> String {
        let device = key("device " + invitation.token).prefix(32)
        return try await studio.send(
            .POST, "/v1/invitations/\(invitation.token)/accept", json: NoBody(),
            headers: ["Cookie": "__Host-proscenium-device=\(device)"]
        ).json(AcceptanceView.self).token
    }

    /// Uploads a file and returns the answer's body.
    func upload<Answer: Decodable>(_ file: Data, type: String, to collection: String, _ answer: Answer.Type)
        async throws -> Answer
    {
        let key = key("\(collection) " + SHA256.hash(data: file).description)
        return try await studio.send(
            .POST, "/v1/events/\(event)/\(collection)", body: file, contentType: type,
            headers: ["Idempotency-Key": key]
        ).json(answer)
    }

    private func key(_ text: String) -> String {
        SHA256.hash(data: Data((edition + " " + text).utf8)).map { String(format: "%02x", $0) }.joined()
    }

    // MARK: - Running

    /// Returns the scene of a step.
    ///
    /// - Parameters:
    ///   - step: what the schedule says.
    ///   - speakers: the participants' ids, in the order of the cast.
    ///   - background: the picture's id, once it is there.
    ///   - deck: the deck's id, once it is there.
    static func scene(_ step: ShowStep, speakers: [String], background: String?, deck: String?) -> SceneBody {
        let member = DemoCast.members[step.speaker % DemoCast.members.count]
        let lowerThird =
            step.layout == .grid
            ? SceneBody.LowerThird(name: "Proscenium demo", title: "Three synthetic speakers over WebRTC")
            : SceneBody.LowerThird(name: member.name, title: member.title)
        let main = step.layout == .full && step.speaker < speakers.count
        return SceneBody(
            layout: step.layout.rawValue, background: background.map { "image:" + $0 },
            slots: main ? ["main": "participant:" + speakers[step.speaker]] : [:],
            overlays: SceneBody.Overlays(lowerThirds: [lowerThird]),
            slides: deck.map { SceneBody.Slides(deck: $0, page: step.page) })
    }

    /// Sets the scene, or only turns the slide where nothing else differs.
    func show(_ scene: SceneBody, after last: SceneBody?) async throws {
        let turned = last.map {
            SceneBody(
                layout: $0.layout, background: $0.background, slots: $0.slots, overlays: $0.overlays,
                slides: scene.slides)
        }
        if let slides = scene.slides, last?.slides?.deck == slides.deck, turned == scene {
            try await studio.send(.PUT, "/v1/events/\(event)/slides", json: slides)
        } else {
            try await studio.send(.PUT, "/v1/events/\(event)/program", json: scene)
        }
    }

    /// Who is in the room.
    func participants() async throws -> [ParticipantPage.Participant] {
        try await studio.send(.GET, "/v1/events/\(event)/participants").json(ParticipantPage.self).items
    }

    /// Puts a speaker on stage.
    func stage(_ participant: String) async throws {
        try await studio.send(.PUT, "/v1/events/\(event)/stage/\(participant)", json: NoBody())
    }

    /// Tries until it works, with a pause between; returns nil when the task was cancelled.
    func untilDone<Value: Sendable>(_ what: String, _ body: () async throws -> Value) async -> Value? {
        var complained = false
        while !Task.isCancelled {
            do {
                return try await body()
            } catch {
                if !complained {
                    logger.info("not yet", metadata: ["what": "\(what)", "error": "\(error)"])
                }
                complained = true
            }
            try? await Task.sleep(for: .milliseconds(250))
        }
        return nil
    }
}
