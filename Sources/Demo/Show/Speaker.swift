// A synthetic speaker: joins by WHIP, plays its loop, and comes back when the connection ends.

import Foundation
import Logging
import Media
import NIOHTTP1
import PacketIO
import RTCClient
import Synchronization

/// One speaker with its own identity and connection.
final class Speaker: Sendable {
    /// What reaches the thread that plays.
    enum Signal: Sendable, Hashable { case connected, keyframe, ended(String) }

    private static let patienceMs: Int64 = 10_000

    /// Who it is: a token of its own, and the id that others see.
    let id: String
    private let event: String
    private let studio: StudioClient
    private let bind: NetworkAddress
    private let loop: MediaLoop
    private let logger: Logger
    private let signals = Mutex<BoundedQueue<Signal>?>(nil)

    /// Creates a speaker; `run` joins.
    ///
    /// - Parameters:
    ///   - id: the participant's id.
    ///   - event: what it joins.
    ///   - studio: a client with the speaker's token.
    ///   - bind: the local address of its socket; port 0.
    ///   - loop: what it plays.
    ///   - logger: for joins and ends.
    init(
        id: String, event: String, studio: StudioClient, bind: NetworkAddress, loop: MediaLoop, logger: Logger
    ) {
        self.id = id
        self.event = event
        self.studio = studio
        self.bind = bind
        self.loop = loop
        self.logger = logger
    }

    /// Joins, and joins again, until the task is cancelled; then leaves.
    func run() async {
        var pauseMs = 100
        while !Task.isCancelled {
            let joinedAt = SystemClock.monotonic()
            do {
                let reason = try await joinOnce()
                logger.info("a speaker's connection has ended", metadata: ["speaker": "\(id)", "reason": "\(reason)"])
            } catch {
                logger.info("a speaker can't join", metadata: ["speaker": "\(id)", "error": "\(error)"])
            }
            let stayed = SystemClock.monotonic().milliseconds(since: joinedAt) > Self.patienceMs
            pauseMs = stayed ? 100 : min(pauseMs * 2, 2000)
            try? await Task.sleep(for: .milliseconds(Int.random(in: pauseMs / 2...pauseMs)))
        }
    }

    /// Gives the connection up and makes a new one: it is told that the room has forgotten it.
    func rejoin() { signals.withLock { $0 }?.push(.ended("the room does not know the speaker any more")) }

    private func joinOnce() async throws -> String {
        let queue = BoundedQueue<Signal>(capacity: 64)
        let client = try RTCClient(name: "speaker", bind: bind) { event in
            switch event {
            case .connected: queue.push(.connected)
            case .keyframeRequested: queue.push(.keyframe)
            case .closed(let reason): queue.push(.ended(reason))
            case .track, .trackEnded, .frame, .discarded, .limited: break
            }
        }
        defer { client.stop() }
        let tracks = [LocalTrack(name: "camera", codec: .vp8), LocalTrack(name: "microphone", codec: .opus)]
        let offer = try await client.offer(tracks, stream: id)
        let answer = try await studio.send(
            .POST, "/v1/events/\(event)/whip", body: Data(offer.utf8), contentType: "application/sdp")
        guard let session = answer.headers.first(name: "Location") else {
            throw StudioError.unexpected("the session's Location")
        }
        signals.withLock { $0 = queue }
        defer { signals.withLock { $0 = nil } }
        let reason: String
        do {
            try await client.accept(answer: String(decoding: answer.body, as: UTF8.self))
            reason = await play(client, queue)
        } catch {
            await leave(session)
            throw error
        }
        await leave(session)
        return reason
    }

    /// Ends the session at Studio; also when the task is cancelled.
    private func leave(_ session: String) async {
        // A session that is gone already answers 404, a Studio that is gone not at all: both are well.
        await Task { [studio] in _ = try? await studio.send(.DELETE, session) }.value
    }

    /// Plays on a thread of its own until the connection ends or the task is cancelled; returns why it ended.
    private func play(_ client: RTCClient, _ queue: BoundedQueue<Signal>) async -> String {
        let loop = loop, reasons = BoundedQueue<String>(capacity: 1)
        let thread = Mutex<MediaThread?>(nil)
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let started = MediaThread(name: "speaker-loop") {
                    reasons.push(Self.play(loop, to: client, queue))
                    continuation.resume()
                }
                thread.withLock { $0 = started }
            }
        } onCancel: {
            queue.close()
        }
        thread.withLock { $0 }?.join()
        return reasons.popNow() ?? ""
    }

    private static func play(_ loop: MediaLoop, to client: RTCClient, _ queue: BoundedQueue<Signal>) -> String {
        var player: LoopPlayer?
        let patience = SystemClock.monotonic().advanced(byMilliseconds: patienceMs)
        while !queue.isFinished {
            switch queue.pop(until: player?.deadline ?? patience) {
            case .connected: player = LoopPlayer(loop, start: SystemClock.monotonic())
            case .keyframe: player?.requestKeyframe()
            case .ended(let reason): return reason
            case nil: if player == nil { return queue.isFinished ? "left" : "no connection came about" }
            }
            while let (track, frame) = player?.next(now: SystemClock.monotonic()) {
                // The loops are drawn in BT.601, and say so: who receives them need not guess.
                client.send(
                    frame, on: track == .camera ? "camera" : "microphone",
                    signal: PictureSignal(color: ColorSignal(.vp8)))
            }
        }
        return "left"
    }
}
