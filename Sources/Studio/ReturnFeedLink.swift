// The program on its way back to the speakers: as long as somebody receives, the compositor publishes to their room.

internal import Control
internal import HTTPTypes
internal import Logging
internal import Media
internal import Synchronization
internal import Web

/// A session in which the program is published to the people in its room.
struct ProgramFeed: Sendable {
    let event: String, session: String
    let listener: any RoomListener
}

/// Keeps the return feed of one compositor as who receives and who is on stage say; one change after the other.
///
/// It is its own session at the SFU, apart from the one in which the compositor receives: it is there only while somebody
/// receives, and when it is lost the pictures of the program are not touched.
final class ReturnFeedLink: Sendable {
    private struct State {
        var stage: Set<String> = []
        var session: Feed?
        var isEnded = false
    }

    /// One session; it wakes the link when it has ended.
    private final class Feed: RoomListener {
        let id = RandomToken.id()
        private let hasEnded = Mutex(false)
        private let onEnd: @Sendable () -> Void

        init(onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }

        var isOver: Bool { hasEnded.withLock { $0 } }

        func participantsChanged(_ participants: [SpeakerView]) {}
        func offered(_ offer: String) {}
        func mustRejoin(_ reason: String) {
            hasEnded.withLock { $0 = true }
            onEnd()
        }
    }

    private let event: String, worker: String
    private let parts: CompositorLink.Parts
    private let state = Mutex(State())
    private let news: AsyncStream<Void>, teller: AsyncStream<Void>.Continuation

    init(event: String, worker: String, parts: CompositorLink.Parts) {
        self.event = event
        self.worker = worker
        self.parts = parts
        (news, teller) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Looks again who receives; the compositor runs and has been told this stage, or still the one before.
    func refresh(stage: Set<String>?) {
        if let stage { state.withLock { $0.stage = stage } }
        teller.yield()
    }

    /// The compositor says that a connection is gone.
    func connectionLost(_ session: String) {
        let feed = state.withLock { $0.session }
        if feed?.id == session { feed?.mustRejoin("the compositor has lost the connection") }
    }

    /// Says nothing more.
    func end() {
        state.withLock { $0.isEnded = true }
        teller.finish()
    }

    /// Follows the changes until `end`, and takes the program from the room then.
    func run() async {
        var told: Set<String>?, mayFeed = false, pause = Backoff(), isComplaining = false
        for await _ in news {
            do {
                told = try await follow(told, &mayFeed)
                (pause, isComplaining) = (Backoff(), false)
            } catch {
                // While no SFU is there this fails again and again; once is enough to read.
                if !isEnded, !isComplaining {
                    parts.logger.notice(
                        "the program does not come back to its speakers",
                        metadata: ["event": "\(event)", "error": "\(error)"])
                }
                (told, isComplaining) = (nil, true)
                await leave()
                guard !isEnded else { break }
                await pause.wait()
                teller.yield()
            }
        }
        await leave()
    }

    private var isEnded: Bool { state.withLock { $0.isEnded } }

    /// Makes the feed what it is to be now.
    ///
    /// - Parameters:
    ///   - told: for whom the compositor makes mixes; nil when nobody gets the program.
    ///   - mayFeed: whether the compositor may have a connection for it.
    /// - Returns: for whom it makes them afterwards.
    private func follow(_ told: Set<String>?, _ mayFeed: inout Bool) async throws -> Set<String>? {
        var told = told
        if let feed = state.withLock({ $0.session }), feed.isOver {
            await leave()
            told = nil
        }
        let receivers = await parts.speakers.receivers(event)
        guard !receivers.isEmpty else {
            guard mayFeed else { return nil }
            await leave()
            _ = try await tell(.endReturnFeed)
            mayFeed = false
            return nil
        }
        // Viewers hear all of it, and in the room nobody else does who is not in it.
        let listeners = receivers.intersection(state.withLock { $0.stage }.union([TrackAudience.viewersName]))
        guard told != listeners else { return told }
        let feed = state.withLock { state -> Feed in
            if let feed = state.session { return feed }
            let feed = Feed { [teller] in teller.yield() }
            state.session = feed
            return feed
        }
        mayFeed = true
        guard
            case .returnOffer(let offer, let tracks) = try await tell(
                .returnFeed(session: feed.id, listeners: listeners))
        else { throw Self.unexpected }
        let answer = try await parts.speakers.publish(
            program: ProgramFeed(event: event, session: feed.id, listener: feed), offer: offer, tracks: tracks)
        _ = try await tell(.returnAnswer(session: feed.id, answer: answer))
        return listeners
    }

    private func leave() async {
        let feed = state.withLock { state in
            defer { state.session = nil }
            return state.session
        }
        if let feed { await parts.speakers.unwatch(feed.id) }
    }

    private func tell(_ command: CompositorCommand) async throws -> CompositorReply {
        guard !isEnded else { throw Problem.overloaded("The compositor is away.", retryAfterMs: 1000) }
        guard case .compositor(let reply) = try await parts.registry.send(.compositor(command), to: worker) else {
            throw Self.unexpected
        }
        return reply
    }

    private static var unexpected: Problem {
        Problem(.badGateway, "worker", "A worker could not do it", detail: "The compositor answered out of turn.")
    }
}
