// What a stranger's bytes reach first, each parser by a name; run by unit tests on the kept inputs, and by libFuzzer.

/// One way in: takes any bytes, and traps on what must never be.
public struct FuzzTarget: Sendable {
    /// What it is called on the command line, and as a folder of inputs.
    public let name: String
    /// Feeds it.
    public let run: @Sendable (UnsafeRawBufferPointer) -> Void
    /// Inputs to begin with, as our own code writes them.
    public let seeds: @Sendable () -> [[UInt8]]

    init(
        _ name: String, seeds: @escaping @Sendable () -> [[UInt8]],
        run: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) {
        self.name = name
        self.run = run
        self.seeds = seeds
    }

    /// All of them.
    public static let all =
        [
            stun, rtp, rtcp, sdp, fragment, feedback, vp8, vp9, dependency, h264, assembler, srtp, framing, sequences,
            peer,
            client, control,
        ] + forwarding

    /// Runs it on bytes in memory of their own, so that a read behind their end is one behind an allocation's.
    public func feed(_ bytes: [UInt8]) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        run(UnsafeRawBufferPointer(memory))
    }
}

/// Takes an input apart.
struct FuzzInput {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset >= bytes.count }

    /// The next byte; 0 behind the end.
    mutating func byte() -> UInt8 {
        guard offset < bytes.count else { return 0 }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    /// The next bytes, fewer at the end, in an allocation of their own.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, offset + count)
        defer { offset = end }
        return Array(bytes[offset..<end])
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }
}

/// What must never be; says so also where assertions are compiled out.
func never(_ isWrong: Bool, _ what: String) {
    guard isWrong else { return }
    fatalError(what)
}
