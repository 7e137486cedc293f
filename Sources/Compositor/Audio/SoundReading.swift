// What the desk measured, as a producer reads it.

import Control

extension SoundReading {
    /// Tells what the desk measured; sources by their names.
    init(_ readings: SoundDesk.Readings) {
        let sources = readings.levels.map { source, level in
            Source(
                name: source.name, rmsDecibels: Double(level.rmsDecibels), peakDecibels: Double(level.peakDecibels),
                isSpeaking: level.isSpeaking)
        }
        let loudness = readings.loudness
        self.init(
            sources: sources.sorted { $0.name < $1.name },
            loudness: Loudness(
                momentary: Double(loudness.momentary), shortTerm: Double(loudness.shortTerm),
                integrated: Double(loudness.integrated), truePeak: Double(loudness.truePeak)),
            levelingDecibels: Double(readings.leveling), duckingDecibels: Double(readings.ducking),
            limitingDecibels: Double(readings.limiting))
    }
}
