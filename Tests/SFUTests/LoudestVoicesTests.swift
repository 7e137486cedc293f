// Which voices are heard in a large room: no word loses its beginning, and nobody takes a place by noise.

import Control
import Media
import RTCClient
import Testing

@testable import SFU

@Suite("Loudest voices")
struct LoudestVoicesTests {
    /// A room of microphones that all send each 20 ms.
    private struct Room {
        let voices: [Voice]
        var gate: LoudestVoices
        var now = MonotonicTime(nanoseconds: 0)

        init(_ count: Int, limit: Int) {
            gate = LoudestVoices(limit: limit)
            voices = (0..<count).map { Voice(participant: "p\($0)") }
            for voice in voices { gate.add(voice) }
        }

        /// Lets one packet of each come; returns whose went through.
        mutating func step(_ loudness: (Int) -> UInt8?) -> Set<Int> {
            var passed: Set<Int> = []
            for (index, voice) in voices.enumerated() {
                // nil for who sends nothing.
                guard let loudness = loudness(index), gate.admits(voice, loudness, now: now) else { continue }
                passed.insert(index)
            }
            now = now.advanced(byMilliseconds: 20)
            return passed
        }
    }

    @Test("in a room with no more voices than places everybody is heard, silence too")
    func small() {
        var room = Room(6, limit: 6)
        for _ in 0..<500 { #expect(room.step { $0 == 2 ? 100 : 0 } == Set(0..<6)) }
        var open = Room(40, limit: 0)
        for _ in 0..<100 { #expect(open.step { UInt8($0) } == Set(0..<40)) }
    }

    @Test("who sends many microphones has one place")
    func manyMicrophones() {
        var gate = LoudestVoices(limit: 3), now = MonotonicTime(nanoseconds: 0)
        let loud = (0..<6).map { _ in Voice(participant: "eve") }, ada = Voice(participant: "ada")
        for voice in loud + [ada] { gate.add(voice) }
        for _ in 0..<200 {
            var passed = 0
            for voice in loud where gate.admits(voice, 127, now: now) { passed += 1 }
            let isHeard = gate.admits(ada, 60, now: now)
            #expect(passed == 1 && isHeard)
            now = now.advanced(byMilliseconds: 20)
        }
        // The one that has the place falls silent, and another of hers speaks.
        for _ in 0..<200 {
            for voice in loud.dropLast() { _ = gate.admits(voice, 0, now: now) }
            _ = gate.admits(loud[5], 100, now: now)
            now = now.advanced(byMilliseconds: 20)
        }
        #expect(loud[5].isForwarded && loud.count(where: \.isForwarded) == 1)
    }

    @Test("no more than the places are heard, and while fewer speak the first packet of every word passes")
    func words() {
        var room = Room(30, limit: 4), random = UInt64(7)
        // Up to three speak at once, each for one to three seconds; everybody else has a quiet room.
        var speaking: [Int: Int] = [:]
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % bound
        }
        var begun = 0, tooMany = 0, clipped: [String] = []
        for tick in 0..<20_000 {
            for (who, end) in speaking where end <= tick { speaking[who] = nil }
            // A new one speaks up when the words of before have faded: half a second, and the fall behind it.
            if speaking.count < 3, tick % 75 == 0 {
                let who = next(30)
                if speaking[who] == nil { begun += 1 }
                speaking[who] = tick + 50 + next(100)
            }
            let noise = (0..<30).map { _ in UInt8(next(30)) }, talking = speaking
            let passed = room.step { talking[$0] == nil ? noise[$0] : UInt8(90 + ($0 + tick) % 20) }
            // A place may change hands between two packets of one moment, so those who have one are counted.
            if room.voices.filter(\.isForwarded).count > 4 { tooMany += 1 }
            if !passed.isSuperset(of: talking.keys) { clipped.append("\(tick): \(talking.keys) but \(passed)") }
        }
        #expect(tooMany == 0 && clipped.isEmpty, "\(clipped.prefix(3))")
        #expect(begun > 100)
    }

    @Test("of more speakers than places the loudest are heard, and a place is not lost in a pause")
    func loudest() {
        var room = Room(8, limit: 3)
        for _ in 0..<50 { _ = room.step { UInt8(60 + $0 * 8) } }
        #expect(room.step { UInt8(60 + $0 * 8) } == [5, 6, 7])
        // The loudest makes a pause of 400 ms: nobody who speaks softly takes the place.
        for _ in 0..<20 { #expect(room.step { $0 == 7 ? 0 : UInt8(60 + $0 * 8) } == [5, 6, 7]) }
        // Silent for longer, the place goes to the next.
        for _ in 0..<60 { _ = room.step { $0 == 7 ? 0 : UInt8(60 + $0 * 8) } }
        #expect(room.step { $0 == 7 ? 0 : UInt8(60 + $0 * 8) } == [4, 5, 6])
    }

    @Test("who is muted makes room at once, and noise takes no place")
    func muted() {
        var room = Room(5, limit: 2)
        for _ in 0..<10 { _ = room.step { $0 < 2 ? 100 : 20 } }
        #expect(room.step { $0 < 2 ? 100 : 20 } == [0, 1])
        room.gate.yield(room.voices[0])
        room.voices[0].reset()
        #expect(room.step { $0 == 0 ? nil : $0 == 1 ? 100 : $0 == 3 ? 90 : 20 } == [1, 2, 3], "the first that comes")
        #expect(room.step { $0 == 0 ? nil : $0 == 1 ? 100 : $0 == 3 ? 90 : 20 } == [1, 3], "the loudest of all")
        #expect(room.step { $0 == 0 ? nil : $0 == 1 ? 100 : $0 == 3 ? 90 : 39 } == [1, 3])
        room.gate.remove(room.voices[3])
        #expect(room.gate.all.count == 4)
    }

    @Test("a microphone that does not tell its level has a place while nobody who does needs it, and never the floor")
    func silentAboutIt() {
        var room = Room(3, limit: 2), floor = DominantSpeaker()
        func step(_ sizes: Int, _ others: UInt8) -> Set<Int> {
            let guess = room.voices[2].guess(size: sizes)
            return room.step { $0 == 2 ? guess : others }
        }
        // Alone it is heard, speech and silence.
        for index in 0..<100 {
            #expect(step(index % 2 == 0 ? 80 : 12, 0).contains(2))
            _ = floor.decide(among: room.voices, now: room.now)
        }
        #expect(floor.current == nil)
        // Two who tell their levels take the places, and keep them.
        for _ in 0..<100 { _ = step(80, 90) }
        for _ in 0..<100 { #expect(step(80, 90) == [0, 1]) }
        // When they have fallen silent, it is heard again with its first packet of speech.
        for _ in 0..<100 { #expect(step(12, 0) == [0, 1]) }
        #expect(step(80, 0).contains(2))
    }

    @Test("the size of packets tells speech from silence: with DTX, without, and after one that was much larger")
    func guesses() {
        let voice = Voice(participant: "anna")
        #expect(voice.guess(size: 80) == Voice.guessed && Voice.guessed > Voice.audible)
        for size in [0, 1, 3, 10, 25] { #expect(voice.guess(size: size) == 0, "\(size) bytes") }
        #expect(voice.guess(size: 60) == Voice.guessed)
        #expect(voice.guess(size: 1200) == Voice.guessed)
        #expect(voice.guess(size: 80) == 0)
        // It is spoken of for half a minute at most.
        for _ in 0..<1500 { _ = voice.guess(size: 80) }
        #expect(voice.guess(size: 80) == Voice.guessed)
        // A constant bit rate is speech all the time.
        let constant = Voice(participant: "ben")
        for _ in 0..<1000 { #expect(constant.guess(size: 160) == Voice.guessed) }
    }
}

@Suite("Loudest voices of a shard", .serialized)
struct LoudestShardTests {
    private let microphone = LocalTrack(name: "microphone", codec: .opus)

    private func number(_ frame: ReceivedFrame) -> Int {
        let bytes = frame.frame.payload.array
        return bytes.count > 2 ? Int(bytes[1]) << 8 | Int(bytes[2]) : -1
    }

    @Test("speakers get the loudest voice and the packets before its word, who hears everybody gets all, and news come")
    func shard() async throws {
        let harness = try Harness { $0.loudestSpeakers = 1 }
        _ = try await harness.shard.send(.createRoom(room: "room"))
        var people: [(RTCClient, ClientLog)] = []
        for name in ["anna", "ben"] { people.append(try await harness.publisher(name, tracks: [microphone])) }
        for (_, log) in people { #expect(log.waitConnected()) }
        for _ in 0..<2 {
            #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        }
        let (speaker, speakerLog) = try await harness.subscriber("cleo")
        let (studio, studioLog) = try await harness.subscriber("studio", hearsEverybody: true)
        #expect(speakerLog.waitConnected() && studioLog.waitConnected())
        // In step with the clock: levels are a matter of time.
        let start = SystemClock.monotonic()
        func send(_ index: Int, _ first: UInt8, _ second: UInt8) async throws {
            people[0].0.send(TestFrames.opus(index), on: "microphone", level: 127 - first)
            people[1].0.send(TestFrames.opus(index), on: "microphone", level: 127 - second)
            let due = start.advanced(byMilliseconds: Int64(index) * 20)
            let wait = due.milliseconds(since: SystemClock.monotonic())
            if wait > 0 { try await Task.sleep(for: .milliseconds(wait)) }
        }
        for index in 0..<75 { try await send(index, 100, 20) }
        // Her last word is followed by two seconds of silence; then he speaks.
        for index in 75..<175 { try await send(index, 0, 20) }
        for index in 175..<300 { try await send(index, 0, 100) }
        var heard: [String: [Int]] = [:], times: [Int64] = []
        while heard["ben"]?.last ?? 0 < 299, let (track, frame) = speakerLog.frame(.opus, milliseconds: 5000) {
            heard[track.participant, default: []].append(number(frame))
            if track.participant == "ben" { times.append(frame.frame.pts) }
        }
        let ben = try #require(heard["ben"])
        let word = try #require(ben.first { $0 >= 100 })
        #expect((171...175).contains(word), "\(word): the packets before the word came with it")
        #expect(ben.filter { $0 >= word } == Array(word...299), "and nothing of it is missing")
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
        #expect(!(heard["anna"] ?? []).contains { $0 > 200 })
        var all: [String: Set<Int>] = [:]
        while !(all["anna"]?.contains(299) == true && all["ben"]?.contains(299) == true),
            let (track, frame) = studioLog.frame(.opus, milliseconds: 5000)
        {
            all[track.participant, default: []].insert(number(frame))
        }
        #expect(all["anna"]?.isSuperset(of: 100...299) == true && all["ben"]?.isSuperset(of: 100...299) == true)
        #expect(try await harness.statistics().drops["notLoudest"] ?? 0 > 100)
        for name in ["anna", "ben"] {
            let news = harness.wait { if case .speaking = $0 { true } else { false } }
            #expect(news == .speaking(room: "room", participant: name))
        }
        _ = try await harness.shard.send(.leave(session: "ben-up"))
        let end = harness.wait { if case .speaking = $0 { true } else { false } }
        #expect(end == .speaking(room: "room", participant: nil))
        for (client, _) in people { client.stop() }
        for client in [speaker, studio] { client.stop() }
        harness.shard.stop()
    }
}
