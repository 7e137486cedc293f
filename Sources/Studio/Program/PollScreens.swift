// Polls on the program: what a card that names a poll shows.

internal import Control
internal import Interactivity

/// Knows what the program may show of polls.
protocol PollScreens: Sendable {
    /// Returns what a card of a poll shows now; nil when there is no such poll.
    func picture(of poll: String, event: String) async throws -> PollPicture?
}

/// Takes it from interactivity.
struct InteractivePolls: PollScreens {
    let interactivity: InteractivityService

    func picture(of poll: String, event: String) async throws -> PollPicture? {
        guard let shown = try await interactivity.shown(poll, event: event) else { return nil }
        return PollPicture(
            question: shown.question,
            options: shown.options.enumerated().map { at, text in
                .init(text: text, percent: shown.percents.map { $0[at] })
            }, votes: shown.voters)
    }
}
