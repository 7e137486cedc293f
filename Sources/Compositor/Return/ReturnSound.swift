// The mixes without one's own voice on their way back: cut into 20 ms, encoded to Opus on a thread of their own.

import Logging
import Media

/// Encodes the mixes of one connection.
final class ReturnSound: Sendable {
    /// 10 ms of one mix.
    struct Block: Sendable {
        /// The mix's number, and whose it is.
        var mix: Int, listener: String
        /// The number of the first sample since the program clock's anchor.
        var sample: Int64
        /// Left and right in turn.
        var samples: [Float]
    }

    /// A tenth of a second for all of them.
    private static let capacity = 10 * ReturnSlots.limit

    private let queue = BoundedQueue<Block>(capacity: capacity)
    private let counters: ReturnCounters
    private let thread: MediaThread

    /// Starts the thread; it sleeps until a block comes.
    ///
    /// - Parameters:
    ///   - counters: what is counted.
    ///   - logger: for what goes wrong.
    ///   - send: takes a frame of a mix on the thread; returns false when it can't.
    init(counters: ReturnCounters, logger: Logger, send: @escaping @Sendable (Int, EncodedFrame) -> Bool) {
        self.counters = counters
        let queue = queue
        thread = MediaThread(name: "return-sound") {
            var mixes: [Int: Mix] = [:]
            while let block = queue.pop() {
                do {
                    if mixes[block.mix]?.listener != block.listener {
                        mixes[block.mix] = try Mix(listener: block.listener)
                    }
                    guard let frame = try mixes[block.mix]?.take(block) else { continue }
                    counters.add(send(block.mix, frame) ? .soundSent : .soundRefused)
                } catch {
                    if counters.value(.encoderFailures) == 0 {
                        logger.error("a mix can't be encoded", metadata: ["error": "\(error)"])
                    }
                    counters.add(.encoderFailures)
                    mixes[block.mix] = nil
                }
            }
        }
    }

    /// Hands a block over, without waiting.
    func put(_ block: Block) { if !queue.push(block) { counters.add(.soundBlocksDropped) } }

    /// Lets the thread end.
    func close() { queue.close() }

    /// Waits for the thread, after `close`.
    func join() { thread.join() }

    /// One listener's encoder and what has come of the next 20 ms; confined to its thread.
    private final class Mix {
        private static let frameSamples: Int64 = 960
        let listener: String
        private var encoder: OpusEncoder
        private var waiting: [Float] = []
        private var begin: Int64 = 0

        init(listener: String) throws(OpusError) {
            self.listener = listener
            encoder = try OpusEncoder(bitrate: ReturnFormat.mixBitrate)
        }

        /// Adds a block, and returns a frame when 20 ms are full; after a hole it begins anew.
        func take(_ block: Block) throws(OpusError) -> EncodedFrame? {
            if block.sample != begin &+ Int64(waiting.count / 2) { waiting.removeAll(keepingCapacity: true) }
            if waiting.isEmpty { begin = block.sample }
            waiting += block.samples
            guard Int64(waiting.count) >= 2 * Self.frameSamples else { return nil }
            defer { waiting.removeAll(keepingCapacity: true) }
            let frame = try waiting.withUnsafeBufferPointer { samples throws(OpusError) in try encoder.encode(samples) }
            // What comes out first at the other end went in that much before: its stamp says when it was heard here.
            let stamp = begin &- Int64(OpusDecoder.lookahead)
            return EncodedFrame(
                codec: .opus, pts: stamp, dts: stamp, timescale: 48_000, isKeyframe: true, payload: frame.payload)
        }
    }
}
