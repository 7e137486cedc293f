// Streams that come in as sources on the stage: nothing is made of them here, they are handed on to who plays them.

internal import Media
internal import Synchronization

/// The entrances of kind `source` of one event.
final class SourceEntrances: Sendable {
    private let inUse = Mutex<Set<String>>([])
    private let onConnection: @Sendable (_ ingest: String, _ isConnected: Bool) -> Void

    /// Creates entrances that nobody uses.
    ///
    /// - Parameter onConnection: told when an entrance is used or free again.
    init(onConnection: @escaping @Sendable (_ ingest: String, _ isConnected: Bool) -> Void) {
        self.onConnection = onConnection
    }

    /// The entrances that are used.
    var connected: [String] { inUse.withLock { Array($0) } }

    /// Takes the stream of one entrance; there is always room, because players that are slow lose frames.
    func sink(_ ingest: String) -> any IngestSink { SourceSink(target: self, ingest: ingest) }

    fileprivate func set(_ ingest: String, isConnected: Bool) {
        let isNew = inUse.withLock { inUse in
            isConnected ? inUse.insert(ingest).inserted : inUse.remove(ingest) != nil
        }
        if isNew { onConnection(ingest, isConnected) }
    }
}

private struct SourceSink: IngestSink {
    let target: SourceEntrances
    let ingest: String

    func offer(_ event: StreamEvent) -> Bool {
        if case .ended = event { target.set(ingest, isConnected: false) }
        return true
    }

    func onRoom(_ resume: @escaping @Sendable () -> Void) { target.set(ingest, isConnected: true) }
}
