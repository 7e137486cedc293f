// What is to be drawn, as values in pixels: what a scene, a layout and a moment come to.

public import Control

/// One step of drawing a picture, back to front.
public enum DrawOperation: Hashable, Sendable, Encodable {
    /// The whole canvas: a colour, or a picture of which `crop` fills it.
    case background(Background, crop: PixelRect?)
    /// A moving picture: a camera, a screen, a roll, an ingest.
    case tile(source: SceneSource, placement: Placement)
    /// The blurred and darkened picture of a source, behind its tile.
    case backdrop(source: SceneSource, placement: Placement)
    /// A line just inside the edge of a place.
    case border(source: SceneSource, rect: PixelRect, width: Int, color: RGBColor, cornerRadius: Int)
    /// A page of slides.
    case slide(Slides, placement: Placement)
    /// A still picture.
    case image(asset: String, placement: Placement)
    /// Stands in for a picture that is not there: a name on a colour that follows from `key`.
    case card(name: String, key: String, rect: PixelRect, cornerRadius: Int)
    /// What is laid over the picture.
    case overlay(OverlayOperation)

    /// Which part of a picture goes where.
    public struct Placement: Hashable, Sendable, Codable {
        /// The part of the source, in its pixels.
        public var crop: PixelRect
        /// Where on the canvas.
        public var rect: PixelRect
        /// In pixels of the canvas.
        public var cornerRadius: Int
        /// Whether left and right change places.
        public var isMirrored: Bool

        /// Creates a placement.
        public init(crop: PixelRect, rect: PixelRect, cornerRadius: Int = 0, isMirrored: Bool = false) {
            self.crop = crop
            self.rect = rect
            self.cornerRadius = cornerRadius
            self.isMirrored = isMirrored
        }
    }

    private enum CodingKeys: String, CodingKey {
        case op, source, crop, rect, cornerRadius, isMirrored, deck, page, asset, name, key, background, width, color
    }

    /// Writes an object whose `op` names the step; for tests and for looking at.
    public func encode(to encoder: any Encoder) throws {
        var out = encoder.container(keyedBy: CodingKeys.self)
        func place(_ placement: Placement) throws {
            try out.encode(placement.crop, forKey: .crop)
            try out.encode(placement.rect, forKey: .rect)
            try out.encode(placement.cornerRadius, forKey: .cornerRadius)
            if placement.isMirrored { try out.encode(true, forKey: .isMirrored) }
        }
        switch self {
        case .background(let background, let crop):
            try out.encode("background", forKey: .op)
            try out.encode(background, forKey: .background)
            try out.encodeIfPresent(crop, forKey: .crop)
        case .tile(let source, let placement):
            try out.encode("tile", forKey: .op)
            try out.encode(source, forKey: .source)
            try place(placement)
        case .backdrop(let source, let placement):
            try out.encode("backdrop", forKey: .op)
            try out.encode(source, forKey: .source)
            try place(placement)
        case .border(let source, let rect, let width, let color, let cornerRadius):
            try out.encode("border", forKey: .op)
            try out.encode(source, forKey: .source)
            try out.encode(rect, forKey: .rect)
            try out.encode(width, forKey: .width)
            try out.encode(color, forKey: .color)
            try out.encode(cornerRadius, forKey: .cornerRadius)
        case .slide(let slides, let placement):
            try out.encode("slide", forKey: .op)
            try out.encode(slides.deck, forKey: .deck)
            try out.encode(slides.page, forKey: .page)
            try place(placement)
        case .image(let asset, let placement):
            try out.encode("image", forKey: .op)
            try out.encode(asset, forKey: .asset)
            try place(placement)
        case .card(let name, let key, let rect, let cornerRadius):
            try out.encode("card", forKey: .op)
            try out.encode(name, forKey: .name)
            try out.encode(key, forKey: .key)
            try out.encode(rect, forKey: .rect)
            try out.encode(cornerRadius, forKey: .cornerRadius)
        case .overlay(let overlay):
            try out.encode("overlay", forKey: .op)
            try overlay.encode(to: encoder)
        }
    }
}
