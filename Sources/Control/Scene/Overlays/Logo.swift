// A logo: a picture in a corner.

/// A picture in a corner.
public struct Logo: Hashable, Sendable, Codable {
    /// The picture.
    public var asset: String
    /// Where it lies.
    public var corner: OverlayCorner
    /// The width of the box that it fits in, in grid units, 1…32; the box is half as high.
    public var size: Double
    /// How far from both edges, in grid units, 0…8.
    public var margin: Double
    /// 0 is invisible, 1 as opaque as the picture.
    public var opacity: Double

    /// Creates a logo.
    public init(
        asset: String, corner: OverlayCorner = .topRight, size: Double = 8, margin: Double = 1, opacity: Double = 1
    ) {
        self.asset = asset
        self.corner = corner
        self.size = size
        self.margin = margin
        self.opacity = opacity
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case asset, corner, size, margin, opacity }

    /// Reads a logo; without a corner it lies at the upper right, 8 units wide, one from the edges.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        asset = try values.text(.asset, limit: 128)
        corner = try values.choice(.corner, OverlayCorner.self, standard: .topRight)
        size = try values.number(.size, 1...32, standard: 8)
        margin = try values.number(.margin, 0...8, standard: 1)
        opacity = try values.number(.opacity, 0...1, standard: 1)
    }
}
