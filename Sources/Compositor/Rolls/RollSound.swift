// Decoded sound of any kind to 48 kHz stereo, placed on the roll's time line sample by sample.

import CFFmpeg

/// Converts sound; confined to one thread.
final class RollSoundConverter {
    /// Off by less than this, sound goes on where it was: stamps are rounded, and some files count badly.
    private static let toleranceSamples: Int64 = 1920

    private var resampler: OpaquePointer?
    private var form: (rate: Int32, format: Int32, channels: Int32) = (0, 0, 0)
    private var next: Int64?
    private var buffer: [Float] = []

    deinit { swr_free(&resampler) }

    /// Converts a block.
    ///
    /// - Parameters:
    ///   - frame: decoded sound.
    ///   - nanoseconds: when it is heard, from the roll's start.
    ///   - body: gets the number of the first sample at 48 kHz, and samples left and right in turn.
    func convert(
        _ frame: UnsafeMutablePointer<AVFrame>, at nanoseconds: Int64,
        _ body: (Int64, UnsafeBufferPointer<Float>) -> Void
    ) {
        let count = frame.pointee.nb_samples, rate = frame.pointee.sample_rate
        guard (1...65536).contains(count), (1000...384_000).contains(rate),
            (1...64).contains(frame.pointee.ch_layout.nb_channels)
        else { return }
        let given = (rate, frame.pointee.format, frame.pointee.ch_layout.nb_channels)
        if resampler == nil || given != form { open(frame, given) }
        guard let resampler else { return }
        // To the nearest: stamps are whole nanoseconds, of which a sample is no whole number.
        let rest = nanoseconds % 1_000_000 * 48
        let wanted = nanoseconds / 1_000_000 * 48 + (rest + (rest < 0 ? -500_000 : 500_000)) / 1_000_000
        var at = next ?? wanted
        if abs(at - wanted) > Self.toleranceSamples { at = wanted }
        let planes = UnsafeMutableRawPointer(frame.pointee.extended_data)?.assumingMemoryBound(
            to: UnsafePointer<UInt8>?.self)
        resample(resampler, planes, count, at: at, body)
    }

    /// Gives what the resampler has kept to look ahead; called once, at the end.
    func finish(_ body: (Int64, UnsafeBufferPointer<Float>) -> Void) {
        if let resampler, let next { resample(resampler, nil, 0, at: next, body) }
    }

    private func resample(
        _ resampler: OpaquePointer, _ planes: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ count: Int32, at: Int64,
        _ body: (Int64, UnsafeBufferPointer<Float>) -> Void
    ) {
        let room = Int(swr_get_out_samples(resampler, count))
        guard (1...4_000_000).contains(room) else { return }
        if buffer.count < 2 * room { buffer = [Float](repeating: 0, count: 2 * room) }
        let made = buffer.withUnsafeMutableBytes { raw -> Int32 in
            var target = raw.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return swr_convert(resampler, &target, Int32(room), planes, count)
        }
        guard made > 0 else { return }
        next = at + Int64(made)
        buffer.withUnsafeBufferPointer { samples in
            body(at, UnsafeBufferPointer(rebasing: samples[0..<(2 * Int(made))]))
        }
    }

    private func open(_ frame: UnsafeMutablePointer<AVFrame>, _ given: (Int32, Int32, Int32)) {
        swr_free(&resampler)
        var stereo = AVChannelLayout()
        av_channel_layout_default(&stereo, 2)
        let code = swr_alloc_set_opts2(
            &resampler, &stereo, AV_SAMPLE_FMT_FLT, 48_000, &frame.pointee.ch_layout,
            AVSampleFormat(frame.pointee.format), frame.pointee.sample_rate, 0, nil)
        if code < 0 || swr_init(resampler) < 0 { swr_free(&resampler) }
        form = given
    }
}
