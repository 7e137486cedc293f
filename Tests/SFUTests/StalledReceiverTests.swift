// What a subscriber gets whose machine is short of time: packets wait there to be read, and no line is thinner for it.

import Testing

@testable import SFU

@Suite("Receivers that are short of time")
struct StalledReceiverTests {
    @Test(
        "a receiver that stands still now and then gets its pictures over a line that carries them",
        arguments: [20.0, 60, 120])
    func stalls(stallMs: Double) throws {
        for seed in UInt64(1)...10 {
            var link = LinkModel(bitrate: 20_000_000, delayMs: 1, seed: seed)
            link.stallMs = stallMs
            var simulation = try LineSimulation(.init(link: link, seed: seed))
            simulation.run(to: 60_000)
            // From the beginning, or from when another layer came, to when the largest was there again.
            let others = simulation.layers.enumerated().filter { $0.element.layer != 2 }
            let absences = others.map { index, change in
                let next = simulation.layers.dropFirst(index + 1).first { $0.layer == 2 }
                return (next?.at ?? 60_000) - change.at
            }
            let longest = absences.max() ?? 60_000, least = simulation.estimates.min() ?? 0
            let changes = simulation.changes(from: 10_000, to: 60_000)
            print(
                "| \(stallMs) ms | \(longest) ms | \(changes) | \(least / 1000) | \(simulation.paddingBytes * 8 / 60_000) |"
            )
            #expect(longest < 10_000 && changes <= 2, "seed \(seed): \(simulation.layers) \(simulation.estimates)")
            #expect(least > 500_000, "seed \(seed): \(simulation.estimates)")
        }
    }
}
