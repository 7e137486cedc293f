// One side of DTLS 1.2 for SRTP (RFC 6347, RFC 5764): datagrams and time in, datagrams and keys out.

import CMediaShims
public import Media

/// A DTLS association; confined to one thread.
///
/// OpenSSL's own timer is switched off: a flight is sent again when `handleTimeout` is told that its time has come
/// (100 ms, doubling to 4 s).
public final class DTLSEndpoint {
    /// Which side this is.
    public enum Role: Sendable { case client, server }
    /// Where the association stands.
    public enum State: Sendable, Hashable { case handshaking, connected, closed, failed }

    /// The largest datagram that is sent, with 48 bytes for IP and UDP.
    static let mtu: Int32 = 1200

    /// Where the association stands.
    public private(set) var state = State.handshaking
    /// When `handleTimeout` wants to be called; nil when nothing waits.
    public private(set) var deadline: MonotonicTime?
    /// The keys for what is sent, once connected.
    public private(set) var localKeys: SRTPKeys?
    /// The keys for what is received, once connected.
    public private(set) var remoteKeys: SRTPKeys?
    /// Why the association failed, for logs.
    public private(set) var failure = ""

    private let identity: DTLSIdentity
    private let role: Role
    private let expected: DTLSFingerprint
    private var handle: OpaquePointer?
    private let capacity: Int
    private var outgoing: [[UInt8]] = []
    /// What did not fit since it was asked last.
    private var unsent = 0
    private var seenStarts: UInt32 = 0
    private var interval: Int64 = 100

    /// Prepares an association.
    ///
    /// - Parameters:
    ///   - identity: our certificate.
    ///   - role: the server waits, the client begins at `start`.
    ///   - remoteFingerprint: what the peer's certificate must hash to.
    ///   - capacity: how many datagrams may wait to be sent; what comes beyond is dropped and counted.
    public init(identity: DTLSIdentity, role: Role, remoteFingerprint: DTLSFingerprint, capacity: Int = 64) {
        self.capacity = capacity
        self.identity = identity
        self.role = role
        expected = remoteFingerprint
        handle = proscenium_dtls_new(
            identity.handle, role == .client ? 1 : 0, Self.mtu,
            { context, bytes, length in
                guard let context, let bytes else { return }
                let endpoint = Unmanaged<DTLSEndpoint>.fromOpaque(context).takeUnretainedValue()
                // A handshake flight has a handful of datagrams; more than this is not one.
                guard endpoint.outgoing.count < endpoint.capacity else {
                    endpoint.unsent += 1
                    return
                }
                endpoint.outgoing.append(Array(UnsafeBufferPointer(start: bytes, count: length)))
            }, Unmanaged.passUnretained(self).toOpaque())
        if handle == nil { state = .failed }
    }

    deinit { proscenium_dtls_free(handle) }

    /// Sends the first flight, if this is the client.
    public func start(now: MonotonicTime) {
        guard role == .client, let handle else { return }
        settle(proscenium_dtls_start(handle), now: now)
    }

    /// Takes one datagram.
    public func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
        guard let handle, bytes.count > 0 else { return }
        settle(
            proscenium_dtls_receive(handle, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count),
            now: now)
    }

    /// Sends the last flight again if its time has come.
    public func handleTimeout(now: MonotonicTime) {
        guard let handle, let due = deadline, now >= due else { return }
        interval = min(interval * 2, 4000)
        let result = proscenium_dtls_timeout(handle)
        seenStarts = proscenium_dtls_timer_starts(handle)
        deadline = now.advanced(byMilliseconds: interval)
        settle(result, now: now)
    }

    /// Tells the peer that this is the end.
    public func close() {
        guard let handle, state == .connected else { return }
        proscenium_dtls_shutdown(handle)
        state = .closed
    }

    /// Takes the datagrams that wait to be sent.
    public func takeOutgoing() -> [[UInt8]] {
        guard !outgoing.isEmpty else { return [] }
        defer { outgoing.removeAll(keepingCapacity: true) }
        return outgoing
    }

    /// Takes the number of datagrams that did not fit beside those that wait.
    public func takeUnsent() -> Int {
        defer { unsent = 0 }
        return unsent
    }

    private func settle(_ result: Int32, now: MonotonicTime) {
        guard let handle else { return }
        if Int(result) == PROSCENIUM_DTLS_CONNECTED, state == .handshaking { finish(handle) }
        if Int(result) == PROSCENIUM_DTLS_CLOSED, state != .failed { state = .closed }
        if Int(result) == PROSCENIUM_DTLS_FAILED, state != .failed {
            var text = [CChar](repeating: 0, count: 200)
            proscenium_dtls_error(handle, &text, text.count)
            fail(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        guard state == .handshaking, proscenium_dtls_timer_is_armed(handle) == 1 else {
            deadline = nil
            return
        }
        let starts = proscenium_dtls_timer_starts(handle)
        if starts != seenStarts {
            // A new flight: the wait begins anew.
            seenStarts = starts
            interval = 100
            deadline = now.advanced(byMilliseconds: interval)
        }
    }

    private func finish(_ handle: OpaquePointer) {
        var hash = [UInt8](repeating: 0, count: 64)
        let name = expected.algorithm.replacingFirst("-", with: "")
        let length = proscenium_dtls_peer_fingerprint(handle, name, &hash, hash.count)
        guard length > 0, Array(hash.prefix(Int(length))) == expected.bytes else {
            return fail("the certificate is not the one of the session description")
        }
        guard let profile = SRTPProfile(rawValue: Int(proscenium_dtls_srtp_profile(handle))) else {
            return fail("no SRTP profile in common")
        }
        var material = [UInt8](repeating: 0, count: 2 * (profile.keyLength + profile.saltLength))
        guard proscenium_dtls_export_srtp_keys(handle, &material, material.count) == 1,
            let keys = SRTPKeys.split(material, profile: profile)
        else { return fail("no keying material") }
        localKeys = role == .client ? keys.client : keys.server
        remoteKeys = role == .client ? keys.server : keys.client
        state = .connected
    }

    private func fail(_ reason: String) {
        state = .failed
        failure = reason
        deadline = nil
    }
}

extension String {
    fileprivate func replacingFirst(_ character: Character, with other: String) -> String {
        guard let index = firstIndex(of: character) else { return self }
        return String(self[..<index]) + other + String(self[self.index(after: index)...])
    }
}
