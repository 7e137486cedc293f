// What a scene says of its sound.

/// Levels of the sound.
public struct SceneAudio: Hashable, Sendable, Codable {
    /// The level of one source.
    public struct Level: Hashable, Sendable, Codable {
        /// A linear factor, 0…4; 1 changes nothing.
        public var volume: Double
        /// Whether it is silent whatever its volume.
        public var muted: Bool

        /// Creates a level.
        public init(volume: Double = 1, muted: Bool = false) {
            self.volume = volume
            self.muted = muted
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case volume, muted }

        /// Reads a level; both parts may be missing.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            volume = try values.decodeIfPresent(Double.self, forKey: .volume) ?? 1
            muted = try values.decodeIfPresent(Bool.self, forKey: .muted) ?? false
            guard (0...4).contains(volume) else { throw values.invalid(.volume, "outside 0…4") }
        }

        /// The factor that the mixer takes.
        public var gain: Float { muted ? 0 : Float(volume) }
    }

    /// The level of everything.
    public var program: Level
    /// Levels by source, such as `participant:ID`; a source that is not named has volume 1.
    public var sources: [String: Level]

    /// Creates levels.
    public init(program: Level = Level(), sources: [String: Level] = [:]) {
        self.program = program
        self.sources = sources
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case program, sources }

    /// Reads levels.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        program = try values.decodeIfPresent(Level.self, forKey: .program) ?? Level()
        sources = try values.decodeIfPresent([String: Level].self, forKey: .sources) ?? [:]
        guard sources.count <= 256 else { throw values.invalid(.sources, "more than 256 sources") }
        for key in sources.keys where SceneSource(key) == nil {
            throw values.invalid(.sources, "\"\(key)\" is no source")
        }
    }
}
