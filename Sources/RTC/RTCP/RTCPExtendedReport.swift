// The extended report (RFC 3611), as far as it lets measure a round trip who sends no media.

/// An extended report with a receiver's reference time (section 4.4) and answers to others' (section 4.5).
public struct RTCPExtendedReport: Sendable, Hashable {
    /// What somebody says of a reference time that they were told.
    public struct Delay: Sendable, Hashable {
        /// Who told it.
        public var ssrc: UInt32
        /// The middle 32 bits of it.
        public var reference: UInt32
        /// Time since it came, in 1/65536 s.
        public var delay: UInt32

        /// Creates an answer.
        public init(ssrc: UInt32, reference: UInt32, delay: UInt32) {
            self.ssrc = ssrc
            self.reference = reference
            self.delay = delay
        }
    }

    /// The most answers that are read of one report.
    static let maximumDelays = 31
    private enum Block {
        static let reference: UInt8 = 4, delays: UInt8 = 5
    }

    /// Who reports.
    public var ssrc: UInt32
    /// The reporter's own NTP time, to be answered; nil for none.
    public var reference: UInt64?
    /// Answers.
    public var delays: [Delay]

    /// Creates a report.
    public init(ssrc: UInt32, reference: UInt64? = nil, delays: [Delay] = []) {
        self.ssrc = ssrc
        self.reference = reference
        self.delays = delays
    }

    /// Reads what it knows; nil where there is nothing of it, or a block that does not fit.
    init?(_ body: ByteReader) {
        var reader = body
        guard let ssrc = reader.u32() else { return nil }
        self.init(ssrc: ssrc)
        while reader.remaining >= 4 {
            guard let type = reader.u8(), reader.u8() != nil, let words = reader.u16(),
                let content = reader.take(Int(words) * 4)
            else { return nil }
            var block = ByteReader(content)
            switch type {
            case Block.reference:
                guard words == 2, let high = block.u32(), let low = block.u32() else { return nil }
                reference = UInt64(high) << 32 | UInt64(low)
            case Block.delays:
                while delays.count < Self.maximumDelays, let ssrc = block.u32(), let reference = block.u32(),
                    let delay = block.u32()
                { delays.append(Delay(ssrc: ssrc, reference: reference, delay: delay)) }
            default: break
            }
        }
        guard reference != nil || !delays.isEmpty else { return nil }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 207, count: 0) { writer in
            writer.u32(ssrc)
            if let reference {
                writer.u32(UInt32(Block.reference) << 24 | 2)
                writer.u32(UInt32(truncatingIfNeeded: reference >> 32))
                writer.u32(UInt32(truncatingIfNeeded: reference))
            }
            let told = delays.prefix(Self.maximumDelays)
            guard !told.isEmpty else { return }
            writer.u32(UInt32(Block.delays) << 24 | UInt32(told.count * 3))
            for delay in told {
                writer.u32(delay.ssrc)
                writer.u32(delay.reference)
                writer.u32(delay.delay)
            }
        }
    }
}
