// The encoder's thread: pictures in, H.264 out, by the rung of the overload ladder that holds.

import Logging
import Media

/// Encodes what comes down a line until it is closed; confined to the encoder's thread.
struct ProgramEncoder: ~Copyable {
    private let line: ProgramLine
    private let format: ProgramFormat
    private let callbacks: ProgramVideo.Callbacks
    private let logger: Logger
    private var ladder: EncoderLadder
    private var encoder: X264Encoder?
    /// The preset that it was opened with, and the one whose analysis it has now.
    private var opened: X264Settings.Preset, analysed: X264Settings.Preset

    /// Opens the encoder.
    ///
    /// - Throws: `AVError` when x264 refuses the format.
    init(line: ProgramLine, format: ProgramFormat, callbacks: ProgramVideo.Callbacks, logger: Logger) throws(AVError) {
        self.line = line
        self.format = format
        self.callbacks = callbacks
        self.logger = logger
        ladder = EncoderLadder(preset: format.preset, frameRate: format.frameRate)
        (opened, analysed) = (format.preset, format.preset)
        let first = try Self.open(format, format.preset)
        callbacks.onConfiguration(first.configuration.record)
        encoder = consume first
    }

    /// Encodes to the end of the line.
    ///
    /// - Throws: `AVError` when x264 fails.
    mutating func run() throws(AVError) {
        while let job = line.next() {
            let startedAt = SystemClock.monotonic(), isIDR = job.frame.isIDR
            line.entered(job, at: startedAt)
            if isIDR { try reopen(ladder.rung.preset) }
            let pts = ProgramClock.offset(
                ofFrame: job.frame.index, timescale: Int64(ProgramVideo.timescale), frameRate: format.frameRate)
            let userData = isIDR ? Self.userData(job.frame.programTime) : []
            let encoded = try encoder?.encode(job.picture, pts: pts, forcesIDR: isIDR, userData: userData)
            if let encoded = encoded ?? nil { hand(encoded) }
            let now = SystemClock.monotonic(), spent = now.nanoseconds(since: startedAt)
            line.encoded(nanoseconds: spent)
            if ladder.note(nanoseconds: spent, waiting: line.waiting, at: now) { try apply(ladder.rung) }
        }
        try drain()
    }

    private mutating func apply(_ rung: EncoderLadder.Rung) throws(AVError) {
        line.set(step: ladder.step, leavesOut: rung.leavesOut)
        logger.warning(
            "the encoder changes its pace",
            metadata: [
                "preset": "\(rung.preset.rawValue)", "step": "\(ladder.step)",
                "leavesOutEverySecondPicture": "\(rung.leavesOut)",
            ])
        guard rung.isRelieved else { return }
        try encoder?.analyse(as: rung.preset)
        analysed = rung.preset
    }

    /// Puts another encoder in the place of the one that runs; what that one still holds comes out first.
    private mutating func reopen(_ preset: X264Settings.Preset) throws(AVError) {
        guard preset != opened || preset != analysed else { return }
        try drain()
        // The memory of the old one is free before the new one takes its own.
        encoder = nil
        encoder = try Self.open(format, preset)
        (opened, analysed) = (preset, preset)
        ladder.opened()
    }

    private mutating func drain() throws(AVError) {
        while let encoded = try encoder?.flush() ?? nil { hand(encoded) }
    }

    private func hand(_ frame: EncodedFrame) {
        // Frame n lies at n ticks of the frame rate, rounded down: the next number's stamp lies a frame further.
        let ticks = Int64(ProgramVideo.timescale) * Int64(format.frameRate.denominator)
        let index = (frame.pts &* Int64(format.frameRate.numerator) &+ ticks - 1) / ticks
        line.left(index: index, at: SystemClock.monotonic())
        callbacks.onFrame(frame)
    }

    private static func open(_ format: ProgramFormat, _ preset: X264Settings.Preset) throws(AVError) -> X264Encoder {
        var settings = X264Settings.program(
            size: PictureSize(width: format.canvas.width, height: format.canvas.height), frameRate: format.frameRate,
            bitrateKbps: format.videoKbps, preset: preset)
        settings.signaledPreset = format.preset
        return try X264Encoder(settings: settings, timescale: ProgramVideo.timescale)
    }

    private static func userData(_ time: ProgramTime) -> [UInt8] {
        let value = UInt64(bitPattern: time.milliseconds)
        return ProgramVideo.programTimeUUID
            + (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
    }
}
