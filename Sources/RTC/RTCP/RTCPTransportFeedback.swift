// Transport-wide feedback: when each packet of a transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01).

/// What a receiver tells of a run of transport-wide numbers.
public struct RTCPTransportFeedback: Sendable, Hashable {
    /// The most numbers that one message may tell of; a browser's message tells of a tenth of a second.
    public static let maximum = 4096
    /// Stands in `arrivals` for a packet that has not come.
    public static let missing = Int32.min
    /// Nanoseconds of one tick of `arrivals`, and of one of `reference`.
    public static let tickNanoseconds: Int64 = 250_000, referenceNanoseconds: Int64 = 64_000_000

    /// Who tells, and one source of the transport that it is about.
    public var sender: UInt32, media: UInt32
    /// The transport-wide number of the first packet.
    public var base: UInt16
    /// The receiver's clock where `arrivals` begin: 24 bits with a sign, in ticks of 64 ms.
    public var reference: Int32
    /// How many such messages came before, of 256.
    public var count: UInt8
    /// When each packet came, in ticks of 250 µs behind the reference, or `missing`.
    public var arrivals: [Int32]

    /// Creates a message.
    public init(sender: UInt32, media: UInt32, base: UInt16, reference: Int32, count: UInt8, arrivals: [Int32]) {
        self.sender = sender
        self.media = media
        self.base = base
        self.reference = reference
        self.count = count
        self.arrivals = arrivals
    }

    /// Two bits per packet (section 3.1.1); the fourth value is reserved.
    private enum Symbol {
        static let missing: Int32 = 0, small: Int32 = 1, large: Int32 = 2
    }

    init?(_ body: ByteReader) {
        var reader = body
        guard let sender = reader.u32(), let media = reader.u32(), let base = reader.u16(), let total = reader.u16(),
            let reference = reader.u24(), let count = reader.u8(), (1...Self.maximum).contains(Int(total))
        else { return nil }
        self.init(
            sender: sender, media: media, base: base, reference: Int32(bitPattern: reference << 8) >> 8, count: count,
            arrivals: [])
        arrivals.reserveCapacity(Int(total))
        while arrivals.count < Int(total) {
            guard let chunk = reader.u16(), take(chunk, atMost: Int(total) - arrivals.count) else { return nil }
        }
        var ticks: Int32 = 0
        for index in arrivals.indices {
            switch arrivals[index] {
            case Symbol.missing: arrivals[index] = Self.missing
            case Symbol.small:
                guard let delta = reader.u8() else { return nil }
                ticks += Int32(delta)
                arrivals[index] = ticks
            default:
                guard let delta = reader.u16() else { return nil }
                ticks += Int32(Int16(bitPattern: delta))
                arrivals[index] = ticks
            }
        }
    }

    /// Reads a chunk's symbols (sections 3.1.2 to 3.1.4); false where one makes no sense.
    private mutating func take(_ chunk: UInt16, atMost room: Int) -> Bool {
        guard chunk & 0x8000 != 0 else {
            let symbol = Int32(chunk >> 13), length = min(Int(chunk & 0x1FFF), room)
            guard symbol <= Symbol.large, length > 0 else { return false }
            arrivals.append(contentsOf: repeatElement(symbol, count: length))
            return true
        }
        if chunk & 0x4000 == 0 {
            for index in 0..<min(14, room) { arrivals.append(Int32(chunk >> (13 - index) & 1)) }
            return true
        }
        for index in 0..<min(7, room) {
            let symbol = Int32(chunk >> (12 - 2 * index) & 3)
            guard symbol <= Symbol.large else { return false }
            arrivals.append(symbol)
        }
        return true
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 205, count: 15) { writer in
            writer.u32(sender)
            writer.u32(media)
            writer.u16(base)
            let told = arrivals.prefix(Self.maximum)
            writer.u16(UInt16(told.count))
            writer.u24(UInt32(bitPattern: reference) & 0xFF_FFFF)
            writer.u8(count)
            var deltas: [Int16] = [], symbols: [UInt8] = [], ticks: Int32 = 0
            deltas.reserveCapacity(told.count)
            symbols.reserveCapacity(told.count)
            for arrival in told {
                guard arrival != Self.missing else {
                    symbols.append(0)
                    continue
                }
                let delta = Int16(clamping: arrival &- ticks)
                ticks &+= Int32(delta)
                deltas.append(delta)
                symbols.append((0...255).contains(delta) ? 1 : 2)
            }
            Self.write(symbols, to: &writer)
            for delta in deltas {
                if (0...255).contains(delta) { writer.u8(UInt8(delta)) } else { writer.u16(UInt16(bitPattern: delta)) }
            }
        }
    }

    /// Writes symbols in the chunks that hold the most of them.
    private static func write(_ symbols: [UInt8], to writer: inout ByteWriter) {
        var index = 0
        while index < symbols.count {
            let first = symbols[index], rest = symbols[index...]
            let run = rest.prefix(0x1FFF).prefix { $0 == first }.count
            let oneBit = rest.prefix(14).prefix { $0 < 2 }.count
            let holdsOneBit = oneBit == min(14, rest.count)
            if run >= (holdsOneBit ? 14 : 7) || run == rest.count {
                writer.u16(UInt16(first) << 13 | UInt16(run))
                index += run
            } else if holdsOneBit {
                var chunk: UInt16 = 0x8000
                for (place, symbol) in rest.prefix(14).enumerated() { chunk |= UInt16(symbol) << (13 - place) }
                writer.u16(chunk)
                index += oneBit
            } else {
                var chunk: UInt16 = 0xC000
                for (place, symbol) in rest.prefix(7).enumerated() { chunk |= UInt16(symbol) << (12 - 2 * place) }
                writer.u16(chunk)
                index += min(7, rest.count)
            }
        }
    }
}
