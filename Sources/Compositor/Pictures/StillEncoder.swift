// A picture of the program as a JPEG file.

import CFFmpeg
public import Foundation
public import Media

/// Encodes stills; slow, so not on a thread that has to be on time.
public enum StillEncoder {
    /// Encodes a picture as JPEG, full range as JFIF asks.
    ///
    /// - Parameters:
    ///   - picture: a picture of the program (BT.709, limited).
    ///   - width: the width of the still in pixels; the height follows.
    /// - Returns: the file.
    /// - Throws: `AVError` when libav refuses.
    public static func jpeg(_ picture: VideoFrame, width: Int) throws(AVError) -> Data {
        let width = max(16, min(width, picture.width)) & ~1
        let height = max(16, picture.height * width / picture.width) & ~1
        guard let codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG), let context = avcodec_alloc_context3(codec) else {
            throw AVError.outOfMemory
        }
        var owned: UnsafeMutablePointer<AVCodecContext>? = context
        defer { avcodec_free_context(&owned) }
        context.pointee.width = Int32(width)
        context.pointee.height = Int32(height)
        context.pointee.pix_fmt = AV_PIX_FMT_YUVJ420P
        context.pointee.color_range = AVCOL_RANGE_JPEG
        context.pointee.time_base = AVRational(num: 1, den: 1)
        context.pointee.thread_count = 1
        context.pointee.flags |= AV_CODEC_FLAG_QSCALE
        context.pointee.global_quality = 4 * FF_QP2LAMBDA
        try check(avcodec_open2(context, codec, nil))
        var frame = av_frame_alloc(), packet = av_packet_alloc()
        defer {
            av_frame_free(&frame)
            av_packet_free(&packet)
        }
        guard let frame, let packet else { throw AVError.outOfMemory }
        frame.pointee.format = AV_PIX_FMT_YUVJ420P.rawValue
        frame.pointee.width = Int32(width)
        frame.pointee.height = Int32(height)
        frame.pointee.color_range = AVCOL_RANGE_JPEG
        frame.pointee.quality = context.pointee.global_quality
        try check(av_frame_get_buffer(frame, 0))
        try convert(picture, into: frame, width, height)
        try check(avcodec_send_frame(context, frame))
        try check(avcodec_receive_packet(context, packet))
        guard let bytes = packet.pointee.data else { throw AVError.invalidData }
        return Data(bytes: bytes, count: Int(packet.pointee.size))
    }

    /// Scales, and turns BT.709 limited into BT.601 full, which is what JPEG files are read as.
    private static func convert(
        _ picture: VideoFrame, into frame: UnsafeMutablePointer<AVFrame>, _ width: Int, _ height: Int
    ) throws(AVError) {
        guard
            let scaler = sws_getContext(
                Int32(picture.width), Int32(picture.height), AV_PIX_FMT_YUV420P, Int32(width), Int32(height),
                AV_PIX_FMT_YUV420P, Int32(SWS_AREA), nil, nil, nil)
        else { throw AVError.outOfMemory }
        defer { sws_freeContext(scaler) }
        sws_setColorspaceDetails(
            scaler, sws_getCoefficients(SWS_CS_ITU709), 0, sws_getCoefficients(SWS_CS_ITU601), 1, 0, 1 << 16, 1 << 16)
        let planes: [UnsafePointer<UInt8>?] = [
            UnsafePointer(picture.y), UnsafePointer(picture.u), UnsafePointer(picture.v), nil,
        ]
        let strides = [Int32(picture.lumaStride), Int32(picture.chromaStride), Int32(picture.chromaStride), 0]
        let targets: [UnsafeMutablePointer<UInt8>?] = [
            frame.pointee.data.0, frame.pointee.data.1, frame.pointee.data.2, nil,
        ]
        let targetStrides = [frame.pointee.linesize.0, frame.pointee.linesize.1, frame.pointee.linesize.2, 0]
        sws_scale(scaler, planes, strides, 0, Int32(picture.height), targets, targetStrides)
    }

    private static func check(_ result: Int32) throws(AVError) {
        guard result >= 0 else { throw AVError(code: result) }
    }
}
