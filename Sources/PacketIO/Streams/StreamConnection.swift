// One TCP connection: what has come of the next packet, and what waits to leave.

import CPacketIO
import Glibc
import Media

/// A connection; confined to the thread of its loop.
final class StreamConnection {
    let descriptor: Int32
    let address: NetworkAddress
    let since: MonotonicTime
    var lastHeard: MonotonicTime
    /// Whether it has shown that it belongs to somebody; one that we opened has.
    var isProven: Bool
    var isClosed = false, closesWhenEmpty = false
    /// Whether it is in the list of those that have something to say, and whether the kernel is asked to tell when it has room.
    var isListed = false, awaitsRoom = false
    var deframer = StreamDeframer()
    private var video: PacketQueue, other: PacketQueue

    /// What came of an attempt to write.
    enum Progress { case empty, blocked, failed }

    init(descriptor: Int32, address: NetworkAddress, isProven: Bool, options: StreamOptions, now: MonotonicTime) {
        self.descriptor = descriptor
        self.address = address
        self.isProven = isProven
        since = now
        lastHeard = now
        video = PacketQueue(capacity: options.videoBytes)
        other = PacketQueue(capacity: options.otherBytes)
    }

    var isEmpty: Bool { video.isEmpty && other.isEmpty }
    /// How many packets wait; one that has left in part does.
    var packets: Int { video.packets + other.packets }

    /// Queues a packet; false when it has to be dropped.
    ///
    /// - Parameters:
    ///   - isVideo: whether it may be dropped as soon as the reader is late.
    ///   - waitMs: how late that is.
    func queue(_ packet: UnsafeRawBufferPointer, isVideo: Bool, waitMs: Int64, now: MonotonicTime) -> Bool {
        guard isVideo else { return other.append(packet, at: now.nanoseconds) }
        if let oldest = video.oldest, now.nanoseconds - oldest > waitMs * 1_000_000 { return false }
        return video.append(packet, at: now.nanoseconds)
    }

    /// Writes what waits: first the rest of a packet that has left in part, then sound and control, then video.
    ///
    /// - Parameters:
    ///   - stale: video that has waited since before is thrown away.
    ///   - statistics: counts.
    func write(discardingBefore stale: Int64, _ statistics: inout StreamStatistics) -> Progress {
        while true {
            if video.sentOfFirst > 0 {
                guard send(&video, limit: video.remainderOfFirst, &statistics) else { return progress }
            } else if !other.isEmpty {
                guard send(&other, limit: .max, &statistics) else { return progress }
            } else {
                statistics.videoDropped &+= UInt64(video.discard(before: stale))
                guard !video.isEmpty else { return .empty }
                guard send(&video, limit: .max, &statistics) else { return progress }
            }
        }
    }

    private var lastError: Int32 = 0
    private var progress: Progress { lastError == EAGAIN || lastError == EWOULDBLOCK ? .blocked : .failed }

    /// Hands part of a queue to the kernel; false when it takes no more.
    private func send(_ queue: inout PacketQueue, limit: Int, _ statistics: inout StreamStatistics) -> Bool {
        let (first, second) = queue.pieces(limit: limit)
        let before = queue.packets
        let sent = proscenium_tcp_write(
            descriptor, first.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(clamping: first.count),
            second.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(clamping: second.count))
        guard sent >= 0 else {
            lastError = -sent
            return false
        }
        queue.consume(Int(sent))
        statistics.sent &+= UInt64(before - queue.packets)
        return true
    }
}
