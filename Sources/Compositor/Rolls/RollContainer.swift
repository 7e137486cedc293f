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
    /// The two families of containers that are taken, by the demuxers that read them.
    enum Kind: String {
        case mov, matroska
    }

    /// Decoders that may run.
    ///
    /// Those that only read old or rare files stay out: they are where the faults are.
    static let videoDecoders = "h264,hevc,vp8,vp9,libdav1d,av1,prores,mjpeg"
    static let soundDecoders =
        "aac,mp3float,mp3,opus,libopus,vorbis,flac,alac,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_f32le"

    let context: UnsafeMutablePointer<AVFormatContext>
    let video: UnsafeMutablePointer<AVStream>
    let sound: UnsafeMutablePointer<AVStream>?
    let videoDecoder: UnsafePointer<AVCodec>
    let soundDecoder: UnsafePointer<AVCodec>?
    let kind: Kind
    private let cursor: FileCursor
    private var packets = 0
    private let limits: RollLimits

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - descriptor: the open file, which stays the caller's.
    ///   - limits: what it may cost.
    /// - Throws: `RollError`.
    init(descriptor: Int32, limits: RollLimits) throws(RollError) {
        proscenium_av_silence()
        let cursor = FileCursor(descriptor)
        let kind = try Self.kind(cursor)
        self.cursor = cursor
        self.kind = kind
        self.limits = limits
        guard let context = Self.open(cursor, kind, limits) else {
            throw .unreadable(
                "The file begins as \(kind == .mov ? "MP4 or MOV" : "Matroska or WebM") but can't be read.")
        }
        self.context = context
        var video: UnsafeMutablePointer<AVStream>?, sound: UnsafeMutablePointer<AVStream>?
        var found: (video: UnsafePointer<AVCodec>?, sound: UnsafePointer<AVCodec>?) = (nil, nil)
        var unknown = ""
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index], let parameters = stream.pointee.codecpar else {
                continue
            }
            stream.pointee.discard = AVDISCARD_ALL
            let isCover = stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0
            switch parameters.pointee.codec_type {
            case AVMEDIA_TYPE_VIDEO where video == nil && !isCover:
                if let decoder = Self.decoder(parameters.pointee.codec_id, among: Self.videoDecoders) {
                    (video, found.video) = (stream, decoder)
                } else {
                    unknown = String(cString: avcodec_get_name(parameters.pointee.codec_id))
                }
            case AVMEDIA_TYPE_AUDIO where sound == nil:
                if let decoder = Self.decoder(parameters.pointee.codec_id, among: Self.soundDecoders) {
                    (sound, found.sound) = (stream, decoder)
                }
            default: break
            }
        }
        guard let video, let videoDecoder = found.video else {
            Self.close(context)
            throw .unreadable(
                unknown.isEmpty ? "The file has no picture track." : "The picture is \(unknown), which is not read.")
        }
        video.pointee.discard = AVDISCARD_DEFAULT
        sound?.pointee.discard = AVDISCARD_DEFAULT
        self.video = video
        self.sound = sound
        self.videoDecoder = videoDecoder
        soundDecoder = found.sound
    }

    deinit { Self.close(context) }

    /// How long the container says that it runs; nil when it does not say.
    var declaredMs: Int64? {
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
            guard packet.pointee.flags & AV_PKT_FLAG_CORRUPT == 0 else {
                av_packet_unref(packet)
                throw .unreadable("The file is cut off or damaged.")
            }
            let index = packet.pointee.stream_index
            if index == video.pointee.index || index == sound?.pointee.index { return true }
            av_packet_unref(packet)
        }
    }

    /// Goes to the key frame at or before a time from the start.
    func seek(toMs milliseconds: Int64) {
        let base = video.pointee.time_base
        let start = video.pointee.start_time == Int64.min ? 0 : video.pointee.start_time
        let target = av_rescale_q(milliseconds, AVRational(num: 1, den: 1000), base) &+ start
        _ = av_seek_frame(context, video.pointee.index, target, AVSEEK_FLAG_BACKWARD)
    }

    // MARK: - Inside

    private static func decoder(_ id: AVCodecID, among names: String) -> UnsafePointer<AVCodec>? {
        names.split(separator: ",").lazy.compactMap { avcodec_find_decoder_by_name(String($0)) }
            .first { $0.pointee.id == id }
    }

    private static func open(
        _ cursor: FileCursor, _ kind: Kind, _ limits: RollLimits
    ) -> UnsafeMutablePointer<AVFormatContext>? {
        guard let format = av_find_input_format(kind == .mov ? "mov" : "matroska"),
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
            ("format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,matroska,webm"),
            ("protocol_whitelist", "none"), ("codec_whitelist", "\(videoDecoders),\(soundDecoders)"),
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

    /// Tells the kind by the first bytes, and what else it may be when it is none that is taken.
    private static func kind(_ cursor: FileCursor) throws(RollError) -> Kind {
        let start = cursor.start(512)
        if start.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return .matroska }
        if start.count >= 12 {
            let type = String(decoding: start[4..<8], as: UTF8.self)
            if ["ftyp", "moov", "mdat", "wide", "free", "skip", "pnot"].contains(type) { return .mov }
        }
        let text = String(decoding: start, as: UTF8.self).trimmingPrefix("\u{FEFF}")
        let others = [
            ("#EXTM3U", "an HLS playlist"), ("ffconcat", "a list of files"), ("<?xml", "an XML document"),
            ("<MPD", "a DASH manifest"), ("[playlist]", "a playlist"), ("v=0", "a session description"),
            ("RIFF", "a RIFF file"), ("FLV", "an FLV file"), ("%PDF", "a PDF"), ("PK\u{3}\u{4}", "a ZIP archive"),
        ]
        let other = others.first { text.hasPrefix($0.0) }?.1
        throw .otherKind(
            "The file is neither MP4, MOV, WebM nor Matroska" + (other.map { ", but \($0)." } ?? "."))
    }
}

/// A place in an open file, whose own offset is left alone.
private final class FileCursor {
    private let descriptor: Int32
    private let length: Int64
    private var position: Int64 = 0

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        // The offset is nobody's: everything is read by place.
        length = max(0, Int64(lseek(descriptor, 0, SEEK_END)))
    }

    func start(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = pread(descriptor, &bytes, count, 0)
        return Array(bytes.prefix(max(0, got)))
    }

    func read(_ target: UnsafeMutablePointer<UInt8>, _ count: Int32) -> Int32 {
        guard count > 0 else { return 0 }
        let got = pread(descriptor, target, Int(count), off_t(position))
        if got < 0 { return proscenium_av_error(EIO) }
        if got == 0 { return PROSCENIUM_AV_EOF }
        position += Int64(got)
        return Int32(got)
    }

    func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        switch whence & ~Int32(0x20000) {
        case Int32(0x10000): return length
        case SEEK_SET: return move(offset)
        case SEEK_CUR: return move(position.addingReportingOverflow(offset).partialValue)
        case SEEK_END: return move(length.addingReportingOverflow(offset).partialValue)
        default: return Int64(proscenium_av_error(EINVAL))
        }
    }

    private func move(_ target: Int64) -> Int64 {
        guard (0...length).contains(target) else { return Int64(proscenium_av_error(EINVAL)) }
        position = target
        return target
    }
}
