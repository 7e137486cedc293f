// What each listener in the room hears of the program: all of it but their own voice.

/// Makes the mixes without one's own sound, each with a limiter of its own.
struct MixMinus: Sendable {
    /// The most listeners that are served.
    static let limit = 64

    private var limiters: [String: Limiter] = [:]
    private var mixed = [Float](repeating: 0, count: 2 * 480)
    private var limited = [Float](repeating: 0, count: 2 * 480)

    /// Gives the block that was mixed last to each listener.
    ///
    /// - Parameters:
    ///   - listeners: participants; those above the limit hear nothing.
    ///   - mixer: whose last block it is.
    ///   - body: gets the participant and 960 samples that come out 5 ms later than they went in.
    mutating func give(
        to listeners: Set<String>, from mixer: AudioMixer<SoundSource>,
        _ body: (String, UnsafeBufferPointer<Float>) -> Void
    ) {
        if limiters.count != listeners.count || !limiters.keys.allSatisfy(listeners.contains) {
            limiters = limiters.filter { listeners.contains($0.key) }
            for listener in listeners.sorted() where limiters[listener] == nil && limiters.count < Self.limit {
                limiters[listener] = Limiter()
            }
        }
        for listener in limiters.keys {
            mixer.minus([.participant(listener), .screen(listener)], into: &mixed)
            limiters[listener]?.process(mixed, into: &limited)
            limited.withUnsafeBufferPointer { body(listener, $0) }
        }
    }
}
