// Pictures and graphics that are ready to be drawn, shared by the thread that makes them and the one that draws.

public import Control
import Media
import Synchronization

/// What a scene needs beside moving pictures: stills, slides, and graphics made of text.
///
/// The thread that draws frames only looks things up here; whatever takes long (fonts, decoding) happens on other
/// threads, which put the results in.
public final class GraphicsStore: Sendable {
    /// A graphic by what it shows and how large it is.
    enum Key: Hashable, Sendable {
        case card(name: String, key: String, width: Int, height: Int)
        case overlay(OverlayDrawing)
    }

    /// Things of one kind by name; of what is not held, what was not used longest goes when they are too large together.
    private struct Shelf<Name: Hashable, Value> {
        private struct Entry {
            var value: Value
            var bytes: Int, used: UInt64
        }

        let limit: Int
        /// What stays, whatever comes.
        var held: Set<Name> = []
        private(set) var bytes = 0
        private var entries: [Name: Entry] = [:]
        private var clock: UInt64 = 0

        init(limit: Int) { self.limit = limit }

        var values: [Name: Value] { entries.mapValues(\.value) }

        /// What has the name, and that it was used now.
        mutating func take(_ name: Name) -> Value? {
            clock += 1
            entries[name]?.used = clock
            return entries[name]?.value
        }

        /// Puts something in; it stays although it may be too large alone.
        ///
        /// - Returns: false when there is no room for it beside what is held.
        @discardableResult
        mutating func put(_ name: Name, _ value: Value, bytes size: Int) -> Bool {
            remove(name)
            let heldBytes = held.reduce(0) { $0 + (entries[$1]?.bytes ?? 0) }
            guard heldBytes == 0 || heldBytes + size <= limit else { return false }
            clock += 1
            entries[name] = Entry(value: value, bytes: size, used: clock)
            bytes += size
            while bytes > limit,
                let oldest = entries.filter({ $0.key != name && !held.contains($0.key) })
                    .min(by: { $0.value.used < $1.value.used })
            {
                remove(oldest.key)
            }
            return true
        }

        mutating func remove(_ name: Name) { bytes -= entries.removeValue(forKey: name)?.bytes ?? 0 }

        mutating func remove(where isGone: (Name) -> Bool) { for name in entries.keys.filter(isGone) { remove(name) } }
    }

    private struct Still {
        var frame: VideoFrame
        /// What logos are made of; nil for a large picture without transparency.
        var bitmap: RGBABitmap?
    }

    private struct Contents {
        var overlays = Shelf<Key, OverlayGraphic>(limit: GraphicsStore.limits.overlays)
        var cards = Shelf<Key, VideoFrame>(limit: GraphicsStore.limits.cards)
        var slides = Shelf<Slides, VideoFrame>(limit: GraphicsStore.limits.slides)
        var images = Shelf<String, Still>(limit: GraphicsStore.limits.images)
        /// The painter's uploaded fonts, the oldest first.
        var fonts: [String] = []
    }

    /// The most bytes of each kind: eight transparent stills of 1080p, ten pages of slides at 1080p.
    static let limits = (overlays: 24 << 20, cards: 24 << 20, slides: 32 << 20, images: 112 << 20)

    private let contents = Mutex(Contents())
    private let canvas: PixelSize?

    /// Creates an empty store.
    ///
    /// - Parameter canvas: the size of the program; stills with more pixels than it can show are kept smaller.
    public init(canvas: PixelSize? = nil) { self.canvas = canvas }

    /// How many bytes of pictures and graphics are here.
    public var bytes: Int {
        contents.withLock { $0.overlays.bytes + $0.cards.bytes + $0.slides.bytes + $0.images.bytes }
    }

    /// Lets nothing take the place of what is shown.
    public func hold(images: Set<String>, slides: Set<Slides>) {
        contents.withLock { contents in
            contents.images.held = images
            contents.slides.held = slides
        }
    }

    /// What of a still can be seen on a canvas: as much as covers it, and no more than twice its pixels.
    static func size(of width: Int, _ height: Int, on canvas: PixelSize) -> PixelSize {
        let pixels = Double(width) * Double(height), room = Double(canvas.width) * Double(canvas.height)
        let cover = max(Double(canvas.width) / Double(width), Double(canvas.height) / Double(height))
        let scale = min(1, cover, (2 * room / pixels).squareRoot())
        // A little more than is seen costs less than what scaling takes away.
        guard scale < 0.9 else { return PixelSize(width: width, height: height) }
        return PixelSize(
            width: max(1, Int((Double(width) * scale).rounded())),
            height: max(1, Int((Double(height) * scale).rounded())))
    }

    /// Puts a still in, for backgrounds, slots and logos; those that were not used longest go when there is no room.
    ///
    /// - Returns: false when there is no room for it beside what is shown.
    @discardableResult
    public func add(image asset: String, _ bitmap: RGBABitmap) -> Bool {
        var bitmap = bitmap
        if let canvas {
            let size = Self.size(of: bitmap.width, bitmap.height, on: canvas)
            if size.width < bitmap.width || size.height < bitmap.height {
                bitmap = bitmap.scaled(width: size.width, height: size.height)
            }
        }
        let frame = VideoFrame(keepingAlphaOf: bitmap)
        let isLarge = frame.alpha == nil && bitmap.width * bitmap.height > 1_000_000
        let still = Still(frame: frame, bitmap: isLarge ? nil : bitmap)
        return contents.withLock { contents in
            let bytes = Self.bytes(frame) + (still.bitmap?.pixels.count ?? 0)
            guard contents.images.put(asset, still, bytes: bytes) else { return false }
            // A logo of the old picture would otherwise stay.
            contents.overlays.remove {
                guard case .overlay(let drawing) = $0 else { return false }
                return drawing.drawing == .logo(asset: asset)
            }
            return true
        }
    }

    /// Whether an uploaded font is the painter's.
    func has(font asset: String) -> Bool { contents.withLock { $0.fonts.contains(asset) } }

    /// Takes in an uploaded font, and draws anew what was written with another one meanwhile.
    ///
    /// - Returns: false when it can't be opened.
    func add(font asset: String, _ font: some Collection<UInt8>, with painter: GraphicsPainter) -> Bool {
        let family = OverlayTheme.family(ofFont: asset)
        guard painter.text.fonts.add(font, family: family) else { return false }
        let drawn = contents.withLock { contents -> [Key] in
            contents.fonts = (contents.fonts.filter { $0 != asset } + [asset]).suffix(FontCollection.uploadLimit)
            return contents.overlays.values.keys.filter {
                guard case .overlay(let drawing) = $0 else { return false }
                return drawing.theme.font == family
            }
        }
        for key in drawn {
            guard case .overlay(let drawing) = key else { continue }
            if let graphic = painter.overlay(drawing, image: { bitmap($0) }) { add(key, overlay: graphic) }
        }
        return true
    }

    /// Takes a still out.
    public func remove(image asset: String) { contents.withLock { $0.images.remove(asset) } }

    /// Puts a page of slides in.
    ///
    /// - Returns: false when there is no room for it beside what is shown.
    @discardableResult
    public func add(slide: Slides, _ bitmap: RGBABitmap) -> Bool {
        let frame = VideoFrame(bitmap)
        return contents.withLock { $0.slides.put(slide, frame, bytes: Self.bytes(frame)) }
    }

    /// The sizes of the stills that are here, for `SourcesPresent`.
    public var imageSizes: [String: PixelSize] { contents.withLock { $0.images.values }.mapValues(\.frame.displaySize) }

    /// The size of a page, once it is here.
    public func size(of slide: Slides) -> PixelSize? { self.slide(slide)?.displaySize }

    func image(_ asset: String) -> VideoFrame? { contents.withLock { $0.images.take(asset)?.frame } }

    func bitmap(_ asset: String) -> RGBABitmap? { contents.withLock { $0.images.take(asset)?.bitmap } }

    func slide(_ slide: Slides) -> VideoFrame? { contents.withLock { $0.slides.take(slide) } }

    func overlay(_ key: Key) -> OverlayGraphic? { contents.withLock { $0.overlays.take(key) } }

    func card(_ key: Key) -> VideoFrame? { contents.withLock { $0.cards.take(key) } }

    /// A card that says the same, of whatever size.
    func anyCard(name: String, key: String) -> VideoFrame? {
        contents.withLock { contents in
            contents.cards.values.first {
                if case .card(name, key, _, _) = $0.key { true } else { false }
            }?.value
        }
    }

    func add(_ key: Key, overlay: OverlayGraphic) {
        contents.withLock { _ = $0.overlays.put(key, overlay, bytes: overlay.bytes) }
    }

    func add(_ key: Key, card: VideoFrame) {
        contents.withLock { _ = $0.cards.put(key, card, bytes: Self.bytes(card)) }
    }

    private static func bytes(_ frame: VideoFrame) -> Int {
        frame.lumaStride * frame.height + frame.chromaStride * frame.height + (frame.alpha?.bytes ?? 0)
    }
}

extension GraphicsStore {
    /// The graphic that an operation needs; nil when it needs none.
    static func key(_ operation: DrawOperation) -> Key? {
        switch operation {
        case .card(let name, let key, let rect, _):
            .card(name: name, key: key, width: rect.width, height: rect.height)
        case .overlay(let overlay): .overlay(OverlayDrawing(overlay))
        case .background, .tile, .backdrop, .border, .slide, .image: nil
        }
    }

    /// Whether a graphic that operations need is not here.
    func lacks(_ operations: [DrawOperation]) -> Bool {
        operations.compactMap(Self.key).contains { key in
            switch key {
            case .card: card(key) == nil
            case .overlay: overlay(key) == nil
            }
        }
    }

    /// Draws the graphics that operations need and that are not here yet; called on the painter's thread.
    ///
    /// - Returns: how many were drawn.
    @discardableResult
    public func prepare(_ operations: [DrawOperation], with painter: GraphicsPainter) -> Int {
        var drawn = 0
        for key in operations.compactMap(Self.key) {
            switch key {
            case .card(let name, let id, let width, let height):
                guard card(key) == nil else { continue }
                add(key, card: VideoFrame(painter.card(name: name, key: id, width: width, height: height)))
            case .overlay(let drawing):
                guard overlay(key) == nil, let graphic = painter.overlay(drawing, image: { bitmap($0) }) else {
                    continue
                }
                add(key, overlay: graphic)
            }
            drawn += 1
        }
        return drawn
    }
}
