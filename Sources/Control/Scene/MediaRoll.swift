// The video roll of a scene: which one, what it does, and what comes after it.

/// A video roll.
public struct MediaRoll: Hashable, Sendable, Codable {
    /// What the roll does.
    public enum State: String, Sendable, Codable, CaseIterable { case playing, paused, stopped }
    /// What it is in the course of the event.
    public enum Role: String, Sendable, Codable, CaseIterable {
        /// Before the event's people, among them, or after them.
        case preRoll, roll, postRoll

        /// What comes after a roll where nobody says: after the closing film nobody wants the stage back.
        public var usualThen: Then { self == .postRoll ? .hold : .returnToScene }
    }
    /// What comes when it has ended: the scene of before, the next roll, or its last picture.
    public enum Then: String, Sendable, Codable, CaseIterable { case returnToScene, next, hold }
    /// What becomes of the other sound: silent while the roll plays; the roll makes way for speech; both are heard.
    public enum Audio: String, Sendable, Codable, CaseIterable { case exclusive, duck, mix }

    /// What the scene goes back to when the roll has ended.
    public struct After: Hashable, Sendable, Codable {
        /// The layout.
        public var layout: String
        /// What filled its slots.
        public var slots: [String: SlotSources]
        /// What lay behind everything.
        public var background: Background?

        /// Keeps what playing a roll changes of a scene.
        public init(_ scene: Scene) {
            layout = scene.layout
            slots = scene.slots
            background = scene.background
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case layout, slots, background }

        /// Reads what the scene goes back to.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            layout = try values.text(.layout, limit: 128)
            slots = try values.decodeIfPresent([String: SlotSources].self, forKey: .slots) ?? [:]
            guard slots.count <= 64 else { throw values.invalid(.slots, "more than 64 slots") }
            background = try values.decodeIfPresent(Background.self, forKey: .background)
        }
    }

    /// The most rolls that wait for their turn.
    public static let nextLimit = 32
    /// The longest roll.
    public static let longestMs: Int64 = 6 * 3_600_000

    /// The roll.
    public var asset: String
    /// What it does.
    public var state: State
    /// What it is in the course of the event; nil when nobody said, which is as `roll`.
    public var role: Role?
    /// What comes when it has ended.
    public var then: Then
    /// What becomes of the other sound.
    public var audio: Audio
    /// The rolls that follow, where `then` is `next`; after the last one the scene of before comes back.
    public var next: [String]
    /// Where it begins, from its start.
    public var positionMs: Int64
    /// Counts starts: another number starts the roll anew.
    public var run: Int64
    /// What the scene goes back to; nil when the roll plays in a slot of the scene as it is.
    public var after: After?

    /// Creates a reference to a roll.
    public init(
        asset: String, state: State, role: Role? = nil, then: Then? = nil, audio: Audio = .exclusive,
        next: [String] = [], positionMs: Int64 = 0, run: Int64 = 0, after: After? = nil
    ) {
        self.asset = asset
        self.state = state
        self.role = role
        self.then = then ?? Self.usualThen(role)
        self.audio = audio
        self.next = next
        self.positionMs = positionMs
        self.run = run
        self.after = after
    }

    /// Whether the other sound is silent.
    ///
    /// That of an exclusive roll is so while it plays; before and after the event also while the roll stands, so that nobody is
    /// heard who has not begun to speak to the audience, or has ended.
    public var isAlone: Bool {
        guard audio == .exclusive else { return false }
        switch state {
        case .playing: return true
        case .paused: return role == .preRoll || role == .postRoll
        case .stopped: return false
        }
    }

    /// Changes what it is; where what was usual came after it, what is usual now does.
    public mutating func become(_ role: Role) {
        if then == Self.usualThen(self.role) { then = role.usualThen }
        self.role = role
    }

    private static func usualThen(_ role: Role?) -> Then { (role ?? .roll).usualThen }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case asset, state, role, then, audio, next, positionMs, run, after
    }

    /// Reads a roll; asset and state must be there.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func choice<Value: RawRepresentable & CaseIterable>(
            _ key: CodingKeys, _ type: Value.Type
        ) throws -> Value? where Value.RawValue == String {
            guard let text = try values.textIfPresent(key, limit: 32) else { return nil }
            guard let value = Value(rawValue: text) else {
                throw values.invalid(key, Value.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return value
        }
        asset = try values.text(.asset, limit: 128)
        guard let state = try choice(.state, State.self) else { throw values.invalid(.state, "missing") }
        self.state = state
        role = try choice(.role, Role.self)
        then = try choice(.then, Then.self) ?? Self.usualThen(role)
        audio = try choice(.audio, Audio.self) ?? .exclusive
        next = try values.decodeIfPresent([String].self, forKey: .next) ?? []
        guard next.count <= Self.nextLimit, next.allSatisfy({ (1...128).contains($0.utf8.count) }) else {
            throw values.invalid(.next, "at most \(Self.nextLimit) ids")
        }
        positionMs = try values.decodeIfPresent(Int64.self, forKey: .positionMs) ?? 0
        guard (0...Self.longestMs).contains(positionMs) else { throw values.invalid(.positionMs, "outside six hours") }
        run = try values.decodeIfPresent(Int64.self, forKey: .run) ?? 0
        after = try values.decodeIfPresent(After.self, forKey: .after)
    }
}

/// What every event has without an upload, named like a roll: `media:bars`.
public enum BuiltInMedia: String, Sendable, CaseIterable {
    /// Colour bars: eight bars of 75 %, BT.709 limited.
    case bars
    /// A card that asks to stand by.
    case slate
    /// Ten seconds counted down.
    case countdown

    /// How long it runs; nil when it stays.
    public var durationMs: Int64? { self == .countdown ? 10_000 : nil }
}
