// Which overlays are on screen, carried from scene to scene: what stays, stays; what comes and goes does so in time.

import Control
import Media

/// The overlays of a program as they come and go.
struct OverlayTimeline: Hashable, Sendable {
    /// Those that are there, and those that are leaving, back to front.
    private(set) var presences: [OverlayPresence] = []

    /// Overlays that were there from the beginning.
    ///
    /// - Parameters:
    ///   - overlays: of a scene.
    ///   - themes: by name.
    ///   - polls: what the polls show that cards may name.
    init(_ overlays: Overlays, themes: [String: OverlayTheme], polls: [String: PollPicture] = [:]) {
        presences = Self.list(overlays, themes, polls)
    }

    /// Goes over to the overlays of another scene.
    ///
    /// What is in both stays as it is. A text that changed in its place, or under its id, becomes the new one; what was
    /// leaving and is wanted again turns round.
    ///
    /// - Parameters:
    ///   - overlays: of the scene that comes.
    ///   - themes: by name.
    ///   - polls: what the polls show that cards may name.
    ///   - time: of the first frame that shows it.
    ///   - isWhole: whether a transition of the whole picture brings the scene, so that nothing moves by itself.
    mutating func change(
        to overlays: Overlays, themes: [String: OverlayTheme], polls: [String: PollPicture] = [:],
        at time: ProgramTime, isWhole: Bool = false
    ) {
        presences.removeAll { $0.isOver(at: time) }
        var before = presences
        var after: [OverlayPresence] = []
        for var next in Self.list(overlays, themes, polls) {
            if let at = before.firstIndex(where: { $0.hiddenAt == nil && Self.isSame($0, next) }) {
                after.append(Self.carried(before.remove(at: at), to: next, at: time, isWhole: isWhole))
            } else if !isWhole, let at = before.firstIndex(where: { $0.hiddenAt != nil && Self.isSame($0, next) }) {
                after.append(Self.turned(before.remove(at: at), to: next, at: time))
            } else if isWhole {
                after.append(next)
            } else {
                next.shownAt = time
                next.entry = .theme
                after.append(next)
            }
        }
        guard !isWhole else {
            presences = after
            return
        }
        // What has gone: one that another one follows in its place becomes that one.
        for at in before.indices where before[at].hiddenAt == nil {
            before[at].hiddenAt = time
            before[at].exit = .theme
            let follower = after.firstIndex { $0.shownAt == time && $0.entry == .theme && Self.follows($0, before[at]) }
            if let follower {
                before[at].exit = .dissolve
                after[follower].entry = .dissolve
            }
        }
        // Those that leave lie below those that come; the sort is stable.
        presences = (before + after).enumerated().sorted {
            ($0.element.item.rank, $0.offset) < ($1.element.item.rank, $1.offset)
        }.map(\.element)
    }

    /// Forgets those that have gone.
    mutating func forget(at time: ProgramTime) {
        guard presences.contains(where: { $0.hiddenAt != nil && $0.isOver(at: time) }) else { return }
        presences.removeAll { $0.isOver(at: time) }
    }

    private static func list(
        _ overlays: Overlays, _ themes: [String: OverlayTheme], _ polls: [String: PollPicture]
    ) -> [OverlayPresence] {
        func theme(_ name: String?) -> OverlayTheme {
            // A theme that is not known any more looks like the standard one.
            var theme =
                themes[name ?? overlays.theme ?? OverlayTheme.standardName] ?? themes[OverlayTheme.standardName]
                ?? .standard
            if let font = overlays.font { theme.font = OverlayTheme.family(ofFont: font) }
            return theme
        }
        var list: [OverlayPresence] = []
        func add(_ item: OverlayItem?) {
            if let item { list.append(OverlayPresence(item, theme: theme(nil))) }
        }
        add(overlays.logo.map { .logo($0) })
        add(overlays.countdown.map { .countdown($0) })
        add(overlays.clock.map { .clock($0) })
        if let poll = overlays.poll?.filled(from: polls), !poll.question.isEmpty || !poll.options.isEmpty {
            add(.poll(poll))
        }
        add(overlays.comment.map { .comment($0) })
        for (place, third) in overlays.lowerThirds.enumerated() {
            list.append(OverlayPresence(.lowerThird(third), theme: theme(third.theme), place: place))
        }
        add(overlays.ticker.map { .ticker($0) })
        return list
    }

    /// Whether one goes on as the other: nothing that is drawn changes but numbers and places.
    private static func isSame(_ a: OverlayPresence, _ b: OverlayPresence) -> Bool {
        guard a.theme == b.theme else { return false }
        switch (a.item, b.item) {
        case (.poll(let a), .poll(let b)): return a.isSameQuestion(as: b)
        case (.ticker(let a), .ticker(let b)): return a.text == b.text && a.lang == b.lang && a.speed == b.speed
        case (.countdown(let a), .countdown(let b)):
            return a.title == b.title && a.corner == b.corner && a.lang == b.lang
        default: return a.item == b.item
        }
    }

    /// Whether one takes the place of another that goes.
    private static func follows(_ next: OverlayPresence, _ last: OverlayPresence) -> Bool {
        guard next.theme == last.theme else { return false }
        switch (next.item, last.item) {
        case (.lowerThird(let a), .lowerThird(let b)):
            return a.id != nil || b.id != nil ? a.id == b.id && next.place == last.place : next.place == last.place
        case (.ticker, .ticker): return true
        case (.comment(let a), .comment(let b)): return a.corner == b.corner
        case (.poll(let a), .poll(let b)): return a.corner == b.corner
        case (.logo(let a), .logo(let b)): return a.corner == b.corner
        case (.countdown(let a), .countdown(let b)): return a.corner == b.corner
        case (.clock(let a), .clock(let b)): return a.corner == b.corner
        default: return false
        }
    }

    private static func carried(
        _ presence: OverlayPresence, to next: OverlayPresence, at time: ProgramTime, isWhole: Bool
    ) -> OverlayPresence {
        var presence = presence
        if case .poll(let former) = presence.item, case .poll(let poll) = next.item, former.shares != poll.shares {
            presence.formerShares = presence.shares(at: time)
            presence.countedAt = isWhole ? nil : time
        }
        if presence.place != next.place {
            presence.formerPlace = presence.place
            presence.place = next.place
            presence.movedAt = isWhole ? nil : time
        }
        presence.item = next.item
        return presence
    }

    /// One that was leaving comes back from where it is.
    private static func turned(
        _ presence: OverlayPresence, to next: OverlayPresence, at time: ProgramTime
    ) -> OverlayPresence {
        var presence = presence
        let gone = presence.hiddenAt.map { time.milliseconds(since: $0) } ?? 0
        let length = presence.theme.animation.kind == .none ? 0 : presence.theme.animation.milliseconds
        presence.shownAt = time.advanced(byMilliseconds: -max(0, length - gone - 2 * OverlayPresence.leadMs))
        presence.hiddenAt = nil
        presence.entry = .theme
        presence.exit = .theme
        presence.item = next.item
        presence.place = next.place
        presence.formerPlace = next.place
        return presence
    }
}
