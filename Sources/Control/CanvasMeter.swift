// What a producer asks of the program's picture in numbers, and what the compositor answers.

/// A rectangle of the program's picture, in pixels from its upper left corner.
public struct CanvasArea: Sendable, Codable, Hashable {
    /// Where it begins.
    public var x: Int, y: Int
    /// How large it is.
    public var width: Int, height: Int

    /// Creates an area.
    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }
}

extension CanvasArea {
    /// The most pixels that are read at once: a picture of 4K, or four of 1080p.
    public static let pixelLimit = 3840 * 2160

    /// How many pixels areas have in a picture, one that several share counted for each.
    ///
    /// - Parameters:
    ///   - areas: the areas; what lies outside the picture counts nothing.
    ///   - width: of the picture.
    ///   - height: of the picture.
    public static func pixels(of areas: [CanvasArea], width: Int, height: Int) -> Int {
        func length(_ start: Int, _ length: Int, _ limit: Int) -> Int {
            let end = start.addingReportingOverflow(length)
            return max(0, (end.overflow ? limit : min(end.partialValue, limit)) - min(max(0, start), limit))
        }
        return areas.reduce(0) { sum, area in
            sum + length(area.x, area.width, width) * length(area.y, area.height, height)
        }
    }
}

/// The program's picture in numbers, as it goes into the encoder: BT.709, limited range.
public struct CanvasReading: Sendable, Codable, Hashable {
    /// The mean code values of an area.
    public struct Mean: Sendable, Codable, Hashable {
        /// The area.
        public var area: CanvasArea
        /// Luma, 16 (black) to 235 (white), and both colour differences, 128 for grey; nil for an area outside the picture.
        public var luma: Double?, cb: Double?, cr: Double?

        /// Creates the means of an area.
        public init(area: CanvasArea, luma: Double? = nil, cb: Double? = nil, cr: Double? = nil) {
            self.area = area
            self.luma = luma
            self.cb = cb
            self.cr = cr
        }
    }

    /// The picture's size.
    public var width: Int, height: Int
    /// The areas, in the order in which they were asked for.
    public var areas: [Mean]

    /// Creates a reading.
    public init(width: Int, height: Int, areas: [Mean]) {
        self.width = width
        self.height = height
        self.areas = areas
    }
}
