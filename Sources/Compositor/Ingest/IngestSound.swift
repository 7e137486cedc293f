// An ingest's sound: decoded as it comes, read when it is due.

internal import Media
internal import Synchronization

/// The AAC of one ingest.
final class IngestSound: DecodeWork {
    static let track = 1
    /// About four seconds.
    static let maximumFrames = 200

    private enum Item {
        case configuration(ByteBlock)
        case frame(EncodedFrame)
        case end
    }

    private let queue = BoundedQueue<Item>(capacity: IngestSound.maximumFrames)
    private let isScheduled = Atomic(false)
    private let player = Mutex(PCMPlayer())
    private let playout: SharedPlayout
    private let counters: IngestCounters
    private let pool: DecodePool
    private let thread: Int
    /// Touched by the thread of the pool alone.
    private nonisolated(unsafe) var decoder: AACDecoder?

    init(playout: SharedPlayout, pool: DecodePool, counters: IngestCounters) {
        self.playout = playout
        self.pool = pool
        self.counters = counters
        thread = pool.assign()
    }

    // MARK: - The connection's thread

    func configure(_ configuration: ByteBlock) { push(.configuration(configuration)) }

    func receive(_ frame: EncodedFrame, arrival: MonotonicTime) {
        playout.note(
            Self.track, stamp: IngestPictures.nanoseconds(frame.pts, frame.timescale), arrival: arrival,
            isPicture: false)
        push(.frame(frame))
    }

    func end() { push(.end) }

    private func push(_ item: Item) {
        if !queue.push(item) { counters.add(.soundQueueFull) }
        guard !isScheduled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        if !pool.schedule(self, on: thread) { isScheduled.store(false, ordering: .releasing) }
    }

    // MARK: - The pool's thread

    func decodeStep() -> Bool {
        guard let item = queue.popNow() else {
            isScheduled.store(false, ordering: .sequentiallyConsistent)
            // Something may have come between the look and the note.
            guard queue.count > 0 else { return false }
            return !isScheduled.exchange(true, ordering: .sequentiallyConsistent)
        }
        do throws(AVError) {
            switch item {
            case .configuration(let configuration):
                decoder = nil
                decoder = try AACDecoder(configuration: configuration)
            case .frame(let frame):
                let nanoseconds = IngestPictures.nanoseconds(frame.pts, frame.timescale)
                var start = nanoseconds / 1_000_000 &* 48
                try decoder?.decode(frame) { left, right in
                    player.withLock { $0.insert(at: start, left: left, right: right) }
                    start &+= Int64(left.count)
                }
            case .end: player.withLock { $0.reset() }
            }
        } catch {
            counters.add(.soundCorrupt)
        }
        return true
    }

    // MARK: - The sound's thread

    /// Gives the block that is due at a moment; returns false when it is silent.
    func read(at moment: MonotonicTime, into out: UnsafeMutableBufferPointer<Float>) -> Bool {
        guard let stamp = playout.stamp(Self.track, at: moment) else { return false }
        let (isHeard, report) = player.withLock { player in
            (player.read(at: Double(stamp) * 48e-6, into: out), player.takeReport())
        }
        counters.add(.soundUnderruns, UInt64(report.underruns))
        counters.add(.soundJumps, UInt64(report.jumps))
        counters.add(.soundHoles, UInt64(report.holes))
        if report.underruns > 0 { playout.noteLate(by: 20_000_000, at: moment, isPicture: false) }
        return isHeard
    }
}
