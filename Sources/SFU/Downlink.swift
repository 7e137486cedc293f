// The way to one subscriber: the numbers of its packets over all tracks, what became of them, and what the way carries.

import Control
import Media
import RTC

/// A subscriber's transport as congestion control sees it; confined to its shard's thread.
///
/// With transport-wide feedback the estimate is ours; without it what the subscriber reports as lost is a bound; and as long as it
/// tells nothing there is none. A receiver's own estimate (REMB) is not followed: where it is short of time it takes that for the line.
final class Downlink {
    /// How often the layers are looked at.
    static let lookMs: Int64 = 100
    /// A subscriber that has agreed to tell and does not for so long is one that tells nothing.
    private static let silenceMs: Int64 = 2000
    /// Where nothing was sent for so long that anything is told of, only a probe finds out what has become of the way.
    private static let idleMs: Int64 = 1000
    /// IP and UDP around each packet.
    private static let overhead = 28
    /// What more than the layers' rates is asked of the way before more is sent, and what is left of it for repeats at least.
    private static let spareShare = 1.1, minimumMediaShare = 0.6
    /// A way that has had no room for a layer and carries so many times what it takes is another one now.
    private static let ampleShare = 1.6
    /// What a picture that is sent already may need more than there is, as long as nothing waits for longer, in milliseconds.
    private static let keptShare = 1.1, keptWaitingMs = 100.0
    /// What repeats may take of a way that is full, and of what is sent over any other: where half is lost, more repeats lose more.
    private static let fullRepeatShare = 0.3, repeatShare = 0.6
    /// A way that carries so many times what is sent needs no pacing, nor one that has carried all for so long.
    private static let pacedShare = 3, pacingShare = 2.5, pacedMs: Int64 = 10_000

    private let history = SendHistory()
    private var estimator = BandwidthEstimator()
    private var sent = RateMeter(windowMs: 1000), audio = RateMeter(windowMs: 2000)
    private var repeats = RateMeter(windowMs: 500)
    private var wait = PlayoutWait()
    /// Over the line and back, in milliseconds, once a report has told it.
    private(set) var roundTripMs: Int64?
    private(set) var pacer = Pacer()
    /// Whether the subscriber has agreed to tell of each packet.
    private(set) var isNumbered = false
    private var numberedSince: MonotonicTime?, lastNumbered: MonotonicTime?, lastFeedback: MonotonicTime?
    private var reported = LossControl(patience: 2)
    private var lastLook: MonotonicTime?
    private var allocator = Allocator(), requests: [LayerRequest] = [], levels: [Int] = []
    private var raised: [Int] = [], ample: [Int] = []
    private var acquittals = 0
    /// What there was for all at the last look, and since when it has not become less.
    private var room = 0.0, steadySince: MonotonicTime?
    private var lossy = LossyLine()
    private var orders: [[Int]] = [], asking: [Consumer] = []
    /// Whether the picture packets of this subscriber are spread over time.
    private(set) var isPaced = false
    /// Bytes of padding that probes were filled with.
    private(set) var paddingBytes: UInt64 = 0

    /// The number that the next packet gets.
    @inline(__always)
    var nextNumber: UInt16 { UInt16(truncatingIfNeeded: history.next) }

    /// What the way carries, in bits per second; nil while nothing is known of it.
    private(set) var bitrate: Int?
    /// Whether the subscriber tells of each packet.
    var isMeasured: Bool { isNumbered && lastFeedback != nil }
    /// The part of the packets that was lost lately.
    var loss: Double { isNumbered ? estimator.loss : reported.loss }

    /// How long its pictures are to wait before they are shown, in milliseconds; nil where it is left to itself.
    @inline(__always)
    var playoutMs: Int? { wait.told }

    /// Takes note that the subscriber has agreed to tell of each packet.
    func agree() {
        guard !isNumbered else { return }
        isNumbered = true
        bitrate = estimator.bitrate
    }

    /// Takes note of a packet that left: under `nextNumber` if it is numbered.
    @inline(__always)
    func note(size: Int, isNumbered: Bool, isVideo: Bool, now: MonotonicTime) {
        let bytes = size + Self.overhead
        sent.note(bytes, at: now.nanoseconds)
        if !isVideo { audio.note(bytes, at: now.nanoseconds) }
        guard isNumbered else { return }
        if numberedSince == nil { numberedSince = now }
        lastNumbered = now
        history.note(size: bytes, probe: estimator.probes.mark, now: now)
        estimator.probes.note(bytes, now: now)
        if isPaced, isVideo { pacer.left(bytes, bitrate: pacingRate, now: now) }
    }

    // MARK: - What is told

    /// Takes what the subscriber tells of the packets.
    func take(_ feedback: RTCPTransportFeedback, now: MonotonicTime) {
        guard isNumbered else { return }
        lastFeedback = now
        history.match(feedback, now: now) { estimator.note($0) }
        estimator.finish(sent: sent.bitrate(at: now.nanoseconds), now: now)
        let before = bitrate
        bitrate = estimator.bitrate
        // Less is followed at once.
        if let before, let bitrate, bitrate < before - before / 20 { lastLook = nil }
    }

    /// Takes what the subscriber has lost of one track since its last report.
    func take(_ block: RTCPReportBlock) { reported.note(lost: (Int(block.fractionLost) + 2) / 4, of: 64) }

    /// Takes the round trip of a report on any track, for what is not sent has no reports; what a report has waited for here, or on the
    /// way, makes no way longer.
    func note(roundTripMs trip: Int64) { roundTripMs = roundTripMs.map { min(trip, ($0 + trip) / 2) } ?? trip }

    /// The round trip that repeats reckon with, in milliseconds.
    var repeatTripMs: Int64 { max(10, roundTripMs ?? 100) }

    /// Whether it is to be told now that the way loses much, whatever is sent over it.
    func losesMuch(now: MonotonicTime) -> Bool {
        // A receiver's reports alone don't tell losses from those of a queue.
        isMeasured
            && lossy.note(
                loss: estimator.loss, inherent: estimator.inherentLoss, waitingMs: estimator.waitingMs, now: now)
    }

    /// Follows what bounds the way of a subscriber that does not tell of each packet.
    private func follow(now: MonotonicTime) {
        if isNumbered {
            // Once it has told, its silence says nothing: what was known holds.
            guard lastFeedback == nil, let numberedSince, now.milliseconds(since: numberedSince) >= Self.silenceMs
            else { return }
        }
        let rate = sent.bitrate(at: now.nanoseconds).map(Double.init)
        let current = min(reported.rate, rate ?? .infinity)
        // While nothing is sent, what is reported tells of before: neither how much is lost of nothing, nor that more would do.
        if current.isFinite, rate.map({ $0 > 0 }) ?? true {
            reported.update(current: current, sent: rate, delivered: nil, now: now)
        }
        bitrate =
            reported.rate.isFinite ? max(BandwidthEstimator.minimumBitrate, Int(min(reported.rate, 1e12))) : nil
    }

    // MARK: - Layers

    /// Divides what the way carries among the tracks, as often as it is worth it.
    ///
    /// - Parameters:
    ///   - consumers: what the subscriber gets.
    ///   - speaker: who is heard most.
    ///   - changed: gets each track whose layers are others now, with whether the way is jammed.
    func look(_ consumers: [Consumer], speaker: String?, now: MonotonicTime, _ changed: (Consumer, Bool) -> Void) {
        guard lastLook.map({ now.milliseconds(since: $0) >= Self.lookMs }) ?? true else { return }
        lastLook = now
        followWait(now)
        // Consumers know their session: kept here, neither would ever end.
        defer { asking.removeAll(keepingCapacity: true) }
        follow(now: now)
        guard let bitrate else {
            isPaced = false
            for consumer in consumers where consumer.producer.isVideo { release(consumer, changed) }
            return
        }
        let sound = audio.bitrate(at: now.nanoseconds) ?? 0
        let share = max(Self.minimumMediaShare, 1 - loss)
        // A picture that goes is given up for less room than one is begun with, for its repeats are in the estimate already.
        let kept = estimator.waitingMs < Self.keptWaitingMs && !estimator.isTryingLess ? Self.keptShare : 1
        if steadySince == nil || Double(bitrate) * kept < room { steadySince = now }
        room = Double(bitrate) * kept
        let budget = Int(room) - sound, spare = Int(Double(bitrate) * share / Self.spareShare) - sound
        gather(consumers, speaker: speaker, now: now)
        allocator.divide(requests, budget: budget, into: &levels)
        allocator.divide(requests, budget: min(budget, spare), into: &raised)
        allocator.divide(requests, budget: Int(Double(bitrate) * share / Self.ampleShare) - sound, into: &ample)
        // Losses alone are no reason to take the last picture away.
        let least = isMeasured && !estimator.isBoundByLoss ? 0 : 1
        let isJammed = isMeasured && estimator.isJammed
        var wanted = 0, used = 0, isLimited = false
        let isAcquitted = acquittals != estimator.acquittals
        acquittals = estimator.acquittals
        for (index, consumer) in asking.enumerated() {
            let before = consumer.grant
            if isAcquitted { consumer.grant.forgive() }
            // A layer for which even alone there is no room has not given way to anybody.
            let fitsAlone = requests[index].rate(before.level(of: orders[index])) <= budget
            consumer.grant.follow(
                orders[index], fitting: max(least, levels[index]), raised: max(least, raised[index]),
                ample: ample[index], steadySince: fitsAlone ? steadySince : nil, now: now)
            wanted += requests[index].rate(requests[index].count)
            used += requests[index].rate(consumer.grant.level(of: orders[index]))
            if !consumer.grant.isWhole { isLimited = true }
            if consumer.grant.allowed != before.allowed || isJammed && consumer.isBeyondGrant {
                changed(consumer, isJammed)
            }
        }
        // Of a trial, too, nothing more is learnt then.
        let isIdle = lastNumbered.map { now.milliseconds(since: $0) >= Self.idleMs } ?? false
        if isMeasured, isIdle || !estimator.isTryingLess {
            // More than what all layers use, with what is left for repeats and to spare, would help nobody.
            let useful = Double(wanted) * Self.spareShare * 1.05 / share + Double(sound)
            estimator.probes.expire(now: now)
            estimator.probes.look(bitrate: Double(bitrate), useful: useful, now: now)
        }
        let rate = max(sent.bitrate(at: now.nanoseconds) ?? 0, used + sound)
        let wasFull = estimator.lastDecrease.map { now.milliseconds(since: $0) < Self.pacedMs } ?? false
        isPaced = isNumbered && (isLimited || wasFull) && bitrate < Self.pacedShare * rate
    }

    /// Losses beside a queue are over when it is, and a receiver's reports alone don't tell which those are.
    private func followWait(_ now: MonotonicTime) {
        let isQueued = !isMeasured || estimator.waitingMs >= Self.keptWaitingMs
        wait.follow(
            loss: isQueued ? nil : loss, roundTripMs: roundTripMs.map(Double.init) ?? estimator.roundTripMs, now: now)
    }

    private func release(_ consumer: Consumer, _ changed: (Consumer, Bool) -> Void) {
        let before = consumer.grant
        consumer.grant.release()
        if consumer.grant.allowed != before.allowed { changed(consumer, false) }
    }

    /// Writes down what is asked for, into memory that is kept.
    private func gather(_ consumers: [Consumer], speaker: String?, now: MonotonicTime) {
        requests.removeAll(keepingCapacity: true)
        asking.removeAll(keepingCapacity: true)
        var count = 0
        for consumer in consumers where consumer.isAccepted && consumer.producer.isVideo {
            let producer = consumer.producer
            guard consumer.forwarder.wish != .nothing, !producer.track.isMuted else { continue }
            if orders.count == count { orders.append([]) }
            producer.order(consumer.forwarder.wish, into: &orders[count])
            var request = LayerRequest(rank: rank(producer, speaker), area: consumer.forwarder.wish.area)
            for (place, index) in orders[count].enumerated() {
                let rate = producer.bitrate(of: index, now: now) ?? producer.guess(above: request.rate(place))
                // What has only begun is not known yet; the smallest layer has to do meanwhile.
                guard let rate = rate ?? (place == 0 ? 0 : nil) else {
                    // Layers of their own begin one after the other anyway; those of one stream come all with the first picture.
                    if !producer.hasSpatialLayers { orders[count].removeLast(orders[count].count - place) }
                    break
                }
                request.append(rate: max(rate, request.rate(place)))
            }
            guard request.count > 0 else { continue }
            requests.append(request)
            asking.append(consumer)
            count += 1
        }
    }

    private func rank(_ producer: Producer, _ speaker: String?) -> PictureRank {
        switch producer.track.source {
        case .screen, .program: .screen
        default: producer.session.participant == speaker ? .speaker : .other
        }
    }

    // MARK: - Pacing and probes

    private var pacingRate: Double { Double(bitrate ?? BandwidthEstimator.startBitrate) * Self.pacingShare }

    /// Whether a picture's packet goes at once; if not, it is queued.
    @inline(__always)
    func mayLeave(_ consumer: Consumer, now: MonotonicTime) -> Bool {
        guard isPaced || !pacer.isEmpty, consumer.usesRTX else { return true }
        return pacer.isEmpty && pacer.mayLeave(now)
    }

    /// Whether a packet is sent once more: not all at once, and over a full way not from before a key frame that has come since.
    func mayRepeat(isOld: Bool, now: MonotonicTime) -> Bool {
        guard let repeated = repeats.bitrate(at: now.nanoseconds), repeated > 0 else { return !(isPaced && isOld) }
        if isPaced, let bitrate {
            return !isOld && Double(repeated) < Double(bitrate) * Self.fullRepeatShare
        }
        guard let sent = sent.bitrate(at: now.nanoseconds) else { return true }
        return Double(repeated) < Double(sent) * Self.repeatShare
    }

    /// Takes note of a packet that is sent once more.
    func repeated(_ size: Int, now: MonotonicTime) { repeats.note(size + Self.overhead, at: now.nanoseconds) }

    /// Queues a packet that was noted; false where the queue is full.
    func queue(_ consumer: Consumer, number: Int64, size: Int) -> Bool {
        pacer.push(consumer, number: number, size: size)
    }

    /// Whether something waits to leave by and by.
    var hasWork: Bool { !pacer.isEmpty || estimator.probes.mark != 0 }

    /// The next packet whose time has come.
    func nextPaced(_ now: MonotonicTime) -> Pacer.Waiting? {
        // Without pacing what waits leaves at once.
        guard !pacer.isEmpty, !isPaced || pacer.mayLeave(now) else { return nil }
        return pacer.pop()
    }

    /// The next packet that waits, whether its time has come or not.
    func nextWaiting() -> Pacer.Waiting? { pacer.pop() }

    /// Forgets what waits of a track; returns how many packets that were.
    func forget(_ consumer: Consumer) -> Int { pacer.forget(consumer) }

    /// How many bytes a probe lacks now.
    func probeLacks(_ now: MonotonicTime) -> Int { estimator.probes.mark == 0 ? 0 : estimator.probes.lacking(now) }

    /// Counts padding that a probe was filled with.
    func padded(_ bytes: Int) { paddingBytes &+= UInt64(bytes) }

    /// Gives up a probe that nothing can be sent in.
    func abandonProbe(now: MonotonicTime) { estimator.probes.abandon(now: now) }
}
