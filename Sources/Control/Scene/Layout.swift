// A layout: where the slots are, in grid units, read from a file and checked.

/// A layout as its file says it.
///
/// Lengths are in grid units of 1/36 of the canvas's short side, so that a layout survives a change of resolution: a 16:9
/// canvas is 64 × 36 units.
public struct Layout: Hashable, Sendable, Codable {
    /// The name that scenes use; a slug.
    public var name: String
    /// What a producer reads; at most 128 bytes.
    public var title: String
    /// The shape of the canvas.
    public var canvas: Aspect
    /// What lies behind when the scene says nothing.
    public var background: Background
    /// The slots, back to front.
    public var slots: [Slot]
    /// Where lower thirds lie: the first one at the lower edge, more above it.
    public var lowerThird: GridRect
    /// Where a countdown lies; nil for the middle.
    public var countdown: GridRect?
    /// The edges that overlays, and tiles that are laid out by a flow, stay out of.
    public var safe: Insets
    /// The layout that takes over while somebody on stage shares a screen; nil for none.
    public var share: String?
    /// How a take comes that does not say it, and how tiles change their places by themselves; nil for a cut.
    public var transition: Transition?

    /// The shape of the canvas, such as `[16, 9]`.
    public struct Aspect: Hashable, Sendable, Codable {
        /// Two whole numbers in 1…100.
        public var width: Int, height: Int

        /// Creates a shape.
        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }

        /// Reads `[width, height]`.
        public init(from decoder: any Decoder) throws {
            let pair = try decoder.singleValueContainer().decode([Int].self)
            guard pair.count == 2, pair.allSatisfy({ (1...100).contains($0) }) else {
                throw decoder.invalid("a shape is [width, height], both in 1…100")
            }
            self.init(width: pair[0], height: pair[1])
        }

        /// Writes `[width, height]`.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode([width, height])
        }

        /// The size of the canvas in grid units.
        package var grid: (width: Double, height: Double) {
            let unit = Double(min(width, height)) / 36
            return (Double(width) / unit, Double(height) / unit)
        }
    }

    /// How a picture of another shape fills its rectangle.
    public enum Fit: String, Sendable, Codable, Hashable, CaseIterable {
        /// It covers the rectangle; what does not fit is cropped.
        case fill
        /// It is seen whole; the background shows beside it.
        case fit
    }

    /// A kind of source.
    public enum Kind: String, Sendable, Codable, Hashable, CaseIterable {
        /// A participant's camera.
        case participant
        /// A shared screen.
        case screen
        /// A page of slides.
        case slides
        /// A video roll.
        case media
        /// A picture.
        case image
        /// A stream over RTMPS.
        case ingest
    }

    /// How several sources share a slot.
    public struct Flow: Hashable, Sendable, Codable {
        /// The way they are laid out; `grid` takes the rows and columns that make the tiles largest.
        public enum Direction: String, Sendable, Codable, CaseIterable { case row, column, grid }
        /// The way they are laid out.
        public var direction: Direction
        /// How many are shown at most, 1…64; the rest is left out.
        public var max: Int
        /// Units between tiles.
        public var gap: Double
        /// The shape of each tile.
        public var tile: Aspect

        /// Creates a flow.
        public init(direction: Direction, max: Int, gap: Double, tile: Aspect) {
            self.direction = direction
            self.max = max
            self.gap = gap
            self.tile = tile
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case direction, max, gap, tile }

        /// Reads a flow; `gap` is 0.5 and `tile` 16:9 when missing.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            guard let direction = try values.choice(Direction.self, .direction) else {
                throw DecodingError.keyNotFound(
                    CodingKeys.direction, .init(codingPath: values.codingPath, debugDescription: ""))
            }
            self.direction = direction
            max = try values.decode(Int.self, forKey: .max)
            guard (1...64).contains(max) else { throw values.invalid(.max, "outside 1…64") }
            gap = try values.decodeIfPresent(Double.self, forKey: .gap) ?? 0.5
            guard (0...16).contains(gap) else { throw values.invalid(.gap, "outside 0…16") }
            tile = try values.decodeIfPresent(Aspect.self, forKey: .tile) ?? Aspect(width: 16, height: 9)
        }
    }

    /// One slot.
    public struct Slot: Hashable, Sendable, Codable {
        /// The name that scenes use; unique in the layout.
        public var id: String
        /// Where it lies.
        public var rect: GridRect
        /// What it takes; anything else is not shown in it.
        public var accepts: Set<Kind>
        /// What fills it when the scene does not say.
        public var content: SlotSources
        /// How pictures fill it.
        public var fit: Fit
        /// Where a cropped picture is held: `[0, 0]` upper left, `[1, 1]` lower right.
        public var anchor: Anchor
        /// Radius of the corners in units.
        public var corner: Double
        /// How several sources share it; nil for one.
        public var flow: Flow?
        /// In which order `auto` takes people.
        public var order: Order
        /// Where it lies while no other slot shows anything; nil for `rect`.
        public var alone: GridRect?
        /// How the picture of an upright phone fills a place that is wider than high; nil for `blurFill` where `fit` is `fill`.
        public var portrait: Portrait?
        /// A line around each tile; nil for none.
        public var border: Border?

        private enum CodingKeys: String, CodingKey, CaseIterable {
            case id, rect, accepts, content = "default", fit, anchor, corner, flow, order, alone, portrait, border
        }

        /// Reads a slot; `accepts` everything, `default` nothing, `fit` fill, `anchor` the middle, `corner` 0, `order` stage when
        /// missing.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            id = try values.text(.id, limit: 64)
            guard Layout.isSlug(id) else { throw values.invalid(.id, "lower-case letters, digits and hyphens") }
            rect = try values.decode(GridRect.self, forKey: .rect)
            accepts = Set(Kind.allCases)
            if values.contains(.accepts) {
                var list = try values.nestedUnkeyedContainer(forKey: .accepts)
                accepts = []
                while !list.isAtEnd {
                    let path = list.codingPath + [AnyKey(intValue: list.currentIndex)].compactMap { $0 }
                    let text = try list.decode(String.self)
                    guard let kind = Kind(rawValue: text) else {
                        throw DecodingError.dataCorrupted(
                            .init(
                                codingPath: path,
                                debugDescription: Kind.allCases.map(\.rawValue).joined(separator: ", ")))
                    }
                    accepts.insert(kind)
                }
            }
            content = try values.decodeIfPresent(SlotSources.self, forKey: .content) ?? SlotSources([])
            fit = try values.choice(Fit.self, .fit) ?? .fill
            anchor = try values.decodeIfPresent(Anchor.self, forKey: .anchor) ?? .middle
            corner = try values.decodeIfPresent(Double.self, forKey: .corner) ?? 0
            guard (0...18).contains(corner) else { throw values.invalid(.corner, "outside 0…18") }
            flow = try values.decodeIfPresent(Flow.self, forKey: .flow)
            order = try values.choice(Order.self, .order) ?? .stage
            alone = try values.decodeIfPresent(GridRect.self, forKey: .alone)
            portrait = try values.choice(Portrait.self, .portrait)
            border = try values.decodeIfPresent(Border.self, forKey: .border)
        }

        /// Writes a slot; `accepts` in a fixed order.
        public func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(id, forKey: .id)
            try values.encode(rect, forKey: .rect)
            try values.encode(Kind.allCases.filter(accepts.contains), forKey: .accepts)
            try values.encode(content, forKey: .content)
            try values.encode(fit, forKey: .fit)
            try values.encode(anchor, forKey: .anchor)
            try values.encode(corner, forKey: .corner)
            try values.encodeIfPresent(flow, forKey: .flow)
            try values.encode(order, forKey: .order)
            try values.encodeIfPresent(alone, forKey: .alone)
            try values.encodeIfPresent(portrait, forKey: .portrait)
            try values.encodeIfPresent(border, forKey: .border)
        }
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case name, title, canvas, background, slots, lowerThird, countdown, safe, share, transition
    }

    /// Reads a layout and checks it: slots lie on the canvas, have different names, and are not more than 32.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.text(.name, limit: 64)
        guard Self.isSlug(name) else { throw values.invalid(.name, "lower-case letters, digits and hyphens") }
        title = try values.textIfPresent(.title, limit: 128) ?? name
        canvas = try values.decodeIfPresent(Aspect.self, forKey: .canvas) ?? Aspect(width: 16, height: 9)
        background =
            try values.decodeIfPresent(Background.self, forKey: .background)
            ?? .color(RGBColor(red: 16, green: 24, blue: 40))
        slots = try values.decode([Slot].self, forKey: .slots)
        guard (1...32).contains(slots.count) else { throw values.invalid(.slots, "a layout has 1…32 slots") }
        let grid = canvas.grid
        var seen: Set<String> = []
        for (index, slot) in slots.enumerated() {
            let place = values.codingPath + [CodingKeys.slots] + [AnyKey(intValue: index)].compactMap { $0 }
            guard seen.insert(slot.id).inserted else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: place + [AnyKey("id")], debugDescription: "a second slot \"\(slot.id)\""))
            }
            for (key, rect) in [("rect", slot.rect), ("alone", slot.alone ?? slot.rect)] where !rect.isInside(grid) {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: place + [AnyKey(key)], debugDescription: Self.outside(grid)))
            }
        }
        safe = try values.decodeIfPresent(Insets.self, forKey: .safe) ?? Insets()
        let area = safe.area(of: grid)
        guard area.width >= 16, area.height >= 9 else {
            throw values.invalid(.safe, "leaves less than 16 × 9 units")
        }
        lowerThird =
            try values.decodeIfPresent(GridRect.self, forKey: .lowerThird)
            ?? GridRect(x: area.x + 1.5, y: area.bottom - 6, width: min(32, area.width - 3), height: 4.5)
        guard lowerThird.isInside(grid) else { throw values.invalid(.lowerThird, Self.outside(grid)) }
        countdown = try values.decodeIfPresent(GridRect.self, forKey: .countdown)
        if let countdown, !countdown.isInside(grid) { throw values.invalid(.countdown, Self.outside(grid)) }
        share = try values.textIfPresent(.share, limit: 64)
        if let share, !Self.isSlug(share) || share == name {
            throw values.invalid(.share, "the name of another layout")
        }
        transition = try values.decodeIfPresent(Transition.self, forKey: .transition)
    }

    /// What overlays, and tiles that are laid out by a flow, stay inside, in grid units.
    package var safeArea: GridRect { safe.area(of: canvas.grid) }

    private static func outside(_ grid: (width: Double, height: Double)) -> String {
        func short(_ value: Double) -> String { value == value.rounded() ? String(Int(value)) : String(value) }
        return "outside the canvas of \(short(grid.width)) × \(short(grid.height)) units"
    }

    package static func isSlug(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
    }
}

/// A rectangle in grid units, written `[x, y, width, height]`.
public struct GridRect: Hashable, Sendable, Codable {
    /// Upper left corner and size.
    public var x: Double, y: Double, width: Double, height: Double

    /// Creates a rectangle.
    public init(x: Double, y: Double, width: Double, height: Double) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// Reads four numbers.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.singleValueContainer().decode([Double].self)
        guard values.count == 4, values[2] > 0, values[3] > 0 else {
            throw decoder.invalid("a rectangle is [x, y, width, height] in grid units, width and height above 0")
        }
        self.init(x: values[0], y: values[1], width: values[2], height: values[3])
    }

    /// Writes four numbers.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode([x, y, width, height])
    }

    /// The edge below.
    package var bottom: Double { y + height }

    func isInside(_ grid: (width: Double, height: Double)) -> Bool {
        x >= 0 && y >= 0 && x + width <= grid.width + 1e-9 && y + height <= grid.height + 1e-9
    }
}

/// Where a cropped picture is held, written `[x, y]` in 0…1.
public struct Anchor: Hashable, Sendable, Codable {
    /// 0 is left or up, 1 is right or down.
    public var x: Double, y: Double

    /// The middle.
    public static let middle = Anchor(x: 0.5, y: 0.5)

    /// Creates an anchor.
    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }

    /// Reads two numbers.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.singleValueContainer().decode([Double].self)
        guard values.count == 2, values.allSatisfy({ (0...1).contains($0) }) else {
            throw decoder.invalid("an anchor is [x, y], both in 0…1")
        }
        self.init(x: values[0], y: values[1])
    }

    /// Writes two numbers.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode([x, y])
    }
}
