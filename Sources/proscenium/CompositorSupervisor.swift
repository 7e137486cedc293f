// The compositors of this machine: one process for each event that Studio names, and no others.

import Control
import Foundation
import Glibc
import Logging
import Media
import Synchronization

/// Starts and ends compositors as Studio's set of events says.
///
/// A compositor whose event comes back while it still ends is started when it has ended, because Studio knows both by the
/// same name.
final class CompositorSupervisor: Sendable {
    private struct State {
        var wanted: Set<String> = []
        var running: [String: ChildProcess] = [:]
        var ending: [String: ChildProcess] = [:]
        var isStopped = false
        /// The CPU time of each process when it was last asked for.
        var cpuSeconds: [pid_t: Double] = [:]
        var measuredAt = SystemClock.monotonic()
    }

    private let settings: Settings
    private let logger: Logger
    private let token: @Sendable (String) async throws -> String
    private let state = Mutex(State())

    /// Creates a supervisor without compositors.
    ///
    /// - Parameters:
    ///   - settings: handed on to the processes.
    ///   - logger: for starts and ends.
    ///   - token: makes the token of an event's compositor.
    init(settings: Settings, logger: Logger, token: @escaping @Sendable (_ event: String) async throws -> String) {
        self.settings = settings
        self.logger = logger
        self.token = token
    }

    /// How it dials Studio.
    func configuration(studio: URL, token: String) -> WorkerConnection.Configuration {
        WorkerConnection.Configuration(
            studio: studio, token: token,
            registration: { [self] in
                WorkerRegistration(
                    id: HandedOverToken.subject(of: token) ?? "supervisor", role: .supervisor,
                    place: settings.text("place"), capacity: Double(ProcessInfo.processInfo.activeProcessorCount),
                    addresses: [:], version: "1", running: state.withLock { $0.running.keys.sorted() })
            },
            load: { [self] in
                let (cores, count) = usedCores()
                return (cores, ["proscenium_supervisor_compositors": Double(count)])
            },
            handle: { [self] command in
                guard case .runCompositors(let events) = command else {
                    return .failed("a supervisor only runs compositors")
                }
                guard events.count <= Placement.compositorLimit else {
                    return .failed("a supervisor runs at most \(Placement.compositorLimit) compositors")
                }
                guard events.allSatisfy(Self.isSlug) else { return .failed("not the slug of an event") }
                run(Set(events))
                return .done
            })
    }

    /// Runs a compositor for each of these events, and no others.
    func run(_ events: Set<String>) {
        state.withLock { state in
            guard !state.isStopped else { return }
            state.wanted = events
            for event in state.running.keys where !events.contains(event) { end(event, &state) }
            start(&state)
        }
    }

    /// Ends every compositor, and kills what has not ended at the deadline; blocks until then.
    func stop(until deadline: MonotonicTime) {
        let children = state.withLock { state -> [ChildProcess] in
            state.isStopped = true
            state.wanted = []
            defer { state.running = [:] }
            return Array(state.running.values)
        }
        for child in children { child.stop() }
        for child in children { child.join(until: deadline) }
        // Those that ended before have a thread each that waits for them, and at most as long.
        while !state.withLock({ $0.ending.isEmpty }), SystemClock.monotonic() < deadline { usleep(10_000) }
    }

    private func start(_ state: inout State) {
        guard !state.isStopped else { return }
        for event in state.wanted where state.running[event] == nil && state.ending[event] == nil {
            state.running[event] = ChildProcess(
                name: "compositor", arguments: ["--event", event], settings: settings, logger: logger
            ) { [token] in try await token(event) }
        }
    }

    private func end(_ event: String, _ state: inout State) {
        guard let child = state.running.removeValue(forKey: event) else { return }
        state.ending[event] = child
        child.stop()
        _ = MediaThread(name: "end-compositor") { [self] in
            child.join(until: SystemClock.monotonic().advanced(byMilliseconds: 4000))
            self.state.withLock { state in
                state.ending[event] = nil
                start(&state)
            }
        }
    }

    /// The cores that the compositors have used since the last question, and how many there are.
    private func usedCores() -> (cores: Double, count: Int) {
        state.withLock { state in
            let now = SystemClock.monotonic()
            var used = 0.0, seconds: [pid_t: Double] = [:]
            for pid in state.running.values.compactMap(\.processID) {
                guard let total = Self.cpuSeconds(pid) else { continue }
                seconds[pid] = total
                used += max(0, total - (state.cpuSeconds[pid] ?? 0))
            }
            let elapsed = Double(now.nanoseconds(since: state.measuredAt)) / 1e9
            (state.cpuSeconds, state.measuredAt) = (seconds, now)
            return (used / max(0.001, elapsed), state.running.count)
        }
    }

    /// User and system time of a process: fields 14 and 15 of proc(5)'s `stat`, counted after the name in parentheses.
    private static func cpuSeconds(_ pid: pid_t) -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return (user + system) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    private static func isSlug(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    }
}
