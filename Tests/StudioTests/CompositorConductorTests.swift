import Control
import Foundation
import Media
import Testing
import Web

@testable import Studio

@Suite("Which events have a compositor")
struct CompositorPlacementTests {
    @Test("those that run and have no primary entrance, as they start, stop, and change their entrances")
    func follows() async throws {
        let fixture = try await ConductorFixture()
        let output = try await fixture.output(), supervisor = try await fixture.supervisor()
        #expect(supervisor.sets == [[]])
        for event in ["a", "b", "c"] { try await fixture.add(event) }
        let entrance = IngestEntrance(id: "i", name: "main", kind: .primary, keyHash: "h")
        try await fixture.ingests.add(entrance, event: EventScope(id: "c", org: "o", policy: .init()))
        for event in ["a", "b", "c"] { _ = try await fixture.conductor.start(event) }
        try await eventually("two are made here") { supervisor.sets.last == ["a", "b"] }
        try await fixture.ingests.remove("i", event: "c")
        try await fixture.conductor.ingestsChanged("c")
        try await eventually("three are made here") { supervisor.sets.last == ["a", "b", "c"] }
        try await fixture.ingests.add(entrance, event: EventScope(id: "a", org: "o", policy: .init()))
        try await fixture.conductor.ingestsChanged("a")
        try await eventually("one comes from outside") { supervisor.sets.last == ["b", "c"] }
        _ = try await fixture.conductor.stop("b")
        try await eventually("one has ended") { supervisor.sets.last == ["c"] }
        output.leave()
        supervisor.leave()
        try fixture.end()
    }

    @Test("can't start without a machine for it, unless the program comes from outside")
    func noHost() async throws {
        let fixture = try await ConductorFixture()
        let output = try await fixture.output()
        try await fixture.add("a")
        await #expect(throws: Problem.overloaded("No machine has room for the event's compositor.", retryAfterMs: 5000))
        {
            _ = try await fixture.conductor.start("a")
        }
        #expect(try await fixture.events.record("a")?.state == .idle)
        try await fixture.ingests.add(
            IngestEntrance(id: "i", name: "main", kind: .primary, keyHash: "h"),
            event: EventScope(id: "a", org: "o", policy: .init()))
        #expect(try await fixture.conductor.start("a").state == .starting)
        output.leave()
        try fixture.end()
    }

    @Test("go to the machine that is used least, and to another when theirs stays away")
    func machines() async throws {
        let fixture = try await ConductorFixture()
        let output = try await fixture.output()
        let first = try await fixture.supervisor("supervisor-1"), second = try await fixture.supervisor("supervisor-2")
        for event in ["a", "b"] {
            try await fixture.add(event)
            _ = try await fixture.conductor.start(event)
        }
        try await eventually("one each") { first.sets.last == ["a"] && second.sets.last == ["b"] }
        first.leave()
        try await eventually("the other one takes both") { second.sets.last == ["a", "b"] }
        let back = try await fixture.supervisor("supervisor-1", running: ["a"])
        try await eventually("what runs elsewhere ends here") { back.sets.last == [] }
        for worker in [output, second, back] { worker.leave() }
        try fixture.end()
    }

    @Test("are told again to a supervisor that comes back at once")
    func supervisorReturns() async throws {
        let fixture = try await ConductorFixture(patience: .init(startMs: 0, supervisorMs: 60_000))
        let output = try await fixture.output(), supervisor = try await fixture.supervisor()
        try await fixture.add("a")
        _ = try await fixture.conductor.start("a")
        try await eventually("it is told") { supervisor.sets.last == ["a"] }
        supervisor.leave()
        try await eventually("it is gone") { fixture.registry.registration("supervisor-1") == nil }
        let back = try await fixture.supervisor()
        #expect(back.sets == [["a"]])
        output.leave()
        back.leave()
        try fixture.end()
    }

    @Test(
        "an output that does not answer when it comes holds up nobody's news, and hears everything when it dials again")
    func silentOutput() async throws {
        let fixture = try await ConductorFixture { events, _ in
            try await ConductorFixture.add("a", to: events, state: .live)
        }
        let silent = try await fixture.worker(.output, "output-1", addresses: ["rtmps": "rtmps://localhost:1936/live"])
        {
            _ in
            try await Task.sleep(for: .seconds(3600))
            return .done
        }
        try await eventually("it is welcomed") { !silent.told.isEmpty }
        let told = ContinuousClock.now
        silent.report(.ingestState(event: "f", ingest: "i", isConnected: true))
        try await eventually("news are followed") { await fixture.conductor.connected("f") == ["i"] }
        // An answer is waited for ten seconds.
        #expect(ContinuousClock.now - told < .seconds(5))
        silent.leave()
        try await eventually("it is gone") { fixture.registry.registration("output-1") == nil }
        let output = try await fixture.output()
        try await eventually("it is told its event") {
            output.told.contains { if case .openEvent(let media) = $0 { media.event == "a" } else { false } }
        }
        output.leave()
        try fixture.end()
    }

    @Test("stay where they are when Studio starts anew, and are placed where nobody runs them")
    func studioReturns() async throws {
        let fixture = try await ConductorFixture(patience: .init(startMs: 600_000, supervisorMs: 100)) { events, _ in
            for event in ["a", "b", "c"] { try await ConductorFixture.add(event, to: events, state: .live) }
        }
        let first = try await fixture.supervisor("supervisor-1", running: ["b"])
        let second = try await fixture.supervisor("supervisor-2", running: ["a"])
        try await eventually("what runs stays") { first.sets.last == ["b"] && second.sets.last == ["a"] }
        await fixture.compositors.placeInherited()
        try await eventually("all are somewhere") {
            (first.sets.last ?? []).count + (second.sets.last ?? []).count == 3
        }
        #expect(first.sets.allSatisfy { $0.contains("b") && !$0.contains("a") })
        #expect(second.sets.allSatisfy { $0.contains("a") && !$0.contains("b") })
        first.leave()
        second.leave()
        try fixture.end()
    }
}

@Suite("What a compositor is told")
struct CompositorLinkTests {
    private func started(_ fixture: ConductorFixture) async throws -> [FakeWorker] {
        let output = try await fixture.output(), supervisor = try await fixture.supervisor()
        try await fixture.add("e")
        _ = try await fixture.conductor.start("e")
        try await eventually("the supervisor is told") { supervisor.sets.last == ["e"] }
        return [output, supervisor]
    }

    @Test("its program, and the clock of an earlier process, until the event has ended")
    func setup() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
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
        let others = try await started(fixture)
        let sfu = try await fixture.sfu(), compositor = try await fixture.compositor("e")
        try await eventually("the answer is there") {
            sfu.room.contains { if case .answer = $0 { true } else { false } }
        }
        let session = try #require(compositor.offers.first)
        #expect(
            sfu.room.contains(.subscribe(room: "e", participant: "proscenium-compositor", session: session)))
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
        let others = try await started(fixture)
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
        let others = try await started(fixture)
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

    @Test("scenes and the stage at once, with the time from which they are seen; nothing where none runs")
    func changes() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
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

    @Test("a scene that a newer one has overtaken is no error, and one that it can't show is")
    func overtaken() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
        // Shows what is newer than version 2, and refuses the rest as a compositor does.
        let compositor = try await fixture.worker(.compositor, "compositor-e", event: "e") { command in
            guard case .compositor(let command) = command else { return .failed("not for a compositor") }
            switch command {
            case .run: return .compositor(.running(ConductorFixture.anchor))
            case .show(let change) where change.version <= 2: return .failed("a newer scene is shown")
            default: return .compositor(.shown(programTime: ProgramTime(milliseconds: 0), isReady: true))
            }
        }
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let scene = Scene(layout: "grid")
        await #expect(throws: Problem.self) {
            _ = try await fixture.compositors.show(ProgramChange(scene: scene, version: 2), event: "e")
        }
        #expect(try await fixture.compositors.show(ProgramChange(scene: scene, version: 3), event: "e") != nil)
        #expect(try await fixture.compositors.show(ProgramChange(scene: scene, version: 2), event: "e") == nil)
        for worker in others + [compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("a take ahead of its moment; when it was shown, it is the program's scene and told under its version")
    func take() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
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

    @Test("a take that it has shown; nobody else's news wait while it does not answer")
    func silent() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
        // Answers everything but scenes.
        let compositor = try await fixture.worker(.compositor, "compositor-e", event: "e") { command in
            guard case .compositor(let command) = command else { return .failed("not for a compositor") }
            switch command {
            case .run: return .compositor(.running(ConductorFixture.anchor))
            case .show:
                try await Task.sleep(for: .seconds(3600))
                return .failed("too late")
            default: return .compositor(.shown(programTime: ProgramTime(milliseconds: 0), isReady: true))
            }
        }
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        try await fixture.programs.update("e") { state, _ in state.preview = Scene(layout: "grid") }
        let cut = ProgramChange.Transition(kind: .cut, milliseconds: 0)
        let at = ProgramTime(milliseconds: 4_000_000_000_000)
        let take = try await fixture.programs.schedule("e", at: at) { _, _ in cut }
        compositor.report(.compositor(event: "e", .taken(id: take.id, programTime: at)))
        try await eventually("it is told the scene") {
            compositor.program.contains { if case .show = $0 { true } else { false } }
        }
        let told = ContinuousClock.now
        others[0].report(.ingestState(event: "f", ingest: "i", isConnected: true))
        try await eventually("another event's news are followed") {
            await fixture.conductor.connected("f") == ["i"]
        }
        // An answer is waited for ten seconds.
        #expect(ContinuousClock.now - told < .seconds(9))
        for worker in others + [compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("who is there, and layouts, at once, although the sources of a take and a scene do not come")
    func nobodyWaits() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
        let compositor = try await fixture.worker(.compositor, "compositor-e", event: "e") { command in
            guard case .compositor(let command) = command else { return .failed("not for a compositor") }
            switch command {
            case .run: return .compositor(.running(ConductorFixture.anchor))
            case .putTake, .show(ProgramChange(scene: Scene(layout: "grid"), version: 2)):
                try await Task.sleep(for: .seconds(3600))
                return .failed("too late")
            default: return .compositor(.shown(programTime: ProgramTime(milliseconds: 7), isReady: true))
            }
        }
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let compositors = fixture.compositors
        let taking = Task { await compositors.takeChanged(event: "e") }
        try await eventually("the take is told") { compositor.program.contains(.putTake(nil)) }
        let showing = Task {
            try await compositors.show(ProgramChange(scene: Scene(layout: "grid"), version: 2), event: "e")
        }
        try await eventually("the scene is told") {
            compositor.program.contains(.show(ProgramChange(scene: Scene(layout: "grid"), version: 2)))
        }
        // Whoever waits for those is told nothing, or an error, after ten seconds.
        let told = compositor.casts.count
        #expect(await compositors.castChanged(event: "e")?.programTime == ProgramTime(milliseconds: 7))
        #expect(compositor.casts.count == told + 1)
        await compositors.layoutsChanged(event: "e")
        #expect(compositor.program.contains { if case .show(let change) = $0 { change.layouts != nil } else { false } })
        let later = ProgramChange(scene: Scene(layout: "full"), version: 3)
        #expect(try await compositors.show(later, event: "e") != nil)
        for worker in others + [compositor] { worker.leave() }
        _ = await (taking.value, showing.result)
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
        let others = try await started(fixture)
        let store = MediaStore(programs: fixture.programs)
        try await store.add(
            AssetRecord(id: "v", kind: "video", width: 2, height: 2, durationMs: 3_600_000), event: "e")
        let shownAt = ProgramTime(milliseconds: SystemClock.wallMilliseconds() - 20_000)
        let first = try await fixture.worker(.compositor, "compositor-e", event: "e") { command in
            guard case .compositor(let command) = command else { return .failed("not for a compositor") }
            guard case .run = command else { return .compositor(.shown(programTime: shownAt, isReady: true)) }
            return .compositor(.running(ConductorFixture.anchor))
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

    @Test("layouts one after the other, always the newest")
    func layouts() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
        let compositor = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let json = #"{"name":"own-\#(number)","slots":[{"id":"a","rect":[0,0,9,9]}]}"#
                    _ = try await fixture.programs.put(Layout(json: Data(json.utf8)), event: "e") { _ in }
                    await fixture.compositors.layoutsChanged(event: "e")
                }
            }
            try await group.waitForAll()
        }
        let told = compositor.program.compactMap { command -> Int? in
            guard case .show(let change) = command else { return nil }
            return change.layouts.map { $0.count { $0.name.hasPrefix("own-") } }
        }
        #expect(told.count == 8 && told == told.sorted() && told.last == 8, "\(told)")
        await fixture.compositors.layoutsChanged()
        for worker in others + [compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("what has changed while it was set up")
    func race() async throws {
        let fixture = try await ConductorFixture()
        let others = try await started(fixture)
        let programs = fixture.programs
        let compositor = try await fixture.worker(.compositor, "compositor-e", event: "e") { command in
            guard case .compositor(let command) = command else { return .failed("not for a compositor") }
            switch command {
            case .run:
                try await programs.update("e") { state, _ in state.scene = Scene(layout: "grid") }
                return .compositor(.running(ConductorFixture.anchor))
            default:
                return .compositor(.shown(programTime: ProgramTime(milliseconds: 0), isReady: true))
            }
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
        let others = try await started(fixture)
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
