// One stream of a published track: what arrives, what is missing.

import Media
import RTC

/// A stream of packets, confined to its shard's thread; a track has one, or with simulcast up to three.
final class Layer {
    /// Keyframe requests of all subscribers are merged into one per this time; large layers are asked less often.
    static let keyframeIntervalMs: Int64 = 500, largeKeyframeIntervalMs: Int64 = 1000

    /// Its name in the packets (RFC 8852); empty for the only one.
    let name: [UInt8]
    let index: Int
    private let isVideo: Bool, clockRate: Int
    let store: PacketStore
    var ssrc: UInt32?
    var statistics: ReceiveStatistics
    var sequence = SequenceUnwrapper()
    /// What it takes on the way to a subscriber.
    var rate = RateMeter(windowMs: 2000)
    var nack = NackGenerator()
    var reportNTP: Int64?, reportTimestamp: UInt32 = 0
    var lastPacket: MonotonicTime?
    var lastKeyframeRequest: MonotonicTime?
    var wantsKeyframe = false
    var measured = Measured()
    var group = GroupOfPictures()
    /// The last two structures of its frames: what comes late belongs to the one before.
    private var structure: DependencyStructure?, formerStructure: DependencyStructure?
    /// The decode targets that its publisher still sends, as the newest packet with a word on it says; and which that is.
    private(set) var activeTargets: UInt32 = .max
    private var activeTargetsFrom = Int64.min
    /// Which structures and decode targets these are, and what was written by them for subscribers with fewer layers.
    private(set) var frameVersion: UInt32 = 0
    private(set) lazy var rewritten = RewrittenDescriptors()

    init(name: String, index: Int, isVideo: Bool, clockRate: Int) {
        self.name = Array(name.utf8)
        self.index = index
        self.isVideo = isVideo
        self.clockRate = max(100, clockRate)
        store = PacketStore(capacity: isVideo ? 1024 : 256)
        statistics = ReceiveStatistics(clockRate: clockRate)
    }

    /// Whether a keyframe may be asked for now.
    func mayRequestKeyframe(now: MonotonicTime) -> Bool {
        let interval = index == 0 ? Self.keyframeIntervalMs : Self.largeKeyframeIntervalMs
        return lastKeyframeRequest.map { now.milliseconds(since: $0) >= interval } ?? true
    }
}

extension Layer {
    /// When what a packet carries was captured, on our clock.
    ///
    /// A publisher's own word is moved to our clock by the one offset of all its tracks. Without it, the sender reports say what
    /// the packet's timestamp means. Sound is told of twice a second, and each picture by its last packet: receivers reckon what lies between.
    ///
    /// - Parameters:
    ///   - header: the packet's header.
    ///   - packet: its bytes.
    ///   - id: the publisher's id of the extension; 0 where it did not agree.
    ///   - clock: how the publisher's clock lies to ours.
    ///   - now: our time, in nanoseconds since the Unix epoch.
    /// - Returns: nanoseconds since the Unix epoch, 0 where it is not known.
    @inline(__always)
    func captureTime(
        of header: RTPHeader, in packet: UnsafeRawBufferPointer, id: UInt8, _ clock: CaptureClock, at now: Int64
    ) -> Int64 {
        guard let offset = clock.quickest else { return 0 }
        if id != 0, let range = header.range(ofExtension: id, in: packet),
            let told = CaptureTime(UnsafeRawBufferPointer(rebasing: packet[range]))
        {
            let moment = told.unixNanoseconds &+ offset
            // Further off than any delay, it is no time at all.
            return (now &- moment).magnitude < 60_000_000_000 ? moment : 0
        }
        // The same packets each time, so twice a second of 20 ms each by their own numbers.
        let isTold = isVideo ? header.marker : header.timestamp % UInt32(clockRate / 2) < UInt32(clockRate / 50)
        guard isTold, let reportNTP else { return 0 }
        let ticks = Int64(Int32(bitPattern: header.timestamp &- reportTimestamp))
        let rate = Int64(clockRate)
        // A report from so long ago tells nothing.
        guard ticks.magnitude < UInt64(60 * rate) else { return 0 }
        return reportNTP &+ ticks &* 1_000_000_000 / rate &+ offset
    }
}

extension Layer {
    /// Takes note of the frame that a packet says it is part of.
    ///
    /// - Returns: false for a descriptor that can't be read.
    @inline(__always)
    func noteFrame(_ element: UnsafeRawBufferPointer, _ entry: inout PacketStore.Entry) -> Bool {
        guard let (read, _) = descriptor(element) else { return false }
        if read.structure != nil || read.activeTargets != nil, entry.sequence >= activeTargetsFrom {
            let told = read.activeTargets ?? .max
            if told != activeTargets { frameVersion &+= 1 }
            (activeTargets, activeTargetsFrom) = (told, entry.sequence)
        }
        if let brought = read.structure {
            // Each of a key frame's packets may bring it, and a repeat does.
            if brought != structure {
                (structure, formerStructure) = (brought, structure)
                frameVersion &+= 1
            }
            entry.bringsStructure = true
        }
        entry.hasFrame = true
        entry.frame = read.frameNumber
        return true
    }

    /// Reads a descriptor, and says which structure it follows.
    func descriptor(
        _ element: UnsafeRawBufferPointer
    ) -> (read: DependencyDescriptor, structure: DependencyStructure)? {
        if let read = DependencyDescriptor(element, known: structure) {
            return (read.structure ?? structure).map { (read, $0) }
        }
        guard let formerStructure, let read = DependencyDescriptor(element, known: formerStructure) else { return nil }
        return (read, read.structure ?? formerStructure)
    }
}
