// The layouts that every event has: read, checked, read again when a file changes, and refused by file.

public import Control
public import Foundation
public import Logging
internal import Synchronization

/// Why the built-in layouts can't be used.
public struct LayoutFolderError: Error, CustomStringConvertible {
    /// The folder.
    public let folder: URL

    /// Says what is missing.
    public var description: String { "there is no good layout in \(folder.path)" }
}

/// The layouts that every event has, as their files say them.
public final class BuiltInLayouts: Sendable {
    /// What tells one state of a file from another.
    private struct Stamp: Equatable {
        var changedAt: Date?, bytes: Int?, number: Int?
    }

    private struct Contents {
        var layouts: [String: Layout]
        var stamps: [String: Stamp] = [:]
        /// What is refused only because the layout that it lets take over is not there yet, by file.
        var waiting: [String: Layout] = [:]
    }

    private let folder: URL?
    private let logger: Logger
    private let contents: Mutex<Contents>

    /// Creates layouts that no file changes.
    public init(_ layouts: [String: Layout]) {
        folder = nil
        logger = Logger(label: "layouts") { _ in SwiftLogNoOpLogHandler() }
        contents = Mutex(Contents(layouts: layouts))
    }

    /// Reads a folder of layouts; a file that does not fit is named in the log and left out.
    ///
    /// - Throws: `LayoutFolderError` when none is left.
    public init(folder: URL, logger: Logger) throws {
        self.folder = folder
        self.logger = logger
        contents = Mutex(Contents(layouts: [:]))
        _ = refresh()
        guard !all.isEmpty else { throw LayoutFolderError(folder: folder) }
    }

    /// All of them, by name.
    public var all: [String: Layout] { contents.withLock { $0.layouts } }

    /// Reads the files that have changed since they were read last.
    ///
    /// A bad file is named in the log, with the place in it, and what it said before stays. A file that is gone takes its
    /// layout along only when Studio starts anew: scenes may name it.
    ///
    /// - Returns: whether any layout is another now.
    public func refresh() -> Bool {
        guard let folder,
            let files = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        else { return false }
        return contents.withLock { contents in
            let before = contents.layouts
            var stamps: [String: Stamp] = [:], read: [String: Layout] = [:]
            for file in files where file.pathExtension == "json" {
                let name = file.lastPathComponent, stamp = Self.stamp(file)
                stamps[name] = stamp
                guard contents.stamps[name] != stamp else {
                    if let layout = contents.waiting[name] { read[layout.name] = layout }
                    continue
                }
                do throws(SceneError) {
                    let layout = try Layout.read(file)
                    read[layout.name] = layout
                } catch {
                    refuse(file, error)
                }
            }
            for name in contents.stamps.keys.filter({ stamps[$0] == nil }).sorted() {
                logger.warning(
                    "a layout's file is gone; the layout stays until Studio starts anew",
                    metadata: ["path": "\(folder.appending(path: name).path)"])
            }
            var waiting: [String: Layout] = [:]
            // One that is left out may be the one that another lets take over.
            while let (layout, error) = read.values.compactMap({ layout in
                layout.missingShare(among: before.merging(read) { $1 }).map { (layout, $0) }
            }).first {
                let name = layout.name + ".json"
                read[layout.name] = nil
                waiting[name] = layout
                // It is said once, and tried again each time.
                if contents.waiting[name] != layout { refuse(folder.appending(path: name), error) }
            }
            (contents.stamps, contents.waiting) = (stamps, waiting)
            contents.layouts = before.merging(read) { $1 }
            return contents.layouts != before
        }
    }

    private func refuse(_ file: URL, _ error: SceneError) {
        logger.error(
            "a layout is refused",
            metadata: ["path": "\(file.path)", "pointer": "\(error.pointer)", "reason": "\(error.reason)"])
    }

    private static func stamp(_ file: URL) -> Stamp {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
        return Stamp(
            changedAt: attributes?[.modificationDate] as? Date, bytes: (attributes?[.size] as? NSNumber)?.intValue,
            number: (attributes?[.systemFileNumber] as? NSNumber)?.intValue)
    }
}
