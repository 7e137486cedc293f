// What a sender tells beside a picture: how it is turned, and how its numbers are to be read.

/// What was told of a picture's colour; what was not told is nil.
public struct ColorSignal: Hashable, Sendable {
    /// The matrix between RGB and YUV.
    public var matrix: ColorDescription.Matrix?
    /// Whether luma uses 0…255 instead of 16…235.
    public var isFullRange: Bool?

    /// Creates a signal that tells what is given.
    public init(matrix: ColorDescription.Matrix? = nil, isFullRange: Bool? = nil) {
        self.matrix = matrix
        self.isFullRange = isFullRange
    }

    /// Creates a signal that tells all of a description.
    public init(_ description: ColorDescription) {
        self.init(matrix: description.matrix, isFullRange: description.isFullRange)
    }

    /// Nothing was told.
    public static let untold = ColorSignal()

    /// The description of a picture: what was told, and of another description what was not.
    public func description(otherwise fallback: ColorDescription) -> ColorDescription {
        ColorDescription(matrix: matrix ?? fallback.matrix, isFullRange: isFullRange ?? fallback.isFullRange)
    }
}

/// What a sender tells beside a picture.
public struct PictureSignal: Hashable, Sendable {
    /// How the picture is to be turned before it is seen.
    public var rotation: PictureRotation
    /// How its numbers are to be read.
    public var color: ColorSignal

    /// Creates a signal; by itself of an upright picture whose colour is not told.
    public init(rotation: PictureRotation = .none, color: ColorSignal = .untold) {
        self.rotation = rotation
        self.color = color
    }
}
