// From the events of an ingest to listed segments: one per event.

public import Media

/// How a pipeline works.
public struct EventPipelineSettings: Sendable {
    /// The rungs.
    public var ladder: LadderSettings
    /// How long the last picture is held when the source is gone, in milliseconds.
    public var holdLimitMs: Int64 = 30_000
    /// After how many milliseconds without pictures it counts as gone.
    public var lossMs: Int64 = 2000
    /// From which delay in the queue on the small rungs leave out pictures, in milliseconds.
    public var overloadMs: Int64 = 1000
    /// How much waits at the entrance at most.
    public var inputEvents = 1024, inputBytes = 32 << 20
    /// How many pictures wait per encoding thread at most.
    public var rungQueueFrames = 12

    /// Creates settings.
    public init(ladder: LadderSettings = .standard) { self.ladder = ladder }
}

/// One event's way from compressed source to HLS segments and playlists, on four threads of its own.
///
/// Decode, cadence and cutting run on one thread, encoders on two, muxing and files on one. The threads wait for each
/// other where queues are full, and only `offer` never waits.
public final class EventPipeline: Sendable {
    /// The event's files: playlists and segments by path, and the time-line.
    public let store: EventStore
    private let clock: any PipelineClock
    private let input: InputQueue
    private let counters = SharedStatistics()
    private let workers: [RungWorker]
    private let outputs: BoundedQueue<LadderOutput>
    private let front: MediaThread
    private let segments: MediaThread
    private let ending: Ending

    private final class Ending: @unchecked Sendable {
        // Written before the input is closed, read after it is seen closed: the queue's lock orders both.
        var marksEnd = false
    }

    /// Starts a pipeline; encoders are opened when the first picture comes.
    ///
    /// - Parameters:
    ///   - store: the event's folder; nobody else may publish to it.
    ///   - settings: the ladder and limits.
    ///   - clock: the time.
    ///   - run: names this run's files; a fresh one each time, letters and digits.
    ///   - callbacks: see there.
    /// - Throws: `AVError` when the codecs can't be opened.
    public init(
        store: EventStore, settings: EventPipelineSettings, clock: any PipelineClock = MachineClock(),
        run: String = EventPipeline.freshRun(),
        callbacks: PipelineCallbacks = PipelineCallbacks()
    ) throws(AVError) {
        self.store = store
        self.clock = clock
        let counters = counters
        let input = InputQueue(
            countLimit: settings.inputEvents, byteLimit: settings.inputBytes, onRoom: callbacks.onRoom)
        // About 2 s of five rungs: enough to ride out a slow write.
        let outputs = BoundedQueue<LadderOutput>(capacity: 512)
        let rungCount = settings.ladder.rungs.count
        let workers = (0..<2).map { index in
            RungWorker(
                index: index, ladder: settings.ladder, queueDepth: settings.rungQueueFrames, outputs: outputs,
                report: callbacks.onFault, countError: { counters.update { $0.encoderErrors &+= 1 } })
        }
        let ending = Ending()
        segments = MediaThread(name: "segments") {
            let grid = SlotGrid(framesPerSecond: settings.ladder.framesPerSecond)
            var assembler = SegmentAssembler(grid: grid, rungCount: rungCount)
            let publisher = SegmentPublisher(store: store, ladder: settings.ladder, grid: grid, run: run)
            while let output = outputs.pop() {
                for segment in assembler.accept(output) {
                    do throws(PipelineFault) {
                        let published = try publisher.publish(segment)
                        counters.update { $0.publishedSegments &+= 1 }
                        callbacks.onSegment(published)
                    } catch {
                        counters.update { $0.lostSegments &+= 1 }
                        callbacks.onFault(error)
                    }
                }
            }
            guard ending.marksEnd else { return }
            do throws(DiskError) { try store.end() } catch { callbacks.onFault(.disk(error)) }
        }
        let box: FrontBox
        do throws(AVError) {
            box = FrontBox(
                front: try LadderFront(
                    settings: settings, resumesAfter: store.state.lastEnd, clock: clock, callbacks: callbacks,
                    statistics: counters,
                    workers: workers, outputs: outputs))
        } catch {
            for worker in workers { worker.stop() }
            outputs.close()
            segments.join()
            throw error
        }
        front = MediaThread(name: "ladder", niceness: RungWorker.niceness) {
            while !input.isFinished {
                // 20 ms: finer than a frame, so that a held picture comes in time.
                if let entry = input.pop(until: SystemClock.monotonic().advanced(byMilliseconds: 20)) {
                    box.front.handle(entry.event, arrival: entry.at)
                }
                box.front.tick(isDrained: input.isEmpty)
            }
            box.front.stopLadder()
        }
        self.input = input
        self.outputs = outputs
        self.workers = workers
        self.ending = ending
    }

    /// A fresh name for a run: eight hexadecimal digits.
    public static func freshRun() -> String {
        let text = String(UInt32.random(in: 0 ... .max), radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    /// Hands on the next event of the source; never waits.
    ///
    /// - Returns: false when the queue is full: offer it again after `onRoom`.
    public func offer(_ event: StreamEvent) -> Bool { input.offer(event, at: clock.monotonic()) }

    /// The counters.
    public var statistics: PipelineStatistics {
        var result = counters.snapshot
        result.refusedEvents = input.refused
        return result
    }

    /// Works off what is queued, publishes the open segment as it is, and ends the threads; called once, and not from a callback.
    ///
    /// - Parameter marksEnd: whether the playlists end with ENDLIST.
    public func stop(marksEnd: Bool) {
        ending.marksEnd = marksEnd
        input.close()
        front.join()
        for worker in workers { worker.stop() }
        outputs.close()
        segments.join()
    }

    /// Carries the front to the thread that it is then confined to.
    private struct FrontBox: @unchecked Sendable { let front: LadderFront }
}
