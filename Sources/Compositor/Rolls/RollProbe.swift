// What an uploaded video is: its first picture decoded, all its packets read once.

import CFFmpeg
import CMediaShims
import Media

/// Looks at videos; runs in the process that reads the upload, and nowhere else.
public enum RollProbe {
    /// Looks at a video.
    ///
    /// - Parameters:
    ///   - descriptor: the open file.
    ///   - limits: what it may cost.
    /// - Throws: `RollError` when it can't be played, or is cut off.
    public static func describe(
        descriptor: Int32, limits: RollLimits = RollLimits()
    ) throws(RollError) -> RollDescription {
        let container = try RollContainer(descriptor: descriptor, limits: limits)
        guard let stream = container.video else { throw .unreadable("The file has no picture track.") }
        let parameters = stream.pointee.codecpar.pointee
        let width = Int(parameters.width), height = Int(parameters.height)
        guard width > 0, height > 0 else { throw .unreadable("The picture has no size.") }
        guard width <= limits.side, height <= limits.side, width * height <= limits.pixels else {
            throw .tooLarge("The picture has \(width) x \(height) pixels.")
        }
        if let declared = container.declaredMs, declared > limits.milliseconds {
            throw .tooLarge("The file runs for \(declared / 60_000) minutes.")
        }
        let size = try firstPicture(container, limits)
        let durationMs = try measure(descriptor, limits)
        if container.isCutOff(atMs: durationMs) {
            throw .unreadable("The file is cut off after \(durationMs) ms.")
        }
        return RollDescription(
            width: size.width, height: size.height, durationMs: durationMs, hasSound: container.sound != nil)
    }

    private static func firstPicture(
        _ container: RollContainer, _ limits: RollLimits
    ) throws(RollError) -> PixelSize {
        let decoder = try RollDecoder(container, limits: limits, threads: 1)
        let converter = RollPictureConverter(decoder.pictures)
        // Sound that comes before the first picture is a little; a file without any picture ends.
        for _ in 0..<10_000 {
            switch try decoder.next() {
            case .picture(let frame, _):
                let form = converter.form(frame)
                let bytes = UnsafeMutablePointer<UInt8>.allocate(
                    capacity: form.size.width * form.size.height * 3 / 2 + 64)
                defer { bytes.deallocate() }
                guard converter.write(frame, form, to: bytes) else {
                    throw .unreadable("The picture's format can't be converted.")
                }
                return form.rotation.swapsSides
                    ? PixelSize(width: form.size.height, height: form.size.width) : form.size
            case .sound: break
            case .end: throw .unreadable("The file has no picture that can be decoded.")
            }
        }
        throw .unreadable("The file has no picture that can be decoded.")
    }

    /// Reads every packet: what is cut off or jumps is found now, and not on stage.
    private static func measure(_ descriptor: Int32, _ limits: RollLimits) throws(RollError) -> Int64 {
        let container = try RollContainer(descriptor: descriptor, limits: limits)
        guard let packet = av_packet_alloc() else { throw .tooLarge("There is no memory left.") }
        var owned: UnsafeMutablePointer<AVPacket>? = packet
        defer { av_packet_free(&owned) }
        let milliseconds = AVRational(num: 1, den: 1000)
        var first = Int64.max, last = Int64.min
        while try container.read(into: packet) {
            defer { av_packet_unref(packet) }
            let isVideo = packet.pointee.stream_index == container.video?.pointee.index
            guard let stream = isVideo ? container.video : container.sound,
                packet.pointee.pts != PROSCENIUM_AV_NO_PTS, packet.pointee.flags & AV_PKT_FLAG_DISCARD == 0
            else { continue }
            let base = stream.pointee.time_base
            let begin = av_rescale_q(packet.pointee.pts, base, milliseconds)
            guard begin.magnitude < 1 << 50 else { throw .unreadable("The stamps of the file are damaged.") }
            let length = av_rescale_q(max(0, packet.pointee.duration), base, milliseconds)
            if isVideo { first = min(first, begin) }
            last = max(last, begin + min(max(0, length), 60_000))
        }
        guard first <= last else { throw .unreadable("The file has no picture.") }
        guard last - first <= limits.milliseconds else {
            throw .tooLarge("The file runs for \((last - first) / 60_000) minutes.")
        }
        return max(1, last - first)
    }
}
