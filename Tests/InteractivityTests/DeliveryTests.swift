import Media
import Synchronization
import Testing
import Web

@testable import Interactivity

@Suite("Delivery")
struct DeliveryTests {
    /// Adds reactions in so many seconds: one entry of the live log each.
    func react(_ stage: Stage, seconds: Int) async throws {
        for _ in 0..<seconds {
            try await stage.service.react(try await stage.service.room(gala), kind: "applause", count: 2, person: "ada")
            stage.time.advance(milliseconds: 1000)
            await stage.service.tick()
        }
    }

    func position(_ stage: Stage, _ log: LogName) async throws -> String {
        try await stage.service.room(gala).state.withLock { state in
            let position = state.position(log, .published)
            return "\(log.rawValue):\(position.epoch):"
        }
    }

    @Test("begins with hello and a snapshot of each log, and goes on with what follows")
    func hello() async throws {
        let stage = try Stage(), reader = FakeReader()
        try await react(stage, seconds: 2)
        _ = try await stage.poll()
        try await stage.join(reader, .published)
        #expect(reader.kinds == ["hello", "snapshot", "snapshot"])
        #expect(reader.data("snapshot")[0]["reactions"] as? [String: Int] == ["applause": 4])
        #expect((reader.data("snapshot")[1]["polls"] as? [Any])?.count == 1)
        try await react(stage, seconds: 1)
        #expect(reader.kinds.last == "reactions")
        #expect(reader.data("reactions").last?["counts"] as? [String: Int] == ["applause": 2])
    }

    @Test("fills a gap exactly, from memory or from the disk", arguments: [3, 2500])
    func gap(_ missed: Int) async throws {
        let stage = try Stage()
        try await react(stage, seconds: missed + 2)
        let reader = FakeReader(), epoch = try await position(stage, .live)
        try await stage.join(reader, .published, resume: epoch + "2")
        #expect(reader.offsets("live") == Array(3...Int64(missed + 2)))
        #expect(reader.messages[0].contains("\"live\":{\"epoch\""))
        #expect(reader.messages[0].contains("\"recovered\":true"))
        try await react(stage, seconds: 1)
        #expect(reader.offsets("live").last == Int64(missed + 3))
    }

    @Test("loses and repeats nothing while readers join and entries come in")
    func joining() async throws {
        let stage = try Stage()
        try await react(stage, seconds: 5)
        let epoch = try await position(stage, .live)
        let readers = (0..<50).map { _ in FakeReader() }
        let room = try await stage.service.room(gala)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for reader in readers { group.addTask { try await stage.join(reader, .published, resume: epoch + "1") } }
            for index in 0..<200 {
                group.addTask { try await stage.service.publish((Int64(index), ["heart": 1]), room) }
            }
            try await group.waitForAll()
        }
        for reader in readers { #expect(reader.offsets("live") == Array(2...205)) }
    }

    @Test("gives a snapshot, never a silent gap, for another epoch, a future position, or too old a one")
    func snapshots() async throws {
        let stage = try Stage()
        try await react(stage, seconds: 3)
        let epoch = try await position(stage, .live)
        for resume in ["live:other:2", epoch + "4"] {
            let reader = FakeReader()
            try await stage.join(reader, .published, resume: resume)
            #expect(reader.kinds.filter { $0 == "snapshot" }.count == 2)
        }
        let witness = FakeReader()
        try await stage.join(witness, .published)
        try await stage.service.renewEpochs(gala)
        #expect(witness.ended == WebSocketCloseCode.serviceRestart)
        let reader = FakeReader()
        try await stage.join(reader, .published, resume: epoch + "3")
        #expect(reader.kinds == ["hello", "snapshot", "snapshot"])
        #expect(reader.data("snapshot")[0]["reactions"] as? [String: Int] == ["applause": 6])
        #expect(try await position(stage, .live) != epoch)
    }

    @Test("starts again from a stored snapshot and the entries after it")
    func restart() async throws {
        let stage = try Stage()
        try await react(stage, seconds: 1100)
        try stage.folder.copyAsAfterCrash(to: "after.sqlite")
        let again = InteractivityService(
            database: try stage.folder.open("after.sqlite"), directory: OneEvent(), clock: stage.time.clock,
            onTimeline: { _ in })
        let room = try await again.room(gala)
        let (base, sums) = room.state.withLock { ($0.recent[.live]?.base, $0.live.reactions) }
        #expect(base == 1000)
        #expect(sums == ["applause": 2200])
    }

    @Test("cuts a slow reader and no other")
    func slow() async throws {
        let stage = try Stage(), slow = FakeReader(), quick = FakeReader()
        try await stage.join(slow, .published)
        try await stage.join(quick, .published)
        slow.stopReading()
        try await react(stage, seconds: 3)
        #expect(slow.ended == WebSocketCloseCode.slowReader)
        #expect(quick.offsets("live") == [1, 2, 3])
        #expect(try await stage.service.room(gala).subscriberCount == 1)
    }

    @Test("ends connections whose token has expired, and all on shutdown with 1012")
    func ends() async throws {
        let stage = try Stage(), short = FakeReader(), long = FakeReader()
        let room = try await stage.service.room(gala)
        _ = try await stage.service.join(
            room,
            JoinRequest(
                subscriber: short, carrier: .published, resume: ResumePositions(), reconnectAfterMs: 1,
                expiresAtWallMilliseconds: stage.time.wall + 1000))
        try await stage.join(long, .published)
        await stage.pass(1000)
        #expect(short.ended == WebSocketCloseCode.unauthorized)
        #expect(long.ended == nil)
        stage.service.shutDown()
        #expect(long.ended == WebSocketCloseCode.serviceRestart)
    }

    @Test("spreads the return of readers by a random hint")
    func spread() async throws {
        let stage = try Stage(), room = try await stage.service.room(gala)
        let hints = (0..<200).map { _ in stage.service.reconnectAfter(room) }
        #expect(hints.allSatisfy { (500..<2500).contains($0) })
        #expect(Set(hints).count > 100)
    }
}
