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
