// How the load gets into rooms: what it needs of any server.

import Media

/// Where a peer sits.
struct LoadSeat: Sendable, Hashable {
    /// The room, from 0.
    var room: Int
    /// The peer's number in the load.
    var number: Int
}

/// A server's signalling, as far as a load needs it.
protocol LoadSignalling: Sendable {
    /// What the report calls the server.
    var name: String { get }
    /// Makes the rooms.
    func open(rooms: Int) async throws
    /// Publishes; returns the server's answer.
    func publish(_ seat: LoadSeat, offer: String) async throws -> String
    /// Subscribes to everything that others publish in the room.
    ///
    /// - Parameter answer: takes each offer of the server, now and later, and gives the answer.
    func subscribe(_ seat: LoadSeat, answer: @escaping @Sendable (String) async throws -> String) async throws
    /// Ends everything.
    func close() async
}
