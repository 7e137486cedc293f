// What the program is like that goes back to its speakers.

import Control
import Media

/// The size and rate of the return feed's picture.
struct ReturnFormat: Sendable, Hashable {
    /// The longer side in pixels at most: enough to see who is on, and what it looks like.
    static let longSide = 640
    /// In which codecs the picture goes back: everybody gets the first, and the other who can't take that.
    static let codecs: [Codec] = [.vp8, .h264]
    /// Of picture in each codec, in bits per second.
    static let bitrate = 600_000
    /// Of each mix, in bits per second: stereo, speech and music.
    static let mixBitrate = 64_000

    /// The size in pixels, both even; never larger than the program.
    let size: PixelSize
    /// The program's frame rate; pictures are left out of it, never added.
    let frameRate: FrameRate

    /// Fits the feed to a program.
    init(_ program: ProgramFormat) {
        let long = max(program.canvas.width, program.canvas.height), limit = Self.longSide
        func scaled(_ side: Int) -> Int {
            long <= limit ? side : max(2, (side * limit + long) / (2 * long) * 2)
        }
        size = PixelSize(width: scaled(program.canvas.width), height: scaled(program.canvas.height))
        frameRate = program.frameRate
    }
}
