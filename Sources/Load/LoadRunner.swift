// One load from its first peer to its line of JSON.

import Foundation
import Media
import Synchronization

/// Runs loads.
public enum LoadRunner {
    /// How many peers join at a time.
    static let joiningAtOnce = 8

    /// Joins with everybody, waits until all is flowing, measures, and leaves.
    ///
    /// - Returns: what was seen in the window.
    /// - Throws: `LoadError` when the options do not fit, the server refuses, or media does not begin to flow.
    public static func run(_ options: LoadOptions) async throws -> LoadReport {
        try options.check()
        let recording = try await record(options)
        let signalling = signalling(options)
        let loop = LoadLoop(recording: recording, options: options)
        do {
            let report = try await measure(options, signalling, loop)
            await signalling.close()
            await stop(loop)
            return report
        } catch {
            await signalling.close()
            await stop(loop)
            throw error
        }
    }

    private static func signalling(_ options: LoadOptions) -> any LoadSignalling {
        switch options.peer {
        case .studio(let origin, let event, let invitation, let certificate):
            StudioSignalling(origin: origin, event: event, invitation: invitation, certificate: certificate)
        case .worker(let port): WorkerSignalling(port: port, publishers: options.publishers)
        case .janus(let url, let room): JanusSignalling(url: url, firstRoom: room, publishers: options.publishers)
        }
    }

    /// Encodes or reads the recording on a thread of its own, for it takes a while.
    static func record(_ options: LoadOptions) async throws -> Recording {
        let (results, done) = AsyncStream<Result<Recording, any Error>>.makeStream()
        let thread = MediaThread(name: "load-record") {
            done.yield(
                Result {
                    if let file = options.file { return try Recording.reading(file) }
                    return try Recording.synthetic(
                        width: options.width, height: options.height, bitrate: options.bitrate)
                })
            done.finish()
        }
        defer { thread.join() }
        for await result in results { return try result.get() }
        throw LoadError("The recording was not made.")
    }

    /// Ends the loop without a thread of the pool waiting for it.
    private static func stop(_ loop: LoadLoop) async {
        await withCheckedContinuation { continuation in
            _ = MediaThread(name: "load-stop") {
                loop.stop()
                continuation.resume()
            }
        }
    }

    private static func measure(
        _ options: LoadOptions, _ signalling: any LoadSignalling, _ loop: LoadLoop
    ) async throws -> LoadReport {
        try await signalling.open(rooms: options.rooms)
        try await each(options.rooms * options.publishers) { index in
            let added = await loop.ask { core, _ in core.addPublisher() }
            let (number, offer) = try added.get()
            let seat = LoadSeat(room: index % options.rooms, number: number)
            let answer = try await signalling.publish(seat, offer: offer)
            try await loop.ask { core, now in core.accept(answer: answer, for: number, now: now) }.get()
        }
        try await wait(loop, "publishers are connected") {
            $0.connectedPublishers == options.rooms * options.publishers
        }
        // Tracks are told of once they can be had.
        try await Task.sleep(for: .milliseconds(500))
        let memoryBefore = options.process.flatMap { ProcessReading.memoryKB($0) } ?? 0
        try await each(options.rooms * options.subscribers) { index in
            let added = await loop.ask { core, _ in core.addSubscriber() }
            let number = try added.get()
            let seat = LoadSeat(room: index % options.rooms, number: number)
            try await signalling.subscribe(seat) { offer in
                try await loop.ask { core, now in core.accept(offer: offer, for: number, now: now) }.get()
            }
        }
        try await wait(loop, "streams flow to all subscribers") {
            $0.completeSubscribers == options.rooms * options.subscribers
                && $0.streams == options.rooms * options.subscribers * options.publishers * 2
        }
        try await Task.sleep(for: .seconds(options.settleSeconds))
        let began = await loop.ask { core, now in
            core.beginWindow()
            return now
        }
        let allocationsBefore = options.allocations.flatMap { ProcessReading.allocations($0) }
        let cpuBefore = options.process.flatMap { ProcessReading.cpuSeconds($0) }
        try await Task.sleep(for: .seconds(options.seconds))
        let cpuAfter = options.process.flatMap { ProcessReading.cpuSeconds($0) }
        let allocationsAfter = options.allocations.flatMap { ProcessReading.allocations($0) }
        let (snapshot, state) = await loop.ask { core, now in (core.snapshot(now: now), core.state) }
        if let path = options.allocations, allocationsBefore == nil || allocationsAfter == nil {
            throw LoadError("\(path) holds no count of allocations.")
        }
        var server: (Double, Int, Int)?
        if let process = options.process {
            guard let cpuBefore, let cpuAfter else { throw LoadError("There is no process \(process).") }
            server = (cpuAfter - cpuBefore, ProcessReading.memoryKB(process) ?? 0, memoryBefore)
        }
        let seconds = Double(snapshot.at.nanoseconds(since: began)) / 1e9
        return LoadReport(
            peer: signalling.name, options: options, state: state, seconds: (seconds * 1000).rounded() / 1000, snapshot,
            server: server, allocations: allocationsAfter.map { $0 &- (allocationsBefore ?? 0) })
    }

    /// Does something for each number, several at a time; the first error ends it.
    private static func each(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<count {
                if index >= joiningAtOnce { try await group.next() }
                group.addTask { try await body(index) }
            }
            try await group.waitForAll()
        }
    }

    /// Waits until the load stands somewhere; longer for more peers.
    private static func wait(
        _ loop: LoadLoop, _ what: String, _ isThere: @escaping @Sendable (LoadState) -> Bool
    ) async throws {
        var state = await loop.ask { core, _ in core.state }
        let patience = 30_000 + Int64(state.subscribers) * 40
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: patience)
        while !isThere(state) {
            guard state.failures.isEmpty else {
                throw LoadError("A connection has ended: \(state.failures.joined(separator: "; "))")
            }
            guard SystemClock.monotonic() < deadline else {
                throw LoadError(
                    "Waited \(patience / 1000) s until \(what): \(state.connectedPublishers) of \(state.publishers) publishers"
                        + " and \(state.connectedSubscribers) of \(state.subscribers) subscribers are connected,"
                        + " \(state.completeSubscribers) get all, \(state.streams) streams.")
            }
            try await Task.sleep(for: .milliseconds(100))
            state = await loop.ask { core, _ in core.state }
        }
    }
}
