// Which worker takes new work: a pure function over the registry.

/// A worker as placement sees it.
public struct PlacementCandidate: Sendable, Hashable {
    /// The worker's id.
    public var id: String
    /// Its kind.
    public var role: WorkerRole
    /// Where it is.
    public var place: String
    /// How much work it takes.
    public var capacity: Double
    /// How much of that is used.
    public var load: Double

    /// Creates a candidate.
    public init(id: String, role: WorkerRole, place: String, capacity: Double, load: Double) {
        self.id = id
        self.role = role
        self.place = place
        self.capacity = capacity
        self.load = load
    }
}

/// Chooses workers.
public enum Placement {
    /// How many compositors one supervisor runs at most.
    public static let compositorLimit = 32

    /// Returns the worker that takes new work: one in the wanted place if it has room, else the least used of all.
    ///
    /// - Parameters:
    ///   - role: the kind of work.
    ///   - candidates: the workers that are alive.
    ///   - place: where it should be; nil for no wish.
    /// - Returns: nil when nobody has room.
    public static func choose(
        _ role: WorkerRole, among candidates: [PlacementCandidate], near place: String? = nil
    ) -> PlacementCandidate? {
        let able = candidates.filter { $0.role == role && $0.capacity > 0 && $0.load < $0.capacity }
        let near = able.filter { $0.place == place }
        return (near.isEmpty ? able : near).min { left, right in
            let (a, b) = (left.load / left.capacity, right.load / right.capacity)
            return a != b ? a < b : left.id < right.id
        }
    }
}
