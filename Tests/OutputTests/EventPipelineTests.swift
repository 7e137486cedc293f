// Whole pipelines at full speed, on small rungs.

import Foundation
import Media
import Synchronization
import Testing

@testable import Output

@Suite("Event pipeline", .serialized)
struct EventPipelineTests {
    private let folder: TemporaryFolder
    private let start = ProgramTime(milliseconds: 1_767_225_600_000)
    init() throws { folder = try TemporaryFolder() }

    private func store() throws -> EventStore {
        try EventStore(settings: EventStoreSettings(root: folder.path, event: "demo"))
    }

    private func settings(_ change: (inout EventPipelineSettings) -> Void = { _ in }) -> EventPipelineSettings {
        var ladder = LadderSettings(rungs: [
            Rung(name: "big", width: 160, height: 90, videoKbps: 200),
            Rung(name: "small", width: 96, height: 54, videoKbps: 100),
        ])
        ladder.preset = .ultrafast
        ladder.passesThrough = false
        var settings = EventPipelineSettings(ladder: ladder)
        change(&settings)
        return settings
    }

    private func feed(_ pipeline: EventPipeline, _ events: [StreamEvent]) async throws {
        for event in events {
            while !pipeline.offer(event) { try await Task.sleep(for: .milliseconds(2)) }
        }
    }

    /// Waits for a condition, at most 20 s.
    private func wait(_ what: Comment, _ condition: () -> Bool) async throws {
        for _ in 0..<4000 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record(what)
    }

    private func walk(_ store: EventStore, _ rung: String, _ number: Int64, after: [Int: UInt8] = [:]) throws
        -> TransportStreamWalk
    {
        let entry = try #require(store.state.segments.first { $0.mediaSequence == number })
        let file = try #require(store.segment("\(rung)/\(entry.fileName)"))
        return TransportStreamWalk(
            Array(try #require(FileManager.default.contents(atPath: file.file))), counters: after)
    }

    private func video(_ walk: TransportStreamWalk) -> [Int64] { walk.units.filter { $0.pid == 0x100 }.map(\.pts) }

    @Test("a direct ingest becomes aligned rungs: equal cuts, unbroken stamps and counters, key frame first")
    func direct() async throws {
        let heard = Heard(), store = try store()
        let pipeline = try EventPipeline(
            store: store, settings: settings(), clock: ManualClock(), run: "r1", callbacks: heard.callbacks)
        try await feed(pipeline, PipelineSource(count: 480).events())
        pipeline.stop(marksEnd: true)

        #expect(heard.segments.map(\.mediaSequence) == [0, 1, 2])
        #expect(heard.segments.map { $0.from.milliseconds - start.milliseconds } == [0, 6000, 12_000])
        #expect(heard.segments.map { $0.to.milliseconds - start.milliseconds } == [6000, 12_000, 16_000])
        #expect(heard.segments.allSatisfy { !$0.discontinuity })
        #expect(heard.all.withLock { $0.faults } == [])
        var counters: [String: [Int: UInt8]] = [:]
        var stamps: [String: [Int64]] = [:]
        var sound: [Int64] = []
        for number in 0..<Int64(3) {
            for rung in ["big", "small"] {
                let walk = try walk(store, rung, number, after: counters[rung] ?? [:])
                #expect(walk.problems == [])
                #expect(walk.pids.first == 0)
                #expect(zip(walk.clocks, walk.clocks.dropFirst()).allSatisfy { $1 - $0 <= 9000 })
                let pictures = walk.units.filter { $0.pid == 0x100 }
                #expect(TransportStreamWalk.unitTypes(pictures[0].payload).prefix(4) == [9, 7, 8, 5])
                let idrs = pictures.filter { TransportStreamWalk.unitTypes($0.payload).contains(5) }
                #expect(idrs.map { ($0.pts - pictures[0].pts) % 180_000 == 0 }.allSatisfy { $0 })
                #expect(idrs.count == (pictures.count + 59) / 60)
                counters[rung] = walk.counters
                stamps[rung, default: []] += pictures.map(\.pts)
                if rung == "small" { sound += walk.units.filter { $0.pid == 0x101 }.map(\.pts) }
            }
        }
        let every3000: [Int64] = (0..<480).map { 900_000 + $0 * 3000 }
        #expect(stamps["big"] == every3000)
        #expect(stamps["big"] == stamps["small"])
        #expect(zip(sound, sound.dropFirst()).allSatisfy { $1 - $0 == 1920 })
        let master = String(decoding: try #require(store.playlist("master.m3u8")).bytes.array, as: UTF8.self)
        #expect(master.contains("RESOLUTION=96x54,FRAME-RATE=30.000,CLOSED-CAPTIONS=NONE\nsmall/index.m3u8\n"))
        let list = String(decoding: try #require(store.playlist("big/index.m3u8")).bytes.array, as: UTF8.self)
        #expect(list.hasSuffix("#EXTINF:4.000,\nr1-2.ts\n#EXT-X-ENDLIST\n"))
        #expect(list.contains("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:06.000Z\n#EXTINF:6.000,\nr1-1.ts\n"))
        let statistics = pipeline.statistics
        #expect(statistics.ladderFrames == 480 && statistics.repeatedFrames == 0 && statistics.damagedFrames == 0)
    }

    @Test("ffprobe reads a segment: a key frame first, pictures and sound without errors")
    func probe() async throws {
        let store = try store()
        let pipeline = try EventPipeline(store: store, settings: settings(), clock: ManualClock(), run: "r1")
        try await feed(pipeline, PipelineSource(count: 200).events())
        pipeline.stop(marksEnd: true)
        let file = try #require(store.segment("small/r1-0.ts")).file
        let process = Process(), pipe = Pipe(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "ffprobe", "-v", "warning", "-count_frames", "-show_entries",
            "stream=codec_name,width,height,nb_read_frames:packet=stream_index,flags", "-of",
            "csv", file,
        ]
        process.standardOutput = pipe
        process.standardError = errors
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(complaints == "")
        #expect(output.contains("h264,96,54,180"))
        #expect(output.contains("aac,"))
        let first = output.split(separator: "\n").first { $0.hasPrefix("packet,0,") }
        #expect(first?.contains("K") == true)
    }

    @Test("the program's own pictures are the top rung; after a restart exactly one discontinuity at the same number")
    func passthroughAndRestart() async throws {
        let source = try PipelineSource(count: 400)
        let clock = ManualClock()
        let passing = settings {
            $0.ladder.passesThrough = true
        }
        var store = try store()
        let first = Heard()
        var pipeline = try EventPipeline(
            store: store, settings: passing, clock: clock, run: "r1", callbacks: first.callbacks)
        try await feed(pipeline, source.events(programStart: start.advanced(byMilliseconds: 4000)))
        pipeline.stop(marksEnd: false)
        #expect(pipeline.statistics.passedFrames == 400)
        #expect(first.segments.map { $0.to.milliseconds - start.milliseconds } == [6000, 12_000, 17_333])
        for number in 0..<Int64(2) {
            #expect(try video(walk(store, "big", number)) == video(walk(store, "small", number)))
        }
        let carried = try walk(store, "big", 0).units.first { $0.pid == 0x100 }
        let expected = source.frames[0].payload.array.suffix(20)
        #expect(carried.map { Array($0.payload.suffix(20)) } == Array(expected))

        // The compositor goes on on the same clock while Output is started again.
        store = try self.store()
        let second = Heard()
        pipeline = try EventPipeline(
            store: store, settings: passing, clock: clock, run: "r2", callbacks: second.callbacks)
        try await feed(pipeline, source.events(programStart: start.advanced(byMilliseconds: 16_000)))
        pipeline.stop(marksEnd: false)
        #expect(second.segments.map(\.mediaSequence) == [3, 4])
        #expect(second.segments.map(\.discontinuity) == [true, false])
        #expect(second.segments.first.map { $0.from.milliseconds - start.milliseconds } == 18_000)
        for rung in ["big", "small"] {
            let text = String(decoding: try #require(store.playlist("\(rung)/index.m3u8")).bytes.array, as: UTF8.self)
            #expect(text.components(separatedBy: "#EXT-X-DISCONTINUITY\n").count == 2)
            #expect(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:18.000Z\n"))
            // Counters and stamps run on.
            let before = try walk(store, rung, 2), after = try walk(store, rung, 3, after: before.counters)
            #expect(after.problems == [])
            let resumed: Int64 = 900_000 + 14_000 * 90
            #expect(video(after).first == resumed)
        }
    }

    @Test("loss and return of a passed-through source give one discontinuity each, in every rung at the same number")
    func passthroughLoss() async throws {
        let clock = ManualClock(), heard = Heard(), store = try store()
        let passing = settings {
            $0.ladder.passesThrough = true
        }
        let pipeline = try EventPipeline(
            store: store, settings: passing, clock: clock, run: "r1", callbacks: heard.callbacks)
        try await feed(pipeline, PipelineSource(count: 200).events(programStart: start))
        try await wait("all pictures") { pipeline.statistics.decodedFrames == 200 }
        #expect(pipeline.offer(.ended(reason: "test")))
        try await wait("hold") { heard.holds == [true] }
        clock.advance(3000)
        try await wait("held pictures") { pipeline.statistics.ladderFrames > 270 }
        try await feed(
            pipeline, PipelineSource(count: 400).events(programStart: start.advanced(byMilliseconds: 10_000)))
        pipeline.stop(marksEnd: false)
        #expect(heard.segments.map(\.discontinuity) == [false, false, true, true, false])
        #expect(heard.segments.map { $0.from.milliseconds - start.milliseconds } == [0, 6000, 6633, 12_000, 18_000])
        #expect(pipeline.statistics.passedFrames == 199 + 340)
        var counters: [String: [Int: UInt8]] = [:]
        for number in 0..<Int64(5) {
            for rung in ["big", "small"] {
                let walk = try walk(store, rung, number, after: counters[rung] ?? [:])
                #expect(walk.problems == [])
                counters[rung] = walk.counters
                let first = walk.units.first { $0.pid == 0x100 }
                #expect(first.map { TransportStreamWalk.unitTypes($0.payload).contains(5) } == true)
            }
            #expect(try video(walk(store, "big", number)) == video(walk(store, "small", number)))
        }
    }

    @Test("a compositor that is killed and comes back goes on with the same clock, without a gap in the numbers")
    func killedProgram() async throws {
        for passes in [false, true] {
            let clock = ManualClock(), heard = Heard()
            let store = try EventStore(settings: EventStoreSettings(root: folder.path, event: "killed-\(passes)"))
            let pipeline = try EventPipeline(
                store: store, settings: settings { $0.ladder.passesThrough = passes }, clock: clock, run: "r1",
                callbacks: heard.callbacks)
            let input = SourceSwitch(deliver: { pipeline.offer($0) }, onConnection: { _, _ in })
            let program = input.sink("program/demo", .program)
            func feed(_ events: [StreamEvent]) async throws {
                for event in events {
                    while !program.offer(event) { try await Task.sleep(for: .milliseconds(2)) }
                }
            }
            try await feed(PipelineSource(count: 200).events(programStart: start))
            try await wait("all pictures") { pipeline.statistics.decodedFrames == 200 }
            #expect(program.offer(.ended(reason: "closed-by-peer")))
            try await wait("hold") { heard.holds == [true] }
            clock.advance(1500)
            try await wait("held pictures") { pipeline.statistics.ladderFrames > 235 }
            // Stamps begin at 0 again; only what is told ties them to the clock.
            try await feed(PipelineSource(count: 330).events(programStart: start.advanced(byMilliseconds: 8000)))
            pipeline.stop(marksEnd: false)
            #expect(heard.holds == [true, false])
            #expect(heard.all.withLock { $0.faults } == [])
            #expect(heard.segments.map(\.mediaSequence) == Array(0..<Int64(heard.segments.count)))
            #expect(zip(heard.segments, heard.segments.dropFirst()).allSatisfy { $0.to == $1.from })
            #expect(heard.segments.last?.to == start.advanced(byMilliseconds: 19_000))
            // Pass-through changes over once for the loss and once for the return; the ladder's own encoders never do.
            #expect(heard.segments.count { $0.discontinuity } == (passes ? 2 : 0))
            let cuts = heard.segments.map { $0.from.milliseconds - start.milliseconds }
            #expect(cuts.count == (passes ? 5 : 4) && cuts.filter { $0 % 6000 == 0 } == [0, 6000, 12_000, 18_000])
            for segment in heard.segments {
                #expect(
                    try video(walk(store, "big", segment.mediaSequence))
                        == video(walk(store, "small", segment.mediaSequence)))
            }
            let stamps = try heard.segments.flatMap { try video(walk(store, "small", $0.mediaSequence)) }
            #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $1 - $0 == 3000 })
        }
    }

    @Test("a clock that is told far from the running one is not taken: the program goes on where it is")
    func hostileClock() async throws {
        let clock = ManualClock(), heard = Heard(), store = try store()
        let pipeline = try EventPipeline(
            store: store, settings: settings(), clock: clock, run: "r1", callbacks: heard.callbacks)
        let source = try PipelineSource(count: 200)
        try await feed(pipeline, source.events(programStart: start))
        #expect(pipeline.offer(.ended(reason: "test")))
        for year in [Int64(5), -5] {
            try await feed(
                pipeline, source.events(programStart: start.advanced(byMilliseconds: year * 31_536_000_000)))
            #expect(pipeline.offer(.ended(reason: "test")))
        }
        pipeline.stop(marksEnd: false)
        #expect(pipeline.statistics.refusedClocks == 2)
        let faults = heard.all.withLock { $0.faults }
        #expect(faults == [.clockRefused(start.advanced(byMilliseconds: 5 * 31_536_000_000))])
        let ends = heard.segments.map { $0.to.milliseconds - start.milliseconds }
        #expect(ends.allSatisfy { $0 > 0 && $0 < 60_000 })
        #expect(ends == ends.sorted())
        #expect(pipeline.statistics.decodedFrames == 600)
    }

    @Test("a lost source is held by the same encoders, and comes back without a discontinuity")
    func hold() async throws {
        let source = try PipelineSource(count: 120)
        let clock = ManualClock(), heard = Heard(), store = try store()
        let pipeline = try EventPipeline(
            store: store, settings: settings(), clock: clock, run: "r1", callbacks: heard.callbacks)
        try await feed(pipeline, source.events())
        try await wait("all pictures") { pipeline.statistics.decodedFrames == 120 }
        #expect(pipeline.offer(.ended(reason: "test")))
        try await wait("hold") { heard.holds == [true] }
        for _ in 0..<20 { clock.advance(200) }
        try await wait("held pictures") { pipeline.statistics.ladderFrames >= 4 * 30 + 3 * 30 }
        try await feed(pipeline, source.events())
        pipeline.stop(marksEnd: false)
        #expect(heard.holds == [true, false])
        #expect(heard.segments.map(\.discontinuity) == heard.segments.map { _ in false })
        #expect(heard.segments.count == 2)
        #expect(pipeline.statistics.repeatedFrames >= 90)
        let stamps = try (0..<Int64(2)).flatMap { try video(walk(store, "big", $0)) }
        #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $1 - $0 == 3000 })
        #expect(heard.all.withLock { !$0.clocks.isEmpty })
    }

    @Test("a hold ends at its limit; what comes later is a discontinuity in every rung")
    func holdLimit() async throws {
        let source = try PipelineSource(count: 60)
        let clock = ManualClock(), heard = Heard(), store = try store()
        let pipeline = try EventPipeline(
            store: store, settings: settings { $0.holdLimitMs = 3000 }, clock: clock, run: "r1",
            callbacks: heard.callbacks)
        try await feed(pipeline, source.events(withSound: false))
        #expect(pipeline.offer(.ended(reason: "test")))
        try await wait("hold") { heard.holds == [true] }
        clock.advance(2500)
        try await wait("held") { pipeline.statistics.ladderFrames > 100 }
        clock.advance(600)
        try await wait("stop") { heard.segments.count == 1 }
        try await feed(pipeline, source.events(withSound: false))
        pipeline.stop(marksEnd: false)
        #expect(heard.segments.map(\.discontinuity) == [false, true])
        #expect(heard.segments[1].from.milliseconds % 2000 == 0)
        #expect(heard.segments[1].from >= heard.segments[0].to)
        #expect(try video(walk(store, "small", 1)) == video(walk(store, "big", 1)))
    }

    @Test("a full entrance refuses, says when there is room, and a full disk costs only its segment")
    func bounds() async throws {
        let disk = FullableDisk()
        let store = try EventStore(settings: EventStoreSettings(root: folder.path, event: "demo"), disk: disk)
        disk.refuse { $0.hasSuffix("small/r1-0.ts") }
        let heard = Heard()
        let pipeline = try EventPipeline(
            store: store, settings: settings { $0.inputEvents = 8 }, clock: ManualClock(), run: "r1",
            callbacks: heard.callbacks)
        let events = try PipelineSource(count: 400).events(withSound: false)
        for event in events {
            while !pipeline.offer(event) { try await Task.sleep(for: .milliseconds(2)) }
            if heard.all.withLock({ !$0.faults.isEmpty }) { disk.refuse(nil) }
        }
        pipeline.stop(marksEnd: false)
        #expect(pipeline.statistics.refusedEvents > 0)
        #expect(heard.all.withLock { $0.rooms } > 0)
        #expect(heard.all.withLock { $0.faults.first } == .disk(DiskError(operation: "write", code: 28)))
        #expect(heard.segments.map(\.mediaSequence) == Array(0..<Int64(heard.segments.count)))
        #expect(heard.segments.first?.discontinuity == true)
        #expect(pipeline.statistics.lostSegments >= 1)
        #expect(pipeline.statistics.silentAudioFrames > 0)
    }

    @Test("an odd source at 25 pictures a second comes out in the rungs' sizes and rhythm")
    func oddSource() async throws {
        let heard = Heard(), store = try store()
        let pipeline = try EventPipeline(
            store: store, settings: settings(), clock: ManualClock(), run: "r1", callbacks: heard.callbacks)
        try await feed(pipeline, PipelineSource(count: 160, width: 120, height: 98, framesPerSecond: 25).events())
        pipeline.stop(marksEnd: false)
        let stamps = try video(walk(store, "big", 0))
        #expect(stamps.count > 170)
        #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $1 - $0 == 3000 })
        #expect(pipeline.statistics.repeatedFrames > 20)
    }
}
