// The two logs of an event: names, entries, positions.

import Foundation
public import Media
import Web

/// Which of an event's two logs.
public enum LogName: String, Codable, CaseIterable, Sendable {
    /// At once: chat, questions, moderation, reactions.
    case live
    /// Behind the gate, in order: polls, results, captions, cues.
    case timeline
}

/// An event in its organisation.
public struct EventKey: Hashable, Sendable {
    /// The organisation.
    public let org: String
    /// The event's slug.
    public let event: String

    /// Creates a key.
    public init(org: String, event: String) {
        self.org = org
        self.event = event
    }
}

/// One entry of a log; it never changes.
public struct LogEntry: Hashable, Sendable {
    /// Which log.
    public let log: LogName
    /// Changes when the log was lost or restored.
    public let epoch: String
    /// Counts from 1, without gaps.
    public let offset: Int64
    /// The moment on the program clock to which it belongs.
    public let programTime: ProgramTime
    /// What happened, for example `poll.opened`.
    public let kind: String
    /// To what it happened, for example a poll's id.
    public let key: String
    /// The details as JSON.
    public let data: String

    /// The entry as JSON, as every reader gets it.
    public var json: String {
        "{\"log\":\"\(log.rawValue)\",\"epoch\":\"\(epoch)\",\"offset\":\(offset),"
            + "\"programTime\":\(programTime.milliseconds),\"kind\":\"\(kind)\",\"key\":\"\(key)\",\"data\":\(data)}"
    }
}

/// A position in one log: everything up to `offset` is known.
public struct LogPosition: Hashable, Sendable {
    /// The epoch of the log.
    public var epoch: String
    /// The offset of the last entry that is known; 0 for none.
    public var offset: Int64

    /// Creates a position.
    public init(epoch: String, offset: Int64) {
        self.epoch = epoch
        self.offset = offset
    }
}

/// The positions in both logs, as a client gives them back: `live:EPOCH:OFFSET,timeline:EPOCH:OFFSET`.
public struct ResumePositions: Hashable, Sendable {
    /// The known positions; a log that is missing is new to the client.
    public var positions: [LogName: LogPosition]

    /// Creates positions.
    public init(_ positions: [LogName: LogPosition] = [:]) { self.positions = positions }

    /// Reads positions; what can not be read is left out, so that the client gets a snapshot.
    public init(parsing text: String) {
        positions = [:]
        for part in text.prefix(300).split(separator: ",") {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, let log = LogName(rawValue: String(fields[0])), let offset = Int64(fields[2]),
                offset >= 0
            else { continue }
            positions[log] = LogPosition(epoch: String(fields[1]), offset: offset)
        }
    }

    /// The positions as text.
    public var text: String {
        LogName.allCases.compactMap { log in
            positions[log].map { "\(log.rawValue):\($0.epoch):\($0.offset)" }
        }.joined(separator: ",")
    }
}

/// JSON text of a value, with sorted keys.
enum JSONText {
    static func of(_ value: some Encodable) throws -> String {
        String(decoding: try JSON.encoder.encode(value), as: UTF8.self)
    }
}
