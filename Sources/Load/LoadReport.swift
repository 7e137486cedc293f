// What a load has seen, as one line of JSON.

import Foundation

/// The result of a load.
public struct LoadReport: Encodable, Sendable {
    /// Who forwarded, and with which SRTP profile.
    var load: String, profile: String
    var rooms: Int, publishers: Int, subscribers: Int, streams: Int
    /// The length of the window.
    var seconds: Double
    var packetsSent: UInt64, packetsReceived: UInt64
    var packetsPerSecond: Double, megabitsPerSecond: Double
    var lost: UInt64, lossPercent: Double
    var packetsRecovered: UInt64, packetsRepeated: UInt64, nacks: UInt64
    var keyframeRequests: UInt64, keyframesWanted: UInt64
    var feedbackSent: UInt64, feedbackReceived: UInt64
    var pictures: UInt64, freezes: UInt64
    /// From before the publisher's system call until the kernel put it into the subscriber's socket; nil without samples.
    var latencyP50Ms: Double?, latencyP99Ms: Double?
    var latencySamples: UInt64
    /// The load's own.
    var cpuSeconds: Double, kernelDrops: UInt64, sendDropped: UInt64, skipped: Int64
    /// The server's process, where it was named.
    var allocations: UInt64?
    var serverCPUSeconds: Double?, packetsPerCPUSecond: Double?, serverMemoryKB: Int?, serverMemoryBeforeKB: Int?

    init(
        peer: String, options: LoadOptions, state: LoadState, seconds: Double, _ snapshot: LoadSnapshot,
        server: (cpuSeconds: Double, memoryKB: Int, memoryBeforeKB: Int)?, allocations: UInt64?
    ) {
        self.allocations = allocations
        load = peer
        profile = state.profile
        rooms = options.rooms
        publishers = state.connectedPublishers
        subscribers = state.connectedSubscribers
        streams = state.streams
        self.seconds = seconds
        let counters = snapshot.counters
        packetsSent = counters.packetsSent
        packetsReceived = counters.packetsReceived
        packetsPerSecond = (Double(counters.packetsReceived) / seconds).rounded()
        megabitsPerSecond = (Double(counters.bytesReceived) * 8 / seconds / 1e4).rounded() / 100
        lost = snapshot.lost
        lossPercent =
            snapshot.expected > 0 ? (Double(snapshot.lost) / Double(snapshot.expected) * 1e5).rounded() / 1e3 : 0
        packetsRecovered = counters.packetsRecovered
        packetsRepeated = counters.packetsRepeated
        nacks = counters.nacks
        keyframeRequests = counters.keyframeRequests
        keyframesWanted = counters.keyframesWanted
        (feedbackSent, feedbackReceived) = (counters.feedbackSent, counters.feedbackReceived)
        pictures = counters.pictures
        freezes = counters.freezes
        latencySamples = snapshot.latency.count
        if snapshot.latency.count > 0 {
            latencyP50Ms = Self.milliseconds(snapshot.latency.percentile(0.5))
            latencyP99Ms = Self.milliseconds(snapshot.latency.percentile(0.99))
        }
        cpuSeconds = (Double(snapshot.threadNanoseconds) / 1e7).rounded() / 100
        kernelDrops = snapshot.kernelDrops
        sendDropped = snapshot.sendDropped
        skipped = snapshot.skipped
        guard let server else { return }
        serverCPUSeconds = server.cpuSeconds
        serverMemoryKB = server.memoryKB
        serverMemoryBeforeKB = server.memoryBeforeKB
        // What the kernel dropped at the load's own door was sent, too.
        let out = Double(counters.packetsReceived + snapshot.kernelDrops)
        if server.cpuSeconds > 0 { packetsPerCPUSecond = (out / server.cpuSeconds).rounded() }
    }

    private static func milliseconds(_ nanoseconds: Int64) -> Double { (Double(nanoseconds) / 1e3).rounded() / 1e3 }

    /// The line.
    public var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// What the kernel says of a process.
enum ProcessReading {
    /// The CPU seconds, user and system, of a process so far; nil when it is not there.
    static func cpuSeconds(_ process: Int32) -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return nil }
        return cpuSeconds(stat: text, ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))))
    }

    /// Reads the times out of a line of `/proc/PID/stat`.
    static func cpuSeconds(stat text: String, ticksPerSecond: Double) -> Double? {
        // The name may hold anything, spaces and brackets too; it ends with the last bracket.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]), ticksPerSecond > 0
        else { return nil }
        return (user + system) / ticksPerSecond
    }

    /// What a process that runs with the counter of allocations has counted so far; nil where there is no counter.
    static func allocations(_ path: String) -> UInt64? {
        guard let data = FileManager.default.contents(atPath: path), data.count >= 8 else { return nil }
        return data.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The memory of a process that is resident, in kilobytes.
    static func memoryKB(_ process: Int32) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("VmRSS:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        }
        return nil
    }
}
