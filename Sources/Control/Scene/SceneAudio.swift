// What a scene says of its sound.

/// Levels of the sound, and the music in it.
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

    /// How rolls and music make way for speech.
    public struct Ducking: Hashable, Sendable, Codable {
        /// Whether they do.
        public var enabled: Bool
        /// How far they go down, in decibels, 0…40.
        public var depthDb: Double

        /// Creates a ducking by 12 dB.
        public init(enabled: Bool = true, depthDb: Double = 12) {
            self.enabled = enabled
            self.depthDb = depthDb
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case enabled, depthDb }

        /// Reads a ducking; both parts may be missing.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            enabled = try values.decodeIfPresent(Bool.self, forKey: .enabled) ?? true
            depthDb = try values.decodeIfPresent(Double.self, forKey: .depthDb) ?? 12
            guard (0...40).contains(depthDb) else { throw values.invalid(.depthDb, "outside 0…40") }
        }

        /// The decibels that the mixer takes.
        public var decibels: Float { enabled ? Float(depthDb) : 0 }
    }

    /// The level of everything.
    public var program: Level
    /// Levels by source, such as `participant:ID`; a source that is not named has volume 1.
    public var sources: [String: Level]
    /// How rolls and music make way for speech.
    public var ducking: Ducking
    /// Whether the mix is slowly brought to −16 LUFS.
    public var leveling: Bool
    /// The music that is loaded, and what it does.
    public var music: Music?

    /// Creates levels.
    public init(
        program: Level = Level(), sources: [String: Level] = [:], ducking: Ducking = Ducking(), leveling: Bool = false,
        music: Music? = nil
    ) {
        self.program = program
        self.sources = sources
        self.ducking = ducking
        self.leveling = leveling
        self.music = music
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case program, sources, ducking, leveling, music }

    /// Reads levels.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        program = try values.decodeIfPresent(Level.self, forKey: .program) ?? Level()
        sources = try values.decodeIfPresent([String: Level].self, forKey: .sources) ?? [:]
        guard sources.count <= 256 else { throw values.invalid(.sources, "more than 256 sources") }
        ducking = try values.decodeIfPresent(Ducking.self, forKey: .ducking) ?? Ducking()
        leveling = try values.decodeIfPresent(Bool.self, forKey: .leveling) ?? false
        music = try values.decodeIfPresent(Music.self, forKey: .music)
        for key in sources.keys where SceneSource(key) == nil {
            throw values.invalid(.sources, "\"\(key)\" is no source")
        }
    }
}
