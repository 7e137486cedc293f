// What there is to show at a moment: the other input of the resolver.

public import Control
public import Media

/// The size of a picture in pixels.
public struct PixelSize: Hashable, Sendable, Codable {
    /// Width and height.
    public var width: Int, height: Int

    /// Creates a size.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

extension VideoFrame {
    /// The size of the picture as it is seen, turned as its `rotation` says.
    public var displaySize: PixelSize {
        rotation.swapsSides ? PixelSize(width: height, height: width) : PixelSize(width: width, height: height)
    }
}

/// The people and pictures that a scene can draw on right now.
public struct SourcesPresent: Hashable, Sendable {
    /// Somebody in the room.
    public struct Participant: Hashable, Sendable {
        /// Who.
        public var id: String, name: String, title: String?
        /// Whether `auto` may choose them.
        public var isOnStage: Bool
        /// The sizes of their newest pictures; nil while there is none.
        public var camera: PixelSize?, screen: PixelSize?
        /// What the stage says of their picture; nil leaves the slot's rule.
        public var fit: Layout.Fit?
        /// How much the picture is enlarged, 1…4.
        public var zoom: Double
        /// Whether left and right change places.
        public var isMirrored: Bool

        /// Creates a participant.
        public init(
            id: String, name: String, title: String? = nil, isOnStage: Bool = true, camera: PixelSize? = nil,
            screen: PixelSize? = nil, fit: Layout.Fit? = nil, zoom: Double = 1, isMirrored: Bool = false
        ) {
            self.id = id
            self.name = name
            self.title = title
            self.isOnStage = isOnStage
            self.camera = camera
            self.screen = screen
            self.fit = fit
            self.zoom = zoom
            self.isMirrored = isMirrored
        }
    }

    /// Everybody in the room, those on stage in the order of the stage.
    public var participants: [Participant]
    /// What follows from who speaks.
    public var direction: ProgramDirection
    /// The size of the page that the scene shows, once it is drawn.
    public var slide: PixelSize?
    /// The sizes of the stills, rolls and ingests that are ready.
    public var images: [String: PixelSize], media: [String: PixelSize], ingests: [String: PixelSize]

    /// Creates a description of what there is.
    public init(
        participants: [Participant] = [], slide: PixelSize? = nil, images: [String: PixelSize] = [:],
        media: [String: PixelSize] = [:], ingests: [String: PixelSize] = [:],
        direction: ProgramDirection = ProgramDirection()
    ) {
        self.participants = participants
        self.direction = direction
        self.slide = slide
        self.images = images
        self.media = media
        self.ingests = ingests
    }
}
