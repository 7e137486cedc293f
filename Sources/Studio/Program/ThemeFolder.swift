// The themes that scenes may name: a folder of files, looked at again while Studio runs.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import Synchronization

/// Keeps the themes of a folder; a file that does not fit keeps what it was before.
final class ThemeFolder: Sendable {
    private struct State {
        var themes: [String: OverlayTheme]
        var errors: [String: SceneError] = [:]
        var lookedAt: MonotonicTime?
        var stamp: [String: Date] = [:]
    }

    /// How often files are looked at, at most.
    static let pauseMs: Int64 = 1000
    private let folder: URL?
    private let logger: Logger
    private let now: @Sendable () -> MonotonicTime
    private let state: Mutex<State>

    /// Reads a folder of themes; the standard theme is there whatever the folder holds.
    ///
    /// - Parameters:
    ///   - folder: where the files are; nil for none.
    ///   - logger: for files that are left out.
    ///   - now: the monotonic clock.
    init(
        folder: URL? = nil, logger: Logger = Logger(label: "themes"),
        now: @escaping @Sendable () -> MonotonicTime = { SystemClock.monotonic() }
    ) {
        self.folder = folder
        self.logger = logger
        self.now = now
        state = Mutex(State(themes: [OverlayTheme.standardName: .standard]))
    }

    /// The themes by name, as the files are now.
    var themes: [String: OverlayTheme] {
        state.withLock { state in
            let now = now()
            if let last = state.lookedAt, now.milliseconds(since: last) < Self.pauseMs { return state.themes }
            state.lookedAt = now
            look(&state)
            return state.themes
        }
    }

    private func look(_ state: inout State) {
        guard let folder,
            let files = try? FileManager.default.contentsOfDirectory(
                at: folder, includingPropertiesForKeys: [.contentModificationDateKey])
        else { return }
        var stamp: [String: Date] = [:]
        for file in files where file.pathExtension == "json" {
            let values = try? file.resourceValues(forKeys: [.contentModificationDateKey])
            stamp[file.lastPathComponent] = values?.contentModificationDate ?? .distantPast
        }
        guard stamp != state.stamp, let (read, errors) = try? OverlayTheme.load(folder: folder) else { return }
        state.stamp = stamp
        for (file, error) in errors.sorted(by: { $0.key < $1.key }) where state.errors[file] != error {
            logger.error(
                "a theme is left out", metadata: ["path": "\(folder.appending(path: file).path)", "reason": "\(error)"])
        }
        state.errors = errors
        var themes = read
        // Of a file that is broken now, what it said before goes on.
        for file in errors.keys {
            let name = String(file.dropLast(".json".count))
            if themes[name] == nil { themes[name] = state.themes[name] }
        }
        themes[OverlayTheme.standardName] = themes[OverlayTheme.standardName] ?? .standard
        state.themes = themes
    }
}
