// Who is in a room, told by what has changed: pure.

internal import Control
internal import Foundation

/// What has changed among the participants since the list that was told before.
struct RosterChange: Encodable, Sendable, Hashable {
    /// The most participants that one message names.
    static let limit = 100

    /// Those who have come, and those of whom something is different.
    var participants: [SpeakerView] = []
    /// The ids of those who are gone.
    var left: [String] = []

    var isEmpty: Bool { participants.isEmpty && left.isEmpty }

    /// Compares two lists, both sorted by id.
    init(from old: [SpeakerView], to new: [SpeakerView]) {
        var place = old.startIndex
        for view in new {
            while place < old.endIndex, old[place].id < view.id {
                left.append(old[place].id)
                place += 1
            }
            if place < old.endIndex, old[place].id == view.id {
                if old[place] != view { participants.append(view) }
                place += 1
            } else {
                participants.append(view)
            }
        }
        left += old[place...].map(\.id)
    }

    private init(participants: [SpeakerView], left: [String]) {
        self.participants = participants
        self.left = left
    }

    /// The same in messages of bounded length: who is gone first, so that nobody's list is longer than the room ever was.
    var parts: [RosterChange] {
        guard participants.count + left.count > Self.limit else { return isEmpty ? [] : [self] }
        func pieces<Element>(_ all: [Element]) -> [[Element]] {
            stride(from: 0, to: all.count, by: Self.limit).map { Array(all[$0..<min($0 + Self.limit, all.count)]) }
        }
        return pieces(left).map { RosterChange(participants: [], left: $0) }
            + pieces(participants).map { RosterChange(participants: $0, left: []) }
    }
}

/// What everybody who listens to a room was told last.
struct Roster: Sendable {
    private(set) var told: [SpeakerView]

    /// Begins with a list, sorted by id, which the first listener gets whole.
    init(_ participants: [SpeakerView]) { told = participants }

    /// The list as it was told last: who begins to listen now gets this, and the next change as everybody else.
    func all(withHidden: Bool) -> [SpeakerView] { withHidden ? told : Self.visible(told) }

    /// Takes note of the newest list; returns what that changes for who sees everybody, and for the others.
    mutating func change(to participants: [SpeakerView]) -> (all: RosterChange, visible: RosterChange) {
        defer { told = participants }
        return (
            RosterChange(from: told, to: participants),
            RosterChange(from: Self.visible(told), to: Self.visible(participants))
        )
    }

    private static func visible(_ participants: [SpeakerView]) -> [SpeakerView] {
        participants.contains { $0.hidden != nil } ? participants.filter { $0.hidden == nil } : participants
    }
}
