// Pictures that let through what is behind them: scaled like others, on a layer of their own first.

public import Media

/// Lays pictures with alpha on canvases; one per thread, because it owns scratch memory.
final class TransparentPainter {
    private let scaler: PlaneScaler
    /// One plane of the picture in the size of its place, and the alpha that belongs to it.
    private var layer: [UInt8] = []

    init(scaler: PlaneScaler) { self.scaler = scaler }

    /// Lays a part of a picture over a rectangle of the canvas.
    ///
    /// - Parameters:
    ///   - source: the picture, in the canvas's colours.
    ///   - alpha: its alpha.
    ///   - part: the part as it is stored, even and inside the picture.
    ///   - canvas: the picture to draw on.
    ///   - rect: where, even and inside the canvas.
    ///   - isMirrored: whether left and right change places.
    func draw(
        _ source: VideoFrame, _ alpha: AlphaPlanes, _ part: PixelRect, on canvas: VideoFrame, in rect: PixelRect,
        isMirrored: Bool
    ) {
        let plane = rect.width * rect.height
        // Vector loops may read, but not write, past the end of a plane.
        if layer.count < 2 * plane + 64 { layer = [UInt8](repeating: 0, count: 2 * plane + 64) }
        layer.withUnsafeMutableBufferPointer { layer in
            guard let colors = layer.baseAddress else { return }
            let covers = colors + plane
            func scale(
                _ input: UnsafePointer<UInt8>, _ stride: Int, _ shift: Int, to output: UnsafeMutablePointer<UInt8>
            ) {
                let (width, height) = (rect.width >> shift, rect.height >> shift)
                scaler.scale(
                    .init(
                        pointer: input + (part.y >> shift) * stride + (part.x >> shift), stride: stride,
                        width: part.width >> shift, height: part.height >> shift),
                    turned: source.rotation,
                    onto: .init(pointer: output, stride: width, width: width, height: height), isMirrored: isMirrored)
            }
            func lay(_ output: UnsafeMutablePointer<UInt8>, _ stride: Int, _ shift: Int) {
                let (width, height) = (rect.width >> shift, rect.height >> shift)
                for row in 0..<height {
                    RowKernels.over(
                        colors + row * width, alpha: covers + row * width,
                        onto: output + ((rect.y >> shift) + row) * stride + (rect.x >> shift), count: width)
                }
            }
            scale(alpha.luma, source.lumaStride, 0, to: covers)
            scale(source.y, source.lumaStride, 0, to: colors)
            lay(canvas.y, canvas.lumaStride, 0)
            scale(alpha.chroma, source.chromaStride, 1, to: covers)
            for (input, output) in [(source.u, canvas.u), (source.v, canvas.v)] {
                scale(input, source.chromaStride, 1, to: colors)
                lay(output, canvas.chromaStride, 1)
            }
        }
    }
}

extension VideoFrame {
    /// Converts a picture to the program's I420 and keeps what it lets through; an odd edge is repeated.
    ///
    /// - Parameter bitmap: the picture; one without transparency becomes a frame without alpha.
    public convenience init(keepingAlphaOf bitmap: RGBABitmap) {
        guard !bitmap.isOpaque else {
            self.init(bitmap)
            return
        }
        self.init(width: bitmap.width, height: bitmap.height)
        let planes = OverlayPlanes(bitmap), alpha = AlphaPlanes(for: self)
        for row in 0..<height {
            let from = row * planes.width, to = row * lumaStride
            (y + to).update(from: planes.y + from, count: width)
            (alpha.luma + to).update(from: planes.a + from, count: width)
        }
        for row in 0..<(height / 2) {
            let from = row * planes.width / 2, to = row * chromaStride
            (u + to).update(from: planes.u + from, count: width / 2)
            (v + to).update(from: planes.v + from, count: width / 2)
            (alpha.chroma + to).update(from: planes.chromaAlpha + from, count: width / 2)
        }
        self.alpha = alpha
    }
}
