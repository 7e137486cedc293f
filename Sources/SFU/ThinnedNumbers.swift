// The numbers of a stream from which packets are taken out one by one, so that no hole is left where one was.

/// Source numbers to the numbers of the stream as if the packets that are taken out had never been in it.
///
/// Invariants: a number is given once; what is taken out in its turn leaves no hole. Whether a missing packet is to be taken out
/// nobody knows, so it keeps its number: when it comes and is not wanted, the number has to be filled.
///
/// Two bits are kept of each number, 64 of them in a word: a publisher whose numbers jump costs a few words, whatever the jump.
struct ThinnedNumbers: Sendable {
    /// A packet's fate.
    enum Fate: Sendable, Hashable {
        /// It has this number.
        case sent(Int64)
        /// It is not wanted, but has a number that others are waiting for.
        case filled(Int64)
        /// It is taken out, or was placed before.
        case gone
        /// So far behind that its number is not known any more.
        case late
    }

    static let capacity: Int64 = 1024

    /// Which of the numbers from `first` to `newest` were placed, and which of these were taken out.
    private var placed = NumberBits(capacity: capacity), takenOut = NumberBits(capacity: capacity)
    private var first: Int64
    /// The newest source number that was placed.
    private(set) var newest: Int64
    private var removed: Int64 = 0

    /// Begins with a source number, which keeps it, as all before it do.
    init(from first: Int64) {
        self.first = first
        newest = first &- 1
    }

    /// Begins anew, in the memory that is there.
    mutating func restart(from first: Int64) {
        self.first = first
        newest = first &- 1
        removed = 0
    }

    /// Places a packet, each once.
    mutating func place(_ source: Int64, isWanted: Bool) -> Fate {
        guard source >= first else { return isWanted ? .sent(source) : .filled(source) }
        if source > newest {
            let from = max(newest + 1, source - Self.capacity + 1)
            placed.clear(from..<source)
            takenOut.clear(from..<source)
            newest = source
            placed.set(source, to: true)
            takenOut.set(source, to: !isWanted)
            guard isWanted else {
                removed += 1
                return .gone
            }
            return .sent(source - removed)
        }
        guard newest - source < Self.capacity else { return .late }
        guard !placed.contains(source) else { return .gone }
        placed.set(source, to: true)
        let number = source - removed + Int64(takenOut.count(source...newest))
        return isWanted ? .sent(number) : .filled(number)
    }
}

/// A bit for each of the last numbers of a stream.
private struct NumberBits: Sendable {
    private var words: [UInt64]

    /// - Parameter capacity: how many numbers, a power of two of at least 64.
    init(capacity: Int64) { words = Array(repeating: 0, count: Int(capacity / 64)) }

    func contains(_ number: Int64) -> Bool { words[word(number)] >> UInt64(number & 63) & 1 == 1 }

    mutating func set(_ number: Int64, to value: Bool) {
        let bit: UInt64 = 1 << UInt64(number & 63)
        if value { words[word(number)] |= bit } else { words[word(number)] &= ~bit }
    }

    /// - Parameter range: at most as many numbers as there are bits.
    mutating func clear(_ range: Range<Int64>) {
        var number = range.lowerBound
        while number < range.upperBound {
            let (mask, next) = part(number, range.upperBound)
            words[word(number)] &= ~mask
            number = next
        }
    }

    /// How many of these bits are set.
    ///
    /// - Parameter range: at most as many numbers as there are bits.
    func count(_ range: ClosedRange<Int64>) -> Int {
        var number = range.lowerBound, sum = 0
        while number <= range.upperBound {
            let (mask, next) = part(number, range.upperBound + 1)
            sum += (words[word(number)] & mask).nonzeroBitCount
            number = next
        }
        return sum
    }

    private func word(_ number: Int64) -> Int { Int(number >> 6 & Int64(words.count - 1)) }

    /// The bits of one word from a number on, and the number behind them.
    private func part(_ from: Int64, _ end: Int64) -> (mask: UInt64, next: Int64) {
        let next = min(end, (from | 63) + 1), length = UInt64(next - from)
        let ones = length == 64 ? UInt64.max : (1 << length) - 1
        return (ones << UInt64(from & 63), next)
    }
}
