import Testing

@testable import Web

@Suite("What Prometheus reads")
struct MetricsTests {
    @Test("counters are written sorted and escaped, and are bounded")
    func counters() {
        let metrics = Metrics()
        metrics.increment("b_total", ["x": "1\"\n"])
        metrics.increment("b_total", ["x": "1\"\n"], by: 2)
        let text = metrics.text()
        #expect(text.contains("# TYPE b_total counter\nb_total{x=\"1\\\"\\n\"} 3\n"))
        #expect(text.contains("# TYPE proscenium_metrics_refused_total counter\nproscenium_metrics_refused_total 0\n"))
        for index in 0..<10_100 { metrics.increment("c_total", ["i": String(index)]) }
        #expect(metrics.text().contains("proscenium_metrics_refused_total 101"))
    }

    @Test("what others tell stands beside the counters as long as they tell it, each in its type")
    func told() {
        let metrics = Metrics()
        metrics.increment("a_total")
        let told: [MetricSeries: Double] = [
            MetricSeries(parsing: "a_total", adding: ["worker": "w"]): 7,
            MetricSeries(parsing: #"b{state="on",ragged}"#, adding: ["worker": "w"]): 0.5,
            MetricSeries(parsing: "c_sum"): 1,
        ]
        #expect(
            metrics.text(with: told).hasPrefix(
                """
                # TYPE a_total counter
                a_total 1
                a_total{worker="w"} 7
                # TYPE b gauge
                b{state="on",worker="w"} 0.5
                # TYPE c_sum gauge
                c_sum 1

                """))
        #expect(!metrics.text().contains("worker"))
    }

    @Test("a histogram is one thing, and its buckets stand in the order of their bounds")
    func histogram() {
        var told: [MetricSeries: Double] = [:]
        for worker in ["v", "w"] {
            for (bound, count) in [("2e-05", 1.0), ("0.0001", 2), ("10", 3), ("+Inf", 4)] {
                told[MetricSeries(parsing: "way_seconds_bucket{le=\"\(bound)\"}", adding: ["worker": worker])] = count
            }
            told[MetricSeries(parsing: "way_seconds_count", adding: ["worker": worker])] = 4
            told[MetricSeries(parsing: "way_seconds_sum", adding: ["worker": worker])] = 5.5
        }
        let lines = Metrics().text(with: told).split(separator: "\n").filter { $0.contains("way") }
        #expect(lines.first == "# TYPE way_seconds histogram" && lines.count == 13)
        for (index, worker) in ["v", "w"].enumerated() {
            let label = "worker=\"\(worker)\""
            #expect(
                lines.dropFirst(1 + 6 * index).prefix(6) == [
                    "way_seconds_bucket{le=\"2e-05\",\(label)} 1", "way_seconds_bucket{le=\"0.0001\",\(label)} 2",
                    "way_seconds_bucket{le=\"10\",\(label)} 3", "way_seconds_bucket{le=\"+Inf\",\(label)} 4",
                    "way_seconds_count{\(label)} 4", "way_seconds_sum{\(label)} 5.5",
                ])
        }
    }
}
