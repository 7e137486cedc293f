// What the compositor's tests share: seeded noise, pictures, the worst block, goldens.

import Foundation
import Media
import Testing

@testable import Compositor

/// A small seeded generator (SplitMix64), so that every run tests the same numbers.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}

enum Pictures {
    /// A picture of smooth waves, different in every plane.
    static func waves(_ width: Int, _ height: Int, phase: Double = 0) -> VideoFrame {
        let frame = VideoFrame(width: width, height: height)
        // Chroma is held low, so that every colour exists in RGB and a golden can go through it and back.
        func wave(_ x: Int, _ y: Int, _ k: Double, _ height: Double) -> UInt8 {
            UInt8((127 + height * sin(Double(x) * k * 0.05 + phase) * cos(Double(y) * k * 0.04)).rounded())
        }
        for y in 0..<frame.height { for x in 0..<frame.width { frame.y[y * frame.lumaStride + x] = wave(x, y, 1, 60) } }
        for y in 0..<(frame.height / 2) {
            for x in 0..<(frame.width / 2) {
                frame.u[y * frame.chromaStride + x] = wave(x, y, 1.7, 20)
                frame.v[y * frame.chromaStride + x] = wave(x, y, 0.6, 20)
            }
        }
        return frame
    }

    static func noise(_ width: Int, _ height: Int, seed: UInt64) -> VideoFrame {
        let frame = VideoFrame(width: width, height: height)
        var random = SeededRandom(seed)
        for at in 0..<(frame.lumaStride * frame.height) { frame.y[at] = UInt8.random(in: 0...255, using: &random) }
        for at in 0..<(frame.chromaStride * frame.height / 2) {
            frame.u[at] = UInt8.random(in: 0...255, using: &random)
            frame.v[at] = UInt8.random(in: 0...255, using: &random)
        }
        return frame
    }

    static func plain(_ width: Int, _ height: Int, y: UInt8, u: UInt8 = 128, v: UInt8 = 128) -> VideoFrame {
        let frame = VideoFrame(width: width, height: height)
        frame.fill(y: y, u: u, v: v)
        return frame
    }

    /// The planes without padding, for comparison and for Y4M files.
    static func bytes(_ frame: VideoFrame) -> [UInt8] {
        var bytes: [UInt8] = []
        for y in 0..<frame.height {
            bytes += UnsafeBufferPointer(start: frame.y + y * frame.lumaStride, count: frame.width)
        }
        for plane in [frame.u, frame.v] {
            for y in 0..<(frame.height / 2) {
                bytes += UnsafeBufferPointer(start: plane + y * frame.chromaStride, count: frame.width / 2)
            }
        }
        return bytes
    }

    /// Writes a frame as Y4M when `PROSCENIUM_TEST_PICTURES` names a folder, for a look at it.
    static func keep(_ frame: VideoFrame, _ name: String) throws {
        guard let folder = ProcessInfo.processInfo.environment["PROSCENIUM_TEST_PICTURES"] else { return }
        var data = Data("YUV4MPEG2 W\(frame.width) H\(frame.height) F30:1 Ip A1:1 C420jpeg\nFRAME\n".utf8)
        data.append(contentsOf: bytes(frame))
        try data.write(to: URL(fileURLWithPath: folder).appendingPathComponent(name + ".y4m"))
    }

    /// The largest mean absolute luma difference of any 16×16 block, and where it is.
    static func worstBlock(_ a: VideoFrame, _ b: VideoFrame) -> (difference: Double, x: Int, y: Int) {
        var worst = (difference: 0.0, x: 0, y: 0)
        for top in stride(from: 0, to: a.height, by: 16) {
            for left in stride(from: 0, to: a.width, by: 16) {
                let width = min(16, a.width - left), height = min(16, a.height - top)
                var sum = 0
                for y in top..<(top + height) {
                    for x in left..<(left + width) {
                        sum += abs(Int(a.y[y * a.lumaStride + x]) - Int(b.y[y * b.lumaStride + x]))
                    }
                }
                let mean = Double(sum) / Double(width * height)
                if mean > worst.difference { worst = (mean, left, top) }
            }
        }
        return worst
    }
}
