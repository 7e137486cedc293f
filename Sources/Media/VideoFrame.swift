// Raw pictures in I420, pooled, with their colour description.

/// How the numbers of a picture are to be read.
public struct ColorDescription: Hashable, Sendable {
    /// The matrix between RGB and YUV.
    public enum Matrix: Sendable, Hashable { case bt601, bt709 }
    /// The matrix.
    public var matrix: Matrix
    /// Whether luma uses 0…255 instead of 16…235.
    public var isFullRange: Bool

    /// Creates a description.
    public init(matrix: Matrix, isFullRange: Bool) {
        self.matrix = matrix
        self.isFullRange = isFullRange
    }

    /// What the program is: BT.709, limited range.
    public static let program = ColorDescription(matrix: .bt709, isFullRange: false)
    /// What browsers send in VP8, and in other codecs unless they say otherwise: BT.601, limited range.
    public static let vp8 = ColorDescription(matrix: .bt601, isFullRange: false)
}

/// How far a picture is turned clockwise before it is seen (3GPP TS 26.114, clause 7.4.5: coordination of video orientation).
public enum PictureRotation: UInt8, Sendable, Hashable, CaseIterable {
    /// Not at all, or by 90, 180 or 270 degrees.
    case none, clockwise90, half, clockwise270

    /// Whether width and height change places.
    public var swapsSides: Bool { self == .clockwise90 || self == .clockwise270 }
}

/// The memory of one I420 picture: three planes in one allocation, rows padded to 64 bytes.
///
/// A frame is written by the one owner that took it from its pool, and is only read once it has been handed on;
/// that hand-over goes through a queue, which orders the memory.
public final class VideoFrame: @unchecked Sendable {
    /// Width and height of the luma plane in pixels, both even.
    public let width: Int, height: Int
    /// Bytes from one row to the next.
    public let lumaStride: Int, chromaStride: Int
    /// The planes; chroma planes have half the width and height.
    public let y: UnsafeMutablePointer<UInt8>, u: UnsafeMutablePointer<UInt8>, v: UnsafeMutablePointer<UInt8>
    /// How the numbers are to be read.
    public var color: ColorDescription = .program
    /// How the picture is to be turned before it is seen.
    public var rotation: PictureRotation = .none
    /// What the picture lets through; nil for one that covers all behind it, as cameras and screens do.
    public var alpha: AlphaPlanes?
    /// When the last byte of what it was decoded from had come; nil for what did not come live.
    public var arrival: MonotonicTime?
    /// Presentation time in nanoseconds of the clock that the owner names.
    public var timestampNanoseconds: Int64 = 0
    private let memory: UnsafeMutableRawPointer

    /// Allocates a picture; odd sizes are rounded up to even ones.
    ///
    /// - Parameters:
    ///   - width: luma width in pixels, 2…16384.
    ///   - height: luma height in pixels, 2…16384.
    public init(width: Int, height: Int) {
        self.width = (min(max(2, width), 16384) + 1) & ~1
        self.height = (min(max(2, height), 16384) + 1) & ~1
        lumaStride = (self.width + 63) & ~63
        chromaStride = (self.width / 2 + 63) & ~63
        let lumaBytes = lumaStride * self.height, chromaBytes = chromaStride * (self.height / 2)
        // 64 spare bytes let vector loops read past the last row's end.
        memory = .allocate(byteCount: lumaBytes + 2 * chromaBytes + 64, alignment: 64)
        y = memory.assumingMemoryBound(to: UInt8.self)
        u = y + lumaBytes
        v = u + chromaBytes
    }

    deinit { memory.deallocate() }

    /// Fills the whole picture with one colour.
    public func fill(y luma: UInt8, u blue: UInt8, v red: UInt8) {
        y.update(repeating: luma, count: lumaStride * height)
        u.update(repeating: blue, count: chromaStride * (height / 2))
        v.update(repeating: red, count: chromaStride * (height / 2))
    }
}

/// A bounded store of frames of one size, so that steady state allocates nothing.
///
/// Taken frames return by themselves: a frame is free again when nobody but the pool refers to it.
public final class VideoFramePool {
    private var frames: [VideoFrame] = []
    private let width: Int, height: Int, capacity: Int
    private var next = 0

    /// Creates an empty pool, confined to the thread that takes from it.
    ///
    /// - Parameters:
    ///   - width: luma width in pixels.
    ///   - height: luma height in pixels.
    ///   - capacity: how many frames may be out at once.
    public init(width: Int, height: Int, capacity: Int) {
        self.width = width
        self.height = height
        self.capacity = max(1, capacity)
    }

    /// Returns a free frame with undefined content, or nil when `capacity` frames are in use.
    public func take() -> VideoFrame? {
        for _ in 0..<frames.count {
            next = next + 1 < frames.count ? next + 1 : 0
            if isKnownUniquelyReferenced(&frames[next]) { return frames[next] }
        }
        guard frames.count < capacity else { return nil }
        let frame = VideoFrame(width: width, height: height)
        frames.append(frame)
        return frame
    }
}
