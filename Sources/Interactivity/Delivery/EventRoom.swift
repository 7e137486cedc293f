// One event: its clock, its gate, the ends of its logs, and everybody who reads them.

import Foundation
import Media
import Synchronization
import Web

/// A moment on the clocks of this machine.
struct Moment: Sendable, Hashable {
    let monotonic: MonotonicTime
    let wallMilliseconds: Int64
}

/// What a room starts from, read in one transaction.
struct RoomRecord: Sendable {
    var heads: [LogName: LogHead]
    /// Folds of the logs at their bases, and the entries after them.
    var bases: [LogName: (offset: Int64, state: LogState)]
    var entries: [LogName: [LogEntry]]
    var gate: GateRecord
    var machines: [PollMachine]
}

/// The state of one event in memory; thread-safe, never waits.
///
/// Entries come from the writer after their commit, in order. Each carrier has the timeline up to its own released
/// offset; a reader joins under the same lock under which entries are handed out, so that there is no gap.
final class EventRoom: Sendable {
    let key: EventKey
    let state: Mutex<State>

    /// One reader, and what it knew beyond what its carrier has.
    struct Subscription {
        let subscriber: any LiveSubscriber
        let known: [LogName: Int64]
        let expiresAtWallMilliseconds: Int64
    }

    struct CarrierState {
        var released: Int64
        var timeline: LogState
        var subscriptions: [UInt64: Subscription] = [:]
        var snapshot: (offset: Int64, json: String)?
    }

    struct State {
        var recent: [LogName: RecentEntries]
        var live: LogState
        var carriers: [Carrier: CarrierState]
        var gate: Gate
        var clock: ProgramClockMapping
        var segments: TimelineSegments
        var polls = PollWatch()
        var reactions = ReactionBuckets()
        var nextSubscription: UInt64 = 0
        var snapshotOffsets: [LogName: Int64]
        var liveSnapshot: (offset: Int64, json: String)?
        var lastUse: MonotonicTime
    }

    init(_ key: EventKey, record: RoomRecord, now: Moment) {
        self.key = key
        let clock = ProgramClockMapping(offsetMilliseconds: record.gate.clockOffset)
        let programNow = clock.programTime(atWallMilliseconds: now.wallMilliseconds)
        var recent: [LogName: RecentEntries] = [:], offsets: [LogName: Int64] = [:]
        for log in LogName.allCases {
            let offset = record.bases[log]?.offset ?? 0
            var entries = RecentEntries(
                position: LogPosition(epoch: record.heads[log]?.position.epoch ?? "", offset: offset))
            for entry in record.entries[log] ?? [] { entries.append(entry) }
            recent[log] = entries
            offsets[log] = offset
        }
        let base = record.bases[.timeline]?.offset ?? 0, folded = record.bases[.timeline]?.state ?? LogState()
        var gate = Gate(releasedOffset: base)
        if record.gate.isLive {
            gate.programStarted(now: now.monotonic, programNow: programNow, head: record.gate.head)
        }
        var segments = TimelineSegments(offset: record.gate.segmentOffset, lastSequence: record.gate.mediaSequence)
        for entry in record.entries[.timeline] ?? [] {
            gate.append(offset: entry.offset, programTime: entry.programTime)
            if entry.offset > record.gate.segmentOffset { segments.append(entry) }
        }
        var live = record.bases[.live]?.state ?? LogState()
        for entry in record.entries[.live] ?? [] { live.apply(entry) }
        var watch = PollWatch()
        for machine in record.machines { watch.changed(machine) }
        let start = CarrierState(released: base, timeline: folded)
        var initial = State(
            recent: recent, live: live, carriers: [.immediate: start, .published: start], gate: gate, clock: clock,
            segments: segments, polls: watch, snapshotOffsets: offsets, lastUse: now.monotonic)
        initial.release(now)
        state = Mutex(initial)
    }
}

extension EventRoom.State {
    func programNow(_ now: Moment) -> ProgramTime { clock.programTime(atWallMilliseconds: now.wallMilliseconds) }

    func position(_ log: LogName, _ carrier: Carrier) -> LogPosition {
        var position = recent[log]?.position ?? LogPosition(epoch: "", offset: 0)
        if log == .timeline { position.offset = carriers[carrier]?.released ?? 0 }
        return position
    }

    /// Takes entries that are durable.
    mutating func append(_ entries: [LogEntry], _ now: Moment) {
        lastUse = now.monotonic
        for entry in entries {
            recent[entry.log]?.append(entry)
            switch entry.log {
            case .live:
                live.apply(entry)
                for carrier in Carrier.allCases { hand(entry, to: carrier) }
            case .timeline:
                gate.append(offset: entry.offset, programTime: entry.programTime)
                segments.append(entry)
            }
        }
        release(now)
    }

    /// Hands out what may leave now, to each carrier.
    mutating func release(_ now: Moment) {
        guard let log = recent[.timeline] else { return }
        let gated = gate.release(now: now.monotonic, programNow: programNow(now))
        for carrier in Carrier.allCases {
            let limit = carrier == .immediate ? log.head : gated
            guard let released = carriers[carrier]?.released, released < limit,
                let entries = log.entries(after: released, through: limit)
            else { continue }
            for entry in entries {
                carriers[carrier]?.released = entry.offset
                carriers[carrier]?.timeline.apply(entry)
                hand(entry, to: carrier)
            }
        }
        recent[.timeline]?.trim(keepingAfter: min(gated, carriers[.published]?.released ?? 0))
        recent[.live]?.trim(keepingAfter: .max)
    }

    private mutating func hand(_ entry: LogEntry, to carrier: Carrier) {
        guard let subscriptions = carriers[carrier]?.subscriptions, !subscriptions.isEmpty else { return }
        var positions = ResumePositions()
        for log in LogName.allCases { positions.positions[log] = position(log, carrier) }
        positions.positions[entry.log] = LogPosition(epoch: entry.epoch, offset: entry.offset)
        var message = SharedMessage(json: entry.json, id: positions.text)
        for (id, subscription) in subscriptions where entry.offset > subscription.known[entry.log] ?? 0 {
            if !subscription.subscriber.deliver(message.buffer(subscription.subscriber.form)) {
                carriers[carrier]?.subscriptions[id] = nil
            }
        }
    }
}
