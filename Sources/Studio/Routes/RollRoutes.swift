// Video rolls: played, paused, stopped and moved on the program.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct RollRoutes: Sendable {
    let programs: ProgramStore
    let control: any ProgramControl

    struct Order: Decodable {
        let role: String?, then: String?, audio: String?, next: [String]?, positionMs: Int64?

        func read() throws(Problem) -> RollOrder {
            func choice<Value: RawRepresentable & CaseIterable>(
                _ text: String?, _ type: Value.Type, _ pointer: String
            ) throws(Problem) -> Value? where Value.RawValue == String {
                guard let text else { return nil }
                guard let value = Value(rawValue: text) else {
                    throw .invalid(
                        "One of \(Value.allCases.map(\.rawValue).joined(separator: ", ")).", pointer: pointer)
                }
                return value
            }
            guard (next?.count ?? 0) <= MediaRoll.nextLimit else {
                throw .invalid("At most \(MediaRoll.nextLimit) rolls follow.", pointer: "/next")
            }
            if let positionMs, !(0...MediaRoll.longestMs).contains(positionMs) {
                throw .invalid("positionMs lies within the roll.", pointer: "/positionMs")
            }
            return RollOrder(
                role: try choice(role, MediaRoll.Role.self, "/role"),
                then: try choice(then, MediaRoll.Then.self, "/then"),
                audio: try choice(audio, MediaRoll.Audio.self, "/audio"), next: next ?? [], positionMs: positionMs)
        }
    }

    struct Seek: Decodable { let positionMs: Int64 }

    /// The roll after the change; nil when none is loaded any more.
    struct View: Encodable {
        let media: MediaRoll?

        private enum Keys: CodingKey { case media }

        func encode(to encoder: any Encoder) throws {
            var keys = encoder.container(keyedBy: Keys.self)
            // null, and not missing, when none is loaded.
            try keys.encode(media, forKey: .media)
        }
    }

    func add(to book: RouteBook) {
        for (verb, state) in [("play", MediaRoll.State.playing), ("pause", MediaRoll.State.paused)] {
            book.add(.post, "/v1/events/{event}/media/{asset}/\(verb)", .permission(.controlProgram)) {
                request, context in
                let order = try await request.json(Order.self, context).read()
                return try await change(request, context) { program, asset, references in
                    try program.play(asset, order, state: state, among: references)
                }
            }
        }
        book.add(.post, "/v1/events/{event}/media/{asset}/stop", .permission(.controlProgram)) { request, context in
            try await change(request, context) { program, asset, references in
                guard program.scene.media?.asset == asset else {
                    throw Problem.conflict("not-loaded", "The program has not loaded this video.")
                }
                program.stopRoll(among: references)
            }
        }
        book.add(.post, "/v1/events/{event}/media/{asset}/seek", .permission(.controlProgram)) { request, context in
            let position = try await request.json(Seek.self, context).positionMs
            guard (0...MediaRoll.longestMs).contains(position) else {
                throw Problem.invalid("positionMs lies within the roll.", pointer: "/positionMs")
            }
            return try await change(request, context) { program, asset, references in
                guard let media = program.scene.media, media.asset == asset else {
                    throw Problem.conflict("not-loaded", "The program has not loaded this video.")
                }
                try program.play(asset, RollOrder(positionMs: position), state: media.state, among: references)
            }
        }
    }

    private func change(
        _ request: Request, _ context: WebContext,
        _ body: @escaping @Sendable (inout ProgramState, String, SceneReferences) throws -> Void
    ) async throws -> Response {
        let event = try context.requireEvent().id, asset = try context.pathParameter("asset")
        let state = try await programs.update(event) { state, references in
            guard references.videos[asset] != nil || BuiltInMedia(rawValue: asset) != nil else {
                throw Problem.notFound("There is no such video.")
            }
            try request.checkIfMatch(state.etag)
            try body(&state, asset, references)
            try references.check(state.scene)
        }
        let shown = try await control.showIfThere(state.change(), event: event)
        return try .json(Shown(View(media: state.scene.media), shown), headers: [.eTag: state.etag])
    }
}
