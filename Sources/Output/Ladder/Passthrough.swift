// Whether the top rung takes the source's own pictures. Pure.

import Media

/// Holds the source's compressed pictures until their slot is due, and decides from when on they are the top rung.
///
/// Taking over and giving up both change the top rung's encoding, so they are splices: one discontinuity in every
/// rung. It is taken over only where a segment starts anyway.
struct Passthrough {
    /// What happens at a slot.
    struct Change: Equatable {
        var isPassing: Bool
        /// Whether the encoding changes while the ladder runs.
        var splices: Bool
    }

    private var fitting = false
    private var waiting: [(slot: Int64, frame: EncodedFrame)] = []
    private(set) var isPassing = false
    /// Whether the stream's format and its order of pictures fit.
    var isAllowed: Bool {
        get { fitting }
        set {
            fitting = newValue
            waiting = []
        }
    }

    /// Judges a new configuration: at most High at level 4.2, and the top rung's own size.
    mutating func fits(_ configuration: AVCConfiguration, ladder: LadderSettings) {
        isAllowed =
            ladder.passesThrough && [66, 77, 100].contains(configuration.profile) && configuration.level <= 42
            && configuration.pictureSize == ladder.rungs.first?.size
    }

    /// Takes a compressed picture of a source that tells its program time.
    mutating func offer(_ frame: EncodedFrame, slot: Int64) {
        guard fitting else { return }
        // Reordered pictures would need their own decoding times; such a source is encoded anew.
        guard frame.pts == frame.dts else { return isAllowed = false }
        if waiting.count >= 256 { waiting.removeFirst() }
        waiting.append((slot, frame))
    }

    /// Says what a slot brings, before it is known whether the slot is used.
    mutating func decide(at slot: Int64, grid: SlotGrid, isHolding: Bool, isFirst: Bool) -> Change {
        waiting.removeAll { $0.slot < slot }
        let frame = waiting.first.flatMap { $0.slot == slot ? $0.frame : nil }
        let isOnGrid = frame.map { $0.isKeyframe == grid.isIDR(slot) } ?? !grid.isIDR(slot)
        if isPassing {
            let stays = fitting && !isHolding && isOnGrid
            return Change(isPassing: stays, splices: !stays)
        }
        guard fitting, !isHolding, let frame, frame.isKeyframe, isFirst ? grid.isIDR(slot) : grid.isSegmentStart(slot)
        else {
            return Change(isPassing: false, splices: false)
        }
        return Change(isPassing: true, splices: !isFirst)
    }

    /// Makes a change happen.
    mutating func commit(_ change: Change) { isPassing = change.isPassing }

    /// The picture of a slot, once.
    mutating func take(_ slot: Int64) -> EncodedFrame? {
        guard let first = waiting.first, first.slot == slot else { return nil }
        waiting.removeFirst()
        return first.frame
    }

    /// Forgets what waits; the next start decides anew.
    mutating func stop() {
        isPassing = false
        waiting = []
    }
}
