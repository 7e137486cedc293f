// Hashes a request's body while somebody else reads it.

import Crypto
import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import Synchronization

/// A body that can be read once, and then knows its hash.
final class BodyDigest: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    private struct State {
        var hash = SHA256()
        var length = 0
    }

    private let body: RequestBody
    private let limitBytes: Int
    private let state = Mutex(State())

    /// Wraps a body.
    ///
    /// - Parameters:
    ///   - body: the body.
    ///   - limitBytes: with more bytes than this, reading throws `Problem` 413.
    init(_ body: RequestBody, limitBytes: Int) {
        self.body = body
        self.limitBytes = limitBytes
    }

    /// The SHA-256 in hexadecimal of what was read.
    var text: String { state.withLock { $0.hash.finalize() }.map { String(format: "%02x", $0) }.joined() }

    /// Reads the whole body.
    ///
    /// - Parameter keeps: whether it is returned; it is only hashed otherwise.
    func collect(keeps: Bool) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        for try await piece in self where keeps { whole.writeImmutableBuffer(piece) }
        return whole
    }

    func makeAsyncIterator() -> Iterator { Iterator(digest: self, pieces: body.makeAsyncIterator()) }

    private func took(_ piece: ByteBuffer) throws {
        try state.withLock { state in
            state.length += piece.readableBytes
            guard state.length <= limitBytes else {
                throw Problem(.contentTooLarge, "too-large", "The body is too large")
            }
            piece.withUnsafeReadableBytes { state.hash.update(bufferPointer: $0) }
        }
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let digest: BodyDigest
        fileprivate var pieces: RequestBody.AsyncIterator

        @concurrent
        mutating func next() async throws -> ByteBuffer? {
            guard let piece = try await pieces.next() else { return nil }
            try digest.took(piece)
            return piece
        }
    }
}
