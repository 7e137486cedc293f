// The streams that come in by RTMP, as sources of the program.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import NIOCore
internal import Synchronization

/// One stream: its playout clock, its pictures and its sound.
final class IngestStream: Sendable {
    /// How long the last picture stays when the stream is lost: encoders that lose a connection are back at once.
    static let holdMs: Int64 = 1000
    private let playout = SharedPlayout()
    let pictures: IngestPictures
    let sound: IngestSound

    init(pool: DecodePool, counters: IngestCounters) {
        pictures = IngestPictures(playout: playout, pool: pool, counters: counters)
        sound = IngestSound(playout: playout, pool: pool, counters: counters)
    }

    /// Takes a step of the stream, on the connection's thread.
    func take(_ event: StreamEvent, arrival: MonotonicTime) {
        switch event {
        case .videoConfiguration(let record): pictures.configure(record)
        case .audioConfiguration(let configuration): sound.configure(configuration)
        case .frame(let frame):
            // A hundred years; what lies beyond is no time, and arithmetic with it would not hold.
            guard frame.pts.magnitude < 1 << 42, frame.dts.magnitude < 1 << 42 else { return }
            switch frame.codec {
            case .h264: pictures.receive(frame, arrival: arrival)
            case .aac: sound.receive(frame, arrival: arrival)
            case .vp8, .vp9, .opus: break
            }
        // What an encoder says of the program's time is of no concern: it is a source like any other.
        case .programTime: break
        case .ended:
            pictures.end(goneAt: arrival.advanced(byMilliseconds: Self.holdMs))
            sound.end()
            playout.remove(IngestPictures.track)
            playout.remove(IngestSound.track)
        }
    }

    /// The playout delay in nanoseconds.
    var delay: Int64 { playout.summary.delay }
}

/// Plays the event's ingests, and gives their pictures and sound by the machine's monotonic clock.
final class StageIngests: StageSource {
    /// How many ingests are listened to at most.
    static let limit = 16

    private struct Ingest {
        let feed: IngestFeed
        let stream: IngestStream
        let connection: IngestConnection?
    }

    private struct State {
        var ingests: [String: Ingest] = [:]
        var visible: Set<SceneSource> = []
        var isClosed = false
    }

    private let token: String
    private let trustedCertificateFile: URL?
    private let group: any EventLoopGroup
    private let logger: Logger
    private let pool = DecodePool(count: 2, capacity: 4 * StageIngests.limit)
    private let numbers = IngestCounters()
    private let state = Mutex(State())
    private let block = Mutex<[Float]>([Float](repeating: 0, count: 2 * PCMPlayer.blockSamples))

    /// Creates a set without ingests.
    ///
    /// - Parameters:
    ///   - token: the compositor's own, by which it is let in.
    ///   - trustedCertificateFile: certificates that are trusted beside the system's.
    ///   - group: where the connections live.
    ///   - logger: for what happens.
    init(token: String, trustedCertificateFile: URL?, group: any EventLoopGroup, logger: Logger) {
        self.token = token
        self.trustedCertificateFile = trustedCertificateFile
        self.group = group
        self.logger = logger
    }

    /// Listens to these ingests, and to no others; one that stays goes on as it is.
    func put(_ feeds: [IngestFeed]) {
        let ended = state.withLock { state -> [Ingest] in
            guard !state.isClosed else { return [] }
            let wanted = feeds.prefix(Self.limit)
            var ended: [Ingest] = []
            for (name, ingest) in state.ingests where !wanted.contains(ingest.feed) {
                ended.append(ingest)
                state.ingests[name] = nil
            }
            for feed in wanted where state.ingests[feed.name] == nil {
                let stream = IngestStream(pool: pool, counters: numbers)
                stream.pictures.setVisible(state.visible.contains(.ingest(feed.name)))
                state.ingests[feed.name] = Ingest(feed: feed, stream: stream, connection: connect(feed, stream))
            }
            return ended
        }
        for ingest in ended { ingest.connection?.close() }
    }

    private func connect(_ feed: IngestFeed, _ stream: IngestStream) -> IngestConnection? {
        var logger = logger
        logger[metadataKey: "ingest"] = "\(feed.name)"
        // The token goes over TLS or not at all.
        guard let address = try? RTMPAddress(feed.url), address.isSecure else {
            logger.error("an ingest can't be listened to: the address is not rtmps://HOST/APP")
            return nil
        }
        return IngestConnection(
            address: address, streamName: token, trustedCertificateFile: trustedCertificateFile,
            eventLoop: group.next(), logger: logger
        ) { stream.take($0, arrival: $1) }
    }

    func setVisible(_ sources: Set<SceneSource>) {
        let ingests = state.withLock { state -> [String: Ingest] in
            guard state.visible != sources else { return [:] }
            state.visible = sources
            return state.ingests
        }
        for (name, ingest) in ingests { ingest.stream.pictures.setVisible(sources.contains(.ingest(name))) }
    }

    /// Waits until those of the sources that are ingests have a picture, unless they have none to come.
    func bring(_ sources: Set<SceneSource>, waitingAtMost milliseconds: Int64) async {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: milliseconds)
        while SystemClock.monotonic() < deadline {
            let ingests = state.withLock { $0.ingests }
            let isComing = ingests.contains { sources.contains(.ingest($0.key)) && $0.value.stream.pictures.isComing }
            guard isComing, (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    func pictures(at moment: MonotonicTime) -> [SceneSource: VideoFrame] {
        var result: [SceneSource: VideoFrame] = [:]
        for (name, ingest) in state.withLock({ $0.ingests }) {
            if let picture = ingest.stream.pictures.picture(at: moment) { result[.ingest(name)] = picture }
        }
        return result
    }

    func sound(at moment: MonotonicTime, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void) {
        let ingests = state.withLock { $0.ingests }
        guard !ingests.isEmpty else { return }
        block.withLock { block in
            block.withUnsafeMutableBufferPointer { room in
                for (name, ingest) in ingests where ingest.stream.sound.read(at: moment, into: room) {
                    body(.ingest(name), UnsafeBufferPointer(room))
                }
            }
        }
    }

    var counters: [String: Double] {
        let ingests = state.withLock { $0.ingests.values.map { ($0.stream, $0.connection) } }
        var all = numbers.all
        let prefix = "proscenium_compositor_ingest"
        all["\(prefix)s"] = Double(ingests.count)
        all["\(prefix)s_connected"] = Double(ingests.count { $0.1?.isConnected == true })
        all["\(prefix)_delay_seconds"] = Double(ingests.map { $0.0.delay }.max() ?? 0) / 1e9
        return all
    }

    func close() {
        let ingests = state.withLock { state in
            defer { state.ingests = [:] }
            state.isClosed = true
            return state.ingests
        }
        for ingest in ingests.values { ingest.connection?.close() }
        pool.stop()
    }
}
