// Bytes, clocks and pipes for the tests of RTMP.

import Media

@testable import RTMP

extension InputBuffer {
    init(_ bytes: [UInt8]) {
        self.init()
        bytes.withUnsafeBytes { append($0) }
    }
}

/// A generator with a seed (SplitMix64), so that a failure can be had again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

func moment(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

func newServer(_ limits: RTMPLimits = RTMPLimits(), at now: MonotonicTime = moment(0)) -> RTMPServerConnection {
    var generator = SeededGenerator(seed: 1)
    return RTMPServerConnection(limits: limits, using: &generator, now: now)
}

func newClient(
    _ purpose: RTMPStreamRequest.Purpose = .publish, name: String = "secret", chunkSize: Int = 4096,
    at now: MonotonicTime = moment(0)
) -> RTMPClientConnection {
    var configuration = RTMPClientConfiguration(app: "live", url: "rtmps://studio.example/live", streamName: name)
    configuration.purpose = purpose
    configuration.chunkSize = chunkSize
    configuration.metadata.width = 1280
    configuration.metadata.encoder = "test"
    var generator = SeededGenerator(seed: 2)
    return RTMPClientConnection(configuration, using: &generator, now: now)
}

extension RTMPServerConnection {
    mutating func receive(_ bytes: [UInt8], now: MonotonicTime = moment(0)) {
        bytes.withUnsafeBytes { receive($0, now: now) }
    }

    mutating func actions(now: MonotonicTime = moment(0)) -> [Action] {
        var result: [Action] = []
        while let action = nextAction(now: now) { result.append(action) }
        return result
    }
}

extension RTMPClientConnection {
    mutating func receive(_ bytes: [UInt8], now: MonotonicTime = moment(0)) {
        bytes.withUnsafeBytes { receive($0, now: now) }
    }
}

/// Two machines and the wires between them, cut at random.
struct Pair {
    var client: RTMPClientConnection
    var server: RTMPServerConnection
    var generator: SeededGenerator
    var now = moment(0)
    var answer: RTMPCloseReason?
    var requests: [RTMPStreamRequest] = []
    var serverEvents: [StreamEvent] = []
    var clientEvents: [StreamEvent] = []
    var clientFailure: RTMPClientFailure?
    var serverClose: RTMPCloseReason?
    var isStarted = false
    private var toServer: [UInt8] = []
    private var toClient: [UInt8] = []

    init(client: RTMPClientConnection, server: RTMPServerConnection = newServer(), seed: UInt64 = 7) {
        self.client = client
        self.server = server
        generator = SeededGenerator(seed: seed)
    }

    /// Runs until nothing moves any more.
    mutating func run() {
        var isMoving = true
        while isMoving {
            isMoving = false
            while let action = client.nextAction() {
                isMoving = true
                switch action {
                case .send(let bytes): toServer += bytes
                case .started: isStarted = true
                case .event(let event): clientEvents.append(event)
                case .close(let failure): clientFailure = failure
                }
            }
            if !toServer.isEmpty {
                isMoving = true
                let cut = min(toServer.count, Int.random(in: 1...3000, using: &generator))
                server.receive(Array(toServer.prefix(cut)), now: now)
                toServer.removeFirst(cut)
            }
            while let action = server.nextAction(now: now) {
                isMoving = true
                switch action {
                case .send(let bytes): toClient += bytes
                case .authorize(let request):
                    requests.append(request)
                    if let answer { server.reject(answer, now: now) } else { server.accept(now: now) }
                case .event(let event): serverEvents.append(event)
                case .close(let reason): serverClose = reason
                }
            }
            if !toClient.isEmpty {
                isMoving = true
                let cut = min(toClient.count, Int.random(in: 1...700, using: &generator))
                client.receive(Array(toClient.prefix(cut)), now: now)
                toClient.removeFirst(cut)
            }
        }
    }
}

/// Made-up media with a true shape.
enum Sample {
    static let videoConfiguration: [UInt8] = [
        1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 4, 0x67, 0x64, 0, 0x1F, 1, 0, 3, 0x68, 0xEB, 0xE3,
    ]
    static let audioConfiguration: [UInt8] = [0x11, 0x90]

    static func picture(_ size: Int, isIDR: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBig32(UInt32(size))
        bytes.append(isIDR ? 0x65 : 0x41)
        bytes += (1..<size).map { UInt8(truncatingIfNeeded: $0) }
        return bytes
    }

    static func video(_ pts: Int64, _ dts: Int64, isIDR: Bool, size: Int = 5000) -> StreamEvent {
        .frame(
            EncodedFrame(
                codec: .h264, pts: pts, dts: dts, timescale: 1000, isKeyframe: isIDR,
                payload: ByteBlock(picture(size, isIDR: isIDR))))
    }

    static func audio(_ time: Int64) -> StreamEvent {
        .frame(
            EncodedFrame(
                codec: .aac, pts: time, dts: time, timescale: 1000, isKeyframe: true,
                payload: ByteBlock([0x21, 0x10, 4, 0x60])))
    }
}

/// A step of a stream in a form that can be compared.
func label(_ event: StreamEvent) -> String {
    switch event {
    case .videoConfiguration(let record): "video \(record.array.count)"
    case .audioConfiguration(let record): "audio \(record.array)"
    case .frame(let frame):
        "\(frame.codec.rawValue) \(frame.pts)/\(frame.dts)\(frame.codec == .h264 && frame.isKeyframe ? " key" : "") \(frame.payload.count)"
    case .programTime(let time, let pts): "time \(time.milliseconds)@\(pts)"
    case .ended(let reason): "ended \(reason)"
    }
}
