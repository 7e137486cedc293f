// What a producer reads of the program's sound, and what the compositor answers.

/// The sound of a program in numbers, in decibels under full scale and LUFS; −120 is silence.
public struct SoundReading: Sendable, Codable, Hashable {
    /// How loud one source comes in, before its gain.
    public struct Source: Sendable, Codable, Hashable {
        /// The source as scenes name it, such as `participant:ID`.
        public var name: String
        /// The mean level over about 100 ms, and the highest sample of the last second or so.
        public var rmsDecibels: Double, peakDecibels: Double
        /// Whether it is speech, held over the pauses between words.
        public var isSpeaking: Bool

        /// Creates a source's level.
        public init(name: String, rmsDecibels: Double, peakDecibels: Double, isSpeaking: Bool) {
            self.name = name
            self.rmsDecibels = rmsDecibels
            self.peakDecibels = peakDecibels
            self.isSpeaking = isSpeaking
        }
    }

    /// The program's loudness by EBU R 128.
    public struct Loudness: Sendable, Codable, Hashable {
        /// Over the last 400 ms, over the last 3 s, and over all so far with the pauses left out, in LUFS.
        public var momentary: Double, shortTerm: Double, integrated: Double
        /// The highest peak so far, those between samples included, in dBFS.
        public var truePeak: Double

        /// Creates a loudness.
        public init(momentary: Double, shortTerm: Double, integrated: Double, truePeak: Double) {
            self.momentary = momentary
            self.shortTerm = shortTerm
            self.integrated = integrated
            self.truePeak = truePeak
        }
    }

    /// Every source that came in within the last second, on stage or not, by its name.
    public var sources: [Source]
    /// The program as it goes out.
    public var loudness: Loudness
    /// What levelling adds, and what ducking and the limiter take away now, in decibels.
    public var levelingDecibels: Double, duckingDecibels: Double, limitingDecibels: Double

    /// Creates a reading.
    public init(
        sources: [Source], loudness: Loudness, levelingDecibels: Double, duckingDecibels: Double,
        limitingDecibels: Double
    ) {
        self.sources = sources
        self.loudness = loudness
        self.levelingDecibels = levelingDecibels
        self.duckingDecibels = duckingDecibels
        self.limitingDecibels = limitingDecibels
    }
}
