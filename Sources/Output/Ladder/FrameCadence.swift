// Puts pictures of any rhythm on the frame grid: each slot gets the nearest picture, a missing one the last again.

/// Fits pictures to slots, without a clock or a codec.
///
/// A picture waits for the next one, because that may lie nearer to the same slot; so it comes out one frame later.
struct FrameCadence<Picture> {
    struct Output {
        var slot: Int64
        var picture: Picture
        var isRepeat: Bool
    }

    private let grid: SlotGrid
    /// A longer run of missing pictures is left as a gap.
    private let longestFill: Int64
    private var candidate: (picture: Picture, slot: Int64, distance: Int64)?
    private var last: Picture?
    /// The slot that comes out next.
    private(set) var nextSlot: Int64
    private(set) var late: UInt64 = 0, surplus: UInt64 = 0, repeated: UInt64 = 0

    init(grid: SlotGrid, startingAt slot: Int64, longestFill: Int64) {
        self.grid = grid
        nextSlot = slot
        self.longestFill = longestFill
    }

    /// Takes a picture with its program time in microseconds.
    mutating func offer(_ picture: Picture, at microseconds: Int64) -> [Output] {
        let slot = grid.slot(nearest: microseconds)
        let distance = grid.distance(microseconds, from: slot)
        guard slot >= nextSlot, slot >= candidate?.slot ?? slot else {
            late &+= 1
            return []
        }
        if let waiting = candidate, waiting.slot == slot {
            surplus &+= 1
            if distance < waiting.distance { candidate = (picture, slot, distance) }
            return []
        }
        let outputs = release()
        guard slot >= nextSlot else {
            // A gap was just found: what lies before the grid is left out.
            late &+= 1
            return outputs
        }
        candidate = (picture, slot, distance)
        return outputs
    }

    /// Fills the slots up to and with a given one, from the waiting picture or by repeating the last.
    mutating func fill(through slot: Int64) -> [Output] {
        var outputs: [Output] = []
        if let waiting = candidate {
            guard waiting.slot <= slot else { return [] }
            outputs = release()
        }
        outputs += repeats(through: slot)
        return outputs
    }

    /// Gives the picture that still waits.
    mutating func finish() -> [Output] { release() }

    private mutating func release() -> [Output] {
        guard let waiting = candidate else { return [] }
        candidate = nil
        var outputs: [Output] = []
        if waiting.slot - nextSlot > longestFill {
            // The gap stays; what follows starts on the IDR grid.
            nextSlot = grid.idrSlot(atOrAfter: waiting.slot)
            last = waiting.picture
            guard waiting.slot == nextSlot else { return [] }
        } else {
            if last == nil { last = waiting.picture }
            outputs = repeats(through: waiting.slot - 1)
        }
        outputs.append(Output(slot: waiting.slot, picture: waiting.picture, isRepeat: false))
        last = waiting.picture
        nextSlot = waiting.slot + 1
        return outputs
    }

    private mutating func repeats(through slot: Int64) -> [Output] {
        guard let last, slot >= nextSlot else { return [] }
        var outputs: [Output] = []
        // Bounded even when told of a slot far away.
        let end = min(slot, nextSlot &+ longestFill)
        while nextSlot <= end {
            outputs.append(Output(slot: nextSlot, picture: last, isRepeat: true))
            repeated &+= 1
            nextSlot += 1
        }
        return outputs
    }
}
