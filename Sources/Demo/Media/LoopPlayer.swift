// Plays a loop for ever, in real time: what is to be sent when, without a clock of its own.

import Media

/// The way through a loop, on a timeline that begins at zero and never jumps.
///
/// Pictures and packets that belong together keep their distance whatever happens: when a key frame is wanted, both go on from
/// the next key frame of the loop at the next beat; when the player was kept waiting for long, the timeline goes on as if it
/// had played.
struct LoopPlayer {
    /// Which track a frame belongs to.
    enum Track: Hashable, Sendable { case camera, microphone }

    private enum Slot { case picture(Int), packet(Int) }
    private static let beatNanoseconds: Int64 = 100_000_000
    /// Nobody needs key frames closer than this; requests wait.
    private static let keyframeBeats: Int64 = 5
    /// After a wait this long the time is left out instead of made up for in a burst.
    private static let patienceNanoseconds: Int64 = 300_000_000
    /// The frames of a beat, in the order of their moments.
    private static let slots: [(nanoseconds: Int64, slot: Slot)] = {
        let pictures = (0..<MediaLoop.framesPerBeat).map {
            (beatNanoseconds * Int64($0) / Int64(MediaLoop.framesPerBeat), Slot.picture($0))
        }
        let packets = (0..<MediaLoop.packetsPerBeat).map {
            (beatNanoseconds * Int64($0) / Int64(MediaLoop.packetsPerBeat), Slot.packet($0))
        }
        return (pictures + packets).sorted { $0.0 < $1.0 }
    }()

    private let loop: MediaLoop
    private let start: MonotonicTime
    private var beat: Int64 = 0, slot = 0
    private var place = 0
    private var isKeyframeWanted = false, lastKeyframe: Int64 = 0

    /// Starts at the loop's beginning.
    ///
    /// - Parameters:
    ///   - loop: what is played.
    ///   - start: the moment of the timeline's zero.
    init(_ loop: MediaLoop, start: MonotonicTime) {
        self.loop = loop
        self.start = start
    }

    /// When the next frame is due.
    var deadline: MonotonicTime {
        start.advanced(byNanoseconds: beat &* Self.beatNanoseconds &+ Self.slots[slot].nanoseconds)
    }

    /// Somebody needs a key frame.
    mutating func requestKeyframe() { isKeyframeWanted = true }

    /// Returns the next frame, with its stamps on the timeline, or nil when nothing is due yet.
    mutating func next(now: MonotonicTime) -> (track: Track, frame: EncodedFrame)? {
        let late = now.nanoseconds(since: deadline)
        guard late >= 0 else { return nil }
        if late > Self.patienceNanoseconds {
            // The frames left out are missing at the decoder: it needs a key frame.
            let skipped = now.nanoseconds(since: start) / Self.beatNanoseconds - beat
            beat += skipped
            slot = 0
            enter(loop.keyBeat(from: (place + Int(skipped % Int64(loop.beats))) % loop.beats))
        }
        defer { step() }
        switch Self.slots[slot].slot {
        case .picture(let index):
            let picture = loop.pictures[place * MediaLoop.framesPerBeat + index]
            let pts = (beat * Int64(MediaLoop.framesPerBeat) + Int64(index)) * Int64(90_000 / MediaLoop.framesPerSecond)
            return (
                .camera,
                EncodedFrame(
                    codec: .vp8, pts: pts, dts: pts, timescale: 90_000, isKeyframe: picture.isKeyframe,
                    payload: picture.payload)
            )
        case .packet(let index):
            let pts = (beat * Int64(MediaLoop.packetsPerBeat) + Int64(index)) * Int64(MediaLoop.samplesPerPacket)
            return (
                .microphone,
                EncodedFrame(
                    codec: .opus, pts: pts, dts: pts, timescale: 48_000, isKeyframe: true,
                    payload: loop.packets[place * MediaLoop.packetsPerBeat + index])
            )
        }
    }

    private mutating func step() {
        slot += 1
        guard slot == Self.slots.count else { return }
        slot = 0
        beat += 1
        let following = (place + 1) % loop.beats
        enter(
            isKeyframeWanted && beat - lastKeyframe >= Self.keyframeBeats ? loop.keyBeat(from: following) : following)
    }

    private mutating func enter(_ place: Int) {
        self.place = place
        guard loop.pictures[place * MediaLoop.framesPerBeat].isKeyframe else { return }
        isKeyframeWanted = false
        lastKeyframe = beat
    }
}
