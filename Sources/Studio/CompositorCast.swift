// Who is in the room and on stage, told to a compositor, and who is heard, told to the room.

internal import Control
internal import Logging

extension CompositorLink {
    /// Tells who is in the room and on stage.
    ///
    /// - Returns: from when on it is seen; nil while the program does not run, or when it could not be told.
    func castChanged() async -> ShownAt? {
        guard isRunning else { return nil }
        mustTellCast = true
        return await castInTurn().value
    }

    func roomChanged() {
        guard isRunning else { return }
        _ = castInTurn()
    }

    /// One that waits for its turn tells the newest when it comes, so a second one is never needed; nobody waits for answers.
    private func castInTurn() -> Task<ShownAt?, Never> {
        if let waitingCast { return waitingCast }
        let saying = Task { [previous = last, casting = lastCast] () -> Rest<ShownAt> in
            await previous?.value
            await casting?.value
            return await self.sayNewestCast()
        }
        let telling = Task { await self.castShown(saying.value) }
        waitingCast = telling
        lastCast = Task { _ = await saying.value }
        return telling
    }

    private func sayNewestCast() async -> Rest<ShownAt> {
        let isAsked = mustTellCast
        (waitingCast, mustTellCast) = (nil, false)
        guard isRunning else { return { nil } }
        do {
            return try await sayCast(isAsked: isAsked)
        } catch {
            return { throw error }
        }
    }

    private func castShown(_ answer: Rest<ShownAt>) async -> ShownAt? {
        do {
            return try await answer()
        } catch {
            parts.logger.warning(
                "a compositor could not be told who is there", metadata: ["event": "\(event)", "error": "\(error)"])
            return nil
        }
    }

    func sayCast(isAsked: Bool) async throws -> Rest<ShownAt> {
        let cast = try await cast()
        guard isAsked || cast != toldCast else {
            // Who receives may have changed all the same.
            returnFeed.refresh(stage: nil)
            return { nil }
        }
        let answer = try say(.putCast(cast))
        toldCast = cast
        return { try await self.shown(cast, answer) }
    }

    private func shown(_ cast: [CastMember], _ answer: CommandAnswer) async throws -> ShownAt {
        do {
            let shown = try Self.shown(await answered(answer))
            // Where another was told meanwhile, its own answer follows.
            if toldCast == cast { await told(cast) }
            return shown
        } catch {
            if toldCast == cast { toldCast = nil }
            throw error
        }
    }

    func told(_ cast: [CastMember]) async {
        toldCast = cast
        await sayWhoIsHeard()
        returnFeed.refresh(stage: Set(cast.filter(\.isOnStage).map(\.id)))
    }

    /// Says in the room whom the program's sound has; one after the other, so that nothing older comes last.
    func sayWhoIsHeard() async {
        let saying = Task { [previous = lastHearing] in
            await previous?.value
            // What is known by now, which may be newer than what this was asked for.
            if let toldCast { await parts.speakers.setStage(event, heard.ids(among: toldCast)) }
        }
        lastHearing = saying
        await saying.value
    }

    func cast() async throws -> [CastMember] {
        try await parts.source.cast(of: event, present: await parts.speakers.participants(event))
    }
}

/// Hears who comes and goes.
final class CastListener: RoomListener {
    private let changed: @Sendable () -> Void

    init(_ changed: @escaping @Sendable () -> Void) { self.changed = changed }

    func participantsChanged(_ participants: [SpeakerView]) { changed() }
    func roomChanged() { changed() }
    func offered(_ offer: String) {}
    func mustRejoin(_ reason: String) {}
}
