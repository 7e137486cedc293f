// The desk by numbers: ducking, limiting, loudness, levelling, and mixes without one's own voice.

import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("The desk of the program's sound")
struct SoundDeskTests {
    private func look(_ audio: SceneAudio = SceneAudio(), _ ids: [String] = ["ana", "ben"]) throws -> ProgramLook {
        var setup = try ProgramBoardTests.setup()
        setup.scene.audio = audio
        setup.cast = ids.map { CastMember(id: $0, name: "", isOnStage: true) }
        return try #require(ProgramBoard(setup)).look
    }

    private func rms(_ samples: some Collection<Float>) -> Double {
        (samples.reduce(0) { $0 + Double($1) * Double($1) } / Double(samples.count)).squareRoot()
    }

    private func decibels(_ value: Double) -> Double { 20 * log10(max(value, 1e-9)) }

    // MARK: Ducking

    @Test("what is ducked goes down by 12 dB within 80 ms of speech, and comes back within 400 ms of its end")
    func ducking() {
        var mixer = AudioMixer<Int>(), out: [Float] = [], levels: [Double] = []
        mixer.set(0, gain: 1, isDucked: true)
        mixer.set(1, gain: 1)
        for block in 0..<160 {
            mixer.mix([0: TestTone(frequency: 500).block(block)], isSpeech: (20..<80).contains(block), into: &out)
            levels.append(decibels(rms(out)))
        }
        let open = levels[15]
        #expect(levels[10..<20].allSatisfy { abs($0 - open) < 0.1 })
        // The limiter's 5 ms come on top.
        #expect(levels[30..<80].allSatisfy { abs($0 - open + 12) < 0.1 })
        #expect(levels[25] < open - 5 && levels[25] > open - 11)
        #expect(levels[122..<160].allSatisfy { abs($0 - open) < 0.1 })
        #expect(levels[100] > open - 8 && levels[100] < open - 4)
        #expect(zip(levels[20...], levels[21..<30]).allSatisfy { $0 >= $1 - 0.01 })
    }

    @Test("a depth of 0 ducks nothing, and what is not ducked never moves")
    func noDucking() {
        var mixer = AudioMixer<Int>(), out: [Float] = []
        mixer.setDucking(decibels: 0)
        mixer.set(0, gain: 1, isDucked: true)
        for block in 0..<50 { mixer.mix([0: TestTone().block(block)], isSpeech: true, into: &out) }
        #expect(abs(rms(out) - 0.25 / 2.0.squareRoot()) < 0.001)
        mixer.setDucking(decibels: 12)
        mixer.set(0, gain: 1)
        for block in 50..<100 { mixer.mix([0: TestTone().block(block)], isSpeech: true, into: &out) }
        #expect(abs(rms(out) - 0.25 / 2.0.squareRoot()) < 0.001)
    }

    @Test("scenes say ducking and levelling strictly")
    func scene() throws {
        func read(_ json: String) throws -> SceneAudio {
            try JSONDecoder().decode(SceneAudio.self, from: Data(json.utf8))
        }
        let plain = try read("{}")
        #expect(plain.ducking.enabled && plain.ducking.decibels == 12 && !plain.leveling)
        let other = try read(#"{"ducking": {"enabled": false, "depthDb": 20}, "leveling": true}"#)
        #expect(other.ducking.decibels == 0 && other.ducking.depthDb == 20 && other.leveling)
        #expect(throws: (any Error).self) { try read(#"{"ducking": {"depthDb": 41}}"#) }
        #expect(throws: (any Error).self) { try read(#"{"ducking": {"depth": 12}}"#) }
        #expect(throws: (any Error).self) { try read(#"{"leveling": "yes"}"#) }
        let again = try JSONDecoder().decode(SceneAudio.self, from: try JSONEncoder().encode(other))
        #expect(again == other)
    }

    // MARK: Who is heard

    /// The amplitude of a tone in what the desk makes of steady tones, once all gains have settled.
    private func heard(_ frequency: Double, _ look: ProgramLook, _ tones: [SoundSource: TestTone]) -> Double {
        var desk = SoundDesk(), out: [Float] = [], samples: [Float] = []
        for block in 0..<150 {
            desk.set(look)
            let blocks = tones.mapValues { $0.block(block) }
            desk.mix(
                { give in for (source, block) in blocks { block.withUnsafeBufferPointer { give(source, $0) } } },
                into: &out)
            if block >= 100 { samples += stride(from: 0, to: 960, by: 2).map { out[$0] } }
        }
        // Half a second holds whole periods of every tone here, so that none is found in another.
        return TestTone.amplitude(of: frequency, in: samples)
    }

    private static let ana = SoundSource.participant("ana"), ben = SoundSource.participant("ben")
    private static let voices = [ana: TestTone(frequency: 300, level: 0.2), ben: TestTone(frequency: 700, level: 0.1)]

    @Test("what a producer says of a participant's level, and what the scene says of it, reach the mix together")
    func levels() throws {
        var look = try look()
        look.cast[0].level = .init(volume: 0.5)
        #expect(abs(heard(300, look, Self.voices) - 0.1) < 0.001)
        #expect(abs(heard(700, look, Self.voices) - 0.1) < 0.001)
        look.scene.audio.sources["participant:ana"] = .init(volume: 3)
        #expect(abs(heard(300, look, Self.voices) - 0.3) < 0.001)
        look.cast[0].level.muted = true
        #expect(heard(300, look, Self.voices) < 1e-5)
        #expect(abs(heard(700, look, Self.voices) - 0.1) < 0.001)
        // It is the participant's level, and so their screen's, too.
        let screen = [SoundSource.screen("ben"): TestTone(frequency: 700, level: 0.1)]
        look.cast[1].level = .init(volume: 2)
        #expect(abs(heard(700, look, screen) - 0.2) < 0.001)
    }

    @Test(
        "a roll that plays is heard alone, over speech, or beside it, as the scene says",
        arguments: MediaRoll.Audio.allCases)
    func roll(audio: MediaRoll.Audio) throws {
        var look = try look()
        look.scene.media = MediaRoll(asset: "v", state: .playing, audio: audio)
        let roll = SoundSource.media("v"), tone = TestTone(frequency: 500, level: 0.2)
        let tones = Self.voices.merging([roll: tone]) { $1 }
        let (rollLevel, voice): (Double, Double) =
            switch audio {
            case .exclusive: (0.2, 0)
            case .duck: (0.2 * pow(10, -12.0 / 20), 0.2)
            case .mix: (0.2, 0.2)
            }
        #expect(abs(heard(500, look, tones) - rollLevel) < 0.002)
        #expect(abs(heard(300, look, tones) - voice) < 0.002)
        #expect(abs(heard(500, look, [roll: tone]) - 0.2) < 0.002, "nobody speaks")
        look.scene.audio.sources["media:v"] = .init(volume: 0.5)
        #expect(abs(heard(500, look, [roll: tone]) - 0.1) < 0.002)
        look.scene.media?.state = .paused
        #expect(heard(500, look, tones) < 1e-5)
        #expect(abs(heard(300, look, tones) - 0.2) < 0.002, "only a roll that plays silences the others")
    }

    @Test(
        "before and after the event nobody is heard while an exclusive roll stands, at its first picture or its last",
        arguments: [MediaRoll.Role.preRoll, .postRoll])
    func standing(role: MediaRoll.Role) throws {
        var look = try look()
        look.scene.media = MediaRoll(asset: "v", state: .paused, role: role)
        #expect(heard(300, look, Self.voices) < 1e-5 && heard(700, look, Self.voices) < 1e-5)
        look.scene.media?.audio = .duck
        #expect(abs(heard(300, look, Self.voices) - 0.2) < 0.002)
        look.scene.media = MediaRoll(asset: "v", state: .stopped, role: role)
        #expect(abs(heard(300, look, Self.voices) - 0.2) < 0.002)
    }

    @Test("who is not on stage is heard while the scene names them, at their own level, and the others stay silent")
    func named() throws {
        var look = try look()
        look.cast = ["ana", "ben"].map { CastMember(id: $0, name: "", isOnStage: false, level: .init(volume: 0.5)) }
        #expect(heard(300, look, Self.voices) < 1e-5 && heard(700, look, Self.voices) < 1e-5)
        look.scene.slots = ["main": SlotSources([.participant("ana")])]
        #expect(abs(heard(300, look, Self.voices) - 0.1) < 0.001)
        #expect(heard(700, look, Self.voices) < 1e-5)
        // A slot for one shows the first who is there.
        look.scene.slots = ["main": SlotSources([.participant("gone"), .participant("ben"), .participant("ana")])]
        #expect(heard(300, look, Self.voices) < 1e-5)
        #expect(abs(heard(700, look, Self.voices) - 0.05) < 0.001)
        look.scene.slots = ["main": SlotSources([.screen("ben")])]
        let screen = [SoundSource.screen("ben"): TestTone(frequency: 700, level: 0.1)]
        #expect(abs(heard(700, look, screen) - 0.05) < 0.001)
        // A slot that does not accept them shows them nowhere.
        look.layout.slots[0].accepts = [.image]
        #expect(heard(700, look, Self.voices) < 1e-5 && heard(700, look, screen) < 1e-5)
    }

    // MARK: Limiter

    /// The highest peak at eight times the rate, of what a sinc of 64 samples sees.
    private func truePeak(_ samples: [Float]) -> Double {
        var highest = 0.0
        for at in 32..<(samples.count - 32) where abs(samples[at]) > 0.5 {
            for eighth in 0..<8 {
                var sum = 0.0
                for tap in -31...32 {
                    let distance = Double(tap) - Double(eighth) / 8
                    let window = cos(Double.pi * distance / 66)
                    let sinc = distance == 0 ? 1 : sin(Double.pi * distance) / (Double.pi * distance)
                    sum += Double(samples[at + tap]) * sinc * window * window
                }
                highest = max(highest, abs(sum))
            }
        }
        return highest
    }

    @Test("peaks between samples are held too: a tone at a quarter of the rate, caught between its peaks")
    func truePeaks() {
        var limiter = Limiter(), out = [Float](repeating: 0, count: 960), all: [Float] = []
        for block in 0..<20 {
            let samples = (0..<480).flatMap { at -> [Float] in
                let value = Float(1.2 * sin(Double.pi / 2 * Double(block * 480 + at) + Double.pi / 4))
                return [value, value]
            }
            limiter.process(samples, into: &out)
            all += stride(from: 0, to: 960, by: 2).map { out[$0] }
        }
        #expect(all.allSatisfy { abs($0) <= Limiter.ceiling + 1e-6 })
        let peak = decibels(truePeak(Array(all[2400..<7200])))
        print("true peak of the limited tone: \(peak) dBFS")
        #expect(peak < -0.9)
    }

    @Test("sixteen loud voices stay under −1 dBFS, sample by sample and between samples, and the gain never steps")
    func manyLoud() {
        var mixer = AudioMixer<Int>(), out: [Float] = [], all: [Float] = [], gains: [Float] = []
        var random = SeededRandom(21)
        for id in 0..<16 { mixer.set(id, gain: 1) }
        for block in 0..<200 {
            var blocks: [Int: [Float]] = [:]
            for id in 0..<16 where Int.random(in: 0..<3, using: &random) > 0 {
                blocks[id] = TestTone(frequency: 120 + 77 * Double(id), level: 0.8).block(block)
            }
            mixer.mix(blocks, into: &out)
            all += stride(from: 0, to: 960, by: 2).map { out[$0] }
            gains.append(mixer.lastLimiterGain)
        }
        #expect(all.allSatisfy { abs($0) <= Limiter.ceiling + 1e-6 })
        #expect((gains.min() ?? 1) < 0.3)
        #expect(decibels(truePeak(Array(all[4800..<12_000]))) < -0.8)
    }

    @Test("a tone under the ceiling passes to the last bit, and one over it is only made smaller")
    func clean() {
        var limiter = Limiter(), out = [Float](repeating: 0, count: 960)
        var quiet: [Float] = [], loud: [Float] = [], input: [Float] = []
        for block in 0..<100 {
            let samples = TestTone(frequency: 1000, level: 0.88).block(block)
            limiter.process(samples, into: &out)
            quiet += out
            input += samples
        }
        for at in 480..<quiet.count { #expect(quiet[at] == input[at - 480]) }
        for block in 0..<100 {
            limiter.process(TestTone(frequency: 1000, level: 1.5).block(block), into: &out)
            loud += stride(from: 0, to: 960, by: 2).map { out[$0] }
        }
        // Steady, what is not the tone lies 60 dB below it.
        let rest = ClickDetector(frequency: 1000, amplitude: Limiter.ceiling).worst(loud[24_000...])
        print("distortion of a tone 4.5 dB over the ceiling: \(rest) dB")
        #expect(rest < -60)
    }

    // MARK: Loudness

    @Test("a stereo tone of 997 Hz at −20 dBFS has −20 LUFS, as EBU Tech 3341 says of −23, and half of it 3 LU less")
    func loudness() {
        guard var meter = LoudnessMeter(isWhole: true) else {
            Issue.record("no memory for a meter")
            return
        }
        let level = Float(pow(10, -20.0 / 20))
        for block in 0..<400 {
            let samples = TestTone(frequency: 997, level: level).block(block)
            samples.withUnsafeBufferPointer { meter.take($0) }
        }
        let seen = meter.loudness
        #expect(abs(seen.momentary + 20) < 0.1 && abs(seen.shortTerm + 20) < 0.1 && abs(seen.integrated + 20) < 0.15)
        #expect(abs(seen.truePeak + 20) < 0.1)
        for block in 0..<400 {
            var samples = TestTone(frequency: 997, level: level).block(block)
            for at in stride(from: 1, to: 960, by: 2) { samples[at] = 0 }
            samples.withUnsafeBufferPointer { meter.take($0) }
        }
        #expect(abs(meter.loudness.momentary + 23.01) < 0.1)
    }

    /// Noise in syllables, at a level, with a pause of a second in every four.
    private func voice(_ block: Int, _ level: Float, _ random: inout SeededRandom) -> [Float] {
        let isPause = block % 400 >= 300 || block % 30 >= 22
        return (0..<960).map { _ in isPause ? 0 : Float.random(in: -level...level, using: &random) }
    }

    @Test("levelling brings a quiet voice to −16 LUFS within half a minute and does not pump", arguments: [0.05, 0.9])
    func leveling(level: Double) throws {
        var desk = SoundDesk(), out: [Float] = [], random = SeededRandom(31), moved: [Float] = []
        let look = try look(SceneAudio(leveling: true), ["ana"])
        for block in 0..<6000 {
            desk.set(look)
            let samples = voice(block, Float(level), &random)
            desk.mix({ give in samples.withUnsafeBufferPointer { give(.participant("ana"), $0) } }, into: &out)
            if block >= 3500 { moved.append(desk.readings.leveling) }
        }
        print("levelled by \(desk.readings.leveling) dB to \(desk.readings.loudness.shortTerm) LUFS")
        #expect((moved.max() ?? 0) - (moved.min() ?? 0) < 0.6)
        guard var speech = LoudnessMeter(isWhole: true) else {
            Issue.record("no memory for a meter")
            return
        }
        for block in 6000..<6800 {
            desk.set(look)
            let samples = voice(block, Float(level), &random)
            desk.mix({ give in samples.withUnsafeBufferPointer { give(.participant("ana"), $0) } }, into: &out)
            out.withUnsafeBufferPointer { speech.take($0) }
        }
        let integrated = speech.loudness.integrated
        print("integrated: \(integrated) LUFS")
        #expect(abs(integrated + 16) < 1.5)
    }

    @Test("without levelling the gain is exactly none, and when it is turned off it goes back slowly")
    func levelingOff() throws {
        var leveler = Leveler()
        for _ in 0..<200 { leveler.advance(momentary: -30, isEnabled: false) }
        #expect(leveler.gain == 1)
        for _ in 0..<300 { leveler.advance(momentary: -30, isEnabled: true) }
        #expect(leveler.decibels > 11.7 && leveler.decibels <= 12, "at most 12 dB")
        let before = leveler.decibels
        for _ in 0..<300 { leveler.advance(momentary: -120, isEnabled: true) }
        #expect(leveler.decibels == before, "a pause of half a minute moves nothing")
        leveler.advance(momentary: -30, isEnabled: false)
        #expect(abs(leveler.decibels - before + 0.1) < 0.001)
    }

    // MARK: Mixes without one's own voice

    @Test("everybody hears all the others and never themselves")
    func minus() throws {
        var desk = SoundDesk(), out: [Float] = []
        let look = try look(), ana = TestTone(frequency: 300, level: 0.2), ben = TestTone(frequency: 700, level: 0.1)
        var heard: [String: [Float]] = [:]
        for block in 0..<60 {
            desk.set(look)
            let (first, second) = (ana.block(block), ben.block(block))
            desk.mix(
                { give in
                    first.withUnsafeBufferPointer { give(.participant("ana"), $0) }
                    second.withUnsafeBufferPointer { give(.participant("ben"), $0) }
                }, into: &out)
            desk.give(to: ["ana", "ben", "cid"]) { heard[$0, default: []] += $1 }
        }
        let late = 480 * 40
        #expect(heard.keys.sorted() == ["ana", "ben", "cid"])
        for (listener, tones) in [("ana", [ben]), ("ben", [ana]), ("cid", [ana, ben])] {
            let samples = try #require(heard[listener])
            for at in stride(from: late, to: late + 960, by: 7) {
                let frame = at / 2 - 240, block = frame / 480, index = 2 * (frame % 480)
                let expected = tones.reduce(Float(0)) { $0 + $1.block(block)[index] }
                #expect(abs(samples[2 * (at / 2)] - expected) < 1e-5)
            }
        }
    }

    @Test("a mix without somebody is under the ceiling too, through changes of gain, and clicks nowhere")
    func minusLimited() throws {
        var desk = SoundDesk(), out: [Float] = [], heard: [Float] = []
        for block in 0..<120 {
            var audio = SceneAudio()
            audio.sources["participant:ben"] = .init(volume: block < 60 ? 4 : 0.5)
            desk.set(try look(audio))
            let (first, second) = (TestTone(level: 0.9).block(block), TestTone(frequency: 300, level: 0.9).block(block))
            desk.mix(
                { give in
                    first.withUnsafeBufferPointer { give(.participant("ana"), $0) }
                    second.withUnsafeBufferPointer { give(.participant("ben"), $0) }
                }, into: &out)
            desk.give(to: ["ana"]) { _, samples in heard += stride(from: 0, to: 960, by: 2).map { samples[$0] } }
        }
        #expect(heard.allSatisfy { abs($0) <= Limiter.ceiling + 1e-6 })
        let rest = ClickDetector(frequency: 300, amplitude: Limiter.ceiling).worst(heard[2000...])
        print("a mix without oneself leaves \(rest) dB outside the tone")
        #expect(rest < -45)
    }
}
