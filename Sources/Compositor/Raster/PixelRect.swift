// Rectangles in whole pixels, kept even so that chroma never shifts.

/// A rectangle in pixels of a picture, from its upper left corner.
public struct PixelRect: Hashable, Sendable, Codable {
    /// The left edge, and the upper edge.
    public var x: Int, y: Int
    /// The size.
    public var width: Int, height: Int

    /// Creates a rectangle.
    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// The rectangle of a whole picture.
    public init(width: Int, height: Int) { self.init(x: 0, y: 0, width: width, height: height) }

    /// The first column on the right, and the first row below, that do not belong to it.
    public var right: Int { x &+ width }
    /// The first row below that does not belong to it.
    public var bottom: Int { y &+ height }
    /// Whether it holds no pixel.
    public var isEmpty: Bool { width <= 0 || height <= 0 }

    /// Whether two rectangles share a pixel.
    public func intersects(_ other: Self) -> Bool {
        !isEmpty && !other.isEmpty && x < other.right && other.x < right && y < other.bottom && other.y < bottom
    }

    /// The part that lies inside another rectangle; empty when there is none.
    public func clipped(to other: Self) -> Self {
        let left = max(x, other.x), top = max(y, other.y)
        return Self(
            x: left, y: top, width: max(0, min(right, other.right) - left),
            height: max(0, min(bottom, other.bottom) - top))
    }

    /// The nearest rectangle whose edges are all even, so that each chroma sample belongs to one side only.
    public var evened: Self {
        func even(_ value: Int) -> Int { (value &+ 1) & ~1 }
        let left = x & ~1, top = y & ~1
        return Self(x: left, y: top, width: max(0, even(right) - left), height: max(0, even(bottom) - top))
    }
}
