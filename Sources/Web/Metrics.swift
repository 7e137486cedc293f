// Counters and gauges, written as Prometheus text (exposition format 0.0.4).

internal import Synchronization

/// Counters and gauges of one process, bounded in number.
public final class Metrics: Sendable {
    private struct Key: Hashable {
        let name: String
        let labels: [String: String]
    }

    private struct State {
        var counters: [Key: Double] = [:]
        var gauges: [Key: Double] = [:]
        var refused = 0.0
    }

    private static let limit = 10_000
    private let state = Mutex(State())

    /// Creates an empty registry.
    public init() {}

    /// Adds to a counter.
    public func increment(_ name: String, _ labels: [String: String] = [:], by amount: Double = 1) {
        let key = Key(name: name, labels: labels)
        state.withLock { state in
            if state.counters[key] == nil, state.counters.count >= Self.limit {
                state.refused += 1
            } else {
                state.counters[key, default: 0] += amount
            }
        }
    }

    /// Sets a gauge; nil removes it.
    public func set(_ name: String, _ labels: [String: String] = [:], to value: Double?) {
        let key = Key(name: name, labels: labels)
        state.withLock { state in
            if state.gauges[key] == nil, state.gauges.count >= Self.limit {
                state.refused += 1
            } else {
                state.gauges[key] = value
            }
        }
    }

    /// Takes a series as a worker tells it, such as `name{le="0.1"}`, apart; what is no label is left out.
    public static func parse(series: String) -> (name: String, labels: [String: String]) {
        guard let open = series.firstIndex(of: "{"), series.last == "}" else { return (series, [:]) }
        var labels: [String: String] = [:]
        for pair in series[series.index(after: open)...].dropLast().split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[1].count >= 2, parts[1].first == "\"", parts[1].last == "\"" else { continue }
            labels[String(parts[0])] = String(parts[1].dropFirst().dropLast())
        }
        return (String(series[..<open]), labels)
    }

    /// Writes everything as text, sorted.
    public func text() -> String {
        let (counters, gauges, refused) = state.withLock { ($0.counters, $0.gauges, $0.refused) }
        var lines: [String] = []
        for (type, values) in [("counter", counters), ("gauge", gauges)] {
            for (name, group) in Dictionary(grouping: values, by: \.key.name).sorted(by: { $0.key < $1.key }) {
                lines.append("# TYPE \(name) \(type)")
                lines += group.map { "\(name)\(Self.labels($0.key.labels)) \(Self.number($0.value))" }.sorted()
            }
        }
        lines.append("# TYPE proscenium_metrics_refused_total counter")
        lines.append("proscenium_metrics_refused_total \(Self.number(refused))")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    private static func labels(_ labels: [String: String]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.sorted { $0.key < $1.key }.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(name)=\"\(escaped)\""
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }
}
