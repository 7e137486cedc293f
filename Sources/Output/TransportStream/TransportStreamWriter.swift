// Writes MPEG-2 transport stream packets (ISO/IEC 13818-1) into memory.

public import Media

/// The continuity counters of one rung: they run on over segments and restarts.
public struct TransportStreamContinuity: Sendable, Hashable, Codable {
    /// The counter that the next packet of each stream gets, 0…15.
    public var pat: UInt8 = 0, pmt: UInt8 = 0, video: UInt8 = 0, audio: UInt8 = 0

    /// Counters of a stream that starts.
    public init() {}
}

/// A writer of one program with one H.264 and one AAC stream.
///
/// Times are 90 kHz ticks, unwrapped; they are cut to 33 bits here and nowhere else.
public struct TransportStreamWriter: Sendable {
    /// The counters for the next packets.
    public private(set) var continuity: TransportStreamContinuity
    /// What was written.
    public private(set) var bytes: [UInt8] = []
    private var pes: [UInt8] = []
    private var lastClock: Int64?

    /// How far the program clock reference lies before the decoding time: what a receiver may buffer.
    public static let clockLead: Int64 = 18_000
    /// A packet with nothing but the clock is put in when two clocks would lie further apart than this (90 ms).
    static let clockInterval: Int64 = 8_100

    /// Creates a writer that goes on with given counters.
    public init(continuity: TransportStreamContinuity = TransportStreamContinuity(), reservingBytes capacity: Int = 0) {
        self.continuity = continuity
        bytes.reserveCapacity(capacity)
    }

    /// Writes PAT and PMT.
    public mutating func writeTables() {
        table(TransportStreamTables.pat, pid: TransportStreamTables.patPID, counter: \.pat)
        table(TransportStreamTables.pmt, pid: TransportStreamTables.pmtPID, counter: \.pmt)
    }

    /// Writes one picture as annex B with access unit delimiter, and parameter sets before each IDR.
    ///
    /// - Parameters:
    ///   - payload: the access unit with lengths of the configuration's size; what is cut short is left out.
    ///   - pts: when it is shown.
    ///   - dts: when it is decoded.
    ///   - isKeyframe: whether it is an IDR.
    ///   - configuration: the stream's parameter sets.
    public mutating func writeVideo(
        _ payload: ByteBlock, pts: Int64, dts: Int64, isKeyframe: Bool, configuration: AVCConfiguration
    ) {
        pes.removeAll(keepingCapacity: true)
        startPES(streamID: 0xE0, pts: pts, dts: dts)
        pes += [0, 0, 0, 1, 9, 0xF0]
        if isKeyframe {
            for set in configuration.sps + configuration.pps { pes += [0, 0, 0, 1] + set }
        }
        payload.withBytes { appendUnits($0, lengthSize: configuration.lengthSize) }
        packetize(
            pid: TransportStreamTables.videoPID, counter: \.video, clock: dts &- Self.clockLead,
            isRandomAccess: isKeyframe)
    }

    /// Writes one raw AAC-LC frame, 48 kHz stereo, with its ADTS header.
    ///
    /// - Parameters:
    ///   - payload: the raw frame, at most 8184 bytes.
    ///   - pts: when it is heard.
    public mutating func writeAudio(_ payload: ByteBlock, pts: Int64) {
        let length = payload.count + 7
        guard length < 8192 else { return }
        clock(at: pts)
        pes.removeAll(keepingCapacity: true)
        startPES(streamID: 0xC0, pts: pts, dts: pts)
        // ADTS (ISO/IEC 14496-3, 1.A.2.2): MPEG-4, no CRC, AAC-LC, index 3 = 48 kHz, two channels.
        pes += [
            0xFF, 0xF1, 0x4C, 0x80 | UInt8(length >> 11), UInt8(length >> 3 & 255), UInt8(length & 7) << 5 | 0x1F, 0xFC,
        ]
        payload.withBytes { pes.append(contentsOf: $0) }
        let packetLength = pes.count - 6
        pes[4] = UInt8(packetLength >> 8)
        pes[5] = UInt8(packetLength & 255)
        packetize(pid: TransportStreamTables.audioPID, counter: \.audio, clock: nil, isRandomAccess: false)
    }

    private mutating func appendUnits(_ payload: UnsafeRawBufferPointer, lengthSize: Int) {
        var offset = 0
        while offset + lengthSize <= payload.count {
            var length = 0
            for index in 0..<lengthSize { length = length << 8 | Int(payload[offset + index]) }
            offset += lengthSize
            guard length > 0 else { continue }
            guard length <= payload.count - offset else { return }
            let type = payload[offset] & 31
            // Delimiter and parameter sets are already written, filler is not worth sending.
            if type != 9, type != 7, type != 8, type != 12 {
                pes += [0, 0, 1]
                pes.append(contentsOf: UnsafeRawBufferPointer(rebasing: payload[offset..<(offset + length)]))
            }
            offset += length
        }
    }

    private mutating func startPES(streamID: UInt8, pts: Int64, dts: Int64) {
        let hasDTS = pts != dts
        pes += [0, 0, 1, streamID, 0, 0, 0x84, hasDTS ? 0xC0 : 0x80, hasDTS ? 10 : 5]
        appendStamp(pts, prefix: hasDTS ? 3 : 2)
        if hasDTS { appendStamp(dts, prefix: 1) }
    }

    private mutating func appendStamp(_ time: Int64, prefix: UInt8) {
        let value = UInt64(bitPattern: time) & 0x1_FFFF_FFFF
        pes.append(prefix << 4 | UInt8(value >> 30 & 7) << 1 | 1)
        pes.append(UInt8(value >> 22 & 255))
        pes.append(UInt8(value >> 15 & 127) << 1 | 1)
        pes.append(UInt8(value >> 7 & 255))
        pes.append(UInt8(value & 127) << 1 | 1)
    }

    private mutating func table(
        _ section: [UInt8], pid: UInt16, counter: WritableKeyPath<TransportStreamContinuity, UInt8>
    ) {
        header(pid: pid, startsUnit: true, control: 0x10, counter: counter)
        bytes.append(0)
        bytes += section
        bytes.append(contentsOf: repeatElement(0xFF, count: 188 - 5 - section.count))
    }

    private mutating func header(
        pid: UInt16, startsUnit: Bool, control: UInt8, counter: WritableKeyPath<TransportStreamContinuity, UInt8>
    ) {
        bytes.append(0x47)
        bytes.append((startsUnit ? 0x40 : 0) | UInt8(pid >> 8))
        bytes.append(UInt8(pid & 255))
        bytes.append(control | continuity[keyPath: counter])
        continuity[keyPath: counter] = (continuity[keyPath: counter] + 1) & 15
    }

    private mutating func appendClock(_ clock: Int64) {
        let base = UInt64(bitPattern: clock) & 0x1_FFFF_FFFF
        bytes.append(UInt8(base >> 25 & 255))
        bytes.append(UInt8(base >> 17 & 255))
        bytes.append(UInt8(base >> 9 & 255))
        bytes.append(UInt8(base >> 1 & 255))
        bytes.append(UInt8(base & 1) << 7 | 0x7E)
        bytes.append(0)
        lastClock = clock
    }

    /// Puts in packets without payload where pictures are too far apart to carry the clock.
    private mutating func clock(at time: Int64) {
        let wanted = time &- Self.clockLead
        guard let lastClock, wanted &- lastClock > Self.clockInterval else { return }
        bytes.append(0x47)
        bytes.append(UInt8(TransportStreamTables.videoPID >> 8))
        bytes.append(UInt8(TransportStreamTables.videoPID & 255))
        // No payload: the counter is that of the last packet (2.4.3.3).
        bytes.append(0x20 | (continuity.video &+ 15) & 15)
        bytes += [183, 0x10]
        appendClock(wanted)
        bytes.append(contentsOf: repeatElement(0xFF, count: 176))
    }

    private mutating func packetize(
        pid: UInt16, counter: WritableKeyPath<TransportStreamContinuity, UInt8>, clock: Int64?, isRandomAccess: Bool
    ) {
        var offset = 0
        var isFirst = true
        while offset < pes.count {
            let fields = isFirst && clock != nil
            let room = fields ? 184 - 8 : 184
            let part = min(room, pes.count - offset)
            let stuffing = room - part
            let hasAdaptation = fields || stuffing > 0
            header(pid: pid, startsUnit: isFirst, control: hasAdaptation ? 0x30 : 0x10, counter: counter)
            if fields, let clock {
                bytes.append(UInt8(7 + stuffing))
                bytes.append((isRandomAccess ? 0x40 : 0) | 0x10)
                appendClock(clock)
                bytes.append(contentsOf: repeatElement(0xFF, count: stuffing))
            } else if stuffing > 0 {
                bytes.append(UInt8(stuffing - 1))
                if stuffing > 1 {
                    bytes.append(0)
                    bytes.append(contentsOf: repeatElement(0xFF, count: stuffing - 2))
                }
            }
            bytes.append(contentsOf: pes[offset..<(offset + part)])
            offset += part
            isFirst = false
        }
    }
}
