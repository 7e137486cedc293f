// What uploaded sound is: its first block decoded, all its packets read once.

import CFFmpeg
import CMediaShims

extension RollProbe {
    /// Looks at a file of sound.
    ///
    /// - Parameters:
    ///   - descriptor: the open file.
    ///   - limits: what it may cost.
    /// - Returns: how long it runs, in milliseconds.
    /// - Throws: `RollError` when it can't be played, has a picture that is more than a cover, or is cut off.
    public static func describeSound(
        descriptor: Int32, limits: RollLimits = RollLimits()
    ) throws(RollError) -> Int64 {
        let container = try RollContainer(descriptor: descriptor, limits: limits, soundOnly: true)
        guard !container.hasPicture else {
            throw .unreadable(
                container.kind.isForPictures
                    ? "The file has a picture; upload it as a video."
                    : "The file has a picture, and \(container.kind.name) is taken as sound alone.")
        }
        if let declared = container.declaredMs, declared > limits.milliseconds {
            throw .tooLarge("The file runs for \(declared / 60_000) minutes.")
        }
        try decodeFirstBlock(container, limits)
        let durationMs = try measureSound(descriptor, limits)
        if container.isCutOff(atMs: durationMs) {
            throw .unreadable("The file is cut off after \(durationMs) ms.")
        }
        return durationMs
    }

    private static func decodeFirstBlock(_ container: RollContainer, _ limits: RollLimits) throws(RollError) {
        let decoder = try RollSoundDecoder(container, limits: limits)
        var isThere = false
        // Some coders give nothing for their first blocks.
        for _ in 0..<1000 where !isThere {
            guard try decoder.next({ _, _ in isThere = true }) else { break }
        }
        guard isThere else { throw .unreadable("The file has no sound that can be decoded.") }
    }

    /// Reads every packet: what is cut off or jumps is found now, and not on stage.
    private static func measureSound(_ descriptor: Int32, _ limits: RollLimits) throws(RollError) -> Int64 {
        let container = try RollContainer(descriptor: descriptor, limits: limits, soundOnly: true)
        guard let stream = container.sound, let codec = container.soundDecoder,
            let track = RollTrack(stream, codec, threads: 1)
        else { throw .unreadable("The sound track can't be decoded.") }
        guard let packet = av_packet_alloc() else { throw .tooLarge("There is no memory left.") }
        var owned: UnsafeMutablePointer<AVPacket>? = packet
        defer { av_packet_free(&owned) }
        let rate = Int64(stream.pointee.codecpar.pointee.sample_rate)
        guard (1000...384_000).contains(rate) else { throw .unreadable("The sound has \(rate) samples a second.") }
        var line = SoundLine(), unheard: Int64 = 0
        while try container.read(into: packet) {
            defer { av_packet_unref(packet) }
            guard packet.pointee.stream_index == track.index, packet.pointee.flags & AV_PKT_FLAG_DISCARD == 0 else {
                continue
            }
            _ = try line.place(packet.pointee, of: track)
            unheard += min(unheardSamples(packet), 60 * rate) * 1_000_000_000 / rate
        }
        guard let begin = line.begin, line.end > begin else { throw .unreadable("The file has no sound.") }
        let milliseconds = max(1, (line.end - begin - unheard + 500_000) / 1_000_000)
        guard milliseconds <= limits.milliseconds else {
            throw .tooLarge("The file runs for \(milliseconds / 60_000) minutes.")
        }
        return milliseconds
    }

    /// Samples at a packet's begin and end that are there for the coder alone, as libavformat hands them on: two numbers of 32
    /// bits, little endian.
    private static func unheardSamples(_ packet: UnsafeMutablePointer<AVPacket>) -> Int64 {
        var size = 0
        guard let data = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size), size >= 8 else { return 0 }
        let numbers = UnsafeRawPointer(data)
        return [0, 4].map { UInt32(littleEndian: numbers.loadUnaligned(fromByteOffset: $0, as: UInt32.self)) }
            .reduce(0) { $0 + Int64($1) }
    }
}
