// One encode to many servers: each has a publisher of its own, and none knows of the others.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import NIOCore
internal import RTMP
internal import Synchronization

/// The further outputs of one program.
final class OutputBank: Sendable {
    /// How many outputs a program has at most.
    static let limit = 8

    private struct Output {
        let destination: OutputDestination
        var publisher: StreamPublisher?
        var phase = OutputState.Phase.connecting
        var reason: String?
        var isStuck = false
        var sinceMs: Int64
        var bytes: UInt64 = 0, bitrate: Int64 = 0
    }

    private struct State {
        var outputs: [String: Output] = [:]
        var configuration: (video: ByteBlock, audio: ByteBlock)?
        var isStopped = false
        var told: [OutputState] = []
        var timer: RepeatedTask?
    }

    private let policy: PublishPolicy
    private let clock: ProgramClock
    private let metadata: StreamMetadata
    private let group: any EventLoopGroup
    private let logger: Logger
    private let report: @Sendable ([OutputState]) -> Void
    private let state = Mutex(State())

    /// Creates a bank without outputs.
    ///
    /// - Parameters:
    ///   - policy: how their servers are treated.
    ///   - clock: the program's clock.
    ///   - metadata: what is said of the stream.
    ///   - group: where the connections live.
    ///   - logger: for starts and ends; keys never come there.
    ///   - report: told when a state changes, and each second while the figures do.
    init(
        policy: PublishPolicy, clock: ProgramClock, metadata: StreamMetadata, group: any EventLoopGroup,
        logger: Logger, report: @escaping @Sendable ([OutputState]) -> Void
    ) {
        self.policy = policy
        self.clock = clock
        self.metadata = metadata
        self.group = group
        self.logger = logger
        self.report = report
        let eventLoop = group.next()
        let timer = eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { [weak self] _ in
            self?.measure()
        }
        state.withLock { $0.timer = timer }
    }

    /// Sends the program to these servers, and to no others; one that stays goes on as it is.
    func put(_ destinations: [OutputDestination]) {
        let (ended, started, configuration) = state.withLock { state in
            guard !state.isStopped else { return ([StreamPublisher](), [StreamPublisher](), state.configuration) }
            // Who tells what is wanted may not know yet what there is.
            state.told = []
            let wanted = destinations.prefix(Self.limit)
            var ended: [StreamPublisher] = [], started: [StreamPublisher] = []
            for (id, output) in state.outputs {
                // That it has been live by now is known here, and no change.
                let isKept = wanted.contains {
                    $0.id == id && $0.url == output.destination.url && $0.key == output.destination.key
                }
                if isKept { continue }
                state.outputs[id] = nil
                if let publisher = output.publisher { ended.append(publisher) }
            }
            for destination in wanted where state.outputs[destination.id] == nil {
                var output = Output(destination: destination, sinceMs: SystemClock.wallMilliseconds())
                do {
                    let publisher = publisher(destination, try RTMPAddress(destination.url))
                    output.publisher = publisher
                    started.append(publisher)
                } catch {
                    output.phase = .failed
                    output.reason = "\(error)"
                }
                state.outputs[destination.id] = output
            }
            return (ended, started, state.configuration)
        }
        for publisher in ended { _ = publisher.stop() }
        if let configuration {
            for publisher in started { publisher.configure(video: configuration.video, audio: configuration.audio) }
        }
        tell()
    }

    /// Sets the codecs' configurations, and lets the outputs connect the first time.
    func configure(video: ByteBlock, audio: ByteBlock) {
        for publisher in publishers({ $0.configuration = (video, audio) }) {
            publisher.configure(video: video, audio: audio)
        }
    }

    /// Hands a frame to every output; never blocks, safe from any thread.
    func send(_ frame: EncodedFrame) { for publisher in publishers() { publisher.send(frame) } }

    /// Ends every stream; each sends what waits, as far as its server takes it in time.
    func stop() -> [EventLoopFuture<Void>] {
        let publishers = publishers { state in
            state.isStopped = true
            state.timer?.cancel()
        }
        return publishers.map { $0.stop() }
    }

    /// How the outputs are doing, by id.
    var states: [OutputState] {
        state.withLock { state in state.outputs.values.map { Self.state(of: $0) }.sorted { $0.id < $1.id } }
    }

    /// Counters and gauges by Prometheus name, summed over the outputs.
    var counters: [String: Double] {
        let states = states, name = "proscenium_compositor_outputs"
        return [
            name: Double(states.count), name + "_live": Double(states.count { $0.phase == .live }),
            name + "_failed": Double(states.count { $0.phase == .failed }),
            name + "_bytes_sent": Double(states.reduce(0) { $0 + $1.bytesSent }),
            name + "_frames_dropped": Double(states.reduce(0) { $0 + $1.droppedFrames }),
        ]
    }

    // MARK: Inside

    private func publishers(_ change: (inout State) -> Void = { _ in }) -> [StreamPublisher] {
        state.withLock { state in
            change(&state)
            return state.outputs.values.compactMap(\.publisher)
        }
    }

    private static func state(of output: Output) -> OutputState {
        let figures = output.publisher?.figures
        return OutputState(
            id: output.destination.id, phase: output.phase,
            reason: output.isStuck ? "The server takes no bytes now." : output.reason, sinceMs: output.sinceMs,
            bytesSent: figures?.bytes ?? 0, bitrate: output.bitrate,
            droppedFrames: figures.map { $0.drops.overflow + $0.drops.reconnect } ?? 0,
            connections: figures?.connections ?? 0, hasBeenLive: figures?.hasBeenLive ?? false)
    }

    private func publisher(_ destination: OutputDestination, _ address: RTMPAddress) -> StreamPublisher {
        let id = destination.id, key = destination.key
        return StreamPublisher(
            address: address, streamName: key.value, hasBeenLive: destination.hasBeenLive, policy: policy,
            clock: clock, metadata: metadata, eventLoop: group.next()
        ) { [weak self, logger] news in
            switch news {
            case .started:
                // One that is thrown out again and again is said once.
                let isNew = self?.phase(of: id) == .connecting || self?.hasBeenLive(id) == true
                logger.log(level: isNew ? .info : .debug, "an output is live", metadata: ["output": "\(id)"])
                self?.change(id, to: .live, reason: nil)
            case .ended(let end, let ran, let isNew, let wait):
                let hasLasted = ran ?? 0 >= PublishBackoff.lastingMilliseconds
                let reason = key.redacted(from: end.sentence(hasLasted: hasLasted))
                if isNew {
                    logger.notice(
                        "an output is not live",
                        metadata: ["output": "\(id)", "reason": "\(reason)", "isFinal": "\(wait == nil)"])
                }
                self?.change(id, to: wait == nil ? .failed : .retrying, reason: reason)
            case .stuck(let isStuck): self?.change(id, isStuck: isStuck)
            }
        }
    }

    private func phase(of id: String) -> OutputState.Phase? { state.withLock { $0.outputs[id]?.phase } }

    private func hasBeenLive(_ id: String) -> Bool {
        state.withLock { $0.outputs[id]?.publisher?.figures.hasBeenLive ?? false }
    }

    private func change(_ id: String, to phase: OutputState.Phase, reason: String?) {
        state.withLock { state in
            guard var output = state.outputs[id] else { return }
            if output.phase != phase { output.sinceMs = SystemClock.wallMilliseconds() }
            output.phase = phase
            output.reason = reason
            output.isStuck = false
            if phase != .live { output.bitrate = 0 }
            state.outputs[id] = output
        }
        tell()
    }

    private func change(_ id: String, isStuck: Bool) {
        state.withLock { state in
            guard var output = state.outputs[id] else { return }
            output.isStuck = isStuck
            state.outputs[id] = output
        }
        tell()
    }

    private func measure() {
        state.withLock { state in
            for (id, output) in state.outputs {
                guard let bytes = output.publisher?.figures.bytes else { continue }
                var output = output
                output.bitrate = output.phase == .live ? Int64(clamping: (bytes &- output.bytes) &* 8) : 0
                output.bytes = bytes
                state.outputs[id] = output
            }
        }
        tell()
    }

    private func tell() {
        let states = states
        let isNew = state.withLock { state in
            guard !state.isStopped, state.told != states else { return false }
            state.told = states
            return true
        }
        if isNew { report(states) }
    }
}
