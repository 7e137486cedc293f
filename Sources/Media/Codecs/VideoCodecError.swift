// Why a video codec refused to work, whichever library does it.

/// Why a video codec refused to work.
public enum VideoCodecError: Error, Equatable, Sendable {
    /// The library could not be set up.
    case setup(code: Int32)
    /// The payload is not of the codec, is damaged, or depends on pictures that are not there.
    case corrupt(code: Int32)
    /// The picture is larger than the caller allows.
    case tooLarge(width: Int, height: Int)
    /// No frame was free to receive the picture.
    case noFreeFrame
    /// The picture given to the encoder has another size than it was set up for.
    case wrongSize
}
