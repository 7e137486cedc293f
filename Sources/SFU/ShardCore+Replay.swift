// What a subscriber begins with: the last group of pictures where it can be had, else a key frame that is asked for.

import Control
import Media
import RTC

extension ShardCore {
    /// Lets a subscriber begin: nobody else is asked for anything when the last pictures are here.
    func begin(_ consumer: Consumer, now: MonotonicTime) {
        if !replay(to: consumer, now: now) { requestKeyframe(for: consumer, now: now) }
    }

    private func replay(to consumer: Consumer, now: MonotonicTime) -> Bool {
        let producer = consumer.producer
        // Who has had pictures already goes on behind them, in time too.
        guard producer.isVideo, !producer.track.isMuted, consumer.isAccepted, consumer.forwarder.hasNotBegun,
            consumer.replay == nil, consumer.session.isConnected, consumer.session.hasConsent,
            let index = producer.table.choose(consumer.forwarder.wish)
        else { return false }
        let layer = producer.layers[index]
        guard
            let replay = layer.group.replay(
                of: index, upTo: producer.table.facts[index].highest, in: layer.store, now: now)
        else { return false }
        consumer.replay = replay
        counters.groupsReplayed &+= 1
        goOn(consumer, now: now)
        return true
    }

    /// Sends the next round of each group that is on its way to a subscriber.
    func replayGroups(to session: Session, now: MonotonicTime) {
        for consumer in session.consumers where consumer.replay != nil { goOn(consumer, now: now) }
    }

    private func goOn(_ consumer: Consumer, now: MonotonicTime) {
        guard var replay = consumer.replay else { return }
        let producer = consumer.producer, layer = producer.layers[replay.layer]
        var sent = 0
        // A publisher's numbers may jump: what is that far back is not here any more.
        replay.skip(to: producer.table.facts[replay.layer].highest - Int64(layer.store.capacity) + 1)
        while replay.next <= producer.table.facts[replay.layer].highest {
            guard let entry = layer.store.entry(replay.next) else {
                // It comes when its publisher has sent it again, and finds its place by then.
                replay.skip()
                continue
            }
            guard entry.payloadLength > 0 else {
                consumer.skip(entry.sequence, of: replay.layer)
                replay.skip()
                continue
            }
            guard replay.mayGoOn(after: sent, entry) else {
                consumer.replay = replay
                return
            }
            sent += entry.payloadLength
            let moved = replay.take(entry)
            switch consumer.pass(entry, of: replay.layer, now: now, movedBy: moved) {
            case .failure(let drop): drops.count(drop.reason)
            case .success(let out): forward(entry, layer, to: consumer, as: out, now: now)
            }
        }
        consumer.replay = nil
    }
}

extension Consumer {
    /// Breaks off the pictures of before; returns how many packets came behind them in the meantime, which now never go out.
    func endReplay() -> Int {
        guard let replay else { return 0 }
        self.replay = nil
        let highest = producer.table.facts[replay.layer].highest, store = producer.layers[replay.layer].store
        let first = max(replay.firstHeld, highest - Int64(store.capacity) + 1)
        guard first <= highest else { return 0 }
        return (first...highest).count { (store.entry($0)?.payloadLength ?? 0) > 0 }
    }

    /// Forgets all that was still to go out; returns how many packets that is.
    func forgetUnsent() -> Int { endReplay() + session.downlink.forget(self) }
}
