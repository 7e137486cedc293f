// Music without a file: a tone, given pass by pass as a process would, with what may go wrong.

import Foundation
import Glibc
import Media
import Synchronization

@testable import Compositor

/// A piece of a tone of whole periods, so that its end and its start join.
final class FakeMusic: Sendable {
    /// What a pass does besides giving the tone.
    enum Fault: Sendable, Equatable {
        /// The process dies after so many samples of the file, each time or the first one.
        case dies(after: Int, isOnce: Bool)
        /// The file is damaged after so many samples.
        case damaged(after: Int)
        /// No process can be started.
        case neverOpens
    }

    /// How many samples the file has, and how many of them are given at once.
    let count: Int, piece: Int
    let frequency: Double, level: Float
    private let fault: Fault?
    private let starts = Mutex<[Int64]>([])
    /// While it is closed passes give nothing.
    private let gate = Mutex<Bool>(true)

    init(
        count: Int, piece: Int = 1000, frequency: Double = 500, level: Float = 0.25, fault: Fault? = nil,
        isOpen: Bool = true
    ) {
        (self.count, self.piece, self.frequency, self.level, self.fault) = (count, piece, frequency, level, fault)
        gate.withLock { $0 = isOpen }
    }

    /// Where passes were begun, in milliseconds.
    var opened: [Int64] { starts.withLock { $0 } }

    func letGo() { gate.withLock { $0 = true } }
    fileprivate var isOpen: Bool { gate.withLock { $0 } }

    func sample(_ at: Int) -> Float { level * Float(sin(2 * Double.pi * frequency * Double(at) / 48_000)) }

    func open(_ fromMs: Int64) -> (any MusicPass)? {
        let number = starts.withLock { starts in
            starts.append(fromMs)
            return starts.count
        }
        guard fault != .neverOpens else { return nil }
        var last = count, end: MusicPiece? = .end
        switch fault {
        case .dies(let after, let isOnce)? where !isOnce || number == 1: (last, end) = (after, nil)
        case .damaged(let after)?: (last, end) = (after, .failure("It is damaged."))
        default: break
        }
        return Pass(self, from: Int(fromMs) * 48, to: min(last, count), end)
    }

    func player(fromMs: Int64 = 0, faults: RollFaults = RollFaults()) -> MusicPlayer {
        MusicPlayer(fromMs: fromMs, pauseMs: 1, faults: faults) { self.open($0) }
    }

    private final class Pass: MusicPass {
        private let music: FakeMusic, last: Int, end: MusicPiece?
        private let state: Mutex<(at: Int, isKilled: Bool)>

        init(_ music: FakeMusic, from: Int, to last: Int, _ end: MusicPiece?) {
            (self.music, self.last, self.end) = (music, last, end)
            state = Mutex((at: from, isKilled: false))
        }

        func nextPiece() -> MusicPiece? {
            while !music.isOpen, !state.withLock({ $0.isKilled }) { usleep(500) }
            let (from, isKilled) = state.withLock { state in
                defer { state.at += music.piece }
                return (state.at, state.isKilled)
            }
            if isKilled { return nil }
            guard from < last else { return end }
            let until = min(last, from + music.piece)
            var samples: [Float] = []
            samples.reserveCapacity(2 * (until - from))
            for at in from..<until {
                let sample = music.sample(at)
                samples.append(sample)
                samples.append(sample)
            }
            return .samples(samples, position: Int64(from))
        }

        func kill() { state.withLock { $0.isKilled = true } }

        func finish() -> Bool { end != nil }
    }
}

extension MusicPlayer {
    /// Blocks that were not there when they were due.
    var gaps: UInt64 { faults.soundGaps.load(ordering: .relaxed) }

    /// Reads blocks as soon as they are there; stops at one that never comes.
    ///
    /// - Returns: the left side.
    func left(blocks: Int, loops: Bool = true) -> [Float] {
        var samples: [Float] = [], block = [Float](repeating: 1, count: 960)
        for _ in 0..<blocks {
            waitForMore()
            guard block.withUnsafeMutableBufferPointer({ read(into: $0, loops: loops) }) else { break }
            samples += stride(from: 0, to: 960, by: 2).map { block[$0] }
        }
        return samples
    }

    /// Waits until the next block is there, or nothing comes any more.
    func waitForMore() {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while !hasAhead, SystemClock.monotonic() < deadline { usleep(200) }
    }
}
