// A thread with the encoders of some rungs.

import Media
import Synchronization

/// Encodes what the front hands on, in order; one thread.
final class RungWorker: Sendable {
    enum Job: Sendable {
        case encode(rung: Int, VideoFrame, slot: Int64, isIDR: Bool)
        /// The source's own picture; whatever the rung's encoder still holds goes out before it.
        case forward(rung: Int, EncodedFrame, slot: Int64, AVCConfiguration)
        /// The rung gives nothing more before a slot; its encoder is closed.
        case finish(rung: Int, slot: Int64)
    }

    /// The ladder is seconds behind the camera by design, and takes most of the time there is: on a full machine the program's picture and
    /// sound go first (a third of the weight; docs/decisions/011-who-waits-on-a-full-machine.md).
    static let niceness: Int32 = 5

    let jobs: BoundedQueue<Job>
    private let thread: MediaThread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - index: for the thread's name.
    ///   - ladder: the settings of all rungs.
    ///   - outputs: where access units go.
    ///   - report: told of faults.
    ///   - count: counts pictures that failed.
    init(
        index: Int, ladder: LadderSettings, queueDepth: Int, outputs: BoundedQueue<LadderOutput>,
        report: @escaping @Sendable (PipelineFault) -> Void, countError: @escaping @Sendable () -> Void
    ) {
        let jobs = BoundedQueue<Job>(capacity: queueDepth)
        self.jobs = jobs
        thread = MediaThread(name: "rungs-\(index)", niceness: Self.niceness) {
            var encoders = RungEncoders(ladder: ladder, outputs: outputs, report: report, countError: countError)
            while let job = jobs.pop() { encoders.perform(job) }
        }
    }

    /// Finishes what is queued, and ends the thread.
    func stop() {
        jobs.close()
        thread.join()
    }
}

private struct RungEncoders {
    private final class Encoder {
        var x264: X264Encoder
        let firstSlot: Int64
        init(settings: X264Settings, firstSlot: Int64) throws(AVError) {
            x264 = try X264Encoder(settings: settings, timescale: settings.frameRate.numerator)
            self.firstSlot = firstSlot
        }
    }

    let ladder: LadderSettings
    let outputs: BoundedQueue<LadderOutput>
    let report: @Sendable (PipelineFault) -> Void
    let countError: @Sendable () -> Void
    private var open: [Int: Encoder] = [:]

    init(
        ladder: LadderSettings, outputs: BoundedQueue<LadderOutput>,
        report: @escaping @Sendable (PipelineFault) -> Void,
        countError: @escaping @Sendable () -> Void
    ) {
        self.ladder = ladder
        self.outputs = outputs
        self.report = report
        self.countError = countError
    }

    mutating func perform(_ job: RungWorker.Job) {
        switch job {
        case .encode(let rung, let picture, let slot, let isIDR):
            do throws(AVError) {
                let encoder = try encoder(for: rung, slot: slot)
                if let frame = try encoder.x264.encode(picture, pts: slot - encoder.firstSlot, forcesIDR: isIDR) {
                    send(frame, rung, encoder)
                }
            } catch {
                countError()
                // The next picture starts a new encoder with an IDR.
                if open.removeValue(forKey: rung) == nil { report(.encoder(rung: ladder.rungs[rung].name, error)) }
            }
        case .forward(let rung, let frame, let slot, let configuration):
            drain(rung)
            _ = outputs.push(.video(rung: rung, slot: slot, frame, configuration), until: nil)
        case .finish(let rung, let slot):
            drain(rung)
            _ = outputs.push(.reached(rung: rung, slot: slot), until: nil)
        }
    }

    private mutating func encoder(for rung: Int, slot: Int64) throws(AVError) -> Encoder {
        if let encoder = open[rung] { return encoder }
        let definition = ladder.rungs[rung]
        let settings = X264Settings.rung(
            size: definition.size, frameRate: FrameRate(ladder.framesPerSecond), bitrateKbps: definition.videoKbps,
            preset: ladder.preset)
        let encoder = try Encoder(settings: settings, firstSlot: slot)
        open[rung] = encoder
        return encoder
    }

    private mutating func drain(_ rung: Int) {
        guard let encoder = open.removeValue(forKey: rung) else { return }
        do throws(AVError) {
            while let frame = try encoder.x264.flush() { send(frame, rung, encoder) }
        } catch { countError() }
    }

    private func send(_ frame: EncodedFrame, _ rung: Int, _ encoder: Encoder) {
        // The segments' thread takes what comes; where it waits for a slow disk, the ladder waits with it.
        _ = outputs.push(
            .video(rung: rung, slot: frame.pts + encoder.firstSlot, frame, encoder.x264.configuration), until: nil)
    }
}
