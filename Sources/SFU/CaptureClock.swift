// How a publisher's clock lies to ours: pure, in the times that it is told.

/// One offset for all tracks of a publisher, by which their sender reports are told to subscribers on our clock.
///
/// Only how tracks lie to each other matters to who subscribes, and a step of the offset, which reaches them with the reports
/// of one track and of another at different moments, would tear picture and sound apart. So it is taken once, however late the
/// first report came, and then moves by a third of a millisecond with each report at most, as far as crystals differ. A report
/// that repeats an old one says nothing of the time: some senders do that for as long as a track is silent.
struct CaptureClock: Sendable {
    /// The most that a report moves the offset by, in nanoseconds.
    static let slew: Int64 = 300_000
    /// Whoever is this far off has set their clock.
    static let step: Int64 = 10_000_000_000

    /// Our time minus theirs, in nanoseconds; nil before the first report.
    private(set) var offset: Int64?
    /// The least of all offsets that reports told, followed upwards as slowly; nil before the first.
    ///
    /// No report comes before it is sent, so the quickest lies nearest to the truth: for whoever asks how old something is.
    private(set) var quickest: Int64?
    private var stepped: Int64?

    /// Takes note of a sender report.
    ///
    /// - Parameters:
    ///   - theirs: the time that it tells, in nanoseconds.
    ///   - last: the time that the track's report before told.
    ///   - ours: our time.
    mutating func note(_ theirs: Int64, after last: Int64?, at ours: Int64) {
        guard theirs != last else { return }
        let sample = ours &- theirs
        guard let offset else {
            (self.offset, quickest) = (sample, sample)
            return
        }
        let distance = sample &- offset
        guard distance.magnitude >= UInt64(Self.step) else {
            stepped = nil
            quickest = min((quickest ?? sample) &+ Self.slew, sample)
            return self.offset = offset &+ min(max(distance, -Self.slew), Self.slew)
        }
        // Two that say the same are believed.
        if let stepped, (sample &- stepped).magnitude < UInt64(Self.step) / 10 {
            (self.offset, quickest) = (sample, sample)
            self.stepped = nil
        } else {
            stepped = sample
        }
    }
}
