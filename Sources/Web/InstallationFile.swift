// Files of an installation that several processes share: secrets that the first one makes, and files that somebody changes.

public import Foundation

/// What processes of one installation share by files.
public enum InstallationFile {
    /// Reads a secret, or makes it on first use (mode 0600): of two processes that start at once the first one's link wins, and both
    /// read what it made.
    ///
    /// - Parameters:
    ///   - name: of the file.
    ///   - directory: where it lies; made if it is missing (mode 0700).
    ///   - make: the secret, as text.
    /// - Throws: what the file system says.
    public static func secret(_ name: String, in directory: URL, make: () -> String) throws -> String {
        let file = directory.appending(path: name)
        if let known = try? String(contentsOf: file, encoding: .utf8), !known.isEmpty { return known }
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let draft = directory.appending(path: "\(name).\(UUID().uuidString)")
        try write(make(), to: draft)
        try? FileManager.default.linkItem(at: draft, to: file)
        try FileManager.default.removeItem(at: draft)
        return try String(contentsOf: file, encoding: .utf8)
    }

    /// Writes a file that only we read, from its first moment on.
    ///
    /// - Throws: `CocoaError` when it can't be written.
    public static func write(_ text: String, to file: URL) throws {
        guard
            FileManager.default.createFile(
                atPath: file.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: file.path]) }
    }

    /// When a file was changed last; nil where there is none.
    public static func changed(_ file: URL) -> Date? {
        try? FileManager.default.attributesOfItem(atPath: file.path)[.modificationDate] as? Date
    }
}
