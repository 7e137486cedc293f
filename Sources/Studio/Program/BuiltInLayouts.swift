// The layouts that every event has: read once, checked, and refused by file.

internal import Control
public import Foundation
internal import Logging

/// Why the built-in layouts can't be used.
public struct LayoutFolderError: Error, CustomStringConvertible {
    /// The folder.
    public let folder: URL

    /// Says what is missing.
    public var description: String { "there is no good layout in \(folder.path)" }
}

enum BuiltInLayouts {
    /// Reads a folder of layouts; a file that does not fit is named in the log and left out.
    ///
    /// - Throws: `LayoutFolderError` when none is left.
    static func load(folder: URL, logger: Logger) throws -> [String: Layout] {
        guard let (layouts, errors) = try? Layout.load(folder: folder) else { throw LayoutFolderError(folder: folder) }
        for (file, error) in errors.sorted(by: { $0.key < $1.key }) {
            logger.error(
                "a layout is left out",
                metadata: ["path": "\(folder.appending(path: file).path)", "reason": "\(error)"])
        }
        guard !layouts.isEmpty else { throw LayoutFolderError(folder: folder) }
        return layouts
    }
}
