// How much each pixel of a picture covers what is behind it.

/// The alpha of an I420 picture: a plane for luma and one for chroma, with the strides of the picture's own.
///
/// The picture's planes are multiplied with it, code values and all, because that is what can be scaled and laid over
/// others: `target = picture + target · (255 − alpha) / 255`. Only pictures in the program's colours have one.
public final class AlphaPlanes: @unchecked Sendable {
    /// As many rows as the picture has, and half as many; 255 covers wholly.
    public let luma: UnsafeMutablePointer<UInt8>, chroma: UnsafeMutablePointer<UInt8>
    /// How much memory both take.
    public let bytes: Int

    /// Makes planes that cover nothing.
    ///
    /// - Parameter picture: whose alpha it will be.
    public init(for picture: VideoFrame) {
        let lumaBytes = picture.lumaStride * picture.height
        bytes = lumaBytes + picture.chromaStride * (picture.height / 2)
        // 64 spare bytes, as a picture has them for vector loops.
        luma = .allocate(capacity: bytes + 64)
        luma.initialize(repeating: 0, count: bytes + 64)
        chroma = luma + lumaBytes
    }

    deinit { luma.deallocate() }
}
