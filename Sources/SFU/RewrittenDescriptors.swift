// Dependency descriptors that were written anew for one subscriber, kept for the others with the same layers.

import RTC

/// What was written lately for one stream; confined to its shard's thread.
///
/// A publisher may put a structure of 255 bytes into every packet, and reading and writing it bit by bit takes longer than all else
/// that is done for a subscriber. So it is done once for all that get the same layers, as long as they come one after the other: with
/// each packet, or with the packets of a picture.
final class RewrittenDescriptors {
    /// What a descriptor was written for.
    struct Key: Hashable {
        var sequence: Int64
        var limits: LayerLimits
        /// Which structures and decode targets held.
        var version: UInt32
    }

    /// What was written.
    struct Written {
        /// Nil where the publisher's own goes out.
        var element: UnsafeRawBufferPointer?
        /// Whether all that the publisher sends is left.
        var isWhole: Bool
    }

    private struct Slot: BitwiseCopyable {
        var sequence: Int64 = -1
        var version: UInt32 = 0
        var spatial: UInt8 = 0, temporal: UInt8 = 0
        /// 0 where nothing was written.
        var count: UInt8 = 0
        var isWhole = false
    }

    /// As many packets as come at once from a socket, each for so many kinds of limits: spatial ones, with all pictures or fewer.
    private static let packets = 64, kinds = 8
    /// As much as an extension may have.
    private static let room = 255

    private var slots = [Slot](repeating: Slot(), count: packets * kinds)
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: packets * kinds * room, alignment: 8)
    /// How many were written.
    private(set) var written: UInt64 = 0

    deinit { memory.deallocate() }

    /// Finds what was written, or writes it.
    ///
    /// - Parameter write: writes into the room that it gets; returns how many bytes, 0 where the publisher's own goes out, and whether
    ///   nothing is left out.
    func find(
        _ key: Key, write: (UnsafeMutableRawBufferPointer) -> (count: Int, isWhole: Bool)
    ) -> Written {
        let kind = Int(key.limits.spatial & 3) + (key.limits.temporal < LayerLimits.all.temporal ? 4 : 0)
        let index = Int(key.sequence & Int64(Self.packets - 1)) * Self.kinds + kind
        let place = UnsafeMutableRawBufferPointer(rebasing: memory[index * Self.room..<(index + 1) * Self.room])
        if !isFor(key, slots[index]) {
            let (count, isWhole) = write(place)
            slots[index] = Slot(
                sequence: key.sequence, version: key.version, spatial: key.limits.spatial,
                temporal: key.limits.temporal, count: UInt8(clamping: count), isWhole: isWhole)
            written &+= 1
        }
        let slot = slots[index]
        return Written(
            element: slot.count > 0 ? UnsafeRawBufferPointer(rebasing: place[..<Int(slot.count)]) : nil,
            isWhole: slot.isWhole)
    }

    @inline(__always)
    private func isFor(_ key: Key, _ slot: Slot) -> Bool {
        slot.sequence == key.sequence && slot.version == key.version && slot.spatial == key.limits.spatial
            && slot.temporal == key.limits.temporal
    }
}
