// What waits to be published: pictures of two seconds, key frames and sound of ten. Pure.

internal import Media

/// Holds encoded frames until the connection takes them.
///
/// What leaves it after each `restart()` begins at an IDR, with the configurations and the program time before it.
/// When pictures wait for longer than their bound, those up to the next IDR are left out, and the IDRs and the sound stay:
/// a pipeline that cuts its segments at IDRs goes on as if nothing had been, and nobody hears a gap. Beyond five times that
/// bound, or the limit of bytes, everything up to the next IDR goes. Sound that is encoded before the IDR that it goes with
/// waits for it.
struct PublishQueue {
    /// How many frames were left out, by reason.
    struct Drops: Equatable {
        /// They came before the codecs were configured.
        var unconfigured: UInt64 = 0
        /// No IDR that they could follow was there.
        var undecodable: UInt64 = 0
        /// More was waiting than the bound allows.
        var overflow: UInt64 = 0
        /// They belonged to pictures whose start an earlier connection has taken.
        var reconnect: UInt64 = 0
    }

    private struct Configuration: Equatable {
        let video: [UInt8], audio: [UInt8]
    }

    private struct Item {
        let frame: EncodedFrame
        let milliseconds: Int64
        let configuration: Configuration
        var isStart: Bool { frame.codec == .h264 && frame.isKeyframe }
        var isBetweenStarts: Bool { frame.codec == .h264 && !frame.isKeyframe }
    }

    private static let soundAheadMilliseconds: Int64 = 250
    private let anchor: ProgramTime
    private let tellsProgramTime: Bool
    private let longestMilliseconds: Int64, longestOfAllMilliseconds: Int64
    private let byteLimit: Int
    private var items: [Item] = []
    /// Sound that came before an IDR that it may belong to.
    private var early: [Item] = []
    private var configuration: Configuration?
    private var sent: Configuration?
    private var needsStart = true
    /// Whether pictures were left out that those up to the next IDR would need.
    private var skipsPictures = false
    /// The bytes that wait.
    private(set) var bytes = 0
    private(set) var drops = Drops()

    /// Creates an empty queue.
    ///
    /// - Parameters:
    ///   - anchor: the program time of PTS 0.
    ///   - tellsProgramTime: whether the program time goes before each IDR.
    ///   - longestMilliseconds: for how long pictures wait at most; sound and IDRs wait five times that.
    ///   - byteLimit: how many bytes wait at most, whatever the stamps say.
    init(
        anchor: ProgramTime, tellsProgramTime: Bool = true, longestMilliseconds: Int64 = 2000, byteLimit: Int = 16 << 20
    ) {
        self.anchor = anchor
        self.tellsProgramTime = tellsProgramTime
        self.longestMilliseconds = longestMilliseconds
        longestOfAllMilliseconds = longestMilliseconds * 5
        self.byteLimit = byteLimit
    }

    /// How many frames wait.
    var count: Int { items.count }

    /// How much media waits, in milliseconds.
    var milliseconds: Int64 {
        guard let first = items.first else { return 0 }
        return items.reduce(0) { max($0, $1.milliseconds &- first.milliseconds) }
    }

    /// Sets the configurations of the frames that follow; they go out before the next IDR.
    mutating func configure(video: ByteBlock, audio: ByteBlock) {
        configuration = Configuration(video: video.array, audio: audio.array)
    }

    /// Adds a frame, and leaves out what is more than the bound.
    mutating func push(_ frame: EncodedFrame) {
        guard let configuration else {
            drops.unconfigured &+= 1
            return
        }
        let item = Item(frame: frame, milliseconds: Self.milliseconds(frame), configuration: configuration)
        guard item.isStart || !needsStart else { return hold(item) }
        if item.isStart {
            skipsPictures = false
        } else if skipsPictures, frame.codec == .h264 {
            drops.overflow &+= 1
            return
        }
        items.append(item)
        bytes += frame.payload.count
        if needsStart {
            needsStart = false
            let kept = early.filter { $0.milliseconds >= item.milliseconds }
            drops.undecodable &+= UInt64(early.count - kept.count)
            early = []
            items += kept
            bytes += kept.reduce(0) { $0 + $1.frame.payload.count }
        }
        // Sound runs a little ahead of the pictures; it must not push out those that it belongs to.
        let ahead = frame.codec == .h264 ? 0 : Self.soundAheadMilliseconds
        while thin(at: item.milliseconds &- ahead) {}
        while let first = items.first,
            bytes > byteLimit || item.milliseconds &- first.milliseconds > longestOfAllMilliseconds + ahead
        {
            drops.overflow &+= cut(toStartAfter: 1)
        }
    }

    /// Leaves out the oldest pictures up to an IDR when they have waited for too long; returns whether there were such.
    private mutating func thin(at newest: Int64) -> Bool {
        guard let oldest = items.firstIndex(where: \.isBetweenStarts),
            bytes > byteLimit || newest &- items[oldest].milliseconds > longestMilliseconds
        else { return false }
        let start = items[oldest...].firstIndex(where: \.isStart)
        skipsPictures = start == nil
        let before = items.count, end = start ?? items.endIndex
        items = items[..<end].filter { !$0.isBetweenStarts } + items[end...]
        bytes = items.reduce(0) { $0 + $1.frame.payload.count }
        drops.overflow &+= UInt64(before - items.count)
        return true
    }

    /// Keeps sound for the IDR to come, as long as what is sent may wait; a picture can't follow anything.
    private mutating func hold(_ item: Item) {
        guard item.frame.codec == .aac else {
            drops.undecodable &+= 1
            return
        }
        early.append(item)
        var held = early.reduce(0) { $0 + $1.frame.payload.count }
        while let first = early.first, held > byteLimit || item.milliseconds &- first.milliseconds > longestMilliseconds
        {
            held -= first.frame.payload.count
            early.removeFirst()
            drops.undecodable &+= 1
        }
    }

    /// Says that a new connection takes what follows: from an IDR of the last two seconds on, if there is one.
    ///
    /// What waited longer has its IDRs alone, and nobody who has just come wants to see those.
    ///
    /// - Parameter keepsFrames: false where there will be no other connection: then nothing is kept for it.
    mutating func restart(keepsFrames: Bool = true) {
        sent = nil
        let oldest = items.reduce(Int64.min) { max($0, $1.milliseconds) } &- longestMilliseconds
        let first = items.firstIndex { $0.isStart && $0.milliseconds >= oldest }
        drops.reconnect &+= cut(toStartAfter: keepsFrames ? first ?? items.count : items.count)
    }

    /// Takes the next frame with what must go before it, or nil when nothing waits.
    mutating func next() -> [StreamEvent]? {
        guard !items.isEmpty else { return nil }
        let item = items.removeFirst()
        bytes -= item.frame.payload.count
        guard item.isStart else { return [.frame(item.frame)] }
        var events: [StreamEvent] = []
        if sent?.video != item.configuration.video {
            events.append(.videoConfiguration(ByteBlock(item.configuration.video)))
        }
        if sent?.audio != item.configuration.audio {
            events.append(.audioConfiguration(ByteBlock(item.configuration.audio)))
        }
        sent = item.configuration
        guard tellsProgramTime else { return events + [.frame(item.frame)] }
        let time = anchor.advanced(byMilliseconds: item.milliseconds)
        return events + [.programTime(time, pts: item.milliseconds), .frame(item.frame)]
    }

    /// Lets the queue begin at the first IDR from an index on, and returns how many frames that cost.
    private mutating func cut(toStartAfter index: Int) -> UInt64 {
        let before = items.count
        if let start = items.indices.dropFirst(index).first(where: { items[$0].isStart }) {
            let first = items[start]
            // Sound that was encoded a little earlier than the picture that it goes with stays with it.
            let sound = items[..<start].filter { $0.frame.codec == .aac && $0.milliseconds >= first.milliseconds }
            items = [first] + sound + items[(start + 1)...]
        } else {
            items = []
            needsStart = true
        }
        bytes = items.reduce(0) { $0 + $1.frame.payload.count }
        return UInt64(before - items.count)
    }

    private static func milliseconds(_ frame: EncodedFrame) -> Int64 {
        let scale = Int64(max(1, frame.timescale))
        let (seconds, ticks) = frame.pts.quotientAndRemainder(dividingBy: scale)
        return seconds &* 1000 &+ ticks &* 1000 / scale
    }
}
