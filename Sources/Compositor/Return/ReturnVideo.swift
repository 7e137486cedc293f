// The program's pictures on their way back: scaled and encoded on a thread of their own, never late, rather not at all.

import Logging
import Media

/// Scales and encodes the newest picture for one connection.
final class ReturnVideo: Sendable {
    private struct Job: Sendable {
        var picture: VideoFrame
        var number: Int64
        var arrival: MonotonicTime?
    }

    private let slot = NewestSlot<Job>()
    private let asked: BoundedQueue<Bool>
    private let counters: ReturnCounters
    private let thread: MediaThread

    /// Starts the thread; it sleeps until a picture comes.
    ///
    /// - Parameters:
    ///   - format: size and rate.
    ///   - counters: what is counted.
    ///   - logger: for what goes wrong.
    ///   - send: takes a frame on the thread; returns false when it can't.
    init(
        format: ReturnFormat, counters: ReturnCounters, logger: Logger, send: @escaping @Sendable (EncodedFrame) -> Bool
    ) {
        let slot = slot, asked = BoundedQueue<Bool>(capacity: 1)
        self.asked = asked
        self.counters = counters
        thread = MediaThread(name: "return-video") {
            var pace = ReturnPace(), coder = ReturnCoder(format: format)
            while let job = slot.take() {
                if asked.popNow() != nil { pace.requestKeyframe() }
                let begin = SystemClock.monotonic(), used = SystemClock.threadNanoseconds()
                switch pace.next(at: begin) {
                case .rest: counters.add(.framesRested)
                case .await: counters.add(.framesAwaiting)
                case .encode(let isKeyframe):
                    let result = coder.encode(job.picture, number: job.number, isKeyframe: isKeyframe)
                    let now = SystemClock.monotonic(), cost = max(0, SystemClock.threadNanoseconds() &- used)
                    counters.add(.encodeNanoseconds, UInt64(cost))
                    switch result {
                    case .failure(let error):
                        if counters.value(.encoderFailures) == 0 {
                            logger.error("the return feed can't be encoded", metadata: ["error": "\(error)"])
                        }
                        counters.add(.encoderFailures)
                        pace.encoded(from: begin, to: now, cost: cost, isKeyframe: nil)
                        pace.lost()
                    case .success(nil):
                        counters.add(.framesLeftOut)
                        pace.encoded(from: begin, to: now, cost: cost, isKeyframe: nil)
                    case .success(let frame?):
                        pace.encoded(from: begin, to: now, cost: cost, isKeyframe: frame.isKeyframe)
                        guard send(frame) else {
                            counters.add(.framesRefused)
                            pace.lost()
                            continue
                        }
                        counters.add(.framesSent)
                        if frame.isKeyframe { counters.add(.keyframesSent) }
                        if let arrival = job.arrival {
                            counters.note(delayNanoseconds: now.nanoseconds(since: arrival))
                        }
                    }
                }
            }
        }
    }

    /// Hands a picture over; the newest wins.
    ///
    /// - Parameters:
    ///   - picture: a picture of the program, which nobody writes to while it is held.
    ///   - number: its number in the program.
    ///   - arrival: when the oldest of what is new in it had come.
    func put(_ picture: VideoFrame, number: Int64, arrival: MonotonicTime?) {
        if !slot.put(Job(picture: picture, number: number, arrival: arrival)) { counters.add(.framesReplaced) }
    }

    /// Somebody needs a key frame.
    func requestKeyframe() { asked.push(true) }

    /// Lets the thread end.
    func close() { slot.close() }

    /// Waits for the thread, after `close`.
    func join() { thread.join() }
}

/// Scales to the feed's size and colours and encodes VP8; confined to its thread.
private struct ReturnCoder: ~Copyable {
    private let format: ReturnFormat
    private let rasterizer = Rasterizer()
    private let canvas: VideoFrame
    private var encoder: VPXEncoder?

    init(format: ReturnFormat) {
        self.format = format
        canvas = VideoFrame(width: format.size.width, height: format.size.height)
        // VP8 has no place to say it, and browsers read it so.
        canvas.color = .vp8
    }

    mutating func encode(
        _ picture: VideoFrame, number: Int64, isKeyframe: Bool
    ) -> Result<EncodedFrame?, VideoCodecError> {
        rasterizer.draw(
            picture, crop: PixelRect(width: picture.width, height: picture.height), on: canvas,
            in: PixelRect(width: canvas.width, height: canvas.height))
        do throws(VideoCodecError) {
            if encoder == nil {
                encoder = try VPXEncoder(
                    codec: .vp8, width: canvas.width, height: canvas.height, bitrate: ReturnFormat.bitrate,
                    frameRate: format.frameRate, keyframeInterval: Int(Int32.max), live: .init())
            }
            return .success(try encoder?.encode(canvas, forceKeyframe: isKeyframe, number: number) ?? nil)
        } catch {
            // The next picture begins with a new one.
            encoder = nil
            return .failure(error)
        }
    }
}
