// Who has to be put on stage, and who has to join again, from looks at the list of participants.

import Media

/// Looks after the speakers' places, told the time.
struct Staging {
    /// Between two looks once everybody is on stage; before, every look counts.
    static let lookMs: Int64 = 1000
    /// A speaker that was in the room and has been missing for so long is told to join again: a media server that dies
    /// tells nobody, and consent ends only after half a minute (RFC 7675 §5.1).
    static let missingMs: Int64 = 1500

    /// What is to be done.
    struct Actions: Hashable {
        var stage: [String] = [], rejoin: [String] = []
    }

    private var lastLook: MonotonicTime?
    private var onStage: Set<String> = []
    private var lastSeen: [String: MonotonicTime] = [:]
    /// Whether everybody was on stage at the last look.
    private(set) var isSettled = false

    /// Whether it is time to look.
    func isDue(_ now: MonotonicTime) -> Bool {
        !isSettled || lastLook.map { now.milliseconds(since: $0) >= Self.lookMs } ?? true
    }

    /// Takes a look.
    ///
    /// - Parameters:
    ///   - speakers: the ids of ours.
    ///   - participants: the list of the API.
    ///   - now: the moment of the look.
    mutating func actions(
        for speakers: [String], among participants: [ParticipantPage.Participant], now: MonotonicTime
    ) -> Actions {
        lastLook = now
        var actions = Actions()
        for id in speakers {
            guard let entry = participants.first(where: { $0.id == id && $0.connection.state == "connected" }) else {
                if let seen = lastSeen[id], now.milliseconds(since: seen) >= Self.missingMs {
                    actions.rejoin.append(id)
                    // Joining takes a moment; the next call comes when that has not helped.
                    lastSeen[id] = now
                }
                continue
            }
            lastSeen[id] = now
            if entry.onStage.map({ !$0 }) ?? !onStage.contains(id) { actions.stage.append(id) }
        }
        isSettled =
            speakers.count == DemoCast.members.count && actions == Actions()
            && speakers.allSatisfy { lastSeen[$0] == now }
        return actions
    }

    /// Notes that a speaker was put on stage.
    mutating func staged(_ id: String) { onStage.insert(id) }
}
