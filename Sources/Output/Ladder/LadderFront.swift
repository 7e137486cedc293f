// The front of a pipeline: one decode, one cadence, one decision where to cut, for all rungs.

import Media
import Synchronization

/// Counters that several threads add to.
final class SharedStatistics: Sendable {
    private let values = Mutex(PipelineStatistics())
    var snapshot: PipelineStatistics { values.withLock { $0 } }
    func update(_ change: (inout PipelineStatistics) -> Void) { values.withLock { change(&$0) } }
}

/// Takes events in order and feeds the rungs; confined to the pipeline's front thread.
final class LadderFront {
    let settings: EventPipelineSettings
    let grid: SlotGrid
    let clock: any PipelineClock
    let callbacks: PipelineCallbacks
    let statistics: SharedStatistics
    let workers: [RungWorker]
    let outputs: BoundedQueue<LadderOutput>

    private var decoder: H264Decoder?
    private var configuration: AVCConfiguration?
    private var configurationBytes: [UInt8] = []
    private var waitsForKeyframe = true
    private let audio: AudioPath
    private let cascade: ScaleCascade
    /// Sound that came before the first picture was out: 2 s of waiting for the grid, and what decoding takes.
    private var earlyAudio: [(position: Int64, frame: EncodedFrame)] = []

    private(set) var source = SourceClock()
    private var cadence: FrameCadence<VideoFrame>?
    private var decider: CutDecider
    private var lastSlot: Int64 = 0
    private var isRunning = false
    private var resumesAfter: ProgramTime?

    private var passthrough = Passthrough()
    private var workerOfRung: [Int] = []

    private var hasEnded = false, isHolding = false
    private var lastArrival: MonotonicTime?, lastVideoArrival: MonotonicTime?
    private var lastReport: MonotonicTime?
    private var overload = 0
    private var isClockRefused = false

    init(
        settings: EventPipelineSettings, resumesAfter: ProgramTime?, clock: any PipelineClock,
        callbacks: PipelineCallbacks,
        statistics: SharedStatistics, workers: [RungWorker], outputs: BoundedQueue<LadderOutput>
    ) throws(AVError) {
        self.settings = settings
        self.clock = clock
        self.callbacks = callbacks
        self.statistics = statistics
        self.workers = workers
        self.outputs = outputs
        self.resumesAfter = resumesAfter
        grid = SlotGrid(framesPerSecond: settings.ladder.framesPerSecond)
        decider = CutDecider(resumingAfter: resumesAfter)
        audio = try AudioPath(kbps: settings.ladder.audioKbps, longestFillSeconds: settings.holdLimitMs / 1000 + 10)
        cascade = ScaleCascade(rungs: settings.ladder.rungs, poolCapacity: settings.rungQueueFrames + 6)
    }

    /// Takes one event.
    ///
    /// - Parameters:
    ///   - event: the next step of the stream.
    ///   - arrival: when it was offered.
    func handle(_ event: StreamEvent, arrival: MonotonicTime) {
        let lagMs = clock.monotonic().milliseconds(since: arrival)
        overload = lagMs < settings.overloadMs ? 0 : lagMs < settings.overloadMs * 2 ? 1 : 2
        switch event {
        case .videoConfiguration(let block): configureVideo(block)
        case .audioConfiguration(let block):
            do throws(AVError) { try audio.configure(block) } catch {
                callbacks.onFault(.unusableConfiguration("audio: \(error.code)"))
            }
        case .programTime(let time, let pts):
            if source.told(time, ptsMilliseconds: pts, at: arrival, wallMilliseconds: clock.wallMilliseconds()) {
                isClockRefused = false
            } else {
                statistics.update { $0.refusedClocks &+= 1 }
                // Told again with every IDR; said once.
                if !isClockRefused { callbacks.onFault(.clockRefused(time)) }
                isClockRefused = true
            }
        case .frame(let frame):
            switch frame.codec {
            case .h264: video(frame, at: arrival)
            case .aac: sound(frame, at: arrival)
            default: statistics.update { $0.damagedFrames &+= 1 }
            }
        case .ended:
            decodeRest()
            hasEnded = true
            waitsForKeyframe = true
            source.streamEnded()
        }
    }

    /// Does what the time asks for; called every few hundredths of a second.
    ///
    /// - Parameter isDrained: whether nothing waits at the entrance; what waits there is late, not lost.
    func tick(isDrained: Bool) {
        let now = clock.monotonic()
        if let time = source.programTime(at: now), isRunning,
            lastReport.map({ now.milliseconds(since: $0) >= 1000 }) ?? true
        {
            lastReport = now
            callbacks.onClock(time, clock.wallMilliseconds())
        }
        guard isRunning, isDrained, let lastVideoArrival, let lastArrival, let time = source.programTime(at: now) else {
            return
        }
        guard hasEnded || now.milliseconds(since: lastVideoArrival) >= settings.lossMs else { return }
        if now.milliseconds(since: lastArrival) >= settings.holdLimitMs { return stopLadder() }
        if !isHolding {
            isHolding = true
            statistics.update { $0.holds &+= 1 }
            callbacks.onHold(true)
        }
        let held = time.advanced(byMilliseconds: hasEnded ? -200 : -settings.lossMs)
        for output in cadence?.fill(through: grid.slot(atOrBefore: held)) ?? [] { emit(output) }
        countCadence()
    }

    /// Ends the open segment where the pictures end; a next source starts anew.
    func stopLadder() {
        guard isRunning else { return reset() }
        for output in cadence?.finish() ?? [] { emit(output) }
        countCadence()
        let end = lastSlot + 1
        audio.fill(upTo: samples(end)) { push(.audio(position: $0, $1)) }
        push(.end(slot: end))
        for rung in settings.ladder.rungs.indices { job(.finish(rung: rung, slot: end), rung: rung) }
        resumesAfter = grid.time(of: end + 1)
        decider = CutDecider(resumingAfter: resumesAfter)
        reset()
    }

    private func reset() {
        if isHolding { callbacks.onHold(false) }
        (cadence, isRunning, isHolding, waitsForKeyframe) = (nil, false, false, true)
        passthrough.stop()
        counted = (0, 0, 0)
    }

    // MARK: Video in

    private func configureVideo(_ block: ByteBlock) {
        let bytes = block.array
        // Encoders repeat the record; only a changed one, or a new stream, starts a decoder (ossrs/srs#4695).
        if bytes == configurationBytes, !hasEnded, decoder != nil { return }
        decodeRest()
        if bytes != configurationBytes { passthrough.isAllowed = false }
        do throws(AVError) {
            let parsed = try AVCConfiguration(block)
            decoder = try H264Decoder(configuration: block, poolCapacity: settings.rungQueueFrames + 10)
            configuration = parsed
            configurationBytes = bytes
            waitsForKeyframe = true
            passthrough.fits(parsed, ladder: settings.ladder)
        } catch {
            decoder = nil
            callbacks.onFault(.unusableConfiguration("video: \(error.code)"))
        }
    }

    private func video(_ frame: EncodedFrame, at arrival: MonotonicTime) {
        guard frame.isKeyframe || !waitsForKeyframe, decoder != nil else {
            statistics.update { $0.unmappedFrames &+= 1 }
            return
        }
        let pts = microseconds(frame.pts, frame.timescale)
        // A source whose stamps step (it was reset, or wraps) is anchored anew, as one that comes back.
        if source.hasStepped(ptsMicroseconds: pts, at: arrival) { source.streamEnded() }
        if source.microseconds(ptsMicroseconds: pts) == nil {
            source.anchor(anchorTime(at: arrival), ptsMicroseconds: pts)
        }
        guard let time = source.microseconds(ptsMicroseconds: pts) else { return }
        waitsForKeyframe = false
        hasEnded = false
        source.arrived(time, at: arrival)
        (lastArrival, lastVideoArrival) = (arrival, arrival)
        if isHolding {
            isHolding = false
            callbacks.onHold(false)
        }
        if source.isTold { passthrough.offer(frame, slot: grid.slot(nearest: time)) }
        var pictures: [VideoFrame] = []
        do throws(AVError) {
            try decoder?.decode(frame) { pictures.append($0) }
        } catch { statistics.update { $0.damagedFrames &+= 1 } }
        for picture in pictures { show(picture) }
    }

    private func decodeRest() {
        var pictures: [VideoFrame] = []
        decoder?.finish { pictures.append($0) }
        for picture in pictures { show(picture) }
    }

    /// The program time for the first picture of a source that tells none.
    private func anchorTime(at arrival: MonotonicTime) -> ProgramTime {
        let now = source.programTime(at: arrival) ?? ProgramTime(milliseconds: clock.wallMilliseconds())
        if let cadence { return grid.time(of: max(cadence.nextSlot + 1, grid.slot(atOrAfter: now))) }
        return ProgramGrid.idr(atOrAfter: max(now, resumesAfter ?? now))
    }

    private func show(_ picture: VideoFrame) {
        statistics.update { $0.decodedFrames &+= 1 }
        guard let time = source.microseconds(ptsMicroseconds: picture.timestampNanoseconds / 1000) else { return }
        if cadence == nil {
            let first = max(grid.slot(nearest: time), resumesAfter.map { grid.slot(atOrAfter: $0) } ?? .min)
            cadence = FrameCadence(
                grid: grid, startingAt: grid.idrSlot(atOrAfter: first),
                longestFill: (settings.holdLimitMs / 1000 + 10) * grid.framesPerSecond)
            let passes = passthrough.isAllowed && source.isTold
            workerOfRung = spread(settings.ladder.rungs, over: workers.count, topIsPassed: passes)
        }
        for output in cadence?.offer(picture, at: time) ?? [] { emit(output) }
        countCadence()
    }

    // MARK: Pictures out

    private func emit(_ output: FrameCadence<VideoFrame>.Output) {
        let slot = output.slot
        let change = passthrough.decide(at: slot, grid: grid, isHolding: isHolding, isFirst: !isRunning)
        let boundaryBefore = decider.lastTime
        let isIDR: Bool
        switch decider.decide(grid.time(of: slot), splices: change.splices) {
        case .late, .waiting:
            statistics.update { $0.lateFrames &+= 1 }
            return
        case .picture: isIDR = false
        case .idr: isIDR = true
        case .cut(let boundary):
            isIDR = true
            let isGap = boundaryBefore == nil || boundary.previousEnd < boundary.start
            let end = isGap && isRunning ? lastSlot + 1 : slot
            if isGap {
                if isRunning { audio.fill(upTo: samples(end)) { push(.audio(position: $0, $1)) } }
                audio.start(at: samples(slot))
            }
            push(.boundary(slot: slot, previousEnd: end, isDiscontinuity: boundary.isDiscontinuity))
        }
        passthrough.commit(change)
        lastSlot = slot
        if !isRunning {
            isRunning = true
            let waiting = earlyAudio
            earlyAudio = []
            for entry in waiting { audio.accept(entry.frame, at: entry.position) { push(.audio(position: $0, $1)) } }
        }
        statistics.update { $0.ladderFrames &+= 1 }
        do throws(AVError) {
            if let pictures = try cascade.scale(output.picture) { encode(pictures, slot: slot, isIDR: isIDR) }
        } catch { callbacks.onFault(.unusableConfiguration("scaler: \(error.code)")) }
        // Sound that is a second behind the pictures is not coming: segments must not wait for it.
        if let next = audio.next, next < samples(slot) - 48_000 {
            audio.fill(upTo: samples(slot) - 48_000) { push(.audio(position: $0, $1)) }
        }
        statistics.update {
            $0.silentAudioFrames = audio.silentFrames
            $0.droppedAudioFrames = audio.droppedFrames
        }
    }

    private func encode(_ pictures: [VideoFrame], slot: Int64, isIDR: Bool) {
        let count = pictures.count
        for (rung, picture) in pictures.enumerated() {
            if rung == 0, passthrough.isPassing {
                if let frame = passthrough.take(slot), let configuration {
                    job(.forward(rung: 0, frame, slot: slot, configuration), rung: 0)
                    statistics.update { $0.passedFrames &+= 1 }
                }
                continue
            }
            let givesWay = overload > 0 && !isIDR && slot & 1 == 1 && rung > 0 && (overload > 1 || rung >= count - 2)
            if givesWay {
                statistics.update { $0.overloadFrames &+= 1 }
            } else {
                job(.encode(rung: rung, picture, slot: slot, isIDR: isIDR), rung: rung)
            }
        }
    }

    private var counted: (late: UInt64, surplus: UInt64, repeated: UInt64) = (0, 0, 0)

    private func countCadence() {
        guard let cadence else { return }
        statistics.update {
            $0.lateFrames &+= cadence.late &- counted.late
            $0.surplusFrames &+= cadence.surplus &- counted.surplus
            $0.repeatedFrames &+= cadence.repeated &- counted.repeated
        }
        counted = (cadence.late, cadence.surplus, cadence.repeated)
    }

    // MARK: Sound

    private func sound(_ frame: EncodedFrame, at arrival: MonotonicTime) {
        guard let time = source.microseconds(ptsMicroseconds: microseconds(frame.pts, frame.timescale)) else { return }
        lastArrival = arrival
        let position = time &* 48 / 1000
        guard isRunning else {
            if earlyAudio.count >= 256 { earlyAudio.removeFirst() }
            earlyAudio.append((position, frame))
            return
        }
        audio.accept(frame, at: position) { push(.audio(position: $0, $1)) }
    }

    // MARK: Ways on

    private func job(_ job: RungWorker.Job, rung: Int) { _ = workers[workerOfRung[rung]].jobs.push(job, until: nil) }
    private func push(_ output: LadderOutput) { _ = outputs.push(output, until: nil) }
    private func samples(_ slot: Int64) -> Int64 { slot &* 48_000 / grid.framesPerSecond }

    private func microseconds(_ pts: Int64, _ timescale: Int32) -> Int64 {
        let (seconds, rest) = pts.quotientAndRemainder(dividingBy: Int64(max(1, timescale)))
        return seconds &* 1_000_000 &+ rest &* 1_000_000 / Int64(max(1, timescale))
    }
}

/// Which worker encodes which rung: the largest first, each to the one with the fewest pixels.
func spread(_ rungs: [Rung], over workerCount: Int, topIsPassed: Bool) -> [Int] {
    var load = [Int](repeating: 0, count: max(1, workerCount))
    var result: [Int] = []
    for (index, rung) in rungs.enumerated() {
        let worker = load.indices.min { load[$0] < load[$1] } ?? 0
        result.append(worker)
        if index > 0 || !topIsPassed { load[worker] += rung.size.width * rung.size.height }
    }
    return result
}
