import Control
import Foundation
import Media
import Testing
import Web

@testable import Studio

@Suite("What a compositor is told")
struct CompositorLinkTests {
    @Test("its program, and the clock of an earlier process, until the event has ended")
    func setup() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let first = try await fixture.compositor("e")
        try await eventually("the clock is kept") {
            try await fixture.programs.clock(of: "e") == ConductorFixture.anchor
        }
        let setup = try #require(first.setups.first)
        #expect(setup.event == "e" && setup.org == "o" && setup.clock == nil && setup.cast == [])
        #expect(setup.publishURL == "rtmps://localhost:1936/live")
        #expect(setup.scene == Scene(layout: "full") && setup.version == 1)
        #expect(setup.layouts.contains { $0.name == "full" })
        first.leave()
        try await eventually("it is gone") { fixture.registry.compositor(of: "e") == nil }
        let second = try await fixture.compositor("e")
        try await eventually("the next one is told") { !second.setups.isEmpty }
        #expect(second.setups.first?.clock == ConductorFixture.anchor)
        _ = try await fixture.conductor.stop("e")
        #expect(try await fixture.programs.clock(of: "e") == nil)
        for worker in others + [second] { worker.leave() }
        try fixture.end()
    }

    @Test("an offer of the SFU, whose answer goes back, as somebody whom nobody sees")
    func offers() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(), compositor = try await fixture.compositor("e")
        try await eventually("the answer is there") {
            sfu.room.contains { if case .answer = $0 { true } else { false } }
        }
        let session = try #require(compositor.offers.first)
        #expect(
            sfu.room.contains(
                .subscribe(
                    room: "e", participant: "proscenium-compositor", session: session, hearsEverybody: true)))
        #expect(sfu.room.contains(.answer(session: session, answer: ConductorFixture.compositorAnswer)))
        #expect(await fixture.speakers.participants("e").isEmpty)
        // A later offer comes by itself.
        sfu.report(.sfu(.offer(session: session, offer: "v=0 next")))
        try await eventually("the next offer is told") {
            compositor.program.contains(.offer(session: session, offer: "v=0 next"))
        }
        _ = try await fixture.conductor.stop("e")
        try await eventually("it leaves") { sfu.room.contains(.leave(session: session)) }
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("a new session when the SFU is gone, when the connection is lost, and when the compositor is another process")
    func sessions() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let compositor = try await fixture.compositor("e"), sfu = try await fixture.sfu()
        try await eventually("the first session") { compositor.offers.count == 1 }
        sfu.leave()
        try await eventually("the SFU is gone") { fixture.registry.registration("sfu-1") == nil }
        let next = try await fixture.sfu()
        try await eventually("a session on the next SFU") { compositor.offers.count == 2 }
        compositor.report(.compositor(event: "e", .connectionLost(session: compositor.offers[0])))
        compositor.report(.compositor(event: "e", .connectionLost(session: compositor.offers[1])))
        try await eventually("the lost one is left, and another follows") {
            next.room.contains(.leave(session: compositor.offers[1])) && compositor.offers.count == 3
        }
        compositor.leave()
        try await eventually("its session ends with it") { next.room.contains(.leave(session: compositor.offers[2])) }
        let another = try await fixture.compositor("e")
        try await eventually("the next process has a session") { another.offers.count == 1 }
        #expect(Set(compositor.offers + another.offers).count == 4)
        for worker in others + [next, another] { worker.leave() }
        try fixture.end()
    }

    @Test("a session that lasts in a room without anybody, and the first who comes")
    func alone() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(offers: false), compositor = try await fixture.compositor("e")
        try await eventually("it subscribes") { sfu.room.contains { if case .subscribe = $0 { true } else { false } } }
        let ada = ConductorFixture.principal("ada", name: "Ada")
        let published = try await fixture.speakers.publish(
            ConductorFixture.scope, ada, session: nil, offer: "v=0", sources: [:])
        sfu.report(.sfu(.connected(room: "e", participant: "ada", session: published.session)))
        try await eventually("Ada is told") { compositor.casts.last?.map(\.name) == ["Ada"] }
        #expect(compositor.casts.last?.first?.isOnStage == false)
        try await fixture.speakers.leave(published.session, ada)
        try await eventually("nobody is there") { compositor.casts.last == [] }
        let subscriptions = sfu.room.count { if case .subscribe = $0 { true } else { false } }
        #expect(subscriptions == 1)
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("a camera or a screen that its sender hides is told; a microphone is no matter of the picture")
    func hidden() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(), compositor = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let ada = ConductorFixture.principal("ada", name: "Ada")
        let session = try await fixture.speakers.publish(
            ConductorFixture.scope, ada, session: nil, offer: "v=0", sources: [:]
        ).session
        func track(_ source: TrackSource, _ isMuted: Bool, _ id: String = "1") -> TrackInfo {
            TrackInfo(
                id: "\(source)-\(id)", participant: "ada", session: session, source: source, isMuted: isMuted)
        }
        for source in [TrackSource.camera, .screen, .microphone] {
            sfu.report(.sfu(.published(room: "e", track: track(source, false))))
        }
        sfu.report(.sfu(.muted(room: "e", track: track(.camera, true))))
        try await eventually("the camera is hidden") { compositor.casts.last?.first?.mutedSources == [.camera] }
        let told = compositor.casts.count
        sfu.report(.sfu(.muted(room: "e", track: track(.microphone, true))))
        sfu.report(.sfu(.muted(room: "e", track: track(.screen, true))))
        try await eventually("the screen, too") { compositor.casts.last?.first?.mutedSources == [.camera, .screen] }
        #expect(compositor.casts.count <= told + 1)
        // A second camera is seen: theirs is not hidden.
        sfu.report(.sfu(.published(room: "e", track: track(.camera, false, "2"))))
        try await eventually("the camera is seen") { compositor.casts.last?.first?.mutedSources == [.screen] }
        sfu.report(.sfu(.muted(room: "e", track: track(.screen, false))))
        try await eventually("the screen, too") { compositor.casts.last?.first?.mutedSources == [] }
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("what sizes a compositor needs is told to its room, and nothing of a session that is over")
    func sizes() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(), compositor = try await fixture.compositor("e")
        try await eventually("it is in the room") {
            sfu.room.contains { if case .answer = $0 { true } else { false } }
        }
        let sessions = sfu.room.compactMap { if case .subscribe(_, _, let session, _) = $0 { session } else { nil } }
        let session = try #require(sessions.last)
        func told() -> [[String: LayerSize]] {
            sfu.room.compactMap { if case .setSizes(session, let sizes) = $0 { sizes } else { nil } }
        }
        compositor.report(.compositor(event: "e", .sizes(session: "old", sizes: [:])))
        for height in [180, 360, 720] {
            compositor.report(
                .compositor(
                    event: "e",
                    .sizes(session: session, sizes: ["camera.s.0": LayerSize(width: height * 16 / 9, height: height)])))
        }
        try await eventually("the newest is told") {
            told().last == ["camera.s.0": LayerSize(width: 1280, height: 720)]
        }
        #expect(told().allSatisfy { $0.count == 1 })
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("whose camera comes in several sizes is told")
    func layered() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(), compositor = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let session = try await fixture.speakers.publish(
            ConductorFixture.scope, ConductorFixture.principal("ada", name: "Ada"), session: nil, offer: "v=0",
            sources: [:]
        ).session
        func publish(_ source: TrackSource, layers: Int?) {
            let track = TrackInfo(
                id: "\(source)-1", participant: "ada", session: session, source: source, isMuted: false, layers: layers)
            sfu.report(.sfu(.published(room: "e", track: track)))
        }
        publish(.camera, layers: 3)
        publish(.screen, layers: nil)
        try await eventually("both are told") { compositor.casts.last?.first?.sources == [.camera, .screen] }
        #expect(compositor.casts.last?.first?.layeredSources == [.camera])
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("scenes and the stage at once, with the time from which they are seen; nothing where none runs")
    func changes() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let change = ProgramChange(scene: Scene(layout: "grid"), version: 2)
        #expect(try await fixture.compositors.show(change, event: "e") == nil)
        #expect(await fixture.compositors.castChanged(event: "e") == nil)
        await #expect(throws: Problem.self) { try await fixture.compositors.still(nil, event: "e") }
        await #expect(throws: Problem.self) { try await fixture.compositors.meter([], event: "e") }
        await #expect(throws: Problem.self) { try await fixture.compositors.sound(event: "e") }
        let sfu = try await fixture.sfu(), compositor = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let shown = ShownAt(programTime: ProgramTime(milliseconds: 1000), isReady: true)
        #expect(try await fixture.compositors.show(change, event: "e") == shown)
        #expect(compositor.program.contains(.show(change)))
        for id in ["ada", "bob"] {
            _ = try await fixture.speakers.publish(
                ConductorFixture.scope, ConductorFixture.principal(id), session: nil, offer: "v=0", sources: [:])
        }
        try await fixture.programs.update("e") { state, _ in state.stage = [StagePlace(participant: "bob")] }
        #expect(await fixture.compositors.castChanged(event: "e") == shown)
        #expect(compositor.casts.last?.map(\.id) == ["bob", "ada"])
        #expect(compositor.casts.last?.map(\.isOnStage) == [true, false])
        #expect(try await fixture.compositors.still(nil, event: "e") == Data("picture".utf8))
        let area = CanvasArea(x: 0, y: 0, width: 2, height: 2)
        #expect(try await fixture.compositors.meter([area], event: "e").areas == [.init(area: area, luma: 16)])
        #expect(try await fixture.compositors.sound(event: "e") == ConductorFixture.soundReading)
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("a take ahead of its moment; when it was shown, it is the program's scene and told under its version")
    func take() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let cut = ProgramChange.Transition(kind: .cut, milliseconds: 0)
        try await fixture.programs.update("e") { state, _ in state.preview = Scene(layout: "grid") }
        let at = ProgramTime(milliseconds: 4_000_000_000_000)
        let early = try await fixture.programs.schedule("e", at: at) { _, _ in cut }
        #expect(await fixture.compositors.takeChanged(event: "e") == nil)
        let first = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        #expect(first.setups.first?.take == early)
        let later = try await fixture.programs.schedule("e", at: at) { _, _ in cut }
        #expect(await fixture.compositors.takeChanged(event: "e") == true)
        #expect(first.program.contains(.putTake(later)))
        first.leave()
        try await eventually("it is gone") { fixture.registry.compositor(of: "e") == nil }
        let second = try await fixture.compositor("e")
        try await eventually("the next one has it too") { second.setups.first?.take == later }
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        second.report(.compositor(event: "e", .taken(id: early.id, programTime: at)))
        second.report(.compositor(event: "e", .taken(id: later.id, programTime: at)))
        try await eventually("it is the program's scene") {
            try await fixture.programs.state(of: "e").scene.layout == "grid"
        }
        try await eventually("it is told") {
            second.program.contains(.show(ProgramChange(scene: Scene(layout: "grid"), version: 2)))
        }
        #expect(try await fixture.programs.pendingTake(of: "e") == nil)
        for worker in others + [second] { worker.leave() }
        try fixture.end()
    }

    @Test("a roll that plays goes on where its compositor says, when Studio has started anew and then the compositor")
    func rollIsLearnt() async throws {
        let roll = MediaRoll(asset: "v", state: .playing, run: 2)
        let fixture = try await ConductorFixture { events, programs in
            try await ConductorFixture.add("e", to: events, state: .live)
            let store = MediaStore(programs: programs)
            try await store.add(
                AssetRecord(id: "v", kind: "video", width: 2, height: 2, durationMs: 3_600_000), event: "e")
            try await programs.update("e") { state, _ in
                state.scene = Scene(layout: "full", slots: ["main": SlotSources([.media("v")])], media: roll)
            }
        }
        let output = try await fixture.output(), first = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        first.report(.compositor(event: "e", .rollPlace(asset: "v", run: 2, positionMs: 120_000, isPlaying: true)))
        // News are followed in order.
        first.report(.compositor(event: "e", .outputs([OutputState(id: "o", phase: .connecting, sinceMs: 0)])))
        try await eventually("the news are followed") { await fixture.compositors.outputStates(of: "e")["o"] != nil }
        first.leave()
        try await eventually("it is gone") { fixture.registry.compositor(of: "e") == nil }
        let second = try await fixture.compositor("e")
        try await eventually("the next one is told") { !second.setups.isEmpty }
        let resumed = try #require(second.setups.first?.scene.media)
        #expect(resumed.positionMs >= 120_000 && resumed.positionMs < 720_000 && resumed.run == 2)
        for worker in [output, second] { worker.leave() }
        try fixture.end()
    }

    @Test("a roll that played goes on where it would be by now, when another process takes over")
    func rollGoesOn() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let store = MediaStore(programs: fixture.programs)
        try await store.add(
            AssetRecord(id: "v", kind: "video", width: 2, height: 2, durationMs: 3_600_000), event: "e")
        let shownAt = ProgramTime(milliseconds: SystemClock.wallMilliseconds() - 20_000)
        let first = try await fixture.compositor("e") { command in
            guard case .show = command else { return nil }
            return .compositor(.shown(programTime: shownAt, isReady: true))
        }
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let roll = MediaRoll(asset: "v", state: .playing, positionMs: 1000, run: 2)
        let state = try await fixture.programs.update("e") { state, _ in
            state.scene = Scene(layout: "full", slots: ["main": SlotSources([.media("v")])], media: roll)
        }
        let change = ProgramChange(scene: state.scene, version: state.version)
        #expect(try await fixture.compositors.show(change, event: "e") != nil)
        first.leave()
        try await eventually("it is gone") { fixture.registry.compositor(of: "e") == nil }
        let second = try await fixture.compositor("e")
        try await eventually("the next one is told") { !second.setups.isEmpty }
        let resumed = try #require(second.setups.first?.scene.media)
        #expect(resumed.positionMs >= 21_000 && resumed.positionMs < 600_000)
        #expect(resumed.run == 2 && resumed.state == .playing)
        // What producers read stays what they have said.
        #expect(try await fixture.programs.state(of: "e").scene.media == roll)
        for worker in others + [second] { worker.leave() }
        try fixture.end()
    }

    @Test("nothing of a take whose moment passed while none was there: it is the program's scene by then")
    func lateTake() async throws {
        let fixture = try await ConductorFixture()
        try await fixture.add("e")
        try await fixture.programs.update("e") { state, _ in state.preview = Scene(layout: "grid") }
        let cut = ProgramChange.Transition(kind: .cut, milliseconds: 0)
        _ = try await fixture.programs.schedule("e", at: ProgramTime(milliseconds: 100)) { _, _ in cut }
        try await fixture.compositors.finishTakes(before: ProgramTime(milliseconds: 100))
        #expect(try await fixture.programs.state(of: "e").scene.layout == "full")
        try await fixture.compositors.finishTakes(before: ProgramTime(milliseconds: 101))
        #expect(try await fixture.programs.state(of: "e").scene.layout == "grid")
        try fixture.end()
    }

    @Test("what has changed while it was set up")
    func race() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let programs = fixture.programs
        let compositor = try await fixture.compositor("e") { command in
            guard case .run = command else { return nil }
            try await programs.update("e") { state, _ in state.scene = Scene(layout: "grid") }
            return nil
        }
        try await eventually("the newer scene is told") {
            compositor.program.contains {
                if case .show(let change) = $0 { change.version == 2 && change.scene.layout == "grid" } else { false }
            }
        }
        for worker in others + [compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("nothing when its event is not made here, and what it says of others counts for nothing")
    func strangers() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        try await fixture.add("f")
        let sfu = try await fixture.sfu()
        let compositor = try await fixture.compositor("e"), stranger = try await fixture.compositor("f")
        try await eventually("the session") { compositor.offers.count == 1 }
        stranger.report(.compositor(event: "e", .connectionLost(session: compositor.offers[0])))
        stranger.report(.programState(event: "e", isLive: true, masterPath: "/x"))
        // What comes after them is followed after them.
        stranger.leave()
        try await eventually("the stranger is gone") { fixture.registry.compositor(of: "f") == nil }
        compositor.report(.compositor(event: "e", .connectionLost(session: compositor.offers[0])))
        try await eventually("the own word counts") { compositor.offers.count == 2 }
        #expect(stranger.told.isEmpty)
        #expect(try await fixture.events.record("e")?.state == .starting)
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("nobody else may come by its name")
    func name() async throws {
        let fixture = try await ConductorFixture()
        let sfu = try await fixture.sfu()
        await #expect(throws: Problem.self) {
            _ = try await fixture.speakers.publish(
                ConductorFixture.scope, ConductorFixture.principal(SpeakerRooms.compositorID), session: nil,
                offer: "v=0", sources: [:])
        }
        #expect(sfu.room.isEmpty)
        sfu.leave()
        try fixture.end()
    }
}
