// The commands that a server understands.

import Media

extension RTMPServerConnection {
    /// We give every connection one stream.
    static let streamID: UInt32 = 1

    mutating func handle(_ command: Command, now: MonotonicTime) throws(RTMPError) {
        if phase == .connecting {
            guard command.name == "connect" else { throw .unexpectedCommand }
            connect(command)
            return
        }
        switch command.name {
        case "connect": throw .unexpectedCommand
        case "createStream": answer(command, [.null, .number(Double(Self.streamID))])
        case "getStreamLength": answer(command, [.null, .number(0)])
        case "FCPublish":
            // OBS and FFmpeg go on without these answers; Wirecast and hardware wait for them.
            answer(command, [.null, .undefined])
            let status = Command.status(
                level: "status", code: "NetStream.Publish.Start", description: "Ready to publish.")
            chunks.write(Command("onFCPublish", [.null, status]).message(), into: &outbox.bytes)
        case "releaseStream", "_checkbw", "FCSubscribe": answer(command, [.null, .undefined])
        case "publish": try requestStream(.publish, command, now: now)
        case "play": try requestStream(.play, command, now: now)
        case "FCUnpublish":
            answer(command, [.null, .undefined])
            unpublish(now: now)
        case "deleteStream", "closeStream": unpublish(now: now)
        default: break
        }
    }

    private mutating func connect(_ command: Command) {
        app = command.property("app")?.string ?? ""
        chunks.write(
            ControlMessage.windowAcknowledgementSize(limits.acknowledgementWindow).message, into: &outbox.bytes)
        chunks.write(
            ControlMessage.setPeerBandwidth(limits.acknowledgementWindow, limit: 2).message, into: &outbox.bytes)
        chunks.changeChunkSize(to: limits.outgoingChunkSize, into: &outbox.bytes)
        let properties: AMF0Value = .object([
            AMF0Property("fmsVer", .string("FMS/3,5,7,7009")), AMF0Property("capabilities", .number(31)),
        ])
        let information = Command.status(
            level: "status", code: "NetConnection.Connect.Success", description: "Connection succeeded.",
            more: [AMF0Property("objectEncoding", .number(0))])
        answer(command, [properties, information])
        phase = .connected
    }

    private mutating func requestStream(
        _ purpose: RTMPStreamRequest.Purpose, _ command: Command, now: MonotonicTime
    ) throws(RTMPError) {
        guard phase == .connected else { throw .unexpectedCommand }
        let request = RTMPStreamRequest(purpose: purpose, app: app, name: command.string(at: 1) ?? "")
        guard !request.streamName.isEmpty else {
            let verb = purpose == .publish ? "Publish" : "Play"
            sendStatus("error", "NetStream.\(verb).BadName", "A stream name is needed.")
            close(.badName)
            return
        }
        ask(request, now: now)
    }

    private mutating func unpublish(now: MonotonicTime) {
        guard phase == .publishing || phase == .playing else { return }
        if phase == .publishing {
            let status = Command.status(
                level: "status", code: "NetStream.Unpublish.Success", description: "Unpublished.")
            chunks.write(Command("onFCUnpublish", [.null, status]).message(), into: &outbox.bytes)
            sendStatus("status", "NetStream.Unpublish.Success", "Unpublished.")
        }
        leaveStream(now: now)
    }

    private mutating func answer(_ command: Command, _ values: [AMF0Value]) {
        let result = Command("_result", transaction: command.transaction, values)
        chunks.write(result.message(), into: &outbox.bytes)
    }

    mutating func sendStatus(_ level: String, _ code: String, _ description: String) {
        let status = Command.onStatus(level: level, code: code, description: description)
        chunks.write(status.message(streamID: Self.streamID), into: &outbox.bytes)
    }
}
