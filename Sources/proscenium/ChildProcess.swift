// One supervised process: started, waited for, started again with a growing pause, and ended in order.

import CProcess
import Foundation
import Glibc
import Logging
import Media
import Synchronization

/// A role's process and the thread that watches it.
///
/// The thread starts the process, because the kernel ends a child with the thread that started it
/// (prctl(2), PR_SET_PDEATHSIG).
final class ChildProcess: Sendable {
    private struct State {
        var pid: pid_t?
        var isStopping = false
    }

    private let name: String
    private let executable: String
    private let arguments: [String]
    private let logger: Logger
    private let environment: [String: String]
    private let token: @Sendable () async throws -> String
    private let state = Mutex(State())
    private let thread = Mutex<MediaThread?>(nil)
    private let stopped = BoundedQueue<Bool>(capacity: 1), ended = BoundedQueue<Bool>(capacity: 1)

    /// Starts supervising.
    ///
    /// - Parameters:
    ///   - name: the command of the role.
    ///   - executable: another program than this one; it gets its arguments alone, and nothing of our environment.
    ///   - arguments: what follows the command.
    ///   - settings: handed on through the environment.
    ///   - logger: for starts and ends.
    ///   - token: made anew for each start, handed over by standard input.
    init(
        name: String, executable: String? = nil, arguments: [String] = [], settings: Settings, logger: Logger,
        token: @escaping @Sendable () async throws -> String
    ) {
        self.name = name
        self.executable = executable ?? "/proc/self/exe"
        self.arguments = executable == nil ? ["proscenium", name] + arguments : [name] + arguments
        var logger = logger
        if executable == nil, !arguments.isEmpty {
            logger[metadataKey: "arguments"] = "\(arguments.joined(separator: " "))"
        }
        self.logger = logger
        self.token = token
        environment =
            executable == nil ? ProcessInfo.processInfo.environment.merging(settings.environment) { $1 } : [:]
        thread.withLock {
            $0 = MediaThread(name: "child-\(name)") { [self] in
                watch()
                ended.push(true)
            }
        }
    }

    /// The process that runs now.
    var processID: pid_t? { state.withLock { $0.pid } }

    /// Tells the process something, if it runs.
    func signal(_ number: Int32) {
        state.withLock { state in
            if let pid = state.pid { _ = kill(pid, number) }
        }
    }

    /// Asks the process to end.
    func stop() {
        stopped.push(true)
        state.withLock { state in
            state.isStopping = true
            if let pid = state.pid { kill(pid, SIGTERM) }
        }
    }

    /// Waits until the process has ended after `stop`, and kills it at the deadline.
    func join(until deadline: MonotonicTime) {
        if ended.pop(until: deadline) == nil {
            logger.error("a process does not end and is killed", metadata: ["role": "\(name)"])
            state.withLock { state in
                if let pid = state.pid { _ = kill(pid, SIGKILL) }
            }
        }
        thread.withLock { $0 }?.join()
    }

    private func watch() {
        var pauseMs: Int64 = 100
        while !state.withLock({ $0.isStopping }) {
            let startedAt = SystemClock.monotonic()
            let pid = start()
            if pid > 0 {
                logger.info("a process has started", metadata: ["role": "\(name)", "pid": "\(pid)"])
                let status = wait(for: pid)
                if state.withLock({ $0.isStopping }) { return }
                logger.error(
                    "a process has ended", metadata: ["role": "\(name)", "pid": "\(pid)", "status": "\(status)"])
            } else {
                logger.error("a process can't be started", metadata: ["role": "\(name)", "errno": "\(-pid)"])
            }
            // One that ran for long is started again at once; one that dies at once is not started in a storm.
            let ran = SystemClock.monotonic().milliseconds(since: startedAt)
            pauseMs = ran > 10_000 ? 100 : min(pauseMs * 2, 5000)
            _ = stopped.pop(until: SystemClock.monotonic().advanced(byMilliseconds: pauseMs))
        }
    }

    private func wait(for pid: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        state.withLock { $0.pid = nil }
        return status
    }

    private func start() -> pid_t {
        guard let secret = makeToken() else { return -EIO }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return -errno }
        defer { ends.forEach { close($0) } }
        let line = secret + "\n"
        _ = line.withCString { write(ends[1], $0, strlen($0)) }
        let arguments: [UnsafeMutablePointer<CChar>?] = self.arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") }
        variables.append(nil)
        defer { (arguments + variables).forEach { free($0) } }
        // A stop that comes between here and the start below is seen by the loop in `wait`.
        return state.withLock { state in
            guard !state.isStopping else { return -EINTR }
            let pid = proscenium_spawn(executable, arguments, variables, ends[0])
            if pid > 0 { state.pid = pid }
            return pid
        }
    }

    private func makeToken() -> String? {
        let box = BoundedQueue<String>(capacity: 1)
        Task { [token, logger] in
            do {
                box.push(try await token())
            } catch {
                logger.error("a token can't be made", metadata: ["error": "\(error)"])
                box.close()
            }
        }
        return box.pop()
    }
}
