// Logs as one JSON object a line, on standard error.

internal import Foundation
internal import Glibc
public import Logging

/// Writes log records as JSON lines.
public struct JSONLogHandler: LogHandler {
    /// The lowest level that is written.
    public var logLevel: Logger.Level = .info
    /// What every record carries.
    public var metadata: Logger.Metadata = [:]
    private let label: String

    /// Creates a handler for a logger's label.
    public init(label: String) { self.label = label }

    /// One of the values that every record carries.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one record.
    public func log(event: LogEvent) {
        var record: [String: String] = [
            "time": JSON.timestamp(Date()), "level": event.level.rawValue, "logger": label,
            "message": "\(event.message)",
        ]
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }) {
            record[record[key] == nil ? key : "meta." + key] = "\(value)"
        }
        guard var line = try? JSON.encoder.encode(record) else { return }
        line.append(10)
        line.withUnsafeBytes { bytes in _ = Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}
