import Testing
import Web

@Suite("Table of roles")
struct RoleTableTests {
    /// The contract's table, written out once more: a change of the one without the other must show.
    static let contract: [Permission: [Role: Grant]] = [
        .changeEvents: [.admin: .yes, .producer: .ownEvent],
        .readEvents: [.admin: .yes, .producer: .yes, .moderator: .yes],
        .controlProgram: [.admin: .yes, .producer: .yes],
        .turnSlides: [.admin: .yes, .producer: .yes, .speaker: .ifCan("slides")],
        .seeStudio: [.admin: .yes, .producer: .yes],
        .seeBackstage: [.admin: .yes, .producer: .yes, .speaker: .yes],
        .seeQueues: [.admin: .yes, .producer: .yes, .moderator: .yes],
        .watchParticipant: [.admin: .yes, .producer: .yes, .speaker: .yes],
        .publishMedia: [.admin: .yes, .producer: .yes, .speaker: .yes],
        .watchProgram: [
            .admin: .yes, .producer: .yes, .moderator: .yes, .speaker: .yes, .captioner: .yes, .attendee: .yes,
            .viewer: .asLinkSays,
        ],
        .moderate: [.admin: .yes, .producer: .yes, .moderator: .yes],
        .takePart: [.speaker: .byPolicy, .attendee: .yes, .viewer: .byPolicy],
        .sendCaptions: [.admin: .yes, .producer: .yes, .captioner: .yes],
        .exportData: [.admin: .yes, .producer: .ownEvent],
    ]

    @Test("says what the contract says", arguments: Permission.allCases, Role.allCases)
    func cell(permission: Permission, role: Role) {
        #expect(RoleTable.grant(permission, role) == Self.contract[permission]?[role] ?? .no)
    }

    private func principal(_ role: Role, org: String = "o", event: String? = "e", can: [String] = []) -> Principal {
        Principal(
            claims: TokenClaims(sub: "p", name: nil, org: org, event: event, role: role, can: can, exp: 1, jti: "j"),
            source: .bearer)
    }

    private func allows(_ permission: Permission, _ principal: Principal, _ scope: EventScope?) -> Bool {
        do throws(Problem) {
            try Authorization.check(permission, principal, in: scope)
            return true
        } catch { return false }
    }

    @Test("no token reaches another event or organisation", arguments: Role.allCases)
    func reach(role: Role) {
        let own = EventScope(id: "e", org: "o", policy: .init())
        for permission in Permission.allCases {
            #expect(!allows(permission, principal(role, org: "other"), own))
            #expect(!allows(permission, principal(role, event: "f", can: ["slides", "watch"]), own))
        }
    }

    @Test("only an admin of the organisation reaches all its events")
    func wholeOrganisation() {
        let own = EventScope(id: "e", org: "o", policy: .init())
        #expect(allows(.changeEvents, principal(.admin, event: nil), own))
        #expect(allows(.changeEvents, principal(.admin, event: nil), nil))
        #expect(!allows(.changeEvents, principal(.producer, event: nil), own))
        #expect(!allows(.changeEvents, principal(.producer), nil))
        #expect(!allows(.changeEvents, principal(.admin), nil))
    }

    @Test("policy, link and word decide where the table says so")
    func conditions() {
        var scope = EventScope(id: "e", org: "o", policy: .init(guestsVote: false, speakersTakePart: false))
        #expect(!allows(.takePart, principal(.viewer), scope))
        #expect(!allows(.takePart, principal(.speaker), scope))
        scope.policy = .init(guestsVote: true, speakersTakePart: true)
        #expect(allows(.takePart, principal(.viewer), scope))
        #expect(allows(.takePart, principal(.speaker), scope))
        #expect(!allows(.watchProgram, principal(.viewer), scope))
        #expect(allows(.watchProgram, principal(.viewer, can: ["watch"]), scope))
        #expect(!allows(.turnSlides, principal(.speaker), scope))
        #expect(allows(.turnSlides, principal(.speaker, can: ["slides"]), scope))
    }
}
