import Testing
import Web

@testable import Studio

@Suite("What workers tell in numbers")
struct WorkerNumbersTests {
    @Test("is told while they are there, with their names, and no longer")
    func gone() async throws {
        let fixture = try await ConductorFixture()
        let told = MetricSeries(
            name: "proscenium_worker_reports_dropped_total", labels: ["worker": "supervisor-1"])
        let load = MetricSeries(name: "proscenium_worker_load", labels: ["worker": "supervisor-1"])
        let count = MetricSeries(name: "proscenium_workers", labels: ["role": "supervisor"])
        #expect(fixture.registry.series()[count] == 0)
        let supervisor = try await fixture.supervisor("supervisor-1")
        try await eventually("its counters are told") { fixture.registry.series()[told] == 0 }
        #expect(fixture.registry.series()[load] == 0 && fixture.registry.series()[count] == 1)
        supervisor.leave()
        try await eventually("it is gone") { fixture.registry.series()[count] == 0 }
        #expect(fixture.registry.series()[told] == nil && fixture.registry.series()[load] == nil)
        try fixture.end()
    }
}
