// A server, a client and a certificate for the tests of the ingest.

import Foundation
import Logging
import Media
import NIOCore
import NIOPosix
import NIOSSL
import Output
import RTMP
import Synchronization

struct IngestTestError: Error {
    let text: String
}

/// Runs a program to its end and returns its exit status and what it said on stderr.
func runProgram(_ arguments: [String], seconds: Double = 90) async throws -> (status: Int32, log: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    let log = FileManager.default.temporaryDirectory.appendingPathComponent("ingest-\(UUID().uuidString).log")
    _ = FileManager.default.createFile(atPath: log.path, contents: nil)
    let handle = try FileHandle(forWritingTo: log)
    defer { try? FileManager.default.removeItem(at: log) }
    process.standardError = handle
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let deadline = SystemClock.monotonic().advanced(byMilliseconds: Int64(seconds * 1000))
    while process.isRunning {
        if SystemClock.monotonic() > deadline { process.terminate() }
        try await Task.sleep(for: .milliseconds(20))
    }
    try handle.close()
    return (process.terminationStatus, (try? String(contentsOf: log, encoding: .utf8)) ?? "")
}

/// Waits for a condition, at most some seconds.
func waitUntil(_ what: String, seconds: Double = 40, _ condition: () -> Bool) async throws {
    let deadline = SystemClock.monotonic().advanced(byMilliseconds: Int64(seconds * 1000))
    while !condition() {
        guard SystemClock.monotonic() < deadline else { throw IngestTestError(text: "waited in vain for: \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// A self-signed certificate for localhost, made once for all tests.
enum TestCertificate {
    static func make(name: String = "localhost") async throws -> (server: NIOSSLContext, pem: String) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ingest-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (key, certificate) = (folder.path + "/key.pem", folder.path + "/certificate.pem")
        let made = try await runProgram([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=\(name)", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ])
        guard made.status == 0 else { throw IngestTestError(text: made.log) }
        let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        return (
            try NIOSSLContext(configuration: configuration), try String(contentsOfFile: certificate, encoding: .utf8)
        )
    }
}

/// A sink that remembers, with room for as many events as it is told.
final class RecordingSink: IngestSink {
    private struct State {
        var events: [StreamEvent] = []
        var room = Int.max
        var refusals = 0
        var resume: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var events: [StreamEvent] { state.withLock { $0.events } }
    var refusals: Int { state.withLock { $0.refusals } }
    var endings: [String] { events.compactMap { if case .ended(let reason) = $0 { reason } else { nil } } }
    var frames: [EncodedFrame] { events.compactMap { if case .frame(let frame) = $0 { frame } else { nil } } }

    func setRoom(_ room: Int) {
        let resume = state.withLock { state in
            state.room = room
            return state.resume
        }
        resume?()
    }

    func offer(_ event: StreamEvent) -> Bool {
        state.withLock { state in
            if case .ended = event {
                state.events.append(event)
                return true
            }
            guard state.room > 0 else {
                state.refusals += 1
                return false
            }
            if state.room != Int.max { state.room -= 1 }
            state.events.append(event)
            return true
        }
    }

    func onRoom(_ resume: @escaping @Sendable () -> Void) { state.withLock { $0.resume = resume } }
}

/// Knows one key per sink.
struct TestAuthorizer: IngestAuthorizer {
    var keys: [String: RecordingSink]

    func authorize(app: String, streamName: String, remoteAddress: String) async -> IngestGrant? {
        guard app == "live", let sink = keys[streamName] else { return nil }
        return IngestGrant(ingestID: "ingest-\(streamName)", sink: sink)
    }

    func authorizePlay(app: String, streamName: String, remoteAddress: String) async -> String? {
        streamName == "watch" ? "ingest-key" : nil
    }
}

/// Our client machine on a TLS channel.
final class TestClient: Sendable {
    private struct State {
        var machine: RTMPClientConnection
        var isStarted = false
        var failure: RTMPClientFailure?
        var events: [StreamEvent] = []
    }

    private let channel: any Channel
    private let state: Mutex<State>

    var isStarted: Bool { state.withLock { $0.isStarted } }
    var failure: RTMPClientFailure? { state.withLock { $0.failure } }
    var events: [StreamEvent] { state.withLock { $0.events } }
    var isOpen: Bool { channel.isActive }
    /// Whether the kernel and NIO still take bytes.
    var isWritable: Bool { channel.isWritable }

    private init(channel: any Channel, machine: RTMPClientConnection) {
        self.channel = channel
        state = Mutex(State(machine: machine))
    }

    static func connect(
        port: Int, key: String, purpose: RTMPStreamRequest.Purpose = .publish, trusting pem: String? = nil,
        group: any EventLoopGroup
    ) async throws -> TestClient {
        var configuration = RTMPClientConfiguration(app: "live", url: "rtmps://localhost:\(port)/live", streamName: key)
        configuration.purpose = purpose
        var tls = TLSConfiguration.makeClientConfiguration()
        if let pem { tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))) }
        let context = try NIOSSLContext(configuration: tls)
        let isSecure = pem != nil
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard isSecure else { return }
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        var generator = SystemRandomNumberGenerator()
        let client = TestClient(
            channel: channel,
            machine: RTMPClientConnection(configuration, using: &generator, now: SystemClock.monotonic()))
        do {
            try await channel.pipeline.addHandler(Reader(client: client)).get()
        } catch ChannelError.ioOnClosedChannel {
            // A server that is not trusted may be gone before anybody reads.
            client.change { $0.connectionClosed() }
        }
        client.change { _ in }
        return client
    }

    func send(_ event: StreamEvent) { change { $0.send(event) } }
    func finish() { change { $0.finish() } }
    func disconnect() { channel.close(promise: nil) }

    /// Changes the machine on the channel's event loop, and does what it says outside the lock.
    private func change(_ body: @escaping @Sendable (inout RTMPClientConnection) -> Void) {
        guard channel.eventLoop.inEventLoop else {
            channel.eventLoop.execute { self.change(body) }
            return
        }
        let actions = state.withLock { state in
            body(&state.machine)
            var actions: [RTMPClientConnection.Action] = []
            while let action = state.machine.nextAction() {
                actions.append(action)
                switch action {
                case .send: break
                case .started: state.isStarted = true
                case .event(let event): state.events.append(event)
                case .close(let failure): state.failure = failure
                }
            }
            return actions
        }
        for action in actions {
            if case .send(let bytes) = action {
                channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
            }
            if case .close = action {
                let channel = channel
                channel.writeAndFlush(channel.allocator.buffer(capacity: 0)).whenComplete { _ in
                    channel.close(promise: nil)
                }
            }
        }
    }

    private final class Reader: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let client: TestClient

        init(client: TestClient) { self.client = client }

        func handlerAdded(context: ChannelHandlerContext) {
            if !context.channel.isActive { client.change { $0.connectionClosed() } }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            client.change { machine in
                buffer.withUnsafeReadableBytes { machine.receive($0, now: SystemClock.monotonic()) }
            }
        }

        func channelInactive(context: ChannelHandlerContext) { client.change { $0.connectionClosed() } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

/// Made-up media with a true shape.
enum IngestSample {
    static let video = ByteBlock([1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 4, 0x67, 0x64, 0, 0x1F, 1, 0, 3, 0x68, 0xEB, 0xE3])
    static let audio = ByteBlock([0x11, 0x90])

    static func picture(_ time: Int64, isIDR: Bool = true, size: Int = 2000) -> StreamEvent {
        var bytes: [UInt8] = [0, 0, UInt8(size >> 8 & 0xFF), UInt8(size & 0xFF), isIDR ? 0x65 : 0x41]
        bytes += [UInt8](repeating: 7, count: size - 1)
        return .frame(
            EncodedFrame(
                codec: .h264, pts: time, dts: time, timescale: 1000, isKeyframe: isIDR, payload: ByteBlock(bytes)))
    }
}
