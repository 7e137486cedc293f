import Control
import Foundation
import Media
import Synchronization
import Testing
import Web

@testable import Studio

@Suite("What a compositor is told while something else waits")
struct CompositorLinkWaitsTests {
    @Test("a scene that a newer one has overtaken is no error, and one that it can't show is")
    func overtaken() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        // Shows what is newer than version 2, and refuses the rest as a compositor does.
        let compositor = try await fixture.compositor("e") { command in
            if case .show(let change) = command, change.version <= 2 { .failed("a newer scene is shown") } else { nil }
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

    @Test("a take that it has shown; nobody else's news wait while it does not answer")
    func silent() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        // Answers everything but scenes.
        let compositor = try await fixture.compositor("e") { command in
            guard case .show = command else { return nil }
            try await Task.sleep(for: .seconds(3600))
            return .failed("too late")
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
        let others = try await fixture.started()
        let compositor = try await fixture.compositor("e") { command in
            switch command {
            case .putTake, .show(ProgramChange(scene: Scene(layout: "grid"), version: 2)):
                try await Task.sleep(for: .seconds(3600))
                return .failed("too late")
            default: return nil
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
        #expect(await compositors.castChanged(event: "e")?.programTime == ProgramTime(milliseconds: 1000))
        #expect(compositor.casts.count == told + 1)
        let shaped = await compositors.layoutsChanged(event: "e")
        #expect(shaped?.programTime == ProgramTime(milliseconds: 1000) && shaped?.isReady == true)
        #expect(compositor.program.contains { if case .show(let change) = $0 { change.layouts != nil } else { false } })
        let later = ProgramChange(scene: Scene(layout: "full"), version: 3)
        #expect(try await compositors.show(later, event: "e") != nil)
        for worker in others + [compositor] { worker.leave() }
        _ = await (taking.value, showing.result)
        try fixture.end()
    }

    @Test("layouts one after the other, always the newest")
    func layouts() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
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

    @Test("a scene that waits until its poll is told holds back the one after it, which would have overtaken it")
    func pollBeforeScenes() async throws {
        let screens = HeldPolls()
        let fixture = try await ConductorFixture(polls: screens)
        let others = try await fixture.started()
        let compositor = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let compositors = fixture.compositors
        var scene = Scene(layout: "full")
        scene.overlays.poll = PollCard(id: "p")
        let first = ProgramChange(scene: scene, version: 2, transition: .init(kind: .fade, milliseconds: 500))
        let second = ProgramChange(scene: Scene(layout: "grid"), version: 3)
        let showing = Task { try await compositors.show(first, event: "e") }
        try await eventually("the poll is read") { screens.waiting > 0 }
        let next = Task { try await compositors.show(second, event: "e") }
        screens.letGo()
        #expect(try await showing.value != nil)
        #expect(try await next.value != nil)
        let shown = compositor.program.compactMap { if case .show(let change) = $0 { change } else { nil } }
        #expect(shown == [first, second])
        #expect(compositor.polls.last?["p"]?.votes == 1)
        for worker in others + [compositor] { worker.leave() }
        try fixture.end()
    }

    /// Polls that are read when the test says so.
    private final class HeldPolls: PollScreens {
        private struct State {
            var isHeld = true
            var waiting: [CheckedContinuation<Void, Never>] = []
        }

        private let state = Mutex(State())

        var waiting: Int { state.withLock { $0.waiting.count } }

        func picture(of poll: String, event: String) async throws -> PollPicture? {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let goesOn = state.withLock { state -> Bool in
                    if state.isHeld { state.waiting.append(continuation) }
                    return !state.isHeld
                }
                if goesOn { continuation.resume() }
            }
            return PollPicture(question: poll, options: [], votes: 1)
        }

        func letGo() {
            let waiting = state.withLock { state in
                defer { state = State(isHeld: false) }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }
}
