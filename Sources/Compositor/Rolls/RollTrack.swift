// One track of a roll on its way through its decoder.

import CFFmpeg

/// One track's decoder, and the packets that wait for it; confined to one thread.
final class RollTrack {
    /// Faulty packets in a row until the roll is given up.
    private static let faultLimit = 200

    let context: UnsafeMutablePointer<AVCodecContext>
    /// The number of the track in its file.
    let index: Int32
    let timeBase: AVRational
    var waiting: [UnsafeMutablePointer<AVPacket>] = []
    var waitingBytes = 0
    var head: UnsafeMutablePointer<AVFrame>?
    var headNanoseconds: Int64 = 0
    var spare: UnsafeMutablePointer<AVFrame>
    var isFlushing = false, isOver = false
    private var faults = 0

    /// Opens the decoder of a track; nil when it can't be.
    init?(_ stream: UnsafeMutablePointer<AVStream>, _ codec: UnsafePointer<AVCodec>, threads: Int32) {
        guard let context = avcodec_alloc_context3(codec), let frame = av_frame_alloc() else { return nil }
        self.context = context
        spare = frame
        index = stream.pointee.index
        timeBase = stream.pointee.time_base
        context.pointee.thread_count = threads
        context.pointee.pkt_timebase = timeBase
        guard avcodec_parameters_to_context(context, stream.pointee.codecpar) >= 0,
            avcodec_open2(context, codec, nil) >= 0
        else { return nil }
    }

    deinit {
        var context: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&context)
        var frame: UnsafeMutablePointer<AVFrame>? = spare
        av_frame_free(&frame)
        for packet in waiting {
            var packet: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&packet)
        }
    }

    /// Notes that something could be decoded.
    func noteGood() { faults = 0 }

    /// Notes a fault.
    ///
    /// - Throws: `RollError` when there are too many in a row.
    func noteFault() throws(RollError) {
        faults += 1
        guard faults <= Self.faultLimit else {
            let isPicture = context.pointee.codec_type == AVMEDIA_TYPE_VIDEO
            throw .unreadable("\(isPicture ? "The picture" : "The sound") is damaged.")
        }
    }

    /// A stamp or a length of this track in nanoseconds.
    func nanoseconds(_ stamp: Int64) -> Int64 {
        // Far beyond anything real: held, so that sums can't overflow.
        let value = av_rescale_q(stamp, timeBase, AVRational(num: 1, den: 1_000_000_000))
        return min(max(value, -(1 << 60)), 1 << 60)
    }

    /// How long decoded sound lasts, in nanoseconds.
    static func length(_ frame: UnsafeMutablePointer<AVFrame>) -> Int64 {
        let rate = Int64(frame.pointee.sample_rate)
        return rate > 0 ? Int64(frame.pointee.nb_samples) * 1_000_000_000 / rate : 0
    }
}
