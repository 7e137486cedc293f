// Packets of a roll to pictures and sound, in the order in which they are shown and heard.

import CFFmpeg
import CMediaShims
import Media

/// Decodes both tracks of a container; confined to one thread of the process that reads the roll.
final class RollDecoder {
    /// How far sound is handed on ahead of pictures: sound is small, and its thread must never wait.
    static let soundLeadNanoseconds: Int64 = 250_000_000

    /// What comes next.
    enum Output {
        case picture(UnsafeMutablePointer<AVFrame>, nanoseconds: Int64)
        case sound(UnsafeMutablePointer<AVFrame>, nanoseconds: Int64)
        case end
    }

    /// The track of the pictures.
    let pictures: UnsafeMutablePointer<AVStream>
    private let container: RollContainer
    private let limits: RollLimits
    private let video: RollTrack
    private let sound: RollTrack?
    private var isAtEnd = false
    /// The stamp of the first picture, in nanoseconds: the roll's zero.
    private var origin: Int64?
    private let fromNanoseconds: Int64
    private var lastPicture = Int64.min, lastEnd: Int64 = 0
    /// The newest picture from before the beginning: shown when none follows.
    private var passed: UnsafeMutablePointer<AVFrame>?

    /// Opens the decoders.
    ///
    /// - Parameters:
    ///   - container: the file.
    ///   - limits: what it may cost.
    ///   - fromMs: where to begin, from the roll's start.
    ///   - threads: threads for pictures.
    /// - Throws: `RollError`.
    init(_ container: RollContainer, limits: RollLimits, fromMs: Int64 = 0, threads: Int32 = 2) throws(RollError) {
        self.container = container
        self.limits = limits
        guard let stream = container.video, let codec = container.videoDecoder,
            let video = RollTrack(stream, codec, threads: threads)
        else { throw .unreadable("The picture track can't be decoded.") }
        pictures = stream
        video.context.pointee.max_pixels = Int64(limits.pixels)
        self.video = video
        if let stream = container.sound, let decoder = container.soundDecoder {
            sound = RollTrack(stream, decoder, threads: 1)
        } else {
            sound = nil
        }
        fromNanoseconds = max(0, fromMs) * 1_000_000
        if fromMs > 0 {
            let start = pictures.pointee.start_time
            let begin = start == PROSCENIUM_AV_NO_PTS ? 0 : video.nanoseconds(start)
            container.seek(pictures, toNanoseconds: begin + fromNanoseconds)
            origin = begin
        }
    }

    deinit { av_frame_free(&passed) }

    /// Decodes until something is there; what is handed out is valid until the next call.
    ///
    /// - Throws: `RollError`.
    func next() throws(RollError) -> Output {
        giveBack()
        while true {
            try fill(video)
            if origin == nil, video.head != nil { origin = video.headNanoseconds }
            if let sound { try fill(sound) }
            if lastPicture == Int64.min, video.isOver, video.head == nil, let passed {
                lastPicture = fromNanoseconds
                lastEnd = max(lastEnd, fromNanoseconds)
                handedOut = .picture(passed, nanoseconds: fromNanoseconds)
                return handedOut
            }
            guard let output = choose() else {
                guard !container.isCutOff(atMs: lastEnd / 1_000_000) else {
                    throw .unreadable("The file is cut off.")
                }
                return .end
            }
            switch output {
            case .picture(let frame, let stamp):
                // What lies before the beginning is needed to decode, and not to be seen; time never goes back.
                guard stamp >= fromNanoseconds, stamp > lastPicture else {
                    if lastPicture == Int64.min { keepPassed(frame) }
                    drop(video)
                    continue
                }
                guard lastPicture == Int64.min || stamp - lastPicture <= limits.milliseconds * 1_000_000 else {
                    throw .unreadable("The stamps of the pictures jump.")
                }
                let told = video.nanoseconds(max(0, frame.pointee.pkt_duration))
                lastEnd = max(lastEnd, stamp + max(told, lastPicture == Int64.min ? 0 : stamp - lastPicture))
                lastPicture = stamp
            case .sound(let frame, let stamp):
                guard stamp >= fromNanoseconds - RollTrack.length(frame) else {
                    if let sound { drop(sound) }
                    continue
                }
                lastEnd = max(lastEnd, stamp + RollTrack.length(frame))
            case .end: break
            }
            handedOut = output
            return output
        }
    }

    private var handedOut: Output = .end

    private func giveBack() {
        switch handedOut {
        case .picture: drop(video)
        case .sound: if let sound { drop(sound) }
        case .end: break
        }
        handedOut = .end
    }

    private func keepPassed(_ frame: UnsafeMutablePointer<AVFrame>) {
        guard let kept = passed ?? av_frame_alloc() else { return }
        av_frame_unref(kept)
        av_frame_move_ref(kept, frame)
        passed = kept
    }

    private func choose() -> Output? {
        let zero = origin ?? 0
        if let sound, let frame = sound.head {
            let isFirst =
                video.head == nil || sound.headNanoseconds <= video.headNanoseconds + Self.soundLeadNanoseconds
            if isFirst { return .sound(frame, nanoseconds: sound.headNanoseconds &- zero) }
        }
        return video.head.map { .picture($0, nanoseconds: video.headNanoseconds &- zero) }
    }

    private func drop(_ track: RollTrack) {
        if let head = track.head { av_frame_unref(head) }
        track.head = nil
    }

    /// Decodes a track until it has a frame, is over, or the other track has too much that waits.
    private func fill(_ track: RollTrack) throws(RollError) {
        while track.head == nil, !track.isOver {
            let code = avcodec_receive_frame(track.context, track.spare)
            if code >= 0 {
                track.noteGood()
                let stamp = track.spare.pointee.best_effort_timestamp
                guard stamp != PROSCENIUM_AV_NO_PTS else {
                    av_frame_unref(track.spare)
                    continue
                }
                track.head = track.spare
                track.headNanoseconds = track.nanoseconds(stamp)
                return
            }
            if code == PROSCENIUM_AV_EOF {
                track.isOver = true
                return
            }
            if code != proscenium_av_error(EAGAIN) { try track.noteFault() }
            guard try feed(track) else { return }
        }
    }

    /// Gives a track its next packet; false when it has to wait because the other one's packets have no more room.
    private func feed(_ track: RollTrack) throws(RollError) -> Bool {
        while track.waiting.isEmpty, !isAtEnd {
            let other = track === video ? sound : video
            if let other, other.waitingBytes > limits.waitingBytes { return false }
            guard let packet = av_packet_alloc() else { throw .tooLarge("There is no memory left.") }
            var owned: UnsafeMutablePointer<AVPacket>? = packet
            do throws(RollError) {
                guard try container.read(into: packet) else {
                    av_packet_free(&owned)
                    isAtEnd = true
                    break
                }
            } catch {
                av_packet_free(&owned)
                throw error
            }
            let isVideo = packet.pointee.stream_index == video.index
            guard let target = isVideo ? video : sound else {
                av_packet_free(&owned)
                continue
            }
            target.waiting.append(packet)
            target.waitingBytes += Int(packet.pointee.size) + 256
        }
        if track.waiting.isEmpty {
            guard !track.isFlushing else {
                track.isOver = true
                return false
            }
            track.isFlushing = true
            avcodec_send_packet(track.context, nil)
            return true
        }
        let packet = track.waiting.removeFirst()
        track.waitingBytes -= Int(packet.pointee.size) + 256
        let code = avcodec_send_packet(track.context, packet)
        var owned: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&owned)
        if code < 0, code != proscenium_av_error(EAGAIN) { try track.noteFault() }
        return true
    }
}
