// Which of an event's entrances feeds the program: the primary while it is there, else the backup.

internal import Control
internal import Media
internal import Synchronization

/// Lets one entrance at a time through to the pipeline, and changes over at a key frame.
///
/// Every entrance that is connected is read all the time, so that the other one can take over at once; what it sends
/// meanwhile is dropped, but its configuration is remembered.
final class SourceSwitch: Sendable {
    private struct Entrance {
        let kind: IngestEntrance.Kind
        var video: ByteBlock?, audio: ByteBlock?
        /// What to call when there is room again.
        var resume: (@Sendable () -> Void)?
    }

    private struct State {
        var entrances: [String: Entrance] = [:]
        var active: String?
        /// What must reach the pipeline before anything else of the active entrance.
        var waiting: [StreamEvent] = []
    }

    private let state = Mutex(State())
    private let deliver: @Sendable (StreamEvent) -> Bool
    private let onConnection: @Sendable (_ ingest: String, _ isConnected: Bool) -> Void

    /// Creates a switch.
    ///
    /// - Parameters:
    ///   - deliver: the pipeline's `offer`.
    ///   - onConnection: told when an entrance is used or free again.
    init(
        deliver: @escaping @Sendable (StreamEvent) -> Bool,
        onConnection: @escaping @Sendable (_ ingest: String, _ isConnected: Bool) -> Void
    ) {
        self.deliver = deliver
        self.onConnection = onConnection
    }

    /// The entrances that are connected.
    var connected: [String] { state.withLock { Array($0.entrances.keys) } }

    /// The sink of one entrance.
    func sink(_ ingest: String, _ kind: IngestEntrance.Kind) -> any IngestSink {
        EntranceSink(target: self, ingest: ingest, kind: kind)
    }

    /// Tells those who were refused that there is room again.
    func roomAgain() {
        let resumes = state.withLock { state in state.entrances.values.compactMap(\.resume) }
        for resume in resumes { resume() }
    }

    fileprivate func setResume(_ ingest: String, _ kind: IngestEntrance.Kind, _ resume: @escaping @Sendable () -> Void)
    {
        let isNew = state.withLock { state in
            defer { state.entrances[ingest, default: Entrance(kind: kind)].resume = resume }
            return state.entrances[ingest] == nil
        }
        if isNew { onConnection(ingest, true) }
    }

    fileprivate func offer(_ event: StreamEvent, from ingest: String, _ kind: IngestEntrance.Kind) -> Bool {
        var isNew = false, isGone = false
        let isTaken = state.withLock { state in
            if case .ended = event {
                isGone = state.entrances.removeValue(forKey: ingest) != nil
                guard state.active == ingest else { return true }
                state.active = nil
                state.waiting = []
                return deliver(event)
            }
            // Only the program's own entrance may tell the clock; an encoder could throw it years ahead.
            if case .programTime = event { return true }
            isNew = state.entrances[ingest] == nil
            remember(event, ingest, kind, &state)
            if state.active != ingest, takesOver(event, ingest, kind, state) { activate(ingest, &state) }
            guard state.active == ingest else { return true }
            while let first = state.waiting.first {
                guard deliver(first) else { return false }
                state.waiting.removeFirst()
            }
            return deliver(event)
        }
        if isNew { onConnection(ingest, true) }
        if isGone { onConnection(ingest, false) }
        return isTaken
    }

    private func remember(_ event: StreamEvent, _ ingest: String, _ kind: IngestEntrance.Kind, _ state: inout State) {
        var entrance = state.entrances[ingest] ?? Entrance(kind: kind)
        switch event {
        case .videoConfiguration(let record): entrance.video = record
        case .audioConfiguration(let record): entrance.audio = record
        case .frame, .programTime, .ended: break
        }
        state.entrances[ingest] = entrance
    }

    /// An entrance takes over with a key frame: a free program, or a backup's as the primary.
    private func takesOver(
        _ event: StreamEvent, _ ingest: String, _ kind: IngestEntrance.Kind, _ state: State
    ) -> Bool {
        guard case .frame(let frame) = event, frame.codec == .h264, frame.isKeyframe else { return false }
        guard let active = state.active else { return true }
        return kind == .primary && state.entrances[active]?.kind == .backup
    }

    private func activate(_ ingest: String, _ state: inout State) {
        state.waiting = state.active == nil ? [] : [.ended(reason: "another entrance took over")]
        state.active = ingest
        if let record = state.entrances[ingest]?.video { state.waiting.append(.videoConfiguration(record)) }
        if let record = state.entrances[ingest]?.audio { state.waiting.append(.audioConfiguration(record)) }
    }
}

/// One entrance's way into the switch.
private struct EntranceSink: IngestSink {
    let target: SourceSwitch
    let ingest: String
    let kind: IngestEntrance.Kind

    func offer(_ event: StreamEvent) -> Bool { target.offer(event, from: ingest, kind) }

    func onRoom(_ resume: @escaping @Sendable () -> Void) { target.setResume(ingest, kind, resume) }
}
