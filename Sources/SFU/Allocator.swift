// Who gets which layer of what, where a subscriber's line does not carry all that it asks for.

import Media

/// How much a picture matters to its subscriber; smaller comes first.
enum PictureRank: Int, Sendable, Comparable {
    case screen, speaker, other
    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// One track that a subscriber asks for.
struct LayerRequest: Sendable, Hashable {
    /// The most layers of a track.
    static let maximumLayers = 3

    var rank: PictureRank
    /// Pixels that it is shown in.
    var area: Int
    /// Bits per second of the smallest layer, the next, and so on up to the one that fills what is shown; 0 behind the last.
    private(set) var rates = (0, 0, 0)
    /// How many layers there are.
    private(set) var count = 0

    init(rank: PictureRank, area: Int) {
        self.rank = rank
        self.area = area
    }

    /// Adds a larger layer.
    mutating func append(rate: Int) {
        switch count {
        case 0: rates.0 = max(0, rate)
        case 1: rates.1 = max(0, rate)
        case 2: rates.2 = max(0, rate)
        default: return
        }
        count += 1
    }

    /// The rate with so many layers to choose from, of which the largest is sent; 0 for none.
    func rate(_ level: Int) -> Int {
        switch min(level, count) {
        case 1: rates.0
        case 2: rates.1
        case 3: rates.2
        default: 0
        }
    }

    static func == (left: Self, right: Self) -> Bool {
        left.rank == right.rank && left.area == right.area && left.count == right.count && left.rates == right.rates
    }
    func hash(into hasher: inout Hasher) {
        hasher.combine(rank)
        hasher.combine(area)
        hasher.combine(rates.0)
    }
}

/// Divides what a line carries among the pictures; pure, and without memory.
///
/// A shared screen gets all that it can use before anybody else gets anything: it is there to be read. Then who speaks, in the
/// same way. All others first get their smallest layer, then the next one, the larger tiles before the smaller.
struct Allocator: Sendable {
    private var order: [Int] = []

    /// For each request how many of its layers it may choose from, 0 where not even the smallest fits.
    ///
    /// - Parameters:
    ///   - budget: bits per second, without sound.
    ///   - levels: gets the result.
    mutating func divide(_ requests: [LayerRequest], budget: Int, into levels: inout [Int]) {
        levels.removeAll(keepingCapacity: true)
        order.removeAll(keepingCapacity: true)
        for index in requests.indices {
            levels.append(0)
            order.append(index)
        }
        order.sort { left, right in
            let (one, other) = (requests[left], requests[right])
            if one.rank != other.rank { return one.rank < other.rank }
            return one.area == other.area ? left < right : one.area > other.area
        }
        var left = budget
        for rank in [PictureRank.screen, .speaker, .other] {
            for level in 1...LayerRequest.maximumLayers {
                for index in order where requests[index].rank == rank && levels[index] == level - 1 {
                    guard level <= requests[index].count else { continue }
                    let more = requests[index].rate(level) - requests[index].rate(level - 1)
                    guard more <= left else { continue }
                    left -= more
                    levels[index] = level
                }
            }
        }
    }
}
