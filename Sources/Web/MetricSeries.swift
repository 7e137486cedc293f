// One series of numbers by its name and labels, and how many of them are written together.

/// A name of what is measured, with the labels that tell one series of it from the others.
public struct MetricSeries: Hashable, Sendable {
    /// The name; one that ends in `_total` is a counter's.
    public let name: String
    /// The labels by name.
    public let labels: [String: String]

    /// Creates a series.
    public init(name: String, labels: [String: String] = [:]) {
        self.name = name
        self.labels = labels
    }

    /// Takes a series as a worker tells it, such as `name{le="0.1"}`, apart; what is no label is left out.
    ///
    /// - Parameter more: labels that it gets besides.
    public init(parsing text: String, adding more: [String: String] = [:]) {
        guard let open = text.firstIndex(of: "{"), text.last == "}" else {
            self.init(name: text, labels: more)
            return
        }
        var labels: [String: String] = [:]
        for pair in text[text.index(after: open)...].dropLast().split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[1].count >= 2, parts[1].first == "\"", parts[1].last == "\"" else { continue }
            labels[String(parts[0])] = String(parts[1].dropFirst().dropLast())
        }
        self.init(name: String(text[..<open]), labels: labels.merging(more) { $1 })
    }

    /// Writes series with their values, those of a name together behind their type, and a histogram's with its sum and count.
    static func text(_ values: [MetricSeries: Double]) -> String {
        let suffixes = ["_bucket", "_count", "_sum"]
        let histograms = Set(values.keys.filter(\.isBucket).map { String($0.name.dropLast("_bucket".count)) })
        let families = Dictionary(grouping: values) { series, _ in
            let parts = suffixes.filter(series.name.hasSuffix).map { String(series.name.dropLast($0.count)) }
            return parts.first(where: histograms.contains) ?? series.name
        }
        var lines: [String] = []
        for (family, members) in families.sorted(by: { $0.key < $1.key }) {
            let type = histograms.contains(family) ? "histogram" : family.hasSuffix("_total") ? "counter" : "gauge"
            lines.append("# TYPE \(family) \(type)")
            let ordered = members.map { ($0.key.order, "\($0.key) \(Self.number($0.value))") }
            lines += ordered.sorted { $0.0 < $1.0 }.map(\.1)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Whether it is one of the buckets of a histogram.
    private var isBucket: Bool { name.hasSuffix("_bucket") && labels["le"] != nil }

    /// Its place among the others of its name: a histogram's buckets stand in the order of their bounds.
    private var order: (String, String, Double) {
        let others = Self.written(labels.filter { !isBucket || $0.key != "le" })
        return (others, name, isBucket ? labels["le"].flatMap(Double.init) ?? .infinity : 0)
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    private static func written(_ labels: [String: String]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.sorted { $0.key < $1.key }.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(name)=\"\(escaped)\""
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }
}

extension MetricSeries: CustomStringConvertible {
    /// The series as it stands in the text.
    public var description: String { name + Self.written(labels) }
}
