// One connection on which the program goes back: its picture for everybody, and a mix for each listener.

import Control
import Logging
import Media
import PacketIO
import RTCClient
import Synchronization

/// Publishes to one session of the room's media server; made anew with each session.
final class ReturnConnection: Sendable {
    /// What the stream is called in descriptions.
    private static let stream = "program"
    static func pictureTrack(_ codec: Codec) -> String { "program-\(codec.rawValue)" }
    static func mixTrack(_ number: Int) -> String { "mix-\(number)" }

    /// What happens to a connection, told on its client's thread.
    enum News: Sendable {
        /// Other participants than before hear a mix.
        case listeners(Set<String>)
        case closed(reason: String)
    }

    private struct State {
        var slots = ReturnSlots()
        /// The mixes that are sent, by listener: those that the media server has been told of.
        var sent: [String: Int] = [:]
        var isConnected = false, isClosed = false
    }

    /// Ties the client's events to the connection, which is made after it.
    private final class Ears: Sendable {
        let hear = Mutex<(@Sendable (RTCClientEvent) -> Void)?>(nil)
    }

    let session: String
    private let client: RTCClient
    private let video: ReturnVideo
    private let sound: ReturnSound
    private let state = Mutex(State())
    private let onNews: @Sendable (News) -> Void

    /// Opens the socket and starts the threads.
    ///
    /// - Throws: `SocketError` when no socket can be had.
    init(
        session: String, bind: NetworkAddress, format: ReturnFormat, counters: ReturnCounters, logger: Logger,
        onNews: @escaping @Sendable (News) -> Void
    ) throws(SocketError) {
        self.session = session
        self.onNews = onNews
        let ears = Ears()
        let client = try RTCClient(name: "return", bind: bind) { event in ears.hear.withLock { $0 }?(event) }
        self.client = client
        video = ReturnVideo(format: format, counters: counters, logger: logger) {
            client.send($0, on: Self.pictureTrack($0.codec))
        }
        sound = ReturnSound(counters: counters, logger: logger) { client.send($1, on: Self.mixTrack($0)) }
        ears.hear.withLock { slot in slot = { [weak self] in self?.take($0) } }
    }

    /// Makes an offer with a mix for each listener.
    ///
    /// A mix that changes its owner is silent until the media server knows: nobody hears themselves meanwhile.
    func offer(_ listeners: Set<String>) async throws(RTCClientError) -> (String, tracks: [String: ReturnTrack]) {
        let (owners, heard) = state.withLock { state -> ([String?], Set<String>) in
            state.slots.assign(listeners)
            let numbers = state.slots.numbers
            state.sent = state.sent.filter { numbers[$0.key] == $0.value }
            return (state.slots.owners, Self.heard(state))
        }
        onNews(.listeners(heard))
        let mixes = owners.indices.map { LocalTrack(name: Self.mixTrack($0), codec: .opus) }
        let pictures = ReturnFormat.codecs.map { LocalTrack(name: Self.pictureTrack($0), codec: $0) }
        let offer = try await client.offer(pictures + mixes, stream: Self.stream)
        var tracks: [String: ReturnTrack] = [:]
        for mid in pictures.indices { tracks["\(mid)"] = ReturnTrack(source: .program, audience: .everybody) }
        for (number, owner) in owners.enumerated() {
            tracks["\(pictures.count + number)"] = ReturnTrack(
                source: .programMix,
                audience: owner == TrackAudience.viewersName ? .viewers : .only(Set([owner].compactMap(\.self))))
        }
        return (offer, tracks)
    }

    /// Takes the answer to the last offer.
    func accept(_ answer: String) async throws(RTCClientError) {
        try await client.accept(answer: answer)
        let heard = state.withLock { state in
            state.sent = state.slots.numbers
            return Self.heard(state)
        }
        onNews(.listeners(heard))
    }

    /// Who hears a mix now.
    private static func heard(_ state: State) -> Set<String> { state.isConnected ? Set(state.sent.keys) : [] }

    /// Shows a picture of the program.
    func show(_ picture: VideoFrame, number: Int64, arrival: MonotonicTime?) {
        // Nothing is encoded before somebody could get it.
        guard state.withLock({ $0.isConnected && !$0.isClosed }) else { return }
        video.put(picture, number: number, arrival: arrival)
    }

    /// Lets a listener hear 10 ms of their mix.
    func hear(_ listener: String, sample: Int64, _ samples: UnsafeBufferPointer<Float>) {
        guard let number = state.withLock({ $0.isConnected && !$0.isClosed ? $0.sent[listener] : nil }) else { return }
        sound.put(.init(mix: number, listener: listener, sample: sample, samples: Array(samples)))
    }

    /// Sends nothing any more; `join` waits for what is left.
    func close() {
        state.withLock { $0.isClosed = true }
        video.close()
        sound.close()
        client.close()
    }

    /// Waits for the threads, after `close`; not to be called from one of them.
    func join() {
        video.join()
        sound.join()
        client.stop()
    }

    private static func codec(of track: String) -> Codec? {
        ReturnFormat.codecs.first { pictureTrack($0) == track }
    }

    private func take(_ event: RTCClientEvent) {
        switch event {
        case .connected:
            let heard = state.withLock { state in
                state.isConnected = true
                return Self.heard(state)
            }
            for codec in ReturnFormat.codecs { video.requestKeyframe(codec) }
            onNews(.listeners(heard))
        case .keyframeRequested(let track): if let codec = Self.codec(of: track) { video.requestKeyframe(codec) }
        case .limited(let track, let bitsPerSecond):
            if let codec = Self.codec(of: track) { video.want(codec, bitsPerSecond > 0) }
        case .closed(let reason): if !state.withLock({ $0.isClosed }) { onNews(.closed(reason: reason)) }
        case .track, .trackEnded, .frame, .discarded: break
        }
    }
}
