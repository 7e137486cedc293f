// One event, as it is stored and as clients see it.

public import Foundation
internal import GRDB
public import Web

/// Where an event's program stands.
public enum EventState: String, Codable, Sendable, Hashable {
    case idle, starting, live, stopping, ended

    /// Whether workers serve the event.
    public var isRunning: Bool { self == .starting || self == .live || self == .stopping }
}

/// What a producer may set of an event.
public struct EventSettings: Codable, Hashable, Sendable {
    /// What guests and speakers may do.
    public var policy = ParticipationPolicy()

    private enum CodingKeys: String, CodingKey { case policy }

    /// Creates the defaults.
    public init() {}

    /// Reads settings; what is missing has its default.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        policy = try container.decodeIfPresent(ParticipationPolicy.self, forKey: .policy) ?? ParticipationPolicy()
    }
}

/// One event.
public struct EventRecord: Sendable, Hashable {
    /// The slug.
    public var id: String
    /// The organisation that it belongs to.
    public var org: String
    /// Its title.
    public var title: String
    /// When it is planned to start.
    public var startsAt: Date?
    /// What a producer has set.
    public var settings: EventSettings
    /// Where its program stands.
    public var state: EventState
    /// Counts changes.
    public var version: Int64
    /// The output worker that serves it.
    public var output: String?
    /// The path of its master playlist, once there is one.
    public var masterPath: String?

    /// The entity tag of this version.
    public var etag: String { "\"\(version)\"" }

    /// What authentication needs of it.
    public var scope: EventScope { EventScope(id: id, org: org, policy: settings.policy) }

    /// The event as clients see it.
    public struct View: Codable, Sendable {
        let id: String, title: String, startsAt: Date?, settings: EventSettings, state: EventState
    }

    /// The event as clients see it.
    public var view: View { View(id: id, title: title, startsAt: startsAt, settings: settings, state: state) }
}

extension EventRecord {
    init(_ row: Row) throws {
        let settings: String = row["settings"]
        let startsAt: Int64? = row["startsAt"]
        self.init(
            id: row["id"], org: row["org"], title: row["title"],
            startsAt: startsAt.map { Date(timeIntervalSince1970: Double($0) / 1000) },
            settings: try JSONDecoder().decode(EventSettings.self, from: Data(settings.utf8)),
            state: EventState(rawValue: row["state"]) ?? .idle, version: row["version"], output: row["output"],
            masterPath: row["masterPath"])
    }
}

/// A slug: 1 to 64 lower-case letters, digits and dashes, starting with a letter or digit.
enum Slug {
    static func check(_ text: String, pointer: String) throws(Problem) {
        let isGood =
            (1...64).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
        guard isGood else {
            throw .invalid("A slug has 1 to 64 lower-case letters, digits and dashes.", pointer: pointer)
        }
    }
}
