// The blurred and darkened picture behind a camera that is held upright.

import Control
import Media

/// Makes backdrops: small, blurred, dark; one per thread, because it keeps the last one of each source.
///
/// A backdrop is made at a fixed small size and drawn up to its place. It is made anew only for another picture or
/// another part of it, so that what has not changed compares as the same frame.
final class BackdropPainter {
    /// Large enough that nothing of the grid is seen after the blur, small enough to cost next to nothing.
    static let size = PixelSize(width: 96, height: 54)
    /// Pixels of the small picture that are averaged to each side, three times: close to a Gaussian.
    private static let radius = 3

    private struct Entry {
        var source: VideoFrame, crop: PixelRect, picture: VideoFrame
        var used: UInt64
    }

    private let rasterizer: Rasterizer
    private let pool = VideoFramePool(width: size.width, height: size.height, capacity: 64)
    private var entries: [SceneSource: Entry] = [:]
    private var round: UInt64 = 0
    private var row = [UInt8](repeating: 0, count: max(size.width, size.height))

    /// How many backdrops were made.
    private(set) var made: UInt64 = 0

    init(rasterizer: Rasterizer) { self.rasterizer = rasterizer }

    /// Begins a picture: what the two before did not need is forgotten, so that no source's frames are held for long.
    func begin() {
        round &+= 1
        entries = entries.filter { $1.used &+ 2 >= round }
    }

    /// The backdrop of a part of a picture; nil when too many are in use.
    func picture(_ source: SceneSource, _ frame: VideoFrame, crop: PixelRect) -> VideoFrame? {
        if let entry = entries[source], entry.source === frame, entry.crop == crop {
            entries[source]?.used = round
            return entry.picture
        }
        guard let picture = pool.take() else { return entries[source]?.picture }
        picture.color = .program
        rasterizer.draw(
            frame, crop: crop, on: picture, in: PixelRect(width: picture.width, height: picture.height))
        soften(picture)
        made &+= 1
        entries[source] = Entry(source: frame, crop: crop, picture: picture, used: round)
        return picture
    }

    private func soften(_ picture: VideoFrame) {
        let (width, height) = (picture.width, picture.height)
        blur(picture.y, picture.lumaStride, width, height, Self.radius)
        for plane in [picture.u, picture.v] { blur(plane, picture.chromaStride, width / 2, height / 2, 2) }
        for y in 0..<height {
            let row = picture.y + y * picture.lumaStride
            // Half as bright, so that the picture before it stands out.
            for x in 0..<width { row[x] = UInt8(16 + max(0, Int(row[x]) - 16) / 2) }
        }
        for plane in [picture.u, picture.v] {
            for y in 0..<(height / 2) {
                let row = plane + y * picture.chromaStride
                for x in 0..<(width / 2) { row[x] = UInt8(128 + (Int(row[x]) - 128) * 5 / 8) }
            }
        }
    }

    private func blur(_ plane: UnsafeMutablePointer<UInt8>, _ stride: Int, _ width: Int, _ height: Int, _ radius: Int) {
        for _ in 0..<3 {
            for y in 0..<height { mean(plane + y * stride, step: 1, count: width, radius) }
            for x in 0..<width { mean(plane + x, step: stride, count: height, radius) }
        }
    }

    /// Replaces each value by the mean of its neighbours; the edges are repeated.
    private func mean(_ values: UnsafeMutablePointer<UInt8>, step: Int, count: Int, _ radius: Int) {
        for index in 0..<count { row[index] = values[index * step] }
        let span = 2 * radius + 1
        func at(_ index: Int) -> Int { Int(row[min(max(0, index), count - 1)]) }
        var sum = (-radius...radius).reduce(0) { $0 + at($1) }
        for index in 0..<count {
            values[index * step] = UInt8(truncatingIfNeeded: (sum + span / 2) / span)
            sum += at(index + radius + 1) - at(index - radius)
        }
    }
}
