// Where sound lies in the row of AAC frames that all rungs share.

import Media
import Testing

@testable import Output

@Suite("The row of sound")
struct AudioPathTests {
    /// Frames of a source whose first sample lies at `first`, stamped in whole milliseconds as RTMP does.
    private func positions(from first: Int64, count: Int, samplesPerFrame: Double = 1024) -> [Int64] {
        (0..<count).map { (first + Int64((Double($0) * samplesPerFrame).rounded())) / 48 * 48 }
    }

    private func frame(_ number: Int) -> EncodedFrame {
        EncodedFrame(
            codec: .aac, pts: 0, dts: 0, timescale: 1000, isKeyframe: true,
            payload: ByteBlock([UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8), 7]))
    }

    private func number(_ payload: ByteBlock) -> Int? {
        let bytes = payload.array
        return bytes.count == 3 && bytes[2] == 7 ? Int(bytes[0]) | Int(bytes[1]) << 8 : nil
    }

    private func passing() throws -> AudioPath {
        let path = try AudioPath(kbps: 128, longestFillSeconds: 20)
        try path.configure(AACEncoder(settings: AACSettings()).configuration)
        return path
    }

    @Test(
        "frames lie where their stamps say, wherever the first picture lies between them",
        arguments: [0, 100, 511, 513, 900, 1023])
    func start(phase: Int64) throws {
        let path = try passing()
        path.start(at: 96_000)
        let given = positions(from: 96_000 - 4096 + phase, count: 200)
        var seen: [(position: Int64, number: Int?)] = []
        for (index, position) in given.enumerated() {
            path.accept(frame(index), at: position) { seen.append(($0, number($1))) }
        }
        #expect(seen.count >= 195)
        for entry in seen {
            let number = try #require(entry.number)
            #expect((entry.position - given[number]).magnitude <= 48)
        }
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $1.position - $0.position == 1024 })
        #expect(seen.allSatisfy { $0.position >= 96_000 })
    }

    @Test("sound that begins late follows whole frames of silence, and lies where its stamps say")
    func late() throws {
        let path = try passing()
        path.start(at: 96_000)
        let given = positions(from: 96_000 + 30_333, count: 20)
        var seen: [(position: Int64, number: Int?)] = []
        for (index, position) in given.enumerated() {
            path.accept(frame(index), at: position) { seen.append(($0, number($1))) }
        }
        #expect(seen.prefix { $0.number == nil }.count == 29)
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $1.position - $0.position == 1024 })
        for entry in seen { if let number = entry.number { #expect((entry.position - given[number]).magnitude <= 48) } }
    }

    @Test(
        "a source whose sound card goes 300 ppm fast or slow is followed to 3 ms, frame by frame", arguments: [-1, 1])
    func drift(sign: Double) throws {
        let path = try passing()
        path.start(at: 0)
        let given = positions(from: 0, count: 20_000, samplesPerFrame: 1024 * (1 + sign * 300e-6))
        var last: Int64?
        var worst: Int64 = 0
        for (index, position) in given.enumerated() {
            path.accept(frame(index), at: position) { at, payload in
                #expect(number(payload) == index)
                if let last { #expect((at - last - 1024).magnitude <= 1) }
                last = at
                worst = max(worst, abs(at - position))
            }
        }
        #expect(worst <= 144)
        #expect(path.droppedFrames == 0 && path.silentFrames == 0)
    }

    @Test(
        "what follows a lost frame, or one too many, is back in its place within two seconds",
        arguments: [-1024, 1024] as [Int64])
    func lost(samples: Int64) throws {
        let path = try passing()
        path.start(at: 0)
        var given = positions(from: 0, count: 600)
        for index in 200..<600 { given[index] += samples }
        var off: [Int64] = []
        for (index, position) in given.enumerated() {
            path.accept(frame(index), at: position) { at, payload in
                if number(payload) != nil { off.append(at - position) }
            }
        }
        #expect(off.suffix(300).allSatisfy { abs($0) <= 144 })
        #expect(path.droppedFrames + path.silentFrames == 1)
    }

    @Test("a coded source lies to the sample where its stamps say, too", arguments: [0, 300, 1000] as [Int64])
    func coded(phase: Int64) throws {
        // Mono is not the program's format: it is decoded and encoded again.
        let path = try AudioPath(kbps: 128, longestFillSeconds: 20)
        var source = try AACEncoder(settings: AACSettings())
        try path.configure(ByteBlock([0x11, 0x88]))
        path.start(at: 48_000)
        var samples = [Float](repeating: 0, count: 48_000 * 2)
        let click = 60_000
        for index in click..<click + 4800 { samples[index] = index % 48 < 24 ? 0.5 : -0.5 }
        var decoder = try AACDecoder(configuration: AACEncoder(settings: AACSettings()).configuration)
        var heard: Int64?
        var rows: [(Int64, ByteBlock)] = []
        try samples.withUnsafeBufferPointer { samples throws(AVError) in
            try source.encode(left: samples, right: samples) { frame in
                path.accept(frame, at: (frame.pts + phase) / 48 * 48 + 48) { rows.append(($0, $1)) }
            }
        }
        for (position, payload) in rows {
            let frame = EncodedFrame(
                codec: .aac, pts: position, dts: position, timescale: 48_000, isKeyframe: true, payload: payload)
            try decoder.decode(frame) { left, _ in
                if heard == nil, let at = left.firstIndex(where: { abs($0) > 0.1 }) { heard = position + Int64(at) }
            }
        }
        let found = try #require(heard)
        #expect((found - Int64(click) - phase).magnitude <= 120)
    }
}
