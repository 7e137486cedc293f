import Logging
import Synchronization

/// What was logged, one line for each record with its metadata.
final class LogLines: Sendable {
    private let box = Mutex<[String]>([])
    var lines: [String] { box.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(to: self) } }

    private struct Handler: LogHandler {
        let to: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let more = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            to.box.withLock { $0.append("\(event.level) \(event.message) " + more.joined(separator: " ")) }
        }
    }
}
