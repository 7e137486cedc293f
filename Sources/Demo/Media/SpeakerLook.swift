// What a synthetic speaker looks and sounds like at each moment of its loop.

import Foundation
import Media

/// The picture and the sound of one speaker: a counter, a moving block, a flash with a beep at each full second.
struct SpeakerLook: Sendable, Hashable {
    /// The size of every picture.
    static let width = 640, height = 360
    /// Where the picture turns white for the flash.
    static let flashArea = CanvasRect(x: 400, y: 60, width: 200, height: 200)
    /// Where the counter stands.
    static let counterArea = CanvasRect(x: 40, y: 70, width: 330, height: 180)
    /// How long flash and beep last.
    static let flashMs = 100
    /// The height of the beep over silence: three at once stay below full scale.
    static let amplitude: Float = 0.25

    /// The speaker's colour, 0…255 each.
    var red: Int, green: Int, blue: Int
    /// The pitch of the beep.
    var pitchHz: Double

    /// Draws what never changes.
    func background() -> VideoFrame {
        let frame = VideoFrame(width: Self.width, height: Self.height)
        frame.color = .vp8
        for band in 0..<(Self.height / 8) {
            // From two thirds of the colour at the top to a third of it at the bottom.
            let part = 170 - 85 * band / (Self.height / 8)
            let color = YUVColor(red: red * part / 255, green: green * part / 255, blue: blue * part / 255)
            frame.fill(CanvasRect(x: 0, y: 8 * band, width: Self.width, height: 8), color)
        }
        return frame
    }

    /// Draws one picture of the loop.
    ///
    /// - Parameters:
    ///   - index: the picture, from 0; the counter shows it.
    ///   - count: how many pictures the loop has; the block is back where it began at the end.
    ///   - background: from `background()`.
    ///   - frame: what is drawn to.
    func draw(_ index: Int, of count: Int, over background: VideoFrame, to frame: VideoFrame) {
        frame.copy(background)
        frame.color = .vp8
        let light = YUVColor(red: (red + 765) / 4, green: (green + 765) / 4, blue: (blue + 765) / 4)
        frame.draw(number: index, digits: 3, in: Self.counterArea, light)
        let dark = YUVColor(red: red / 5, green: green / 5, blue: blue / 5)
        frame.fill(Self.flashArea, isFlash(index) ? .white : dark)
        let turn = 2 * index < count ? 2 * index : 2 * (count - index)
        let x = (Self.width - 60) * turn / max(1, count)
        frame.fill(CanvasRect(x: x, y: 290, width: 60, height: 40), light)
    }

    /// Whether a picture of the loop shows the flash.
    func isFlash(_ index: Int) -> Bool {
        index % MediaLoop.framesPerSecond * 1000 < Self.flashMs * MediaLoop.framesPerSecond
    }

    /// The sound at a sample of the loop, at 48 kHz.
    func sample(_ index: Int) -> Float {
        let rate = 48_000, length = Self.flashMs * rate / 1000, ramp = 240
        let at = ((index % rate) + rate) % rate
        guard at < length else { return 0 }
        // 5 ms up and down, so that it does not click.
        let edge = min(1, Float(min(at, length - at)) / Float(ramp))
        return Self.amplitude * edge * Float(sin(2 * Double.pi * pitchHz * Double(at) / Double(rate)))
    }
}
