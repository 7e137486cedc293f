// When what one participant sent is to be seen and heard: pure, in the time that it is told.

public import Media

/// The playout clock of one participant, common to all of their tracks.
///
/// A track's stamps are laid on the machine's monotonic clock by the fastest way that a frame took lately; tracks whose
/// sender reports are known are laid there together, by their capture times, so that what was captured together lies at
/// one moment. All tracks then wait the same delay, which covers the late ones. The capture clock is only ever compared
/// between tracks of one participant: its own errors are common to them and cancel.
///
/// Sound that is late is lost, so the delay grows at once with it. A picture that is late is only seen late, which a longer
/// delay for all that follows would not mend: for pictures it grows when they are late in three of twenty seconds, or all
/// of them for half a second. What was needed once goes as fast as nobody notices, what is needed often stays.
public struct Playout: Sendable {
    /// The delay at the start, and its bounds, in nanoseconds.
    public static let firstDelay: Int64 = 80_000_000, leastDelay: Int64 = 60_000_000,
        mostDelay: Int64 = 400_000_000
    /// What lies between arrival and use: decoding, and the turn of the reading threads.
    static let margin: Int64 = 20_000_000
    /// A step of a track's stamps that no network makes: the sender began anew, or stopped counting for a while.
    static let jump: Int64 = 1_000_000_000
    /// After so long a silence a track may go on with stamps that did not count it, and so long it is then looked at.
    static let silence: Int64 = 500_000_000, patience: Int64 = 200_000_000
    /// How long a capture clock that was found wrong is not believed, unless a new report comes before.
    static let distrust: Int64 = 5_000_000_000
    /// What the start of a connection asks for is not what its way is like: so long it is not remembered.
    static let warmUp: Int64 = 3_000_000_000
    /// How long all pictures must be late for their way to have become longer.
    static let lasting: Int64 = 500_000_000
    /// A delay this far above what is usually needed goes down slowly, with nobody waiting for it.
    static let slack: Int64 = 20_000_000
    /// How much the delay moves in a second while pictures and sound go on: eight percent of their speed.
    ///
    /// libwebrtc lets pictures gain or lose 100 ms a second (`kDelayMaxChangeMsPerS`), and sound more.
    static let pace: Double = 0.08
    /// A report that lays a track this far from where the one before did is a new one.
    static let renewal: Int64 = 500_000_000

    private struct Track {
        var fastest: SlidingMinimum
        /// The offset of a track that stands alone, eased.
        var own: Int64
        var born: MonotonicTime
        /// Capture clock minus stamps, from the last sender report.
        var capture: Int64?
        /// How this track's stamps lie to those of the leading one, eased; nil while the track stands alone.
        var skew: Int64?
        var distrustedUntil: MonotonicTime?
        /// The capture clock that was found wrong.
        var stale: Int64?
        /// How much later than its own fastest way the track is laid, to be with the others although no report says so now.
        var shift: Int64 = 0
        /// How much later than its own fastest way it was laid when its stamps last were as expected.
        var ahead: Int64 = 0
        var last: MonotonicTime
        /// Since when each of the pictures has needed more than the delay, and the least of them.
        var lateSince: (at: MonotonicTime, least: Int64)?
        /// The first frame after a silence, when it seemed to come far too late.
        var resumed: (at: MonotonicTime, sample: Int64)?

        /// Where the track lies when it follows its own way.
        var target: Int64? { fastest.value.map { $0 &+ shift } }
    }

    private var tracks: [Int: Track] = [:]
    private var leader: Int?
    /// The leading track's offset from stamps to the monotonic clock, eased.
    private var anchor: Int64 = 0
    private var eased: MonotonicTime?
    private var soundNeeds = DelayNeeds(), pictureNeeds = DelayNeeds()
    private var began: MonotonicTime?
    private var isWarm = false, isGrowing = false
    private var outageUntil: MonotonicTime?

    /// How long everything waits beyond the fastest way, in nanoseconds.
    public private(set) var delay: Int64 = Playout.firstDelay
    /// How often a track's stamps jumped, and how often the delay had to grow.
    public private(set) var restarts: UInt64 = 0, raises: UInt64 = 0

    /// Creates a clock that knows no track.
    public init() {}

    /// Takes note of a frame that arrived.
    ///
    /// - Parameters:
    ///   - id: names the track.
    ///   - stamp: the frame's RTP timestamp without its wraps, in nanoseconds.
    ///   - captured: when it was captured, in nanoseconds of a clock that all of the participant's tracks share; nil before
    ///     the first sender report.
    ///   - arrival: when it was complete.
    ///   - isPicture: whether it may be used late.
    public mutating func note(
        _ id: Int, stamp: Int64, captured: Int64?, arrival: MonotonicTime, isPicture: Bool = false
    ) {
        let sample = arrival.nanoseconds &- stamp
        var track = tracks[id] ?? Self.fresh(sample, arrival)
        var offset = tracks[id].map { self.offset($0) } ?? sample
        track.fastest.note(sample, at: arrival)
        let isEarly = sample < offset &- Self.jump
        let isFar = sample > offset &+ Self.jump
        if !isFar {
            track.resumed = nil
        } else if arrival.nanoseconds(since: track.last) >= Self.silence {
            track.resumed = (arrival, sample)
        }
        track.last = arrival
        // Frames of a freeze come in a flood and catch up; those of a sender that did not count the time keep their distance.
        let keepsDistance =
            track.resumed.map {
                isFar && arrival.nanoseconds(since: $0.at) >= Self.patience
                    && sample > $0.sample &- Self.patience / 4
            } ?? false
        let isLate =
            keepsDistance || track.fastest.recent(at: arrival).map { $0 > offset &+ Self.jump } ?? false
        if isEarly || isLate {
            restarts &+= 1
            // The way is as it was, only the stamps have other numbers: what was together stays together.
            let shift = Self.held(track.ahead)
            track = Self.fresh(sample, arrival)
            track.distrustedUntil = arrival.advanced(byNanoseconds: Self.distrust)
            track.stale = captured.map { $0 &- stamp }
            track.shift = shift
            track.own = sample &+ shift
            offset = track.own
            if leader == id { leader = nil }
        }
        // Until it is known what a leap of the stamps was, the capture clock that goes with them moves nobody.
        if !isFar || isEarly || isLate { track.capture = captured.map { $0 &- stamp } }
        if let until = track.distrustedUntil {
            let isRenewed =
                if let stale = track.stale, let capture = track.capture {
                    abs(Double(capture) - Double(stale)) > Double(Self.renewal)
                } else {
                    false
                }
            if isRenewed || arrival >= until { (track.distrustedUntil, track.stale) = (nil, nil) }
        }
        tracks[id] = track
        lead(at: arrival)
        ease(at: arrival)
        if let track = tracks[id] {
            offset = self.offset(track)
            if !isFar, !isEarly, let fastest = track.fastest.value {
                tracks[id]?.ahead = offset &- fastest
            }
        }
        adapt(need: sample &- offset &+ Self.margin, of: id, isPicture: isPicture, at: arrival)
    }

    /// Forgets a track.
    public mutating func remove(_ id: Int) {
        tracks[id] = nil
        if leader == id { leader = nil }
    }

    /// Takes note that something came too late for its reader.
    ///
    /// - Parameters:
    ///   - late: by how much, in nanoseconds.
    ///   - now: the monotonic clock.
    ///   - isPicture: whether it was used nevertheless.
    public mutating func noteLate(by late: Int64, at now: MonotonicTime, isPicture: Bool = false) {
        guard late > 0 else { return }
        adapt(need: delay &+ late &+ Self.margin / 4, of: nil, isPicture: isPicture, at: now)
    }

    /// The moment at which a stamp of a track is due; nil for a track that is not known.
    public func time(_ id: Int, stamp: Int64) -> MonotonicTime? {
        tracks[id].map { MonotonicTime(nanoseconds: stamp &+ offset($0) &+ delay) }
    }

    /// The stamp of a track that is due at a moment, in nanoseconds; nil for a track that is not known.
    public func stamp(_ id: Int, at moment: MonotonicTime) -> Int64? {
        tracks[id].map { moment.nanoseconds &- delay &- offset($0) }
    }

    private static func fresh(_ sample: Int64, _ now: MonotonicTime) -> Track {
        var fastest = SlidingMinimum(seconds: 10)
        fastest.note(sample, at: now)
        return Track(fastest: fastest, own: sample, born: now, last: now)
    }

    /// What ways differ by at most.
    private static func held(_ shift: Int64) -> Int64 { min(max(shift, -300_000_000), 300_000_000) }

    private func offset(_ track: Track) -> Int64 { track.skew.map { anchor &+ $0 } ?? track.own }

    /// Chooses the track whose frames come fastest after their capture; the others are laid by it.
    private mutating func lead(at now: MonotonicTime) {
        func distance(_ track: Track) -> Int64? {
            guard track.distrustedUntil == nil, let capture = track.capture else { return nil }
            return track.fastest.value.map { $0 &- capture }
        }
        var best: (id: Int, distance: Int64)?
        for (id, track) in tracks {
            guard let distance = distance(track) else { continue }
            if best.map({ (distance, id) < ($0.distance, $0.id) }) ?? true { best = (id, distance) }
        }
        guard let best, let track = tracks[best.id] else { return }
        guard let old = leader, let leading = tracks[old], let distance = distance(leading) else {
            // Nobody led: this one goes on where it is, and those that it can lead are laid anew.
            anchor = offset(track)
            leader = best.id
            for id in tracks.keys { tracks[id]?.skew = id == best.id ? 0 : nil }
            if let fastest = track.fastest.value { tracks[best.id]?.shift = Self.held(anchor &- fastest) }
            return
        }
        // A millisecond keeps two that are alike from changing places with each packet.
        guard old != best.id, best.distance < distance &- 1_000_000 else { return }
        guard let skew = track.skew else {
            // It has just got its first report: the fastest goes on where it is, and the others come to it.
            anchor = track.own
            leader = best.id
            for id in tracks.keys { tracks[id]?.skew = id == best.id ? 0 : nil }
            return
        }
        anchor = anchor &+ skew
        leader = best.id
        for (id, track) in tracks {
            guard let other = track.skew else { continue }
            tracks[id]?.skew = other &- skew
        }
    }

    /// Moves what is used towards what was found: never in steps, once a track is two seconds old.
    private mutating func ease(at now: MonotonicTime) {
        let elapsed = max(0, min(1_000_000_000, eased.map { now.nanoseconds(since: $0) } ?? 0))
        if let eased, now <= eased {} else { eased = now }
        if let leader, let leading = tracks[leader], let target = leading.target {
            anchor = Self.step(
                anchor, target, elapsed, isYoung: now.nanoseconds(since: leading.born) < 2_000_000_000)
        }
        let reference = leader.flatMap { tracks[$0]?.capture }
        for (id, track) in tracks {
            if let target = track.target {
                let isYoung = now.nanoseconds(since: track.born) < 2_000_000_000
                tracks[id]?.own = Self.step(track.own, target, elapsed, isYoung: isYoung)
            }
            guard let reference, id != leader, let capture = track.capture, track.distrustedUntil == nil
            else {
                continue
            }
            let target = capture &- reference
            if let skew = track.skew, (target &- skew).magnitude < 100_000_000 {
                let most = elapsed / 200
                tracks[id]?.skew = skew &+ min(max(target &- skew, -most), most)
            } else {
                tracks[id]?.skew = target
            }
        }
        move(elapsed, at: now)
    }

    /// Moves the delay towards what is usually needed.
    private mutating func move(_ elapsed: Int64, at now: MonotonicTime) {
        let start = began ?? now
        if began == nil { began = now }
        if !isWarm, now.nanoseconds(since: start) >= Self.warmUp {
            isWarm = true
            soundNeeds.forget()
            pictureNeeds.forget()
        }
        let step = Int64(Double(min(elapsed, 100_000_000)) * Self.pace)
        let lasting = pictureNeeds.usual ?? 0
        if lasting > delay {
            if !isGrowing { raises &+= 1 }
            isGrowing = true
            delay = min(delay + step, lasting, Self.mostDelay)
            return
        }
        isGrowing = false
        guard now.nanoseconds(since: start) >= Self.warmUp + Self.lasting else { return }
        // A picture that is late now and then makes nothing wait longer, but what waits already is not hurried by it.
        let recent = max(soundNeeds.recent(at: now) ?? 0, pictureNeeds.recent(at: now) ?? 0)
        let goal = max(Self.leastDelay, lasting, soundNeeds.usual ?? 0, recent)
        if delay > goal + Self.slack {
            delay = max(goal + Self.slack, delay - step)
        } else if soundNeeds.isFull(at: now) || pictureNeeds.isFull(at: now) {
            let most = max(Self.leastDelay, lasting, soundNeeds.largest ?? 0)
            if delay > most { delay = max(most, delay - elapsed / 250) }
        }
    }

    /// Goes a part of the way from one value to another.
    ///
    /// A millisecond a second follows any crystal; five, which a resampler still hides, mend what is further off. What was
    /// taken for slower than it is only makes everything wait: that goes as fast as a delay that is too long.
    private static func step(_ value: Int64, _ target: Int64, _ elapsed: Int64, isYoung: Bool)
        -> Int64
    {
        let distance = target &- value
        // A step that no network makes is none until the track's stamps are found to have jumped.
        guard isYoung || distance.magnitude <= UInt64(jump) else { return value }
        guard !isYoung, abs(distance) <= 200_000_000 else { return target }
        let isTooLate = distance < -20_000_000
        let fast = isTooLate ? Int64(Double(min(elapsed, 100_000_000)) * pace) : elapsed / 200
        let most = abs(distance) > 20_000_000 ? fast : elapsed / 1000
        return value &+ min(max(distance, -most), most)
    }

    /// Takes note of a need: sound that is late is lost, so the delay grows at once.
    private mutating func adapt(need: Int64, of id: Int?, isPicture: Bool, at now: MonotonicTime) {
        // What comes after an outage is late whatever the delay is: it says nothing of the way's usual behaviour.
        if need > Self.mostDelay &+ 100_000_000 {
            outageUntil = now.advanced(byMilliseconds: 500)
            return
        }
        if let until = outageUntil {
            guard now >= until else { return }
            outageUntil = nil
        }
        let held = min(need, Self.mostDelay)
        guard isPicture else {
            soundNeeds.note(held, at: now)
            return raise(to: held)
        }
        pictureNeeds.note(held, at: now)
        guard let id, held > delay else {
            if let id { tracks[id]?.lateSince = nil }
            return
        }
        let since = tracks[id]?.lateSince ?? (now, held)
        let least = min(since.least, held)
        tracks[id]?.lateSince = (since.at, least)
        if now.nanoseconds(since: since.at) >= Self.lasting {
            tracks[id]?.lateSince = nil
            raise(to: least)
        }
    }

    private mutating func raise(to need: Int64) {
        guard need > delay else { return }
        delay = need
        raises &+= 1
    }
}
