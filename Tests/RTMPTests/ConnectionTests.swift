// The two state machines: talking to each other, and the server alone with deadlines and bad peers.

import Media
import Testing

@testable import RTMP

@Suite("RTMP connection")
struct ConnectionTests {
    private let stream: [StreamEvent] = [
        .videoConfiguration(ByteBlock(Sample.videoConfiguration)),
        .audioConfiguration(ByteBlock(Sample.audioConfiguration)),
        .programTime(ProgramTime(milliseconds: 1_790_000_000_000), pts: 1080),
        Sample.video(1080, 1000, isIDR: true, size: 90_000), Sample.audio(1001), Sample.audio(1022),
        Sample.video(1040, 1040, isIDR: false), Sample.video(1120, 1080, isIDR: false),
    ]
    private let received = [
        "video 18", "audio [17, 144]", "time 1790000000000@80", "h264 80/0 key 90004", "aac 1/1 4", "aac 22/22 4",
        "h264 40/40 5004", "h264 120/80 5004",
    ]

    @Test("a publisher's events arrive as they were sent, cut anywhere", arguments: 1...8)
    func publishes(seed: UInt64) {
        var pair = Pair(client: newClient(chunkSize: seed % 2 == 0 ? 128 : 4096), seed: seed)
        pair.run()
        #expect(pair.isStarted)
        #expect(
            pair.requests == [RTMPStreamRequest(purpose: .publish, app: "live", streamName: "secret")])
        for event in stream { pair.client.send(event) }
        pair.run()
        #expect(pair.serverEvents.map(label) == received)
        #expect(pair.server.metadata?.width == 1280)
        pair.client.finish()
        pair.run()
        #expect(pair.serverEvents.last.map(label) == "ended unpublished")
        #expect(pair.clientFailure == .finished)
        #expect(pair.serverEvents.count == received.count + 1)
    }

    @Test("sound from before the first picture is left out: it has no stamp of its own")
    func soundBefore() {
        var pair = Pair(client: newClient())
        pair.run()
        for event in stream[..<2] + [
            Sample.video(2000, 2000, isIDR: true), Sample.audio(1957), Sample.audio(1979), Sample.audio(2000),
            Sample.audio(2021),
        ] { pair.client.send(event) }
        pair.run()
        #expect(pair.serverEvents.dropFirst(2).map(label) == ["h264 0/0 key 5004", "aac 0/0 4", "aac 21/21 4"])
    }

    @Test("stamps beyond 4 h 39 min and beyond 49.7 days come out unwrapped")
    func longClock() {
        var pair = Pair(client: newClient())
        pair.run()
        pair.client.send(stream[0])
        let times: [Int64] = [
            0, 0xFF_FFFF, 0x100_0021, 0x7FFF_0000, 0xC000_0000, 0xFFFF_FFF0, 0x1_0000_0010, 0x1_0100_0010,
        ]
        for time in times {
            pair.client.send(Sample.video(time + 500, time + 500, isIDR: true, size: 9000))
            pair.run()
        }
        #expect(pair.serverEvents.dropFirst().map(label) == times.map { "h264 \($0)/\($0) key 9004" })
    }

    @Test("a player gets the stream with its own stamps")
    func plays() {
        var pair = Pair(client: newClient(.play))
        pair.run()
        #expect(pair.isStarted)
        #expect(pair.requests.first?.purpose == .play)
        for event in stream { pair.server.send(event) }
        pair.server.send(.ended(reason: "over"))
        pair.run()
        #expect(
            pair.clientEvents.map(label) == [
                "video 18", "audio [17, 144]", "time 1790000000000@1080", "h264 1080/1000 key 90004", "aac 1001/1001 4",
                "aac 1022/1022 4", "h264 1040/1040 5004", "h264 1120/1080 5004", "ended connection ended",
            ])
        #expect(pair.clientFailure == .ended(code: "NetStream.Play.Stop"))
        #expect(pair.serverClose == .streamEnded)
    }

    @Test(
        "a refused publisher hears why before the connection closes",
        arguments: [
            (RTMPCloseReason.unauthorized, "NetStream.Publish.Unauthorized"), (.badName, "NetStream.Publish.BadName"),
        ])
    func refuses(reason: RTMPCloseReason, code: String) {
        var pair = Pair(client: newClient())
        pair.answer = reason
        pair.run()
        #expect(pair.clientFailure == .refused(code: code))
        #expect(pair.serverClose == reason)
        #expect(pair.serverEvents.isEmpty)
    }

    @Test("an empty stream name is refused without asking")
    func emptyName() {
        var pair = Pair(client: newClient(name: " "))
        pair.run()
        #expect(pair.clientFailure == .refused(code: "NetStream.Publish.BadName"))
        #expect(pair.requests.isEmpty)
    }

    @Test("a connection may publish again after an unpublish, and is asked about again")
    func publishesAgain() {
        var pair = Pair(client: newClient())
        pair.run()
        // The same session as the client's, continued by hand on chunk streams that it does not use.
        var chunks = ChunkWriter()
        var wire: [UInt8] = []
        for command in [
            Command("deleteStream", transaction: 8, [.null, .number(1)]),
            Command("publish", transaction: 9, [.null, .string("other")]),
        ] {
            var message = command.message(streamID: 1)
            message.chunkStreamID = 20
            chunks.write(message, into: &wire)
        }
        pair.server.receive(wire)
        while let action = pair.server.nextAction(now: moment(0)) {
            if case .authorize(let request) = action { pair.requests.append(request) }
            if case .event(let event) = action { pair.serverEvents.append(event) }
        }
        #expect(pair.requests.map(\.streamName) == ["secret", "other"])
        #expect(pair.serverEvents.map(label) == ["ended unpublished"])
        pair.server.accept(now: moment(0))
        #expect(pair.server.phase == .publishing)
    }

    @Test("a replaced publisher gets one end and is told", arguments: [RTMPCloseReason.replaced, .shutdown])
    func replaced(reason: RTMPCloseReason) {
        var pair = Pair(client: newClient())
        pair.run()
        pair.server.end(reason)
        pair.server.connectionClosed()
        pair.run()
        #expect(pair.serverEvents.map(label) == ["ended \(reason.rawValue)"])
        #expect(pair.clientFailure == .ended(code: "NetStream.Unpublish.Success"))
    }

    @Test("a codec that nobody decodes here is refused with a status")
    func codec() {
        var pair = Pair(client: newClient())
        pair.run()
        var chunks = ChunkWriter()
        var wire: [UInt8] = []
        chunks.write(
            RTMPMessage(chunkStreamID: 6, type: 9, streamID: 1, timestamp: 0, payload: [0x12, 0]), into: &wire)
        pair.server.receive(wire)
        pair.run()
        #expect(pair.serverClose == .unsupportedCodec)
        #expect(pair.clientFailure == .ended(code: "NetStream.Publish.Rejected"))
    }

    @Test("the server acknowledges each window and answers pings")
    func acknowledges() throws {
        var limits = RTMPLimits()
        limits.acknowledgementWindow = 20_000
        var pair = Pair(client: newClient(), server: newServer(limits))
        pair.run()
        pair.client.send(stream[0])
        pair.client.send(Sample.video(0, 0, isIDR: true, size: 100_000))
        var acknowledgements = 0
        var pongs: [UInt32] = []
        while let action = pair.client.nextAction() {
            guard case .send(let bytes) = action else { continue }
            for start in stride(from: 0, to: bytes.count, by: 8192) {
                pair.server.receive(Array(bytes[start..<min(bytes.count, start + 8192)]))
                scan(pair.server.actions(), &acknowledgements, &pongs)
            }
        }
        var chunks = ChunkWriter()
        var ping: [UInt8] = []
        chunks.write(UserControlMessage.pingRequest(77).message, into: &ping)
        pair.server.receive(ping)
        scan(pair.server.actions(), &acknowledgements, &pongs)
        #expect(acknowledgements >= 1)
        #expect(pongs == [77])
    }

    private func scan(
        _ actions: [RTMPServerConnection.Action], _ acknowledgements: inout Int, _ pongs: inout [UInt32]
    ) {
        for case .send(let bytes) in actions {
            // Control messages after the first are format 1 or 2 on chunk stream 2; small ones fit one chunk.
            var reader = ChunkReader(limits: RTMPLimits())
            var input = InputBuffer([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + bytes)
            while let message = try? reader.next(from: &input) {
                if message.type == MessageType.acknowledgement { acknowledgements += 1 }
                if message.type == MessageType.userControl,
                    case .pingResponse(let time)? = try? UserControlMessage(message)
                {
                    pongs.append(time)
                }
            }
        }
    }

    // MARK: Deadlines

    @Test("a silent connection is closed 10 s after it was accepted, even when bytes drip in")
    func commandDeadline() {
        var server = newServer(at: moment(1000))
        server.receive([3], now: moment(9000))
        #expect(server.nextDeadline == moment(11_000))
        server.handleTimeout(now: moment(10_999))
        #expect(server.phase == .handshake)
        server.handleTimeout(now: moment(11_000))
        #expect(server.closeReason == .commandDeadline)
        #expect(server.nextDeadline == nil)
    }

    @Test("a publisher has 20 s for its first packet and 7 s for each later one")
    func idle() {
        var pair = Pair(client: newClient())
        pair.run()
        #expect(pair.server.nextDeadline == moment(20_000))
        pair.server.handleTimeout(now: moment(19_999))
        #expect(pair.server.phase == .publishing)
        pair.now = moment(19_999)
        pair.client.send(stream[0])
        pair.run()
        #expect(pair.server.nextDeadline == moment(26_999))
        pair.server.handleTimeout(now: moment(26_999))
        pair.run()
        #expect(pair.serverEvents.last.map(label) == "ended idle")
        #expect(pair.serverClose == .idle)
    }

    @Test("silence is not held against a publisher whom the shell does not read")
    func pausedIdle() {
        var pair = Pair(client: newClient())
        pair.run()
        pair.client.send(stream[0])
        pair.run()
        pair.server.setPaused(true, now: moment(0))
        pair.server.handleTimeout(now: moment(29_000))
        #expect(pair.server.phase == .publishing)
        pair.server.setPaused(false, now: moment(29_000))
        pair.server.handleTimeout(now: moment(35_999))
        #expect(pair.server.phase == .publishing)
        pair.server.handleTimeout(now: moment(36_000))
        #expect(pair.server.closeReason == .idle)
    }

    @Test("an authorization that nobody answers ends")
    func authorizationDeadline() {
        var pair = Pair(client: newClient())
        pair.answer = nil
        var server = pair.server
        // A machine that is asked but not answered.
        var wire: [UInt8] = []
        while let action = pair.client.nextAction() { if case .send(let bytes) = action { wire += bytes } }
        server.receive(wire)
        _ = server.actions()
        server.receive([UInt8](repeating: 0, count: 1536))
        var chunks = ChunkWriter()
        var commands: [UInt8] = []
        chunks.write(
            Command("connect", transaction: 1, [.object([AMF0Property("app", .string("live"))])]).message(),
            into: &commands)
        chunks.write(Command("publish", transaction: 2, [.null, .string("k")]).message(streamID: 1), into: &commands)
        server.receive(commands)
        _ = server.actions()
        #expect(server.phase == .authorizing)
        server.handleTimeout(now: moment(15_000))
        #expect(server.closeReason == .authorizationDeadline)
        server.accept(now: moment(15_000))
        #expect(server.phase == .closed)
    }

    @Test("a client that gets no answer gives up after its deadline")
    func clientDeadline() {
        var client = newClient()
        client.handleTimeout(now: moment(9999))
        #expect(client.failure == nil)
        client.handleTimeout(now: moment(10_000))
        #expect(client.failure == .startDeadline)
    }

    // MARK: Bounds

    @Test("what comes before the authorization may fill 64 kB, no more")
    func beforeAuthorization() {
        var server = newServer()
        server.receive([UInt8](repeating: 3, count: 1 + 1536 + 1536))
        _ = server.actions()
        // One message of 1 MiB, never finished.
        server.receive([6, 0, 0, 0, 0x10, 0, 0, 20, 0, 0, 0, 0])
        var sent = 0
        while server.phase != .closed, sent < 1 << 20 {
            server.receive([UInt8](repeating: 1, count: 128))
            server.receive([0xC6])
            sent += 129
            _ = server.actions()
        }
        #expect(server.closeReason == .tooMuchBeforeAuthorization)
        #expect(sent < 66 << 10)
    }

    @Test("a flood of small messages before the authorization ends the connection")
    func manyMessages() {
        var server = newServer()
        server.receive([UInt8](repeating: 3, count: 1 + 1536 + 1536))
        _ = server.actions()
        server.receive([6, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0] + [UInt8](repeating: 0xC6, count: 300))
        _ = server.actions()
        #expect(server.closeReason == .tooMuchBeforeAuthorization)
    }

    @Test("other protocols are turned away at the first byte", arguments: Array("G\u{16}\u{6}S".utf8))
    func otherProtocols(byte: UInt8) {
        var server = newServer()
        server.receive([byte])
        _ = server.actions()
        #expect(server.fault == .unsupportedVersion(byte))
        #expect(server.closeReason == .protocolError)
    }

    @Test("publish before connect, and a second publish, are protocol errors")
    func order() {
        var server = newServer()
        server.receive([UInt8](repeating: 3, count: 1 + 1536 + 1536))
        var chunks = ChunkWriter()
        var wire: [UInt8] = []
        chunks.write(Command("publish", [.null, .string("k")]).message(), into: &wire)
        server.receive(wire)
        _ = server.actions()
        #expect(server.fault == .unexpectedCommand)

        var pair = Pair(client: newClient())
        pair.run()
        var other = ChunkWriter()
        wire = []
        other.write(Command("publish", [.null, .string("k")]).message(), into: &wire)
        pair.server.receive(wire)
        pair.run()
        #expect(pair.serverEvents.map(label) == ["ended protocol-error"])
    }
}
