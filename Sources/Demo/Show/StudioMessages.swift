// The bodies of the API's requests and answers that the show needs.

struct EventCreation: Encodable, Sendable {
    let id: String, title: String, startsAt: String
}

struct EventView: Decodable {
    let state: String, startsAt: String?
}

struct InvitationCreation: Encodable, Sendable {
    let role: String, name: String?, can: [String]?, maxUses: Int
}

struct InvitationView: Decodable {
    let token: String, url: String
}

struct AcceptanceView: Decodable {
    let token: String
}

struct SessionView: Decodable {
    let id: String
}

struct AssetView: Decodable {
    let id: String
}

struct DeckView: Decodable {
    let id: String, pages: Int
}

struct ParticipantPage: Decodable {
    struct Connection: Decodable { let state: String }
    struct Participant: Decodable {
        let id: String, onStage: Bool?, connection: Connection
    }
    let items: [Participant]
}

struct NoBody: Codable, Sendable {}

/// A scene, as far as the show uses it.
struct SceneBody: Encodable, Sendable, Hashable {
    struct LowerThird: Encodable, Sendable, Hashable {
        let name: String, title: String
    }
    struct Overlays: Encodable, Sendable, Hashable {
        let lowerThirds: [LowerThird]
    }
    struct Slides: Encodable, Sendable, Hashable {
        let deck: String, page: Int
    }
    let layout: String, background: String?, slots: [String: String], overlays: Overlays, slides: Slides?
}
