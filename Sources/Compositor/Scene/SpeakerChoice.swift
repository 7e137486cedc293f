// Who is seen large because they speak.

import Media

/// Chooses the speaker that is featured, in program time: no clock, no sound, only who speaks how loudly.
///
/// Who is featured stays for two seconds at least. Somebody else takes the place after speaking for 0.4 s (a cough does
/// not), at once while the featured one is silent, and otherwise only when clearly louder for a second: when two talk at
/// the same time nothing changes. Nobody loses the place by being silent.
struct SpeakerChoice: Sendable {
    /// How long somebody is featured at least.
    static let holdMs: Int64 = 2000
    /// How long somebody speaks before they may be featured; how long pauses may be meanwhile.
    static let enterMs: Int64 = 400, pauseMs: Int64 = 600
    /// By how many decibels, and for how long, somebody must be louder than a featured speaker who speaks too.
    static let louderDecibels: Float = 6, louderMs: Int64 = 1000

    /// One who has spoken lately.
    private struct Voice {
        var since: ProgramTime, last: ProgramTime, decibels: Float
        var louderSince: ProgramTime?
    }

    /// Those on stage, the featured one first; who is featured changes places with who was.
    private(set) var order: [String] = []
    /// Who speaks, pauses between words bridged.
    private(set) var speaking: Set<String> = []
    private var voices: [String: Voice] = [:]
    private var changedAt: ProgramTime?

    /// Takes what is heard at a moment.
    ///
    /// - Parameters:
    ///   - heard: the levels in dBFS of those who speak at this moment.
    ///   - stage: who is on stage, in order.
    ///   - seats: how many of the order are seen at once: who loses the place goes to one of these.
    ///   - time: later than that of the call before.
    mutating func hear(_ heard: [String: Float], stage: [String], seats: Int, at time: ProgramTime) {
        settle(stage)
        for (id, decibels) in heard where stage.contains(id) {
            var voice = voices[id] ?? Voice(since: time, last: time, decibels: decibels)
            voice.last = time
            // About 0.3 s at 30 frames in a second.
            voice.decibels += (decibels - voice.decibels) * 0.1
            voices[id] = voice
        }
        voices = voices.filter { time.milliseconds(since: $1.last) <= Self.pauseMs && stage.contains($0) }
        speaking = Set(voices.keys)
        guard let featured = order.first else { return }
        let rival = voices[featured]
        for (id, voice) in voices where id != featured {
            let isLouder = rival.map { voice.decibels >= $0.decibels + Self.louderDecibels } ?? false
            voices[id]?.louderSince = isLouder ? voice.louderSince ?? time : nil
        }
        if let changedAt, time.milliseconds(since: changedAt) < Self.holdMs { return }
        let able = voices.filter { id, voice in
            guard id != featured, time.milliseconds(since: voice.since) >= Self.enterMs else { return false }
            guard rival != nil else { return true }
            return voices[id]?.louderSince.map { time.milliseconds(since: $0) >= Self.louderMs } ?? false
        }
        guard let next = able.max(by: { ($0.value.decibels, $1.key) < ($1.value.decibels, $0.key) })?.key else {
            return
        }
        feature(next, seats: seats)
        changedAt = time
    }

    /// Keeps everybody's place while people come and go.
    private mutating func settle(_ stage: [String]) {
        guard order.count != stage.count || Set(order) != Set(stage) else { return }
        let featured = order.first
        order.removeAll { !stage.contains($0) }
        order += stage.filter { !order.contains($0) }
        // Who comes in place of one who has left has not been seen for long.
        if order.first != featured { changedAt = nil }
    }

    private mutating func feature(_ id: String, seats: Int) {
        guard let index = order.firstIndex(of: id), index > 0 else { return }
        if index < max(2, seats) {
            order.swapAt(0, index)
        } else {
            // From beyond what is seen: the last one who is seen makes room for the one who was featured.
            let before = order[0]
            order.remove(at: index)
            order[0] = id
            order.insert(before, at: min(max(2, seats) - 1, order.count))
        }
    }
}
