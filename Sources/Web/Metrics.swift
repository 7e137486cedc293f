// Counters of one process, and what others tell of theirs, written as Prometheus text (exposition format 0.0.4).

internal import Synchronization

/// Counters of one process, bounded in number.
public final class Metrics: Sendable {
    private struct State {
        var counters: [MetricSeries: Double] = [:]
        var refused = 0.0
    }

    private static let limit = 10_000
    private let state = Mutex(State())

    /// Creates an empty registry.
    public init() {}

    /// Adds to a counter.
    public func increment(_ name: String, _ labels: [String: String] = [:], by amount: Double = 1) {
        let key = MetricSeries(name: name, labels: labels)
        state.withLock { state in
            if state.counters[key] == nil, state.counters.count >= Self.limit {
                state.refused += 1
            } else {
                state.counters[key, default: 0] += amount
            }
        }
    }

    /// Writes everything as text, sorted by name.
    ///
    /// - Parameter told: what holds now and is not kept here, so that whoever is gone is told of no more.
    public func text(with told: [MetricSeries: Double] = [:]) -> String {
        let (counters, refused) = state.withLock { ($0.counters, $0.refused) }
        let refusals = MetricSeries(name: "proscenium_metrics_refused_total")
        return MetricSeries.text(counters.merging(told) { $1 }.merging([refusals: refused]) { $1 })
    }
}
