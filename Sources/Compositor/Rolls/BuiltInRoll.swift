// Colour bars, slate and countdown: rolls without a file.

import Control
import Media
import Synchronization

/// A roll of stills, each shown for a second; the last one stays, or ends with it.
final class BuiltInRoll: Roll {
    private struct State {
        var pictures: [VideoFrame] = []
        var zero: MonotonicTime?
        var position: Int64 = 0
        var end: RollEnd?

        var picture: VideoFrame? {
            guard !pictures.isEmpty else { return nil }
            return pictures[min(Int(max(0, position) / 1_000_000_000), pictures.count - 1)]
        }
    }

    let settled = FirstAnswer<Void>()
    private let media: BuiltInMedia
    private let state = Mutex(State())

    /// Draws the pictures.
    ///
    /// - Parameters:
    ///   - media: which one.
    ///   - shop: draws what has letters.
    ///   - fromMs: where to begin.
    init(_ media: BuiltInMedia, shop: PaintShop, fromMs: Int64 = 0) {
        self.media = media
        state.withLock { $0.position = max(0, min(fromMs, media.durationMs ?? fromMs)) * 1_000_000 }
        if media == .bars {
            state.withLock { $0.pictures = [ColorBars.make(width: 1920, height: 1080)] }
            settled.give()
            return
        }
        let texts = media == .slate ? ["STAND BY"] : (1...10).reversed().map(String.init)
        Task { [self] in
            let pictures = try? await shop.panels(texts, size: PixelSize(width: 960, height: 540))
            state.withLock { state in
                state.pictures = pictures ?? []
                if state.pictures.isEmpty { state.end = .failed("It can't be drawn.") }
            }
            settled.give()
        }
    }

    var isReady: Bool { state.withLock { !$0.pictures.isEmpty } }
    var shown: VideoFrame? { state.withLock { $0.picture } }
    var positionMs: Int64 { state.withLock { $0.position / 1_000_000 } }
    var end: RollEnd? { state.withLock { $0.end } }

    func picture(_ showing: ProgramVideo.Showing, isPlaying: Bool) -> VideoFrame? {
        state.withLock { state in
            if isPlaying, state.end == nil {
                let zero = state.zero ?? showing.begin.advanced(byNanoseconds: -state.position)
                state.zero = zero
                state.position = showing.moment.nanoseconds(since: zero)
                if let length = media.durationMs, state.position >= length * 1_000_000 { state.end = .over }
            } else {
                state.zero = nil
            }
            return state.picture
        }
    }

    func sound(at moment: MonotonicTime, into block: UnsafeMutableBufferPointer<Float>) -> Bool { false }

    func stop() {}
}

/// Colour bars.
enum ColorBars {
    /// Luma, blue and red difference of white, yellow, cyan, green, magenta, red and blue of 75 %, and of black, in
    /// BT.709 limited with 8 bits (ITU-R BT.709-6 item 3: Y' = 0.2126 R' + 0.7152 G' + 0.0722 B'; ITU-R BT.471).
    static let values: [(y: UInt8, u: UInt8, v: UInt8)] = [
        (1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0),
    ].map { (red: Double, green: Double, blue: Double) in
        let r = 0.75 * red, g = 0.75 * green, b = 0.75 * blue
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
        func code(_ value: Double) -> UInt8 { UInt8(clamping: Int(value.rounded())) }
        return (
            code(16 + 219 * luma), code(128 + 224 * (b - luma) / 1.8556), code(128 + 224 * (r - luma) / 1.5748)
        )
    }

    /// Draws eight bars of equal width from left to right.
    ///
    /// - Parameters:
    ///   - width: in pixels, a multiple of 16.
    ///   - height: in pixels, even.
    static func make(width: Int, height: Int) -> VideoFrame {
        let frame = VideoFrame(width: width, height: height)
        frame.color = .program
        for row in 0..<frame.height {
            for column in 0..<frame.width {
                frame.y[row * frame.lumaStride + column] = values[min(7, column * 8 / frame.width)].y
            }
        }
        for row in 0..<frame.height / 2 {
            for column in 0..<frame.width / 2 {
                let value = values[min(7, column * 16 / frame.width)]
                frame.u[row * frame.chromaStride + column] = value.u
                frame.v[row * frame.chromaStride + column] = value.v
            }
        }
        return frame
    }
}

extension PaintShop {
    /// Draws texts, each in the middle of a black picture.
    ///
    /// - Throws: `Failure` when there are no fonts, or too much waits.
    func panels(_ texts: [String], size: PixelSize) async throws(Failure) -> [VideoFrame] {
        try await paint { painter in
            texts.map { VideoFrame(painter.plate($0, width: size.width, height: size.height)) }
        }
    }
}
