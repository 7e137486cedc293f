// The program's pictures on their way back: scaled once and encoded on a thread of their own, never late, rather not at all.

import Logging
import Media

/// Scales and encodes the newest picture for one connection, in each codec in which somebody gets it.
final class ReturnVideo: Sendable {
    private struct Job: Sendable {
        var picture: VideoFrame
        var number: Int64
        var arrival: MonotonicTime?
    }

    private let slot = NewestSlot<Job>()
    private let wishes = ReturnWishes()
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
        let slot = slot, wishes = wishes
        self.counters = counters
        thread = MediaThread(name: "return-video") {
            let canvas = ReturnCanvas(format: format)
            let streams = ReturnFormat.codecs.map {
                ReturnStream(codec: $0, format: format, counters: counters, logger: logger, send: send)
            }
            while let job = slot.take() {
                let (wanted, keyframes) = wishes.take()
                var isDrawn = false
                for stream in streams {
                    guard wanted.contains(stream.codec) else {
                        stream.rest()
                        continue
                    }
                    if keyframes.contains(stream.codec) { stream.requestKeyframe() }
                    stream.show(number: job.number, arrival: job.arrival) {
                        if !isDrawn { canvas.draw(job.picture) }
                        isDrawn = true
                        return canvas.frame
                    }
                }
            }
            for stream in streams { stream.rest() }
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

    /// Somebody gets the picture in this codec, or nobody does: then the next picture of the program closes its encoder.
    func want(_ codec: Codec, _ isWanted: Bool) { wishes.want(codec, isWanted) }

    /// Somebody needs a key frame.
    func requestKeyframe(_ codec: Codec) { wishes.requestKeyframe(codec) }

    /// Lets the thread end.
    func close() { slot.close() }

    /// Waits for the thread, after `close`.
    func join() { thread.join() }
}

/// The picture in the feed's size and colours; confined to its thread.
private struct ReturnCanvas {
    private let rasterizer = Rasterizer()
    let frame: VideoFrame

    init(format: ReturnFormat) {
        frame = VideoFrame(width: format.size.width, height: format.size.height)
        // VP8 has no place to say it, and browsers read it so; H.264 is told.
        frame.color = .vp8
    }

    func draw(_ picture: VideoFrame) {
        rasterizer.draw(
            picture, crop: PixelRect(width: picture.width, height: picture.height), on: frame,
            in: PixelRect(width: frame.width, height: frame.height))
    }
}
