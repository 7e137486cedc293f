// A camera and its sound from a WebM file, one picture after the other: what benchmarks compose.

import CFFmpeg
import Media

/// Reads VP8 and Opus from a file and decodes them as the room does; one thread.
final class WebMSource {
    private var format: UnsafeMutablePointer<AVFormatContext>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var video: Int32 = -1, audio: Int32 = -1
    private var pictures: VPXDecoder
    private var sound: OpusDecoder
    /// Decoded samples that nobody took yet, left and right in turn, and where they begin.
    private var samples: [Float] = [], start = 0

    /// Opens a file.
    ///
    /// - Throws: `AVError` when it can't be read or has no VP8, `VideoCodecError` and `OpusError` when a decoder can't be set up.
    init(_ path: String) throws {
        pictures = try VPXDecoder(codec: .vp8)
        sound = try OpusDecoder()
        let opened = avformat_open_input(&format, path, nil, nil)
        guard opened >= 0 else { throw AVError(code: opened) }
        packet = av_packet_alloc()
        let found = avformat_find_stream_info(format, nil)
        guard found >= 0 else { throw AVError(code: found) }
        for index in 0..<Int(format?.pointee.nb_streams ?? 0) {
            switch format?.pointee.streams[index]?.pointee.codecpar.pointee.codec_id {
            case AV_CODEC_ID_VP8?: video = Int32(index)
            case AV_CODEC_ID_OPUS?: audio = Int32(index)
            default: break
            }
        }
        guard video >= 0 else { throw AVError.invalidData }
    }

    deinit {
        av_packet_free(&packet)
        avformat_close_input(&format)
    }

    /// The next picture, or nil at the end; the sound before it is decoded too when it is asked for.
    func next(hearing: Bool) throws -> VideoFrame? {
        guard let packet else { return nil }
        while av_read_frame(format, packet) >= 0 {
            defer { av_packet_unref(packet) }
            let payload = UnsafeRawBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size))
            if packet.pointee.stream_index == video {
                if let picture = try pictures.decode(payload, timestampNanoseconds: 0) { return picture }
            } else if packet.pointee.stream_index == audio, hearing {
                try sound.decode(payload) { samples += $0 }
            }
        }
        return nil
    }

    /// Ten milliseconds of sound, or nil while there is less.
    func block() -> [Float]? {
        let count = 2 * 480
        guard samples.count - start >= count else { return nil }
        defer {
            start += count
            if start > 48_000 {
                samples.removeFirst(start)
                start = 0
            }
        }
        return Array(samples[start..<(start + count)])
    }
}
