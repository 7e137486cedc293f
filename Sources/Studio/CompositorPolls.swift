// What cards show of polls, kept up to date at the compositor while they name any.

internal import Control
internal import Logging

/// The polls that cards name, and what the compositor knows of them.
struct NamedPolls: Sendable {
    /// Tallies come at most twice a second to the screen.
    static let pauseMs = 500

    /// The program's, that of the last picture that was drawn beside it, and that of the take that waits or was the last one.
    var shown: String?, drawn: String?, coming: String?
    /// What the compositor was told, by id.
    var told: [String: PollPicture] = [:]

    var all: Set<String> { Set([shown, drawn, coming].compactMap { $0 }) }
}

extension CompositorLink {
    /// Keeps what cards show of polls up to date while they name any.
    func followPolls() async {
        while !isEnded, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(NamedPolls.pauseMs))
            if isRunning, polls.shown != nil || polls.coming != nil { await tellPolls() }
        }
    }

    /// A take that names a poll waits.
    func expect(_ poll: String) async {
        polls.coming = poll
        await tellPolls()
    }

    /// What the polls that cards name show now, by id.
    func pollPictures() async -> [String: PollPicture] {
        guard let source = parts.polls else { return [:] }
        var pictures: [String: PollPicture] = [:]
        for id in polls.all {
            // A poll that can't be read for a moment keeps what it showed.
            pictures[id] = (try? await source.picture(of: id, event: event)) ?? polls.told[id]
        }
        return pictures
    }

    /// Tells what the polls show, when it has changed; what is told later was read later.
    ///
    /// One that waits for its turn reads the newest when it comes, so a second one is never needed.
    func tellPolls() async {
        if let waitingPolls { return await waitingPolls.value }
        let telling = Task { [previous = lastPolls] in
            await previous?.value
            await self.tellNewestPolls()
        }
        (waitingPolls, lastPolls) = (telling, telling)
        await telling.value
    }

    private func tellNewestPolls() async {
        waitingPolls = nil
        let pictures = await pollPictures()
        guard isRunning, pictures != polls.told else { return }
        let before = polls.told
        polls.told = pictures
        do {
            // A card that comes late is no reason to begin anew with the compositor.
            _ = try await tell(.putPolls(pictures), mustBeTaken: false)
        } catch {
            if polls.told == pictures { polls.told = before }
            parts.logger.warning(
                "a compositor could not be told of a poll", metadata: ["event": "\(event)", "error": "\(error)"])
        }
    }
}
