// The plain handshake: C0 to C2 and S0 to S2.

/// The fixed part of both sides (RTMP 1.0, section 5.2); digests and encryption were for Flash and are left out.
enum Handshake {
    static let version: UInt8 = 3
    static let length = 1536

    /// Time 0, version 0 (which says that there is no digest), then random bytes.
    static func opening(using generator: inout some RandomNumberGenerator) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: length)
        for index in 8..<length { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
        return bytes
    }
}

/// The server's side: answers C0 and C1 with everything at once, then takes C2 for granted.
struct ServerHandshake: Sendable {
    private let opening: [UInt8]
    private var isAnswered = false

    init(using generator: inout some RandomNumberGenerator) { opening = Handshake.opening(using: &generator) }

    enum Step: Equatable { case needsBytes, send([UInt8]), done }

    mutating func step(_ input: inout InputBuffer) throws(RTMPError) -> Step {
        guard isAnswered else {
            guard input.count >= 1 else { return .needsBytes }
            guard input[0] == Handshake.version else { throw .unsupportedVersion(input[0]) }
            guard input.count > Handshake.length else { return .needsBytes }
            input.drop(1)
            var answer: [UInt8] = [Handshake.version]
            answer += opening
            input.move(Handshake.length, to: &answer)
            isAnswered = true
            return .send(answer)
        }
        // C2 should echo S1; some encoders send anything, and FFmpeg's server does not mind either.
        guard input.count >= Handshake.length else { return .needsBytes }
        input.drop(Handshake.length)
        return .done
    }
}

/// The client's side.
struct ClientHandshake: Sendable {
    /// C0 and C1, sent first.
    let opening: [UInt8]

    init(using generator: inout some RandomNumberGenerator) {
        opening = [Handshake.version] + Handshake.opening(using: &generator)
    }

    /// Waits for S0, S1 and S2 and returns C2.
    func step(_ input: inout InputBuffer) throws(RTMPError) -> [UInt8]? {
        guard input.count >= 1 else { return nil }
        guard input[0] == Handshake.version else { throw .unsupportedVersion(input[0]) }
        guard input.count >= 1 + 2 * Handshake.length else { return nil }
        input.drop(1)
        var echo: [UInt8] = []
        input.move(Handshake.length, to: &echo)
        input.drop(Handshake.length)
        return echo
    }
}
