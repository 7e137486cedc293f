// The segments, playlists and time-line files of one event on disk, and the numbers that never restart.

public import Media
internal import Synchronization

/// How an event's segments are kept.
public struct EventStoreSettings: Sendable {
    /// The folder of all events; this event's is `{root}/{event}`.
    public var root: String
    /// The event's id: letters, digits, `-` and `_`.
    public var event: String
    /// How many segments a playlist lists.
    public var listed = 5
    /// How many segments stay on disk: a player may fetch what was listed when its playlist was rendered.
    public var kept = 12
    /// TARGETDURATION and HOLD-BACK in seconds.
    public var targetDuration = 6, holdBack = 18

    /// Creates settings.
    public init(root: String, event: String) {
        self.root = root
        self.event = event
    }
}

/// Told after the segments of one number are on disk in every rung and the playlists list them.
public struct SegmentPublished: Sendable, Equatable, Codable {
    /// The event's id.
    public var event: String
    /// The segment's number.
    public var mediaSequence: Int64
    /// What it covers.
    public var from: ProgramTime, to: ProgramTime
    /// Whether a discontinuity lies before it.
    public var discontinuity: Bool
}

/// Why an event's files can't be opened or written.
public enum EventStoreError: Error, Equatable, Sendable {
    /// An event id or epoch that can't be a folder's name.
    case invalidName(String)
    /// The disk refused.
    case disk(DiskError)
}

/// One event's segments on disk.
///
/// Playlists live in memory and are a pure function of the state file, so that they are served at once after a restart.
/// Reading is safe from any thread; `publish` and `end` belong to the one thread that writes segments.
public final class EventStore: Sendable {
    private struct Served {
        var state: EventState
        var playlists: [String: PlaylistResource] = [:]
        var files: [String: Int] = [:]
    }

    /// The settings.
    public let settings: EventStoreSettings
    private let disk: any SegmentDisk
    private let served: Mutex<Served>
    private var folder: String { "\(settings.root)/\(settings.event)" }
    private var statePath: String { "\(folder)/state.json" }
    private var previousPath: String { "\(folder)/state.previous.json" }

    /// Opens an event's folder, or makes it, and goes on where the last run stopped.
    ///
    /// - Parameters:
    ///   - settings: where and how many.
    ///   - disk: the file system.
    /// - Throws: `EventStoreError`.
    public init(settings: EventStoreSettings, disk: any SegmentDisk = LocalDisk()) throws(EventStoreError) {
        guard isSafeName(settings.event) else { throw .invalidName(settings.event) }
        self.settings = settings
        self.disk = disk
        served = Mutex(Served(state: EventState()))
        do { try disk.makeFolder("\(settings.root)/\(settings.event)") } catch { throw .disk(error) }
        let state = recover()
        served.withLock { $0 = render(state) }
        sweep(state)
    }

    /// The state as it is on disk.
    public var state: EventState { served.withLock { $0.state } }

    /// A playlist by its path below the event, `master.m3u8` or `{rung}/index.m3u8`; nil when there is none yet.
    public func playlist(_ path: String) -> PlaylistResource? { served.withLock { $0.playlists[path] } }

    /// The file and size of a segment by its path below the event, `{rung}/{run}-{number}.ts`; nil when it isn't kept.
    public func segment(_ path: String) -> (file: String, bytes: Int)? {
        served.withLock { $0.files[path] }.map { ("\(folder)/\(path)", $0) }
    }

    /// The file of a time-line entry by its path below the event, `timeline/{epoch}/{number}.json`; nil when there is none.
    public func timeline(_ path: String) -> (file: String, bytes: Int)? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "timeline", isSafeName(String(parts[1])), parts[2].hasSuffix(".json"),
            Int64(parts[2].dropLast(5)) != nil
        else { return nil }
        let file = "\(folder)/\(path)"
        return disk.size(of: file).map { (file, $0) }
    }

    /// Writes the time-line of a segment, once; the first write wins.
    ///
    /// - Parameters:
    ///   - epoch: the log's epoch: letters, digits, `-` and `_`.
    ///   - mediaSequence: a kept segment's number.
    ///   - json: the content.
    /// - Returns: false when there was one already, or the segment is gone.
    /// - Throws: `EventStoreError`.
    @discardableResult
    public func putTimeline(epoch: String, mediaSequence: Int64, json: ByteBlock) throws(EventStoreError) -> Bool {
        guard isSafeName(epoch) else { throw .invalidName(epoch) }
        guard served.withLock({ $0.state.segments.contains { $0.mediaSequence == mediaSequence } }) else {
            return false
        }
        do {
            try disk.makeFolder("\(folder)/timeline/\(epoch)")
            return try disk.writeOnce(json, to: "\(folder)/timeline/\(epoch)/\(mediaSequence).json")
        } catch { throw .disk(error) }
    }

    /// Writes one segment in every rung, then the state, then lists it.
    ///
    /// - Parameters:
    ///   - files: each rung's transport stream.
    ///   - from: the program time of its first picture.
    ///   - to: where it ends.
    ///   - isDiscontinuity: whether a discontinuity lies before it.
    ///   - run: the run's name.
    ///   - update: changes the state that goes to disk with it.
    /// - Throws: `DiskError`; then nothing is listed and no number is used.
    func publish(
        files: [(rung: String, bytes: ByteBlock)], from: ProgramTime, to: ProgramTime, isDiscontinuity: Bool,
        run: String,
        update: (inout EventState) -> Void
    ) throws(DiskError) -> SegmentPublished {
        var state = self.state
        if isDiscontinuity { state.discontinuities += 1 }
        let entry = SegmentEntry(
            mediaSequence: state.nextMediaSequence, run: run, from: from, to: to, isDiscontinuity: isDiscontinuity,
            discontinuities: state.discontinuities,
            bytes: Dictionary(files.map { ($0.rung, $0.bytes.count) }, uniquingKeysWith: { first, _ in first }))
        do throws(DiskError) {
            for file in files {
                try disk.makeFolder("\(folder)/\(file.rung)")
                try disk.write(file.bytes, to: "\(folder)/\(file.rung)/\(entry.fileName)", isDurable: false)
            }
            update(&state)
            state.nextMediaSequence += 1
            state.lastEnd = to
            state.isEnded = false
            state.segments.append(entry)
            let gone = Array(state.segments.prefix(max(0, state.segments.count - settings.kept)))
            state.segments.removeFirst(gone.count)
            try save(state)
            let rendered = render(state)
            served.withLock { $0 = rendered }
            for segment in gone { remove(segment) }
        } catch {
            for file in files { disk.remove("\(folder)/\(file.rung)/\(entry.fileName)") }
            throw error
        }
        return SegmentPublished(
            event: settings.event, mediaSequence: entry.mediaSequence, from: from, to: to,
            discontinuity: isDiscontinuity)
    }

    /// Marks the event as ended in its playlists, until a next segment comes.
    func end() throws(DiskError) {
        var state = self.state
        guard !state.isEnded, !state.segments.isEmpty else { return }
        state.isEnded = true
        try save(state)
        let rendered = render(state)
        served.withLock { $0 = rendered }
    }

    private func save(_ state: EventState) throws(DiskError) {
        guard let json = state.json else { throw DiskError(operation: "encode", code: 22) }
        // The last good state stays readable whatever happens to the new one.
        if let old = disk.read(statePath, limit: 1 << 20), EventState(json: old) != nil {
            try disk.write(ByteBlock(old), to: previousPath, isDurable: false)
        }
        try disk.write(json, to: statePath, isDurable: true)
    }

    private func recover() -> EventState {
        let main = disk.read(statePath, limit: 1 << 20).flatMap(EventState.init(json:))
        var state = main ?? disk.read(previousPath, limit: 1 << 20).flatMap(EventState.init(json:)) ?? EventState()
        if main == nil {
            // Without the newest state a number may have been listed that the old one doesn't know: pass them all.
            for rung in disk.names(in: folder) where rung != "timeline" {
                for name in disk.names(in: "\(folder)/\(rung)") {
                    guard name.hasSuffix(".ts"), let dash = name.lastIndex(of: "-"),
                        let number = Int64(name[name.index(after: dash)...].dropLast(3)), number < Int64.max / 2
                    else { continue }
                    state.nextMediaSequence = max(state.nextMediaSequence, number + 1)
                }
            }
        }
        // A list has no holes: what stands before a lost file goes with it.
        if let lost = state.segments.lastIndex(where: { !isOnDisk($0) }) { state.segments.removeFirst(lost + 1) }
        if let last = state.segments.last, last.mediaSequence + 1 != state.nextMediaSequence { state.segments = [] }
        return state
    }

    private func isOnDisk(_ segment: SegmentEntry) -> Bool {
        segment.bytes.allSatisfy { disk.size(of: "\(folder)/\($0.key)/\(segment.fileName)") == $0.value }
    }

    /// Removes what a crash left behind.
    private func sweep(_ state: EventState) {
        let kept = Set(state.segments.map(\.fileName))
        let numbers = Set(state.segments.map(\.mediaSequence))
        for name in disk.names(in: folder) where name != "timeline" {
            if name.hasSuffix(".tmp") { disk.remove("\(folder)/\(name)") }
            for file in disk.names(in: "\(folder)/\(name)")
            where (file.hasSuffix(".ts") && !kept.contains(file)) || file.hasSuffix(".tmp") {
                disk.remove("\(folder)/\(name)/\(file)")
            }
        }
        for epoch in disk.names(in: "\(folder)/timeline") {
            for file in disk.names(in: "\(folder)/timeline/\(epoch)") {
                guard let number = Int64(file.dropLast(5)), file.hasSuffix(".json"), numbers.contains(number) else {
                    disk.remove("\(folder)/timeline/\(epoch)/\(file)")
                    continue
                }
            }
        }
    }

    private func remove(_ segment: SegmentEntry) {
        for rung in segment.bytes.keys { disk.remove("\(folder)/\(rung)/\(segment.fileName)") }
        for epoch in disk.names(in: "\(folder)/timeline") {
            disk.remove("\(folder)/timeline/\(epoch)/\(segment.mediaSequence).json")
        }
    }

    private func render(_ state: EventState) -> Served {
        var result = Served(state: state)
        let listed = state.segments.suffix(settings.listed)
        for variant in state.variants {
            let first = listed.first
            let playlist = MediaPlaylist(
                targetDuration: settings.targetDuration, mediaSequence: first?.mediaSequence ?? state.nextMediaSequence,
                discontinuitySequence: first.map { $0.discontinuities - ($0.isDiscontinuity ? 1 : 0) }
                    ?? state.discontinuities,
                holdBack: settings.holdBack,
                segments: listed.map {
                    MediaPlaylist.Segment(
                        uri: $0.fileName, from: $0.from, to: $0.to, isDiscontinuity: $0.isDiscontinuity)
                },
                isEnded: state.isEnded)
            result.playlists[variant.uri] = PlaylistResource(playlist.render())
        }
        if !state.variants.isEmpty {
            result.playlists["master.m3u8"] = PlaylistResource(MasterPlaylist(variants: state.variants).render())
        }
        for segment in state.segments {
            for (rung, bytes) in segment.bytes { result.files["\(rung)/\(segment.fileName)"] = bytes }
        }
        return result
    }
}

/// Whether a name may stand in a path: it can't climb out of a folder or hide in it.
func isSafeName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 128
        && name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45
                || byte == 95
        }
}
