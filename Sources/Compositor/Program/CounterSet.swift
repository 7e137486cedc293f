// Counters by reason, for metrics.

internal import Synchronization

/// What a set of counters counts, by reason.
protocol CounterName: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
    /// What stands before the name in metrics, such as `proscenium_compositor_room_`.
    static var prefix: String { get }
}

/// Counters of one kind, added to from any thread.
final class CounterSet<Name: CounterName>: Sendable {
    private let values = Mutex<[Name: UInt64]>([:])

    func add(_ name: Name, _ amount: UInt64 = 1) {
        guard amount > 0 else { return }
        values.withLock { $0[name, default: 0] &+= amount }
    }

    subscript(_ name: Name) -> UInt64 { values.withLock { $0[name] ?? 0 } }

    /// Every counter by its Prometheus name, zeros too.
    var all: [String: Double] {
        let values = values.withLock { $0 }
        return Dictionary(
            uniqueKeysWithValues: Name.allCases.map {
                ("\(Name.prefix)\($0.rawValue)_total", Double(values[$0] ?? 0))
            })
    }
}
