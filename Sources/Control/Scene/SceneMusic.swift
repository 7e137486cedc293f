// The music of a scene: which piece, what it does, and what becomes of it when another scene comes on air.

extension SceneAudio {
    /// Music under the program: sound without a picture, beside everything else that is heard.
    public struct Music: Hashable, Sendable, Codable {
        /// What the music does.
        public enum State: String, Sendable, Codable, CaseIterable { case playing, paused }

        /// The piece.
        public var asset: String
        /// What it does.
        public var state: State
        /// Whether it begins again when it has ended.
        public var loop: Bool
        /// Whether it makes way for speech.
        public var duck: Bool
        /// Where it begins, from its start.
        public var positionMs: Int64
        /// Counts starts: another number starts the music anew.
        public var run: Int64

        /// Creates a reference to a piece.
        public init(
            asset: String, state: State, loop: Bool = true, duck: Bool = true, positionMs: Int64 = 0, run: Int64 = 0
        ) {
            self.asset = asset
            self.state = state
            self.loop = loop
            self.duck = duck
            self.positionMs = positionMs
            self.run = run
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case asset, state, loop, duck, positionMs, run }

        /// Reads music; asset and state must be there.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            asset = try values.text(.asset, limit: 128)
            guard !asset.isEmpty else { throw values.invalid(.asset, "empty") }
            guard let state = try values.choice(State.self, .state) else { throw values.invalid(.state, "missing") }
            self.state = state
            loop = try values.decodeIfPresent(Bool.self, forKey: .loop) ?? true
            duck = try values.decodeIfPresent(Bool.self, forKey: .duck) ?? true
            positionMs = try values.decodeIfPresent(Int64.self, forKey: .positionMs) ?? 0
            guard (0...MediaRoll.longestMs).contains(positionMs) else {
                throw values.invalid(.positionMs, "outside six hours")
            }
            run = try values.decodeIfPresent(Int64.self, forKey: .run) ?? 0
        }

        /// Whether music that is asked for is what is on air already, and goes on.
        ///
        /// Where a scene says that its music begins matters only when it begins: music goes on from scene to scene. A scene
        /// that was made from the one on air names a place, or a start, because it means another one.
        ///
        /// - Parameters:
        ///   - old: what is on air.
        ///   - isRunNamed: whether the number of the start means anything; 0 names none.
        func goesOn(from old: Music, isRunNamed: Bool) -> Bool {
            guard asset == old.asset else { return false }
            guard isRunNamed else { return true }
            if run != 0, run != old.run { return false }
            return positionMs == old.positionMs || (positionMs == 0 && run == 0)
        }

        /// Returns the music as it is when it comes on air in place of other music, or of none.
        ///
        /// - Parameters:
        ///   - old: what is on air.
        ///   - run: the number under which music begins.
        ///   - isRunNamed: whether the music's own number says which start it means.
        func coming(after old: Music?, run: Int64, isRunNamed: Bool) -> Music {
            var music = self
            if let old, goesOn(from: old, isRunNamed: isRunNamed) {
                (music.run, music.positionMs) = (old.run, old.positionMs)
            } else {
                // The place is that of the piece which another one has replaced.
                if isRunNamed, let old, asset != old.asset, self.run == old.run, self.run != 0 { music.positionMs = 0 }
                music.run = run
            }
            return music
        }
    }
}
