// Which of an event's entrances feeds the program: the compositor's while it is there, else the primary, else the backup.

internal import Media
internal import Synchronization

/// What comes in by an entrance that can feed the program, from the last choice to the first.
enum ProgramFeed: Int, Sendable {
    /// The second encoder.
    case backup
    /// The encoder from outside.
    case primary
    /// The event's compositor: it alone may tell the clock.
    case program
}

/// Lets one entrance at a time through to the pipeline, and changes over at a key frame.
///
/// Every entrance that is connected is read all the time, so that the other one can take over at once; what it sends
/// meanwhile is dropped, but its configuration is remembered.
final class SourceSwitch: Sendable {
    private struct Entrance {
        let feed: ProgramFeed
        var video: ByteBlock?, audio: ByteBlock?
        /// What the compositor told last: it holds for every frame that follows.
        var time: StreamEvent?
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
    ///   - onConnection: told when an encoder's entrance is used or free again.
    init(
        deliver: @escaping @Sendable (StreamEvent) -> Bool,
        onConnection: @escaping @Sendable (_ ingest: String, _ isConnected: Bool) -> Void
    ) {
        self.deliver = deliver
        self.onConnection = onConnection
    }

    /// The encoders' entrances that are connected.
    var connected: [String] {
        state.withLock { state in state.entrances.filter { $0.value.feed != .program }.map(\.key) }
    }

    /// The sink of one entrance.
    func sink(_ ingest: String, _ feed: ProgramFeed) -> any IngestSink {
        EntranceSink(target: self, ingest: ingest, feed: feed)
    }

    /// Tells those who were refused that there is room again.
    func roomAgain() {
        let resumes = state.withLock { state in state.entrances.values.compactMap(\.resume) }
        for resume in resumes { resume() }
    }

    fileprivate func setResume(_ ingest: String, _ feed: ProgramFeed, _ resume: @escaping @Sendable () -> Void) {
        let isNew = state.withLock { state in
            defer { state.entrances[ingest, default: Entrance(feed: feed)].resume = resume }
            return state.entrances[ingest] == nil
        }
        if isNew, feed != .program { onConnection(ingest, true) }
    }

    fileprivate func offer(_ event: StreamEvent, from ingest: String, _ feed: ProgramFeed) -> Bool {
        var isNew = false, isGone = false
        let isTaken = state.withLock { state in
            if case .ended = event {
                isGone = state.entrances.removeValue(forKey: ingest) != nil
                guard state.active == ingest else { return true }
                state.active = nil
                state.waiting = []
                return deliver(event)
            }
            // An encoder could throw the clock anywhere.
            if case .programTime = event, feed != .program { return true }
            isNew = state.entrances[ingest] == nil
            remember(event, ingest, feed, &state)
            if state.active != ingest, takesOver(event, ingest, feed, state) { activate(ingest, &state) }
            guard state.active == ingest else { return true }
            while let first = state.waiting.first {
                guard deliver(first) else { return false }
                state.waiting.removeFirst()
            }
            return deliver(event)
        }
        guard feed != .program else { return isTaken }
        if isNew { onConnection(ingest, true) }
        if isGone { onConnection(ingest, false) }
        return isTaken
    }

    private func remember(_ event: StreamEvent, _ ingest: String, _ feed: ProgramFeed, _ state: inout State) {
        var entrance = state.entrances[ingest] ?? Entrance(feed: feed)
        switch event {
        case .videoConfiguration(let record): entrance.video = record
        case .audioConfiguration(let record): entrance.audio = record
        case .programTime: entrance.time = event
        case .frame, .ended: break
        }
        state.entrances[ingest] = entrance
    }

    /// An entrance takes over with a key frame, from a later choice or when the program is free.
    private func takesOver(_ event: StreamEvent, _ ingest: String, _ feed: ProgramFeed, _ state: State) -> Bool {
        guard case .frame(let frame) = event, frame.codec == .h264, frame.isKeyframe else { return false }
        // The compositor's frames belong to a program time; without one they have no place.
        guard feed != .program || state.entrances[ingest]?.time != nil else { return false }
        guard let active = state.active, let shown = state.entrances[active]?.feed else { return true }
        return feed.rawValue > shown.rawValue
    }

    private func activate(_ ingest: String, _ state: inout State) {
        state.waiting = state.active == nil ? [] : [.ended(reason: "another entrance took over")]
        state.active = ingest
        if let record = state.entrances[ingest]?.video { state.waiting.append(.videoConfiguration(record)) }
        if let record = state.entrances[ingest]?.audio { state.waiting.append(.audioConfiguration(record)) }
        if let time = state.entrances[ingest]?.time { state.waiting.append(time) }
    }
}

/// One entrance's way into the switch.
private struct EntranceSink: IngestSink {
    let target: SourceSwitch
    let ingest: String
    let feed: ProgramFeed

    func offer(_ event: StreamEvent) -> Bool { target.offer(event, from: ingest, feed) }

    func onRoom(_ resume: @escaping @Sendable () -> Void) { target.setResume(ingest, feed, resume) }
}
