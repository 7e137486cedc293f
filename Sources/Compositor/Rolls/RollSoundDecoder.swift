// The sound of a file alone: 48 kHz stereo, counted sample by sample from its start.

import CFFmpeg
import CMediaShims

/// Decodes the sound of a container from a place on; confined to one thread of the process that reads it.
///
/// Samples are counted from the first one that is heard: what encoders put in front of it, and containers tell of, is left
/// out by libavcodec.
final class RollSoundDecoder {
    /// What is decoded before the place where it begins, and not handed out: coders need what came before, Opus 80 ms
    /// (RFC 7845 §4.6), MP3 up to 511 bytes of frames before, at the lowest rates half a second.
    static let leadNanoseconds: Int64 = 500_000_000

    /// Where the last sample ends that was decoded, in samples from the start.
    private(set) var end: Int64 = 0
    private let container: RollContainer
    private let limits: RollLimits
    private let track: RollTrack
    private let packet: UnsafeMutablePointer<AVPacket>
    private let converter = RollSoundConverter()
    private let fromNanoseconds: Int64
    private var line = SoundLine()
    /// The stamp of the first sample, in nanoseconds of the track.
    private var origin: Int64 = 0
    /// Packets that end before this are not decoded.
    private var decodesFrom = Int64.min
    private var head: UnsafeMutablePointer<AVFrame>?

    /// Opens the decoder, and goes to a place.
    ///
    /// - Parameters:
    ///   - container: the file.
    ///   - limits: what it may cost.
    ///   - fromMs: where to begin, from the start of the sound.
    /// - Throws: `RollError` when nothing can be decoded.
    init(_ container: RollContainer, limits: RollLimits, fromMs: Int64 = 0) throws(RollError) {
        guard let stream = container.sound, let codec = container.soundDecoder,
            let track = RollTrack(stream, codec, threads: 1)
        else { throw .unreadable("The sound track can't be decoded.") }
        guard let packet = av_packet_alloc() else { throw .tooLarge("There is no memory left.") }
        self.container = container
        self.limits = limits
        self.track = track
        self.packet = packet
        fromNanoseconds = min(max(0, fromMs), limits.milliseconds) * 1_000_000
        guard let first = try decode() else { throw .unreadable("The file has no sound that can be decoded.") }
        origin = track.nanoseconds(first.pointee.best_effort_timestamp)
        let target = fromNanoseconds - Self.leadNanoseconds
        guard target > RollTrack.length(first) else {
            head = first
            return
        }
        av_frame_unref(first)
        avcodec_flush_buffers(track.context)
        decodesFrom = target
        guard container.kind.seeksExactly else { return }
        container.seek(stream, toNanoseconds: origin + target)
        line = SoundLine()
    }

    deinit {
        var owned: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&owned)
    }

    /// Decodes the next block.
    ///
    /// - Parameter body: gets the number of the first sample and samples left and right in turn; is not called for a
    ///   block before the beginning.
    /// - Returns: false at the end, when `body` may have got the last samples.
    /// - Throws: `RollError` when the file is damaged or cut off.
    func next(_ body: (Int64, UnsafeBufferPointer<Float>) -> Void) throws(RollError) -> Bool {
        guard let frame = try take() else {
            converter.finish { handOut($0, $1, body) }
            // Where it begins behind the end nothing was read, and nothing is known.
            let reached = line.begin == nil ? fromNanoseconds : line.end - origin
            guard !container.isCutOff(atMs: max(end / 48, reached / 1_000_000)) else {
                throw .unreadable("The file is cut off.")
            }
            return false
        }
        defer { av_frame_unref(frame) }
        let stamp = track.nanoseconds(frame.pointee.best_effort_timestamp) &- origin &+ line.shift
        guard stamp <= limits.milliseconds * 1_000_000 else { throw .unreadable("The stamps of the sound jump.") }
        converter.convert(frame, at: stamp) { handOut($0, $1, body) }
        return true
    }

    // MARK: - Inside

    private func take() throws(RollError) -> UnsafeMutablePointer<AVFrame>? {
        guard let head else { return try decode() }
        self.head = nil
        return head
    }

    /// Hands on what is not before the beginning; time never goes back.
    private func handOut(
        _ position: Int64, _ samples: UnsafeBufferPointer<Float>, _ body: (Int64, UnsafeBufferPointer<Float>) -> Void
    ) {
        let count = Int64(samples.count / 2), from = fromNanoseconds / 1_000_000 * 48
        // Nor what lies under what was handed on: stamps may say less than the samples are.
        let before = min(max(0, max(from, end) - position), count)
        end = max(end, position + count)
        guard before < count else { return }
        body(position + before, UnsafeBufferPointer(rebasing: samples[Int(2 * before)...]))
    }

    /// Decodes until a block is there that has a stamp; nil at the end.
    private func decode() throws(RollError) -> UnsafeMutablePointer<AVFrame>? {
        while true {
            let code = avcodec_receive_frame(track.context, track.spare)
            if code >= 0 {
                track.noteGood()
                if track.spare.pointee.best_effort_timestamp != PROSCENIUM_AV_NO_PTS { return track.spare }
                av_frame_unref(track.spare)
                continue
            }
            if code == PROSCENIUM_AV_EOF { return nil }
            if code != proscenium_av_error(EAGAIN) { try track.noteFault() }
            // One that is flushed gives what it holds, and then its end.
            guard !track.isFlushing else { return nil }
            try feed()
        }
    }

    /// Gives the decoder its next packet, or the word that there is none.
    private func feed() throws(RollError) {
        while try container.read(into: packet) {
            defer { av_packet_unref(packet) }
            guard packet.pointee.stream_index == track.index else { continue }
            if let end = try line.place(packet.pointee, of: track), end - origin <= decodesFrom { continue }
            let code = avcodec_send_packet(track.context, packet)
            if code < 0, code != proscenium_av_error(EAGAIN) { try track.noteFault() }
            return
        }
        track.isFlushing = true
        avcodec_send_packet(track.context, nil)
    }
}

/// Lays packets of sound one behind the other.
///
/// Stamps that begin anew, as those of files do that were made of several in Ogg (RFC 3533 §4), go on where the sound was.
struct SoundLine {
    /// Back by less than this is how stamps are rounded.
    static let toleranceNanoseconds: Int64 = 40_000_000

    /// What is added to stamps of the file, in nanoseconds.
    private(set) var shift: Int64 = 0
    /// Where the first packet begins and the last one ends; the same before the first.
    private(set) var begin: Int64?, end: Int64 = 0

    /// Places the next packet.
    ///
    /// - Returns: where it ends; nil when it has no stamp.
    /// - Throws: `RollError` when stamps are beyond anything real.
    mutating func place(_ packet: AVPacket, of track: RollTrack) throws(RollError) -> Int64? {
        guard packet.pts != PROSCENIUM_AV_NO_PTS else { return nil }
        // No packet is longer than a minute, whatever it says.
        let length = min(track.nanoseconds(max(0, packet.duration)), 60_000_000_000)
        return try place(at: track.nanoseconds(packet.pts), length: length)
    }

    private mutating func place(at stamp: Int64, length: Int64) throws(RollError) -> Int64 {
        // A year, so that sums can't overflow.
        guard stamp.magnitude < 1 << 55, end.magnitude < 1 << 56 else {
            throw .unreadable("The stamps of the sound are damaged.")
        }
        if begin == nil {
            begin = stamp
            end = stamp
        }
        if stamp + shift < end - Self.toleranceNanoseconds { shift = end - stamp }
        end = max(end, stamp + shift + length)
        return stamp + shift + length
    }
}
