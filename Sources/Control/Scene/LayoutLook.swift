// What a layout says of its look and of what it does by itself: borders, upright pictures, safe areas, order, transition.

extension Layout {
    /// In which order `auto` takes the people on stage.
    public enum Order: String, Sendable, Codable, Hashable, CaseIterable {
        /// As they stand on the stage.
        case stage
        /// Who speaks first; the others keep their places as far as that goes.
        case speaking
    }

    /// How the picture of a camera that is held upright fills a place that is wider than high.
    public enum Portrait: String, Sendable, Codable, Hashable, CaseIterable {
        /// It is cropped to a band.
        case fill
        /// It is seen whole; the background shows beside it.
        case fit
        /// It is seen whole before its own blurred and darkened picture.
        case blurFill = "blur-fill"
    }

    /// A line around a tile, drawn inside its edge.
    public struct Border: Hashable, Sendable, Codable {
        /// Its width in units, above 0 and at most 2.
        public var width: Double
        /// Its colour; nil for none while nobody speaks there.
        public var color: RGBColor?
        /// Its colour while the participant speaks; nil for `color`.
        public var active: RGBColor?

        /// Creates a border.
        public init(width: Double, color: RGBColor?, active: RGBColor? = nil) {
            self.width = width
            self.color = color
            self.active = active
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case width, color, active }

        /// Reads a border; one of the colours must be there.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            width = try values.decode(Double.self, forKey: .width)
            guard width > 0, width <= 2 else { throw values.invalid(.width, "outside 0…2, or 0") }
            color = try values.decodeIfPresent(RGBColor.self, forKey: .color)
            active = try values.decodeIfPresent(RGBColor.self, forKey: .active)
            guard color != nil || active != nil else { throw values.invalid(.color, "neither color nor active") }
        }
    }

    /// Edges of the canvas to stay out of, in units.
    public struct Insets: Hashable, Sendable, Codable {
        /// How far from each edge; 0 or more.
        public var top: Double, bottom: Double, left: Double, right: Double

        /// Creates edges; none by default.
        public init(top: Double = 0, bottom: Double = 0, left: Double = 0, right: Double = 0) {
            self.top = top
            self.bottom = bottom
            self.left = left
            self.right = right
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case top, bottom, left, right }

        /// Reads edges; each is 0 when missing.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            func edge(_ key: CodingKeys) throws -> Double {
                let value = try values.decodeIfPresent(Double.self, forKey: key) ?? 0
                guard (0...64).contains(value) else { throw values.invalid(key, "outside 0…64") }
                return value
            }
            self.init(
                top: try edge(.top), bottom: try edge(.bottom), left: try edge(.left), right: try edge(.right))
        }

        func area(of grid: (width: Double, height: Double)) -> GridRect {
            GridRect(x: left, y: top, width: grid.width - left - right, height: grid.height - top - bottom)
        }
    }

    /// How one picture becomes the other when nobody says it.
    public struct Transition: Hashable, Sendable, Codable {
        /// The kind.
        public var kind: ProgramChange.Transition.Kind
        /// How long it takes, 0…5000 ms.
        public var durationMs: Int64

        /// Creates a transition.
        public init(kind: ProgramChange.Transition.Kind, durationMs: Int64) {
            self.kind = kind
            self.durationMs = durationMs
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case kind, durationMs }

        /// Reads a transition; it takes 300 ms when nothing else is said.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            guard let kind = try values.choice(ProgramChange.Transition.Kind.self, .kind) else {
                throw DecodingError.keyNotFound(
                    CodingKeys.kind, .init(codingPath: values.codingPath, debugDescription: ""))
            }
            self.kind = kind
            durationMs = try values.decodeIfPresent(Int64.self, forKey: .durationMs) ?? 300
            guard (0...5000).contains(durationMs) else { throw values.invalid(.durationMs, "outside 0…5000") }
        }

        /// The same as a change of the program has it.
        package var change: ProgramChange.Transition {
            .init(kind: kind, milliseconds: kind == .cut ? 0 : durationMs)
        }
    }
}

extension GridRect {
    /// The part that lies inside another rectangle, or the rectangle itself when there is none.
    package func clipped(to other: GridRect) -> GridRect {
        let left = max(x, other.x), top = max(y, other.y)
        let right = min(x + width, other.x + other.width), low = min(bottom, other.bottom)
        guard right > left, low > top else { return self }
        return GridRect(x: left, y: top, width: right - left, height: low - top)
    }

    /// The rectangle moved as little as brings it inside another, and made smaller when that is not enough.
    package func moved(into other: GridRect) -> GridRect {
        let width = min(width, other.width), height = min(height, other.height)
        return GridRect(
            x: min(max(x, other.x), other.x + other.width - width),
            y: min(max(y, other.y), other.bottom - height), width: width, height: height)
    }
}
