// The disk as segments see it: whole files that appear at once, or not at all.

internal import Glibc
public import Media

/// A file operation that the system refused.
public struct DiskError: Error, Equatable, Sendable {
    /// What was tried, such as `write`.
    public let operation: String
    /// The system's `errno`.
    public let code: Int32
    /// Whether there was no room, or a quota was used up.
    public var isFull: Bool { code == ENOSPC || code == EDQUOT }
}

/// What the segment store asks of a disk; another implementation may refuse on purpose in tests.
public protocol SegmentDisk: Sendable {
    /// Writes a file under a temporary name and renames it into place.
    ///
    /// - Parameters:
    ///   - bytes: the content.
    ///   - path: where it shall be.
    ///   - isDurable: whether content and name must be on the medium before this returns.
    /// - Throws: `DiskError`; nothing stays at the path then that was not there before.
    func write(_ bytes: ByteBlock, to path: String, isDurable: Bool) throws(DiskError)
    /// Writes a file unless there is one already; returns false when there was.
    func writeOnce(_ bytes: ByteBlock, to path: String) throws(DiskError) -> Bool
    /// Reads a file of at most `limit` bytes; nil when there is none, or it is larger.
    func read(_ path: String, limit: Int) -> [UInt8]?
    /// The size of a file, or nil.
    func size(of path: String) -> Int?
    /// Makes a folder and those above it.
    func makeFolder(_ path: String) throws(DiskError)
    /// The names in a folder, in no order; empty when there is none.
    func names(in folder: String) -> [String]
    /// Removes a file; it is no error when there is none.
    func remove(_ path: String)
}

/// The local file system.
public struct LocalDisk: SegmentDisk {
    /// Creates it.
    public init() {}

    /// Writes to a temporary name beside the file, and renames.
    public func write(_ bytes: ByteBlock, to path: String, isDurable: Bool) throws(DiskError) {
        let temporary = path + ".tmp"
        try writeNew(bytes, to: temporary, isDurable: isDurable)
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw DiskError(operation: "rename", code: code)
        }
        if isDurable { syncFolder(of: path) }
    }

    /// Writes to a temporary name, and links it into place, which fails where a file is.
    public func writeOnce(_ bytes: ByteBlock, to path: String) throws(DiskError) -> Bool {
        // Two writers at once must not share a temporary name.
        let temporary = "\(path).\(UInt32.random(in: 0 ... .max)).tmp"
        try writeNew(bytes, to: temporary, isDurable: false)
        defer { unlink(temporary) }
        guard link(temporary, path) != 0 else { return true }
        guard errno == EEXIST else { throw DiskError(operation: "link", code: errno) }
        return false
    }

    /// Reads a whole file.
    public func read(_ path: String, limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var information = stat()
        guard fstat(file, &information) == 0, information.st_size >= 0, information.st_size <= limit else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(file, $0.baseAddress?.advanced(by: offset), $0.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            offset += count
        }
        return bytes
    }

    /// Asks for the size.
    public func size(of path: String) -> Int? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        return Int(information.st_size)
    }

    /// Makes each missing part of the path.
    public func makeFolder(_ path: String) throws(DiskError) {
        var built = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            built += "/" + part
            guard mkdir(built, 0o755) == 0 || errno == EEXIST else { throw DiskError(operation: "mkdir", code: errno) }
        }
    }

    /// Lists a folder.
    public func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Unlinks a file.
    public func remove(_ path: String) { unlink(path) }

    private func writeNew(_ bytes: ByteBlock, to path: String, isDurable: Bool) throws(DiskError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw DiskError(operation: "open", code: errno) }
        var code: Int32 = 0
        bytes.withBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let count = Glibc.write(file, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    code = count < 0 ? errno : ENOSPC
                    return
                }
                offset += count
            }
        }
        if code == 0, isDurable, fsync(file) != 0 { code = errno }
        if close(file) != 0, code == 0 { code = errno }
        guard code == 0 else {
            unlink(path)
            throw DiskError(operation: "write", code: code)
        }
    }

    private func syncFolder(of path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let folder = open(String(path[..<slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }
}
