// Everything between the sources' sound and the encoder: who is heard how loud, mixed, measured, levelled.

import Control
import Media

/// The desk of one program's sound, in blocks of 10 ms; owned by the sound's thread, and by tests in virtual time.
struct SoundDesk: ~Copyable {
    /// What the desk measured up to a block.
    struct Readings: Sendable {
        /// Each source that came in lately, on stage or not, before its gain.
        var levels: [SoundSource: SoundLevel] = [:]
        /// The program as it goes out.
        var loudness = Loudness()
        /// What levelling does, and ducking, and the limiter, in decibels.
        var leveling: Float = 0, ducking: Float = 0, limiting: Float = 0
    }

    private(set) var mixer = AudioMixer<SoundSource>()
    private(set) var readings = Readings()
    private var meters: [SoundSource: SpeechMeter] = [:]
    private var leveler = Leveler()
    private var before: LoudnessMeter?, after: LoudnessMeter?
    private var minus = MixMinus()
    private var blocks: UInt64 = 0
    private var keys: Set<SoundSource> = []
    private var isLeveling = false
    private var programGain: Float = 1
    /// The board's number of the look that is set; 0 is none.
    private var known: UInt64 = 0
    /// The music of the look, and what was before it and is still given while it fades out.
    private var music: [SoundSource: (gain: Float, isDucked: Bool, isLeaving: Bool)] = [:]

    init() {
        before = LoudnessMeter(isWhole: false)
        after = LoudnessMeter(isWhole: true)
    }

    /// Sets everything by what the board shows, when that is another look than the one before.
    mutating func follow(_ board: ProgramBoard) {
        guard let (look, number) = board.look(besides: known) else { return }
        known = number
        set(look)
    }

    /// Sets gains and ducking by what the program shows, until they are set again.
    mutating func set(_ look: ProgramLook) {
        let audio = look.scene.audio
        isLeveling = audio.leveling
        programGain = audio.program.gain
        mixer.setDucking(decibels: audio.ducking.decibels)
        var heard: Set<SoundSource> = []
        keys.removeAll(keepingCapacity: true)
        let roll = look.scene.media.flatMap { $0.state == .playing ? $0 : nil }
        if let roll {
            let source = SoundSource.media(roll.asset)
            heard.insert(source)
            mixer.set(source, gain: audio.sources[source.name]?.gain ?? 1, isDucked: roll.audio == .duck)
        }
        let others: Float = look.scene.media?.isAlone == true ? 0 : 1
        follow(audio)
        // While a roll stands, nobody is heard; music is nobody, and may well be meant for then.
        let beside: Float = roll?.audio == .exclusive ? 0 : 1
        for (source, one) in music {
            heard.insert(source)
            mixer.set(source, gain: beside * one.gain, isDucked: one.isDucked)
        }
        // Whom the program shows is on air: those on stage, and those whom the scene names.
        let named = look.scene.people(in: look.layout, room: Set(look.cast.map(\.id)))
        for member in look.cast where member.isOnStage || named.contains(member.id) {
            for source in [SoundSource.participant(member.id), .screen(member.id)] {
                let gain = others * member.level.gain * (audio.sources[source.name]?.gain ?? 1)
                heard.insert(source)
                mixer.set(source, gain: gain)
                if source.bus == .speech && gain > 0 { keys.insert(source) }
            }
        }
        // A stream that comes in is heard while it is in the scene.
        for case .ingest(let name) in look.wanted {
            let source = SoundSource.ingest(name)
            heard.insert(source)
            mixer.set(source, gain: others * (audio.sources[source.name]?.gain ?? 1))
        }
        for source in mixer.ids.subtracting(heard) { mixer.remove(source) }
    }

    /// Mixes one block.
    ///
    /// - Parameters:
    ///   - sources: is called once, and calls its argument with the 960 samples of each source that is not silent.
    ///   - output: receives 960 samples, 5 ms later than they came in.
    mutating func mix(
        _ sources: ((SoundSource, UnsafeBufferPointer<Float>) -> Void) -> Void, into output: inout [Float]
    ) {
        mixer.setProgram(gain: programGain * leveler.gain)
        var present: Set<SoundSource> = []
        sources { source, samples in
            present.insert(source)
            mixer.take(source, samples)
            meters[source, default: SpeechMeter()].take(samples)
        }
        var isSpeech = false
        for source in meters.keys {
            if !present.contains(source) { meters[source]?.takeSilence() }
            if keys.contains(source), meters[source]?.level.isSpeaking == true { isSpeech = true }
            if meters[source]?.isOver == true { meters[source] = nil }
        }
        mixer.finish(isSpeech: isSpeech, into: &output)
        for (source, one) in music where one.isLeaving && !present.contains(source) {
            music[source] = nil
            mixer.remove(source)
        }
        measure(output)
    }

    /// Takes in the music of a scene; what it takes the place of keeps its level while it goes, whatever the scene says.
    private mutating func follow(_ audio: SceneAudio) {
        for source in music.keys { music[source]?.isLeaving = true }
        guard let one = audio.music else { return }
        let source = SoundSource.media(one.asset)
        music[source] = (audio.sources[source.name]?.gain ?? 1, one.duck, false)
    }

    /// Gives the last block without their own sound to those who listen in the room.
    mutating func give(to listeners: Set<String>, _ body: (String, UnsafeBufferPointer<Float>) -> Void) {
        minus.give(to: listeners, from: mixer, body)
    }

    private mutating func measure(_ output: [Float]) {
        blocks &+= 1
        output.withUnsafeBufferPointer { after?.take($0) }
        if isLeveling || leveler.decibels != 0 {
            mixer.withSum { before?.take($0) }
            if blocks % 10 == 0, let momentary = before?.momentary {
                leveler.advance(momentary: momentary, isEnabled: isLeveling)
            }
        }
        readings.levels = meters.mapValues(\.level)
        readings.leveling = leveler.decibels
        readings.ducking = mixer.duckingDecibels
        let gain = mixer.lastLimiterGain
        readings.limiting = SpeechMeter.decibels(power: gain * gain)
        // The short-term loudness sums three seconds anew each time.
        if blocks % 50 == 0, let after = after?.loudness { readings.loudness = after }
    }
}
