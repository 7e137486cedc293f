// A participant without a browser: joins a room by RTC on a packet loop.

public import Media
public import PacketIO
import RTC

/// One connection to an SFU, on a thread of its own; it publishes or it receives.
///
/// To publish: `offer`, take the offer to the SFU, `accept(answer:)`, and `send` frames once `.connected` has come.
/// To receive: take each offer of the SFU to `accept(offer:)`, and the answer back; frames come as events.
public final class RTCClient: Sendable {
    private let loop: PacketLoop<ClientMessage>

    /// Opens a socket and starts the thread.
    ///
    /// - Parameters:
    ///   - name: of the thread, cut to 15 bytes.
    ///   - bind: the local address; port 0 lets the system choose.
    ///   - loss: media packets that are thrown away on purpose.
    ///   - reach: by what it may go to the SFU.
    ///   - feedsBack: whether it tells when each packet has come, so that it is sent what its line carries.
    ///   - onEvent: called on the client's thread; it must not block.
    /// - Throws: `SocketError` when no socket can be had.
    public init(
        name: String, bind: NetworkAddress, loss: LossModel = LossModel(seed: 0), reach: RTCClientReach = .any,
        feedsBack: Bool = false, onEvent: @escaping @Sendable (RTCClientEvent) -> Void
    ) throws(SocketError) {
        loop = try PacketLoop(name: name, address: bind, streams: StreamOptions(dials: true)) { socket in
            guard let identity = DTLSIdentity() else { preconditionFailure("OpenSSL could not make a certificate") }
            return ClientCore(
                socket: socket, identity: identity, loss: loss, reach: reach, feedsBack: feedsBack, onEvent: onEvent)
        }
    }

    private func ask<Value: Sendable>(
        _ message: (@escaping @Sendable (Result<Value, RTCClientError>) -> Void) -> ClientMessage
    ) async throws(RTCClientError) -> Value {
        let result = await withCheckedContinuation { continuation in
            let reply: @Sendable (Result<Value, RTCClientError>) -> Void = { continuation.resume(returning: $0) }
            if !loop.post(message(reply)) { reply(.failure(RTCClientError(description: "The client has stopped."))) }
        }
        return try result.get()
    }

    /// Makes an offer that sends tracks; again with more tracks to add them.
    ///
    /// - Throws: `RTCClientError` when the tracks can't be published.
    public func offer(_ tracks: [LocalTrack], stream: String) async throws(RTCClientError) -> String {
        try await ask { .offer(tracks, stream: stream, reply: $0) }
    }

    /// Makes an offer with other ICE credentials for the same tracks and keys; media goes on meanwhile.
    ///
    /// - Throws: `RTCClientError` on a client that receives: there the SFU offers.
    public func restart(stream: String) async throws(RTCClientError) -> String {
        try await ask { .restart(stream: stream, reply: $0) }
    }

    /// Takes the SFU's answer and connects.
    ///
    /// - Throws: `RTCClientError` when the answer can't be used.
    public func accept(answer: String) async throws(RTCClientError) {
        try await ask { .acceptAnswer(answer, reply: $0) }
    }

    /// Takes an offer of the SFU and returns the answer; connects at the first.
    ///
    /// - Throws: `RTCClientError` when the offer can't be used.
    public func accept(offer: String) async throws(RTCClientError) -> String {
        try await ask { .acceptOffer(offer, reply: $0) }
    }

    /// Sends a frame of a track's codec, with `pts` on one timeline for all tracks.
    ///
    /// H.264 comes as access units with 4-byte lengths, parameter sets in those that are keyframes.
    ///
    /// - Parameters:
    ///   - frame: the frame.
    ///   - track: the name of its track.
    ///   - layer: the name of its layer, where the track has some.
    ///   - signal: how a picture is to be turned and read; told where the other side has agreed to be told.
    ///   - level: how loud a frame of sound is, in decibels below the loudest (RFC 6464); nil tells nothing.
    /// - Returns: false when the client can't take it; frames before `.connected` are dropped and counted.
    @discardableResult
    public func send(
        _ frame: EncodedFrame, on track: String, layer: String = "", signal: PictureSignal = PictureSignal(),
        level: UInt8? = nil
    ) -> Bool {
        loop.post(.send(track: track, layer: layer, frame: frame, signal: signal, level: level))
    }

    /// Asks the SFU for a keyframe of a received track.
    public func requestKeyframe(of track: RemoteTrack) { loop.post(.requestKeyframe(track: track.id)) }

    /// What has been counted.
    public func statistics() async -> RTCClientStatistics {
        await withCheckedContinuation { continuation in
            if !loop.post(.statistics { continuation.resume(returning: $0) }) {
                continuation.resume(returning: RTCClientStatistics())
            }
        }
    }

    /// Says goodbye; `.closed` follows.
    public func close() { loop.post(.close) }

    /// Says goodbye and ends the thread; not to be called from `onEvent`.
    public func stop() { loop.stop() }
}
