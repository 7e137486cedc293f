// The real decoder: one child process for each upload, at most two at once, killed when its time is over.

public import Foundation
internal import Glibc
import HTTPTypes
public import Logging
internal import Synchronization
internal import Web

/// Runs `proscenium decode` for each upload.
public final class ChildDecoder: MediaDecoding {
    private static let atOnce = 2, waitingLimit = 8

    private struct Turns {
        var running = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private enum End: Sendable {
        case status(Int32)
        case signal(Int32)
    }

    private let executable: URL
    private let limitSeconds: @Sendable (MediaKind) -> Int
    private let logger: Logger
    private let turns = Mutex(Turns())

    /// Creates a decoder.
    ///
    /// - Parameters:
    ///   - executable: the program that has the `decode` command; this one by default.
    ///   - limitSeconds: after how long a child is killed.
    ///   - logger: for children that had to be killed.
    public init(
        executable: URL = URL(filePath: "/proc/self/exe"),
        limitSeconds: @escaping @Sendable (MediaKind) -> Int = { $0.limitSeconds }, logger: Logger
    ) {
        self.executable = executable
        self.limitSeconds = limitSeconds
        self.logger = logger
    }

    /// Decodes a file in a child process.
    public func decode(_ kind: MediaKind, file: URL, into folder: URL) async throws -> DecodedMedia {
        try await takeTurn()
        defer { giveTurn() }
        // Files and no pipes: a decoder that complains without end must not wait for a reader.
        let work = file.deletingLastPathComponent()
        let output = work.appending(path: "stdout"), complaints = work.appending(path: "stderr")
        let end = try await run(kind, file, folder, output, complaints)
        switch end {
        case .status(0):
            guard let data = try? Data(contentsOf: output),
                let media = try? JSONDecoder().decode(DecodedMedia.self, from: data)
            else { throw Self.failed }
            return media
        case .status(DecodeExit.unreadable):
            throw Problem(
                .unsupportedMediaType, "unreadable", "The file can't be read", detail: Self.lastLine(of: complaints))
        case .status(DecodeExit.tooLarge):
            throw Problem(.contentTooLarge, "too-large", "The file is too large", detail: Self.lastLine(of: complaints))
        case .status(let number), .signal(let number):
            logger.warning("a decoder failed", metadata: ["kind": "\(kind)", "end": "\(end)", "number": "\(number)"])
            throw Self.failed
        }
    }

    private static var failed: Problem {
        Problem(
            .unsupportedMediaType, "unreadable", "The file can't be read",
            detail: "It could not be decoded within the bounds of time and memory.")
    }

    private func run(
        _ kind: MediaKind, _ file: URL, _ folder: URL, _ output: URL, _ complaints: URL
    ) async throws -> End {
        for place in [output, complaints] {
            guard FileManager.default.createFile(atPath: place.path, contents: nil) else { throw Self.failed }
        }
        let process = Process()
        process.executableURL = executable
        process.arguments = ["decode", kind.rawValue, file.path, folder.path]
        // Nothing of this process's environment: a decoder needs no secrets and no proxies.
        process.environment = [
            "LANG": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no", "XDG_CACHE_HOME": file.deletingLastPathComponent().path,
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: complaints)
        let running = Running()
        let killer = Task { [seconds = limitSeconds(kind)] in
            try await Task.sleep(for: .seconds(seconds))
            running.kill()
        }
        defer { killer.cancel() }
        return try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { process in
                running.ended()
                let status = process.terminationStatus
                continuation.resume(returning: process.terminationReason == .exit ? .status(status) : .signal(status))
            }
            do {
                try process.run()
                running.started(process.processIdentifier)
            } catch {
                // The handler is not called for what never ran.
                continuation.resume(throwing: error)
            }
        }
    }

    private func takeTurn() async throws {
        let isFull = turns.withLock { $0.running >= Self.atOnce && $0.waiting.count >= Self.waitingLimit }
        guard !isFull else { throw Problem.overloaded("Too many files are decoded already.", retryAfterMs: 10_000) }
        await withCheckedContinuation { continuation in
            let isFree = turns.withLock { turns in
                guard turns.running >= Self.atOnce else {
                    turns.running += 1
                    return true
                }
                turns.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    /// Hands the turn on to who waits longest.
    private func giveTurn() {
        let next = turns.withLock { turns -> CheckedContinuation<Void, Never>? in
            if turns.waiting.isEmpty {
                turns.running -= 1
                return nil
            }
            return turns.waiting.removeFirst()
        }
        next?.resume()
    }

    private static func lastLine(of file: URL) -> String? {
        guard let handle = try? FileHandle(forReadingFrom: file), let end = try? handle.seekToEnd() else { return nil }
        defer { try? handle.close() }
        try? handle.seek(toOffset: end > 1024 ? end - 1024 : 0)
        let text = String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
        return text.split(separator: "\n").last.map { String($0.prefix(300)) }
    }
}

/// The child while it may be killed.
private final class Running: Sendable {
    private enum State {
        case new, runs(pid_t), over
    }

    private let state = Mutex(State.new)

    func started(_ pid: pid_t) {
        state.withLock { if case .new = $0 { $0 = .runs(pid) } }
    }

    func ended() { state.withLock { $0 = .over } }

    func kill() {
        state.withLock { state in
            if case .runs(let pid) = state { _ = Glibc.kill(pid, SIGKILL) }
        }
    }
}
