// From one publisher to those who play its stream.

import Media
import NIOCore
import Synchronization

/// A player as the relay sees it.
final class PlayerSlot: Sendable {
    let channel: any Channel
    /// Events on their way to the player's event loop.
    let backlog = Atomic<Int>(0)
    /// Whether an event was left out since the player looked last.
    let hasLost = Atomic<Bool>(false)

    init(channel: any Channel) { self.channel = channel }
}

/// Hands a publisher's events to players on other event loops; a slow player loses events, never holds them up.
final class PlayRelay: Sendable {
    private struct State {
        var video: ByteBlock?
        var audio: ByteBlock?
        var players: [PlayerSlot] = []
    }

    private let backlog: Int
    private let state = Mutex(State())

    init(backlog: Int) { self.backlog = backlog }

    var isEmpty: Bool { state.withLock { $0.players.isEmpty } }

    /// Adds a player and gives it the configurations that are known.
    func join(_ slot: PlayerSlot) {
        state.withLock { state in
            state.players.append(slot)
            if let video = state.video { Self.deliver(.videoConfiguration(video), to: slot) }
            if let audio = state.audio { Self.deliver(.audioConfiguration(audio), to: slot) }
        }
    }

    func leave(_ slot: PlayerSlot) { state.withLock { $0.players.removeAll { $0 === slot } } }

    /// Hands an event on; returns how many players it was left out for.
    func publish(_ event: StreamEvent) -> Int {
        state.withLock { state in
            var isFrame = false
            switch event {
            case .videoConfiguration(let record): state.video = record
            case .audioConfiguration(let record): state.audio = record
            case .ended: (state.video, state.audio) = (nil, nil)
            case .frame: isFrame = true
            case .programTime: break
            }
            var lost = 0
            for slot in state.players {
                if isFrame, slot.backlog.load(ordering: .relaxed) >= backlog {
                    slot.hasLost.store(true, ordering: .relaxed)
                    lost += 1
                } else {
                    Self.deliver(event, to: slot)
                }
            }
            return lost
        }
    }

    private static func deliver(_ event: StreamEvent, to slot: PlayerSlot) {
        slot.backlog.add(1, ordering: .relaxed)
        slot.channel.eventLoop.execute {
            slot.channel.pipeline.fireUserInboundEventTriggered(RTMPServerSignal.media(event))
        }
    }
}
