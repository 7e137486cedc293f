// The container of a roll: opened from a descriptor, by a demuxer that we name, and nothing else is opened with it.

import CFFmpeg
import CMediaShims
import Glibc
import Media

/// Reads packets of one picture and one sound track.
///
/// libavformat sees bytes of one open file through our own callbacks. The demuxer is chosen here by the file's first
/// bytes, so that playlists, concatenations and other lists of names are never probed for; references to other files
/// inside a container are not followed, and every attempt to open anything is refused.
final class RollContainer {
    /// Decoders that may run.
    ///
    /// Those that only read old or rare files stay out: they are where the faults are.
    static let videoDecoders = "h264,hevc,vp8,vp9,libdav1d,av1,prores,mjpeg"
    static let soundDecoders =
        "aac,mp3float,mp3,opus,libopus,vorbis,flac,alac,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,"
        + "pcm_f32le,pcm_f64le"

    let context: UnsafeMutablePointer<AVFormatContext>
    /// The tracks that are read; at least the picture's, or of sound alone at least the sound's.
    let video: UnsafeMutablePointer<AVStream>?, sound: UnsafeMutablePointer<AVStream>?
    let videoDecoder: UnsafePointer<AVCodec>?, soundDecoder: UnsafePointer<AVCodec>?
    let kind: RollKind
    /// Whether there is a picture, read or not, that is more than a cover.
    let hasPicture: Bool
    private let cursor: FileCursor
    private let waveBytes: Int64?
    private var packets = 0
    private let limits: RollLimits

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - descriptor: the open file, which stays the caller's.
    ///   - limits: what it may cost.
    ///   - soundOnly: whether only sound is read, also from files that have nothing else.
    /// - Throws: `RollError`.
    init(descriptor: Int32, limits: RollLimits, soundOnly: Bool = false) throws(RollError) {
        proscenium_av_silence()
        let cursor = FileCursor(descriptor)
        let kind = try RollKind(cursor, soundOnly: soundOnly)
        self.cursor = cursor
        self.kind = kind
        waveBytes = kind == .wav ? WaveHeader.soundBytes(cursor) : nil
        self.limits = limits
        guard let context = Self.open(cursor, kind, limits, soundOnly) else {
            throw .unreadable("The file begins as \(kind.name) but can't be read.")
        }
        self.context = context
        var video: UnsafeMutablePointer<AVStream>?, sound: UnsafeMutablePointer<AVStream>?
        var found: (video: UnsafePointer<AVCodec>?, sound: UnsafePointer<AVCodec>?) = (nil, nil)
        var unknown = (video: "", sound: ""), hasPicture = false
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index], let parameters = stream.pointee.codecpar else {
                continue
            }
            stream.pointee.discard = AVDISCARD_ALL
            let isCover = stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0
            switch parameters.pointee.codec_type {
            case AVMEDIA_TYPE_VIDEO where !isCover:
                hasPicture = true
                guard video == nil, !soundOnly else { break }
                if let decoder = Self.decoder(parameters.pointee.codec_id, among: Self.videoDecoders) {
                    (video, found.video) = (stream, decoder)
                } else {
                    unknown.video = String(cString: avcodec_get_name(parameters.pointee.codec_id))
                }
            case AVMEDIA_TYPE_AUDIO where sound == nil:
                if let decoder = Self.decoder(parameters.pointee.codec_id, among: Self.soundDecoders) {
                    (sound, found.sound) = (stream, decoder)
                } else {
                    unknown.sound = String(cString: avcodec_get_name(parameters.pointee.codec_id))
                }
            default: break
            }
        }
        guard soundOnly ? sound != nil : video != nil else {
            Self.close(context)
            let (track, name) = soundOnly ? ("sound", unknown.sound) : ("picture", unknown.video)
            guard name.isEmpty else { throw .unreadable("The \(track) is \(name), which is not read.") }
            throw .unreadable(
                "The file has no \(track) track\(sound == nil ? "." : "; sound alone is taken as audio.")")
        }
        video?.pointee.discard = AVDISCARD_DEFAULT
        sound?.pointee.discard = AVDISCARD_DEFAULT
        self.video = video
        self.sound = sound
        self.hasPicture = hasPicture
        videoDecoder = found.video
        soundDecoder = found.sound
    }

    deinit { Self.close(context) }

    /// How long the container says that it runs; nil when it does not say.
    var declaredMs: Int64? {
        if let waveBytes, let parameters = sound?.pointee.codecpar?.pointee, parameters.sample_rate > 0,
            parameters.block_align > 0, av_get_exact_bits_per_sample(parameters.codec_id) > 0
        {
            return waveBytes / Int64(parameters.block_align) * 1000 / Int64(parameters.sample_rate)
        }
        // What libavformat works out from a bit rate is a guess, and of Ogg it takes the last stamp that is there.
        guard context.pointee.duration_estimation_method == AVFMT_DURATION_FROM_STREAM, kind != .ogg else { return nil }
        if video == nil, let sound {
            // Other tracks may run on.
            let own = sound.pointee.duration
            if own != PROSCENIUM_AV_NO_PTS, own > 0 {
                return av_rescale_q(own, sound.pointee.time_base, AVRational(num: 1, den: 1000))
            }
            guard context.pointee.nb_streams == 1 else { return nil }
        }
        let duration = context.pointee.duration
        return duration > 0 && duration < Int64.max / 2 ? duration / 1000 : nil
    }

    /// Whether what was read ends long before the container's own word; a file that is cut off may end like a whole one.
    func isCutOff(atMs milliseconds: Int64) -> Bool {
        guard let declaredMs else { return false }
        return milliseconds < declaredMs - max(500, declaredMs / 20)
    }

    /// Reads the next packet of one of the two tracks.
    ///
    /// - Returns: false at the end.
    /// - Throws: `RollError` when the file is damaged or has too many packets.
    func read(into packet: UnsafeMutablePointer<AVPacket>) throws(RollError) -> Bool {
        while true {
            let code = av_read_frame(context, packet)
            if code < 0 {
                if code == PROSCENIUM_AV_EOF { return false }
                throw .unreadable("The file is damaged or cut off.")
            }
            packets += 1
            guard packets <= limits.packets else {
                throw .tooLarge("The file has more than \(limits.packets) packets.")
            }
            // The last block of a WAV file is marked when its header names no length, or one that is a little too long.
            guard packet.pointee.flags & AV_PKT_FLAG_CORRUPT == 0 || kind == .wav else {
                av_packet_unref(packet)
                throw .unreadable("The file is cut off or damaged.")
            }
            let index = packet.pointee.stream_index
            if index == video?.pointee.index || index == sound?.pointee.index { return true }
            av_packet_unref(packet)
        }
    }

    /// Goes to the key frame of a track at or before a stamp of it.
    func seek(_ stream: UnsafeMutablePointer<AVStream>, toNanoseconds stamp: Int64) {
        let target = av_rescale_q(stamp, AVRational(num: 1, den: 1_000_000_000), stream.pointee.time_base)
        _ = av_seek_frame(context, stream.pointee.index, target, AVSEEK_FLAG_BACKWARD)
    }

    // MARK: - Inside

    private static func decoder(_ id: AVCodecID, among names: String) -> UnsafePointer<AVCodec>? {
        names.split(separator: ",").lazy.compactMap { avcodec_find_decoder_by_name(String($0)) }
            .first { $0.pointee.id == id }
    }

    private static func open(
        _ cursor: FileCursor, _ kind: RollKind, _ limits: RollLimits, _ soundOnly: Bool
    ) -> UnsafeMutablePointer<AVFormatContext>? {
        guard let format = av_find_input_format(kind.rawValue),
            let context = avformat_alloc_context(), let buffer = av_malloc(65536)
        else { return nil }
        let io = avio_alloc_context(
            buffer.assumingMemoryBound(to: UInt8.self), 65536, 0, Unmanaged.passRetained(cursor).toOpaque(),
            { opaque, target, count in
                guard let opaque, let target else { return proscenium_av_error(EIO) }
                return Unmanaged<FileCursor>.fromOpaque(opaque).takeUnretainedValue().read(target, count)
            }, nil,
            { opaque, offset, whence in
                guard let opaque else { return Int64(proscenium_av_error(EIO)) }
                return Unmanaged<FileCursor>.fromOpaque(opaque).takeUnretainedValue().seek(offset, whence)
            })
        context.pointee.pb = io
        context.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        // Whatever a container names, nothing is opened for it.
        context.pointee.io_open = { _, _, _, _, _ in proscenium_av_error(EPERM) }
        var options: OpaquePointer?
        for (name, value) in [
            ("format_whitelist", kind.formats), ("protocol_whitelist", "none"),
            ("codec_whitelist", soundOnly ? soundDecoders : "\(videoDecoders),\(soundDecoders)"),
            ("max_streams", "\(limits.tracks)"), ("probesize", "8000000"), ("analyzeduration", "5000000"),
            ("max_probe_packets", "500"), ("threads", "1"),
        ] { av_dict_set(&options, name, value, 0) }
        if kind == .mov {
            av_dict_set(&options, "enable_drefs", "0", 0)
            av_dict_set(&options, "use_absolute_path", "0", 0)
        }
        defer { av_dict_free(&options) }
        var opened: UnsafeMutablePointer<AVFormatContext>? = context
        guard avformat_open_input(&opened, nil, format, &options) >= 0 else {
            // A failed opening frees the context, but not what came with it.
            release(io)
            return nil
        }
        guard avformat_find_stream_info(context, nil) >= 0 else {
            close(context)
            return nil
        }
        return context
    }

    private static func close(_ context: UnsafeMutablePointer<AVFormatContext>) {
        let io = context.pointee.pb
        var owned: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&owned)
        release(io)
    }

    private static func release(_ io: UnsafeMutablePointer<AVIOContext>?) {
        guard let buffer = io?.pointee.buffer, let opaque = io?.pointee.opaque else { return }
        var owned = io
        av_free(buffer)
        avio_context_free(&owned)
        Unmanaged<FileCursor>.fromOpaque(opaque).release()
    }
}
