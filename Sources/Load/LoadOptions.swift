// What a load is: how many join where, and for how long.

/// Why a load can't be made.
public struct LoadError: Error, CustomStringConvertible, Sendable, Hashable {
    /// One sentence for the one who asked.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// What the load tool is asked to do.
public struct LoadOptions: Sendable, Hashable {
    /// Who forwards, and by which signalling the load joins.
    public enum Peer: Sendable, Hashable {
        /// A whole installation: HTTPS and WSS with an invitation.
        case studio(origin: String, event: String, invitation: String, certificate: String?)
        /// One SFU worker alone, which dials in to the load tool on this port as it would to Studio.
        case worker(port: Int)
        /// Janus's video room by its WebSocket API.
        case janus(url: String, firstRoom: Int)
    }

    /// Which SRTP profiles the load offers.
    public enum Profile: String, Sendable, Hashable, CaseIterable {
        case both, gcm, cm
    }

    /// Who forwards.
    public var peer: Peer
    /// Rooms, each with so many publishers and subscribers.
    public var rooms = 1, publishers = 2, subscribers = 6
    /// How long is measured, and how long everything flows before that, in seconds.
    public var seconds = 10, settleSeconds = 2
    /// The recording's size in pixels and rate in bits per second, for one that is made here.
    public var width = 1280, height = 720, bitrate = 1_300_000
    /// An IVF file with VP8 that is replayed instead.
    public var file: String?
    /// Which SRTP profiles are offered.
    public var profile = Profile.both
    /// Whether each peer has a socket of its own: needed when the server is on another machine.
    public var ownSockets = false
    /// Whether subscribers tell when each packet came, so that the server measures their lines; as browsers do.
    public var feedsBack = true
    /// The server's process, whose CPU time and memory are read too; nil for none.
    public var process: Int32?
    /// A file of eight bytes in which the server's process counts its allocations; nil for none.
    public var allocations: String?

    /// Creates options with their defaults.
    public init(peer: Peer) { self.peer = peer }

    /// Checks the bounds.
    ///
    /// - Throws: `LoadError` naming the first argument that does not fit.
    public func check() throws(LoadError) {
        func bound(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(LoadError) {
            guard range.contains(value) else {
                throw LoadError("\(name) is \(range.lowerBound) to \(range.upperBound), not \(value).")
            }
        }
        try bound("rooms", rooms, 1...200)
        try bound("publishers", publishers, 1...60)
        try bound("subscribers", subscribers, 0...2000)
        try bound("peers in all", rooms * (publishers + subscribers), 1...4000)
        try bound("seconds", seconds, 1...3600)
        try bound("settle", settleSeconds, 0...600)
        try bound("width", width, 64...3840)
        try bound("height", height, 64...2160)
        guard width % 2 == 0, height % 2 == 0 else { throw LoadError("width and height are even numbers.") }
        try bound("bitrate", bitrate, 50_000...20_000_000)
        if ownSockets { try bound("peers with sockets of their own", rooms * (publishers + subscribers), 1...2000) }
        if case .studio(let origin, _, _, _) = peer {
            guard rooms == 1 else { throw LoadError("An event has one room; rooms is 1.") }
            guard origin.hasPrefix("https://") else { throw LoadError("url is an https:// address of the server.") }
        }
        if case .janus(let url, let room) = peer {
            guard url.hasPrefix("ws://") || url.hasPrefix("wss://") else {
                throw LoadError("url is a ws:// address of Janus.")
            }
            try bound("room", room, 1...1_000_000_000)
        }
        if case .worker(let port) = peer { try bound("control-port", port, 1...65_535) }
        if let process { try bound("pid", Int(process), 1...Int(Int32.max)) }
    }
}
