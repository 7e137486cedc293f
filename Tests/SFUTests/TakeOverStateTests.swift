// Who sends what to whom while one session takes over from another: the shard's state, in the times that it is told.

import Control
import Media
import PacketIO
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("The state of a takeover", .serialized)
struct TakeOverStateTests {
    private final class Log: Sendable {
        private let events = Mutex<[SFUEvent]>([])
        func note(_ event: SFUEvent) { events.withLock { $0.append(event) } }
        var all: [SFUEvent] { events.withLock { $0 } }
        var replaced: [[String]] {
            all.compactMap { if case .replaced(_, let session, let heir) = $0 { [session, heir] } else { nil } }
        }
        var left: [String] { all.compactMap { if case .left(_, _, let session, _) = $0 { session } else { nil } } }
    }

    private final class Remains {
        weak var session: Session?
        weak var producer: Producer?

        init(_ session: Session?) { (self.session, producer) = (session, session?.producers.last) }
        var isNothing: Bool { session == nil && producer == nil }
    }

    /// Anna sends sound and picture by one session, and Ben gets both.
    private struct Stage {
        let core: ShardCore, log = Log()
        let begin = SystemClock.monotonic()

        init(editing: (inout ShardConfiguration) -> Void = { _ in }) async throws {
            guard let identity = DTLSIdentity() else { throw RTCTestError() }
            var configuration = ShardConfiguration(bind: Harness.loopback, announced: [Harness.loopback])
            editing(&configuration)
            core = ShardCore(
                socket: try UDPSocket(Harness.loopback), identity: identity, configuration: configuration
            ) { [log] in log.note($0) }
            try run(.createRoom(room: "room"))
            try await publish("anna-up")
            for producer in try session("anna-up").producers { producer.isAnnounced = true }
            try run(.subscribe(room: "room", participant: "ben", session: "ben-down"))
            try #require(try session("ben-down").consumers.count == 2)
        }

        func at(_ milliseconds: Int64) -> MonotonicTime { begin.advanced(byMilliseconds: milliseconds) }

        func run(_ command: SFUCommand, at milliseconds: Int64 = 0) throws {
            let refusal = Mutex<SFUError?>(nil)
            core.receive(
                ShardMessage(command: command) { result in
                    if case .failure(let error) = result { refusal.withLock { $0 = error } }
                }, now: at(milliseconds))
            if let error = refusal.withLock({ $0 }) { throw error }
        }

        func publish(_ session: String, replacing: String? = nil) async throws {
            let client = try RTCClient(name: session, bind: Harness.loopback) { _ in }
            defer { client.stop() }
            try await publish(session, by: client, replacing: replacing)
        }

        func publish(
            _ session: String, by client: RTCClient, replacing: String? = nil, allowed: Set<TrackSource>? = nil,
            picture: Media.Codec = .vp8, goesOn: Bool = false
        ) async throws {
            let tracks = [LocalTrack(name: "microphone", codec: .opus), LocalTrack(name: "camera", codec: picture)]
            let offer = try await client.offer(tracks, stream: "anna")
            try run(
                .publish(
                    room: "room", participant: "anna", session: session, offer: offer, sources: [:],
                    allowed: allowed, replacing: replacing, goesOn: goesOn))
        }

        func session(_ id: String) throws -> Session { try #require(core.sessions[id]) }

        /// By which session Ben gets Anna's tracks.
        func ways() throws -> [String] { try session("ben-down").consumers.map(\.producer.session.id) }

        /// A packet of each track that is shown to be there.
        func flow(_ id: String, at milliseconds: Int64) throws {
            for layer in try session(id).producers.flatMap(\.layers) { layer.lastPacket = at(milliseconds) }
        }

        /// Takes note of a packet of one kind as the media path does, and lets it take over what it can.
        func arrive(_ id: String, isVideo: Bool, isKey: Bool = false, at milliseconds: Int64) throws {
            let now = at(milliseconds)
            let producer = try #require(try session(id).producers.first { $0.isVideo == isVideo })
            let layer = producer.layers[0]
            var entry = PacketStore.Entry()
            (entry.sequence, entry.payloadLength, entry.startsKeyframe) = (milliseconds, 1000, isKey)
            layer.lastPacket = now
            layer.rate.note(1000, at: now.nanoseconds)
            producer.table.note(0, sequence: entry.sequence)
            producer.table.note(0, now: now)
            core.takeOver(producer, entry, layer, now: now)
        }

        /// Says what time it is to a session that takes over.
        func follow(_ id: String, at milliseconds: Int64) throws {
            core.followTakeOver(try session(id), now: at(milliseconds))
        }
    }

    @Test("sound moves at once, a picture with a key frame, and then the session of before is gone, with its keys")
    func takesOver() async throws {
        let stage = try await Stage(), remains = Remains(stage.core.sessions["anna-up"])
        let voice = try #require(try stage.session("anna-up").producers.compactMap(\.voice).first)
        let names = try stage.session("ben-down").consumers.map(\.ssrc)
        let tracks = try stage.session("anna-up").producers.map(\.track.id)
        try await stage.publish("anna-new", replacing: "anna-up")
        #expect(try stage.ways() == ["anna-up", "anna-up"])
        try stage.run(.note(session: "anna-up", text: "whose it is"))
        for time in stride(from: Int64(0), through: 1200, by: 20) {
            try stage.flow("anna-up", at: time)
            try stage.follow("anna-new", at: time)
            try stage.arrive("anna-new", isVideo: false, at: time)
            try stage.arrive("anna-new", isVideo: true, at: time)
        }
        #expect(try stage.ways() == ["anna-new", "anna-up"])
        #expect(try stage.session("anna-up").room.voices.all.count == 1)
        // The second takeover under way is refused, from either side.
        for session in ["anna-up", "anna-new"] {
            await #expect(throws: SFUError.self) { try await stage.publish("anna-third", replacing: session) }
        }
        try stage.arrive("anna-new", isVideo: true, isKey: true, at: 1220)
        #expect(try stage.ways() == ["anna-new", "anna-new"] && stage.log.replaced.isEmpty)
        try stage.follow("anna-new", at: 1240)
        #expect(remains.isNothing && stage.log.replaced == [["anna-up", "anna-new"]] && stage.log.left == ["anna-up"])
        let session = try stage.session("anna-new")
        #expect(try stage.session("ben-down").consumers.map(\.ssrc) == names)
        #expect(session.producers.map(\.track.id) == tracks && session.producers.allSatisfy(\.isAnnounced))
        #expect(session.producers.compactMap(\.voice).first === voice && session.room.voices.all.count == 1)
        #expect(session.note == "whose it is" && session.replaces == nil)
        #expect(stage.core.counters.sessionsReplaced == 1)
        try stage.run(.leave(session: "anna-new"))
        #expect(session.room.voices.all.isEmpty && session.consumers.isEmpty)
        #expect(try stage.session("ben-down").consumers.isEmpty)
    }

    @Test("who takes over a part and goes gives it back")
    func givesBack() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        let remains = Remains(stage.core.sessions["anna-new"])
        try stage.flow("anna-up", at: 0)
        try stage.follow("anna-new", at: 0)
        try stage.arrive("anna-new", isVideo: false, at: 20)
        #expect(try stage.ways() == ["anna-new", "anna-up"])
        try stage.run(.leave(session: "anna-new"))
        #expect(try stage.ways() == ["anna-up", "anna-up"] && remains.isNothing)
        let session = try stage.session("anna-up")
        #expect(session.room.voices.all.count == 1 && session.producers.compactMap(\.voice).count == 1)
        #expect(stage.log.replaced.isEmpty && stage.log.left == ["anna-new"])
        // And may be tried again.
        try await stage.publish("anna-next", replacing: "anna-up")
        #expect(try stage.session("anna-next").replaces == "anna-up")
    }

    @Test("a session of which nothing comes is given up after a while, and the one of before goes on")
    func abandoned() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        let remains = Remains(stage.core.sessions["anna-new"])
        for time in stride(from: Int64(0), to: TakeOver.abandonMs, by: 500) {
            try stage.flow("anna-up", at: time)
            try stage.follow("anna-new", at: time)
        }
        #expect(try stage.ways() == ["anna-up", "anna-up"] && !remains.isNothing)
        try stage.follow("anna-new", at: TakeOver.abandonMs)
        #expect(try stage.ways() == ["anna-up", "anna-up"] && remains.isNothing && stage.log.replaced.isEmpty)
    }

    @Test("where both have fallen silent, the new one has it after a while")
    func silent() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        try stage.follow("anna-new", at: 0)
        try stage.follow("anna-new", at: TakeOver.patienceMs - 1)
        #expect(stage.log.replaced.isEmpty)
        try stage.follow("anna-new", at: TakeOver.patienceMs)
        #expect(stage.log.replaced.isEmpty)
        try stage.follow("anna-new", at: TakeOver.patienceMs + 20)
        #expect(try stage.ways() == ["anna-new", "anna-new"] && stage.log.left == ["anna-up"])
    }

    @Test("a pause of the server's own is no silence: what came meanwhile is read before the other session has it")
    func stalled() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        for time in stride(from: Int64(0), through: 5000, by: 20) {
            try stage.flow("anna-up", at: time)
            try stage.follow("anna-new", at: time)
        }
        for begin in [Int64(5000), 7000] {
            try stage.follow("anna-new", at: begin + 1500)
            #expect(stage.log.replaced.isEmpty)
            for time in stride(from: begin + 1520, through: begin + 2000, by: 20) {
                try stage.flow("anna-up", at: time)
                try stage.follow("anna-new", at: time)
            }
        }
        #expect(try stage.ways() == ["anna-up", "anna-up"] && stage.log.replaced.isEmpty)
    }

    @Test("a picture without a key frame is waited for, and then moved without")
    func withoutKeyFrame() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        for time in stride(from: Int64(0), to: TakeOver.longestMs, by: 100) {
            try stage.flow("anna-up", at: time)
            try stage.follow("anna-new", at: time)
            try stage.arrive("anna-new", isVideo: false, at: time)
            try stage.arrive("anna-new", isVideo: true, at: time)
        }
        #expect(try stage.ways() == ["anna-new", "anna-up"])
        try stage.follow("anna-new", at: TakeOver.longestMs)
        #expect(try stage.ways() == ["anna-new", "anna-new"] && stage.log.left == ["anna-up"])
    }

    @Test("the session of before may end early: what it sent is the other's then")
    func endsEarly() async throws {
        let stage = try await Stage(), remains = Remains(stage.core.sessions["anna-up"])
        try await stage.publish("anna-new", replacing: "anna-up")
        try stage.run(.leave(session: "anna-up"))
        #expect(try stage.ways() == ["anna-new", "anna-new"] && remains.isNothing)
        #expect(stage.log.replaced == [["anna-up", "anna-new"]])
        try stage.run(.closeRooms)
        #expect(stage.core.sessions.isEmpty)
    }

    @Test("a mute in the middle of it holds for both, and is told of the track that everybody knows")
    func muted() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        let id = try #require(try stage.session("anna-up").producers.first { $0.isVideo }?.track.id)
        try stage.run(.setMuted(track: id, muted: true))
        func isMuted(_ session: String) throws -> [Bool] { try stage.session(session).producers.map(\.track.isMuted) }
        #expect(try isMuted("anna-up") == [false, true] && isMuted("anna-new") == [false, true])
        let told = stage.log.all.compactMap { if case .muted(_, let track) = $0 { track.session } else { nil } }
        #expect(told == ["anna-up"])
        try stage.run(.requestKeyframe(track: id))
        try stage.run(.setMuted(track: id, muted: false))
        #expect(try isMuted("anna-up") == [false, false] && isMuted("anna-new") == [false, false])
    }

    @Test("a mute in the middle of it holds for a picture of another codec too, as long as nobody knows of that")
    func mutedBeside() async throws {
        let stage = try await Stage()
        let client = try RTCClient(name: "anna-new", bind: Harness.loopback) { _ in }
        defer { client.stop() }
        try await stage.publish("anna-new", by: client, replacing: "anna-up", picture: .h264)
        let next = try #require(try stage.session("anna-new").producers.first { $0.isVideo })
        #expect(next.replaces == nil && !next.track.isMuted)
        let id = try #require(try stage.session("anna-up").producers.first { $0.isVideo }?.track.id)
        try stage.run(.setMuted(track: id, muted: true))
        #expect(next.track.isMuted)
        try stage.run(.setMuted(track: id, muted: false))
        #expect(!next.track.isMuted)
        let voice = try #require(try stage.session("anna-up").producers.first { !$0.isVideo }?.track.id)
        try stage.run(.setMuted(track: voice, muted: true))
        #expect(!next.track.isMuted, "another source")
        // What everybody knows by its own name is muted by that.
        next.isAnnounced = true
        try stage.run(.setMuted(track: id, muted: true))
        #expect(!next.track.isMuted)
    }

    @Test("limits count the second session, and a refusal leaves the first as it was")
    func limited() async throws {
        let stage = try await Stage { $0.maximumSessions = 2 }
        await #expect(throws: SFUError.self) { try await stage.publish("anna-new", replacing: "anna-up") }
        #expect(try stage.ways() == ["anna-up", "anna-up"] && stage.core.sessions.count == 2)
    }

    @Test("who goes on with a session that has been replaced meanwhile does not bring it back")
    func notBroughtBack() async throws {
        let stage = try await Stage()
        try await stage.publish("anna-new", replacing: "anna-up")
        for time in stride(from: Int64(0), through: 1200, by: 20) {
            try stage.flow("anna-up", at: time)
            try stage.follow("anna-new", at: time)
            for isVideo in [false, true] {
                try stage.arrive("anna-new", isVideo: isVideo, isKey: time == 1200, at: time)
            }
        }
        try stage.follow("anna-new", at: 1220)
        #expect(stage.log.replaced == [["anna-up", "anna-new"]])
        let client = try RTCClient(name: "late", bind: Harness.loopback) { _ in }
        defer { client.stop() }
        await #expect(throws: SFUError.self) { try await stage.publish("anna-up", by: client, goesOn: true) }
        #expect(stage.core.sessions["anna-up"] == nil)
    }

    @Test("another offer of the session of before gives up the one that was to take over")
    func offersAgain() async throws {
        let stage = try await Stage()
        let client = try RTCClient(name: "again", bind: Harness.loopback) { _ in }
        defer { client.stop() }
        try await stage.publish("anna-two", by: client)
        try await stage.publish("anna-new", replacing: "anna-two")
        try await stage.publish("anna-two", by: client, goesOn: true)
        #expect(stage.core.sessions["anna-new"] == nil && stage.log.left == ["anna-new"])
        let producers = try stage.session("anna-two").producers
        #expect(producers.count == 2 && Set(producers.map(\.track.id)).count == 2)
    }

    @Test("an offer that is refused changes nothing of a takeover: who was to have the tracks still gets them")
    func refusedOffer() async throws {
        let stage = try await Stage()
        let client = try RTCClient(name: "again", bind: Harness.loopback) { _ in }
        let stranger = try RTCClient(name: "stranger", bind: Harness.loopback) { _ in }
        defer { for one in [client, stranger] { one.stop() } }
        try await stage.publish("anna-two", by: client)
        for producer in try stage.session("anna-two").producers { producer.isAnnounced = true }
        try await stage.publish("anna-new", replacing: "anna-two")
        let version = try stage.session("anna-two").version
        // A picture, where only sound is allowed; and another certificate, which is another session.
        await #expect(throws: SFUError.self) {
            try await stage.publish("anna-two", by: client, allowed: [.microphone], goesOn: true)
        }
        await #expect(throws: SFUError.self) { try await stage.publish("anna-two", by: stranger, goesOn: true) }
        let heir = try stage.session("anna-new"), session = try stage.session("anna-two")
        #expect(heir.replaces == "anna-two" && heir.producers.allSatisfy { $0.replaces?.session === session })
        #expect(stage.log.left.isEmpty && session.version == version)
    }
}
