// Reads transport stream packets back, by its own reading of ISO/IEC 13818-1.

/// What a walk over packets found; every broken rule is a line in `problems`.
struct TransportStreamWalk {
    struct Unit {
        var pid: Int
        var pts: Int64
        var isRandomAccess: Bool
        var payload: [UInt8]
    }

    private(set) var problems: [String] = []
    private(set) var pids: [Int] = []
    private(set) var clocks: [Int64] = []
    private(set) var units: [Unit] = []
    /// The last counter of each stream, to be handed to the walk over the next segment.
    private(set) var counters: [Int: UInt8]

    init(_ bytes: [UInt8], counters: [Int: UInt8] = [:]) {
        self.counters = counters
        if bytes.isEmpty || bytes.count % 188 != 0 { problems.append("length \(bytes.count)") }
        for start in stride(from: 0, to: bytes.count - 187, by: 188) { packet(Array(bytes[start..<(start + 188)])) }
    }

    private mutating func packet(_ bytes: [UInt8]) {
        if bytes[0] != 0x47 { problems.append("sync") }
        let pid = Int(bytes[1] & 31) << 8 | Int(bytes[2])
        let hasPayload = bytes[3] & 0x10 != 0
        pids.append(pid)
        let counter = bytes[3] & 15
        if let last = counters[pid], counter != (hasPayload ? (last + 1) & 15 : last) {
            problems.append("counter of \(pid)")
        }
        counters[pid] = counter
        var offset = 4
        var isRandomAccess = false
        if bytes[3] & 0x20 != 0 {
            let length = Int(bytes[4])
            if length > 183 || (hasPayload && length > 182) { problems.append("adaptation \(length)") }
            if length > 0 {
                isRandomAccess = bytes[5] & 0x40 != 0
                if bytes[5] & 0x10 != 0 {
                    clocks.append(
                        Int64(bytes[6]) << 25 | Int64(bytes[7]) << 17 | Int64(bytes[8]) << 9 | Int64(bytes[9]) << 1
                            | Int64(bytes[10] >> 7))
                }
            }
            offset += 1 + length
        }
        guard hasPayload, offset < 188 else { return }
        guard pid == 0x100 || pid == 0x101 else { return }
        var payload = Array(bytes[offset...])
        if bytes[1] & 0x40 != 0 {
            if payload.count < 14 || payload[0...2] != [0, 0, 1] { return problems.append("PES start") }
            let stamp = payload[9...13].map(Int64.init)
            let pts = (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | (stamp[2] >> 1) << 15 | stamp[3] << 7 | stamp[4] >> 1
            payload.removeFirst(9 + Int(payload[8]))
            units.append(Unit(pid: pid, pts: pts, isRandomAccess: isRandomAccess, payload: payload))
        } else if let index = units.lastIndex(where: { $0.pid == pid }) {
            units[index].payload += payload
        } else {
            problems.append("payload before start")
        }
    }

    /// The NAL unit types of a picture in annex B.
    static func unitTypes(_ bytes: [UInt8]) -> [UInt8] {
        var types: [UInt8] = []
        var index = 0
        while index + 3 < bytes.count {
            if bytes[index] == 0, bytes[index + 1] == 0, bytes[index + 2] == 1 {
                types.append(bytes[index + 3] & 31)
                index += 3
            } else {
                index += 1
            }
        }
        return types
    }
}
