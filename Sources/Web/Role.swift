// Who may do what: the contract's table of roles, as data.

/// What a person is in an event.
public enum Role: String, Sendable, Codable, CaseIterable, Hashable {
    case admin, producer, moderator, speaker, captioner, attendee, viewer
}

/// One thing that a route lets somebody do; the rows of the contract's table, split where a cell names a part.
public enum Permission: String, Sendable, CaseIterable, Hashable {
    /// Change events, layouts, outputs, ingests and recordings.
    case changeEvents
    /// Read events and what belongs to them in the studio.
    case readEvents
    /// Stage, program, preview, take, media, overlays.
    case controlProgram
    /// Turn slides.
    case turnSlides
    /// Preview, participants and the studio's stream of changes.
    case seeStudio
    /// The back stage of the own room.
    case seeBackstage
    /// Moderation queues.
    case seeQueues
    /// One participant's media by WHEP.
    case watchParticipant
    /// Send media.
    case publishMedia
    /// The program by HLS or WHEP, its still, and the live channel.
    case watchProgram
    /// Polls, questions and chat: moderate.
    case moderate
    /// Vote, ask, chat and react.
    case takePart
    /// Send captions.
    case sendCaptions
    /// Export, erase and retention.
    case exportData
}

/// What a cell of the table says.
public enum Grant: Hashable, Sendable {
    case no, yes
    /// Only in the event that the token names.
    case ownEvent
    /// Where the event's policy for this role says so.
    case byPolicy
    /// Where the link that was used says so.
    case asLinkSays
    /// Where the token's `can` holds this word.
    case ifCan(String)
}

/// The contract's table: a grant for each permission and role.
public enum RoleTable {
    /// Returns what a role may do.
    public static func grant(_ permission: Permission, _ role: Role) -> Grant {
        switch (permission, role) {
        case (.takePart, .admin), (.takePart, .producer): .no
        case (_, .admin): .yes
        case (.changeEvents, .producer), (.exportData, .producer): .ownEvent
        case (_, .producer): .yes
        case (.moderate, .moderator), (.seeQueues, .moderator), (.watchProgram, .moderator), (.readEvents, .moderator):
            .yes
        case (.turnSlides, .speaker): .ifCan("slides")
        case (.seeBackstage, .speaker), (.watchParticipant, .speaker), (.publishMedia, .speaker),
            (.watchProgram, .speaker):
            .yes
        case (.takePart, .speaker): .byPolicy
        case (.sendCaptions, .captioner), (.watchProgram, .captioner): .yes
        case (.watchProgram, .attendee), (.takePart, .attendee): .yes
        case (.watchProgram, .viewer): .asLinkSays
        case (.takePart, .viewer): .byPolicy
        default: .no
        }
    }
}

/// What people without an account, and speakers, may do in an event; part of its settings.
public struct ParticipationPolicy: Codable, Hashable, Sendable {
    /// Whether guests and link viewers may read chat, questions and polls.
    public var guestsRead: Bool
    /// Whether they may vote and react.
    public var guestsVote: Bool
    /// Whether they may chat.
    public var guestsChat: Bool
    /// Whether they may ask.
    public var guestsAsk: Bool
    /// Whether speakers may vote, ask, chat and react.
    public var speakersTakePart: Bool

    /// Creates a policy; by default guests read and vote, and speakers take part.
    public init(
        guestsRead: Bool = true, guestsVote: Bool = true, guestsChat: Bool = false, guestsAsk: Bool = false,
        speakersTakePart: Bool = true
    ) {
        self.guestsRead = guestsRead
        self.guestsVote = guestsVote
        self.guestsChat = guestsChat
        self.guestsAsk = guestsAsk
        self.speakersTakePart = speakersTakePart
    }

    private enum CodingKeys: String, CodingKey { case guestsRead, guestsVote, guestsChat, guestsAsk, speakersTakePart }

    /// Reads a policy; what is missing has its default.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let standard = Self()
        guestsRead = try container.decodeIfPresent(Bool.self, forKey: .guestsRead) ?? standard.guestsRead
        guestsVote = try container.decodeIfPresent(Bool.self, forKey: .guestsVote) ?? standard.guestsVote
        guestsChat = try container.decodeIfPresent(Bool.self, forKey: .guestsChat) ?? standard.guestsChat
        guestsAsk = try container.decodeIfPresent(Bool.self, forKey: .guestsAsk) ?? standard.guestsAsk
        speakersTakePart =
            try container.decodeIfPresent(Bool.self, forKey: .speakersTakePart) ?? standard.speakersTakePart
    }
}

/// What authentication needs to know of an event.
public struct EventScope: Sendable, Hashable {
    /// The event's slug.
    public var id: String
    /// The organisation that it belongs to.
    public var org: String
    /// What guests and speakers may do.
    public var policy: ParticipationPolicy

    /// Creates a scope.
    public init(id: String, org: String, policy: ParticipationPolicy) {
        self.id = id
        self.org = org
        self.policy = policy
    }
}

/// Where events are looked up.
public protocol EventDirectory: Sendable {
    /// Returns an event, or nil where there is none.
    func event(_ id: String) async throws -> EventScope?
}

/// Checks a caller against the table.
public enum Authorization {
    /// Returns whether a caller may use a permission in an event.
    ///
    /// - Parameters:
    ///   - permission: what the route needs.
    ///   - principal: who calls.
    ///   - event: the event that the request names; nil for what belongs to the organisation.
    /// - Throws: `Problem` 403 with the reason.
    public static func check(_ permission: Permission, _ principal: Principal, in event: EventScope?) throws(Problem) {
        if let event {
            guard event.org == principal.org else { throw .forbidden("The token is for another organisation.") }
            if principal.role != .admin || principal.event != nil {
                guard principal.event == event.id else { throw .forbidden("The token is for another event.") }
            }
        } else if principal.role != .admin || principal.event != nil {
            throw .forbidden("This needs an admin of the whole organisation.")
        }
        let allowed =
            switch RoleTable.grant(permission, principal.role) {
            case .no: false
            case .yes, .ownEvent: true
            case .byPolicy: policyAllows(principal, event?.policy ?? ParticipationPolicy())
            case .asLinkSays: principal.can.contains("watch")
            case .ifCan(let word): principal.can.contains(word)
            }
        guard allowed else { throw .forbidden("The role \(principal.role.rawValue) may not do this.") }
    }

    private static func policyAllows(_ principal: Principal, _ policy: ParticipationPolicy) -> Bool {
        principal.role == .speaker ? policy.speakersTakePart : policy.guestsVote
    }
}
