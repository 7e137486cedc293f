// What the process that reads a roll says to the compositor: records of 64 bytes, pictures in shared memory.

import Glibc
import Media

/// One record; numbers in the machine's own order, since both ends are on it.
struct RollRecord {
    enum Kind: Int64 {
        /// A picture lies in a slot of the shared memory.
        case picture = 1
        /// Samples follow: `count` of each of both sides, as Float.
        case sound
        /// The roll has ended; of sound alone `stamp` says where.
        case end
        /// The roll can't go on; `count` bytes of text follow.
        case failure
    }

    static let bytes = 64
    /// Pictures that are on their way at once, and the bytes of each.
    static let slots = 4, slotBytes = RollPictureConverter.mostPixels * 3 / 2 + 64
    /// The longest text and the longest block of sound.
    static let mostText = 300, mostSamples = 65_536

    var kind: Kind
    /// Nanoseconds, or for sound samples at 48 kHz, from the roll's start.
    var stamp: Int64 = 0
    var count: Int64 = 0
    var width: Int64 = 0, height: Int64 = 0
    var slot: Int64 = 0
    /// 1 for BT.709 and 2 for full range.
    var color: Int64 = 0
    var rotation: Int64 = 0

    init(_ kind: Kind) { self.kind = kind }

    /// Reads a record; nil when it says what can't be.
    init?(_ values: [Int64]) {
        guard values.count == 8, let kind = Kind(rawValue: values[0]) else { return nil }
        self.kind = kind
        (stamp, count, width, height) = (values[1], values[2], values[3], values[4])
        (slot, color, rotation) = (values[5], values[6], values[7])
        guard stamp.magnitude < 1 << 60 else { return nil }
        switch kind {
        case .picture:
            let side = Int64(RollPictureConverter.longestSide)
            guard (2...side).contains(width), (2...side).contains(height), width % 2 == 0, height % 2 == 0,
                width * height <= Int64(RollPictureConverter.mostPixels), (0..<Int64(Self.slots)).contains(slot),
                (0...3).contains(color), (0...3).contains(rotation), stamp >= 0
            else { return nil }
        case .sound:
            // Sums with them, in nanoseconds too, can't overflow.
            guard (1...Int64(Self.mostSamples)).contains(count), stamp.magnitude < 1 << 44 else { return nil }
        case .failure: guard (0...Int64(Self.mostText)).contains(count) else { return nil }
        case .end: break
        }
    }

    var values: [Int64] { [kind.rawValue, stamp, count, width, height, slot, color, rotation] }
}

/// Reads and writes whole blocks on a descriptor.
enum WholeBlocks {
    static func read(_ descriptor: Int32, _ target: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        var done = 0
        while done < count {
            let got = Glibc.read(descriptor, target + done, count - done)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return false }
            done += got
        }
        return true
    }

    static func write(_ descriptor: Int32, _ source: UnsafeRawPointer, _ count: Int) -> Bool {
        var done = 0
        while done < count {
            let put = Glibc.write(descriptor, source + done, count - done)
            if put < 0, errno == EINTR { continue }
            guard put > 0 else { return false }
            done += put
        }
        return true
    }
}
