// Video rolls and music: played, paused, stopped and moved on the program.

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
        let role: String?, then: String?, audio: String?, next: [String]?, positionMs: Int64?, loop: Bool?

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
                audio: try choice(audio, MediaRoll.Audio.self, "/audio"), next: next ?? [], positionMs: positionMs,
                loop: loop)
        }
    }

    struct Seek: Decodable { let positionMs: Int64 }

    /// The roll and the music after the change; nil when none is loaded any more.
    struct View: Encodable {
        let media: MediaRoll?, music: SceneAudio.Music?

        private enum Keys: CodingKey { case media, music }

        func encode(to encoder: any Encoder) throws {
            var keys = encoder.container(keyedBy: Keys.self)
            // null, and not missing, when none is loaded.
            try keys.encode(media, forKey: .media)
            try keys.encode(music, forKey: .music)
        }
    }

    func add(to book: RouteBook) {
        for (verb, state) in [("play", MediaRoll.State.playing), ("pause", MediaRoll.State.paused)] {
            book.add(.post, "/v1/events/{event}/media/{asset}/\(verb)", .permission(.controlProgram)) {
                request, context in
                let order = try await request.json(Order.self, context).read()
                return try await change(request, context) { program, asset, references in
                    let isLoaded = program.scene.hasLoaded(asset)
                    if references.audios[asset] != nil {
                        try program.playMusic(
                            asset, order, state: state == .playing ? .playing : .paused, among: references)
                    } else {
                        try program.play(asset, order, state: state, among: references)
                    }
                    // What somebody else has replaced meanwhile does not come back to be paused; who means to load it says where.
                    guard isLoaded || state == .playing || order.positionMs != nil else { throw Self.isNotLoaded }
                }
            }
        }
        book.add(.post, "/v1/events/{event}/media/{asset}/stop", .permission(.controlProgram)) { request, context in
            try await change(request, context) { program, asset, references in
                if program.scene.plays(music: asset) {
                    program.scene.audio.music = nil
                    return
                }
                guard program.scene.media?.asset == asset else { throw Self.isNotLoaded }
                program.stopRoll(among: references)
            }
        }
        book.add(.post, "/v1/events/{event}/media/{asset}/seek", .permission(.controlProgram)) { request, context in
            let position = try await request.json(Seek.self, context).positionMs
            guard (0...MediaRoll.longestMs).contains(position) else {
                throw Problem.invalid("positionMs lies within the roll.", pointer: "/positionMs")
            }
            return try await change(request, context) { program, asset, references in
                let order = RollOrder(positionMs: position)
                if let music = program.scene.audio.music, music.asset == asset {
                    return try program.playMusic(asset, order, state: music.state, among: references)
                }
                guard let media = program.scene.media, media.asset == asset else { throw Self.isNotLoaded }
                try program.play(asset, order, state: media.state, among: references)
            }
        }
    }

    private func change(
        _ request: Request, _ context: WebContext,
        _ body: @escaping @Sendable (inout ProgramState, String, SceneReferences) throws -> Void
    ) async throws -> Response {
        let event = try context.requireEvent().id, asset = try context.pathParameter("asset")
        let state = try await programs.update(event) { state, references in
            guard
                references.videos[asset] != nil || references.audios[asset] != nil
                    || BuiltInMedia(rawValue: asset) != nil
            else { throw Problem.notFound("There is no such video or music.") }
            try request.checkIfMatch(state.etag)
            try body(&state, asset, references)
            try references.check(state.scene)
        }
        let shown = try await control.showIfThere(state.change(), event: event)
        let view = View(media: state.scene.media, music: state.scene.audio.music)
        return try .json(Shown(view, shown), headers: [.eTag: state.etag])
    }

    private static var isNotLoaded: Problem { .conflict("not-loaded", "The program has not loaded this.") }
}
