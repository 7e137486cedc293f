// The kinds of worker, and what they say of themselves when they dial in.

/// A kind of worker.
public enum WorkerRole: String, Sendable, Codable, CaseIterable, Hashable {
    /// Forwards speakers' media.
    case sfu
    /// Makes one event's program.
    case compositor
    /// Takes streams in, and serves HLS.
    case output
    /// Starts compositors on its machine.
    case supervisor
}

/// What a worker says of itself when it dials in.
public struct WorkerRegistration: Sendable, Codable, Hashable {
    /// The worker's id, as its token names it.
    public var id: String
    /// Its kind.
    public var role: WorkerRole
    /// The event that it serves, for a compositor.
    public var event: String?
    /// Where it is, for placement near the speakers; free text that is compared for equality.
    public var place: String
    /// How much work it takes, in units of its own load.
    public var capacity: Double
    /// Its addresses by name, for example `hls` → `https://example.org:8444`.
    public var addresses: [String: String]
    /// The program version.
    public var version: String
    /// The events whose compositors it runs already, for a supervisor.
    public var running: [String]

    /// Creates a registration.
    public init(
        id: String, role: WorkerRole, event: String? = nil, place: String, capacity: Double,
        addresses: [String: String], version: String, running: [String] = []
    ) {
        self.id = id
        self.role = role
        self.event = event
        self.place = place
        self.capacity = capacity
        self.addresses = addresses
        self.version = version
        self.running = running
    }
}
