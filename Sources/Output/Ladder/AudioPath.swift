// One unbroken row of AAC frames for all rungs: passed on where the source's fit, encoded once where not, silence where nothing is.

import Media

/// Audio of one pipeline, confined to its front thread.
///
/// Positions count samples at 48 kHz since the epoch on the program clock. Frames follow each other every 1024
/// samples, since RTMP's milliseconds are too coarse for players that want each frame where the last one ended. The
/// row begins, at its start and after silence, at the place of the source's own frame, not of the picture that it
/// begins with; where the source's clock then goes another way, the row follows it by a sample for each frame, so that
/// sound and pictures stay together.
final class AudioPath {
    private enum Mode {
        case none, passing
        case coding(Transcoder)
    }

    private final class Transcoder {
        var decoder: AACDecoder
        var encoder: AACEncoder
        init(configuration: ByteBlock, kbps: Int) throws(AVError) {
            decoder = try AACDecoder(configuration: configuration)
            encoder = try AACEncoder(settings: AACSettings(bitrateKbps: kbps))
        }
    }

    private static let frame: Int64 = 1024
    /// Beyond one and a half frames (32 ms) a difference is a gap or an overlap, not coarse stamps.
    private static let tolerance: Int64 = 1536
    /// From here on a lasting difference is mended by a sample for each frame, until it is nearly gone.
    private static let slewFrom: Int64 = 96, slewUntil: Int64 = 16
    /// From here on a frame too few or too many has come.
    private static let stepFrom: Int64 = 640
    /// Longer silence than this isn't made in one go; the video leaves a gap there as well.
    private let longestFill: Int64
    private let kbps: Int
    private let silence: ByteBlock
    private let zeros = [Float](repeating: 0, count: 1024)
    private var mode = Mode.none
    /// Where the next frame goes; nil before the start.
    private(set) var next: Int64?
    /// Whether nothing of the source has been put in since the start, or since silence was.
    private var isLoose = true, isFresh = true
    /// By how much the source's frames lie after the row, averaged over some 32 frames.
    private var drift = 0.0
    private var isSlewing = false
    /// Where the next sample goes that is given to the encoder.
    private var nextSample: Int64 = 0
    private(set) var silentFrames: UInt64 = 0, droppedFrames: UInt64 = 0, damagedFrames: UInt64 = 0

    init(kbps: Int, longestFillSeconds: Int64) throws(AVError) {
        self.kbps = kbps
        longestFill = longestFillSeconds * 48_000
        silence = try AACEncoder.silentFrame()
    }

    /// Takes the source's configuration.
    func configure(_ block: ByteBlock) throws(AVError) {
        let configuration = try AudioSpecificConfig(block)
        mode = configuration.isProgramFormat ? .passing : .coding(try Transcoder(configuration: block, kbps: kbps))
        if let next { nextSample = next + Self.frame }
        isLoose = true
    }

    /// Starts the row, or lets it go on after a gap, at a position.
    func start(at position: Int64) {
        next = position
        nextSample = position + Self.frame
        (isLoose, isFresh) = (true, true)
    }

    /// Takes one frame of the source at a position; hands on what becomes of it.
    func accept(_ encoded: EncodedFrame, at position: Int64, output: (_ position: Int64, _ payload: ByteBlock) -> Void)
    {
        guard next != nil else { return }
        switch mode {
        case .none: droppedFrames &+= 1
        case .passing: pass(encoded.payload, at: position, output)
        case .coding(let transcoder): transcode(encoded, at: position, with: transcoder, output)
        }
    }

    /// Puts in silence until the row reaches a position.
    func fill(upTo position: Int64, output: (_ position: Int64, _ payload: ByteBlock) -> Void) {
        guard var next, position - next <= longestFill * 2 else { return }
        while next < position {
            emit(silence, output)
            silentFrames &+= 1
            next += Self.frame
            isLoose = true
        }
        // What the encoder holds back has lost its place.
        nextSample = max(nextSample, next + Self.frame)
    }

    private func pass(_ payload: ByteBlock, at position: Int64, _ output: (Int64, ByteBlock) -> Void) {
        guard let next else { return }
        let difference = position &- next
        guard difference >= (isFresh ? 0 : isLoose ? -Self.frame / 2 : -Self.tolerance), difference <= longestFill
        else {
            droppedFrames &+= 1
            return
        }
        if isFresh {
            // What silence there is ends where the frame begins.
            self.next = position - difference / Self.frame * Self.frame
            fill(upTo: position, output: output)
        } else if difference > Self.tolerance {
            fill(upTo: position - Self.frame / 2, output: output)
        }
        if isLoose {
            self.next = position
            settle()
        } else {
            follow(difference)
            if drift <= -Double(Self.stepFrom) {
                drift += Double(Self.frame)
                droppedFrames &+= 1
                return
            }
            if drift >= Double(Self.stepFrom) {
                drift -= Double(Self.frame)
                silentFrames &+= 1
                emit(silence, output)
            }
        }
        emit(payload, output)
    }

    private func settle() { (isLoose, isFresh, drift, isSlewing) = (false, false, 0, false) }

    /// Takes note of how far a frame lies after the row, and moves the row's next place.
    private func follow(_ difference: Int64) {
        drift += (Double(difference) - drift) / 32
        if abs(drift) > Double(Self.slewFrom) { isSlewing = true }
        if abs(drift) < Double(Self.slewUntil) { isSlewing = false }
        guard isSlewing else { return }
        let step: Int64 = drift > 0 ? 1 : -1
        next = next.map { $0 + step }
        nextSample += step
        drift -= Double(step)
    }

    private func transcode(
        _ encoded: EncodedFrame, at position: Int64, with transcoder: Transcoder, _ output: (Int64, ByteBlock) -> Void
    ) {
        var pending: [ByteBlock] = []
        var samplePosition = position
        do throws(AVError) {
            try transcoder.decoder.decode(encoded) { left, right in
                let difference = samplePosition &- nextSample
                samplePosition &+= Int64(left.count)
                guard difference >= (isLoose ? -Int64(left.count) : -Self.tolerance), difference <= longestFill else {
                    droppedFrames &+= 1
                    return
                }
                do throws(AVError) {
                    var skipped = 0
                    let isGap = difference > Self.tolerance
                    if isLoose || isGap {
                        if isGap { silentFrames &+= UInt64(difference / Self.frame) }
                        try encodeSilence(difference, with: transcoder) { pending.append($0) }
                        skipped = Int(max(0, -difference))
                        settle()
                    } else {
                        follow(difference)
                        if drift.magnitude >= Double(Self.stepFrom) {
                            let step = Int64(drift)
                            try encodeSilence(step, with: transcoder) { pending.append($0) }
                            skipped = Int(min(Int64(left.count), max(0, -step)))
                            drift = 0
                        }
                    }
                    let rest = skipped..<left.count
                    try transcoder.encoder.encode(
                        left: UnsafeBufferPointer(rebasing: left[rest]),
                        right: UnsafeBufferPointer(rebasing: right[rest])
                    ) { pending.append($0.payload) }
                    nextSample &+= Int64(rest.count)
                } catch { damagedFrames &+= 1 }
            }
        } catch { damagedFrames &+= 1 }
        for payload in pending { emit(payload, output) }
    }

    private func encodeSilence(_ count: Int64, with transcoder: Transcoder, output: (ByteBlock) -> Void) throws(AVError)
    {
        var missing = count
        try zeros.withUnsafeBufferPointer { samples throws(AVError) in
            while missing > 0 {
                let part = UnsafeBufferPointer(rebasing: samples[..<Int(min(missing, Self.frame))])
                try transcoder.encoder.encode(left: part, right: part) { output($0.payload) }
                missing -= Int64(part.count)
            }
        }
        nextSample &+= max(0, count)
    }

    private func emit(_ payload: ByteBlock, _ output: (Int64, ByteBlock) -> Void) {
        guard let position = next else { return }
        output(position, payload)
        next = position + Self.frame
    }
}
