// Server-sent events (WHATWG HTML §9.2): a response that goes on, with a bounded queue.

import Foundation
import HTTPTypes
import Hummingbird
public import HummingbirdCore
public import NIOCore
internal import Synchronization

/// The writing end of one server-sent-events response; sending is safe from any thread.
public final class EventStream: Sendable {
    private let continuation: AsyncStream<ByteBuffer>.Continuation
    private let stream: AsyncStream<ByteBuffer>
    private let pendingBytes = Atomic<Int>(0)
    private let pendingLimitBytes: Int
    private let channel: (any Channel)?
    private let cut = Mutex<Scheduled<Void>?>(nil)
    private let onClose: @Sendable () -> Void

    /// Creates a stream.
    ///
    /// - Parameters:
    ///   - channel: the connection, closed two seconds after the stream's end when its reader takes nothing more.
    ///   - pendingLimitBytes: with more unsent bytes than this, the reader is too slow and the stream ends.
    ///   - onClose: told once when the reader is gone or was cut.
    public init(channel: (any Channel)?, pendingLimitBytes: Int = 256 * 1024, onClose: @escaping @Sendable () -> Void) {
        (stream, continuation) = AsyncStream.makeStream()
        self.channel = channel
        self.pendingLimitBytes = pendingLimitBytes
        self.onClose = onClose
    }

    /// Sends one complete event chunk, made by `chunk`.
    ///
    /// - Returns: false when the stream has ended.
    @discardableResult
    public func send(_ chunk: ByteBuffer) -> Bool {
        let waiting = pendingBytes.add(chunk.readableBytes, ordering: .relaxed).newValue
        guard waiting <= pendingLimitBytes else {
            finish()
            return false
        }
        if case .terminated = continuation.yield(chunk) { return false }
        return true
    }

    /// Ends the stream; one who does not read is cut.
    public func finish() {
        continuation.finish()
        guard let channel else { return }
        cut.withLock { cut in
            guard cut == nil else { return }
            cut = channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
        }
    }

    /// Writes an event as a chunk that many streams may share.
    ///
    /// - Parameters:
    ///   - data: one line, usually JSON.
    ///   - event: the event's type; nil for `message`.
    ///   - id: what a client sends back as Last-Event-ID.
    public static func chunk(_ data: String, event: String? = nil, id: String? = nil) -> ByteBuffer {
        var buffer = ByteBuffer()
        if let id { buffer.writeString("id: \(id)\n") }
        if let event { buffer.writeString("event: \(event)\n") }
        buffer.writeString("data: \(data)\n\n")
        return buffer
    }

    /// The response that carries the stream, with a comment every 20 s while it is silent.
    public func response() -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "text/event-stream"
        headers[.cacheControl] = "no-store"
        headers[HTTPField.Name("X-Accel-Buffering").unsafelyUnwrapped] = "no"
        let body = ResponseBody { [self] writer in
            defer {
                cut.withLock { $0?.cancel() }
                onClose()
            }
            let beat = Task {
                while !Task.isCancelled {
                    try await Task.sleep(for: .seconds(20))
                    send(ByteBuffer(string: ": beat\n\n"))
                }
            }
            defer { beat.cancel() }
            for await chunk in stream {
                try await writer.write(chunk)
                pendingBytes.subtract(chunk.readableBytes, ordering: .relaxed)
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }
}
