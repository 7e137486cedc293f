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
        case lowerThird(name: String, title: String?, width: Int, height: Int)
        case card(name: String, key: String, width: Int, height: Int)
        case ticker(text: String, height: Int)
        case tickerStrip(width: Int, height: Int)
        case countdown(time: String, title: String?, width: Int, height: Int)
        case comment(Comment, width: Int, height: Int)
        case poll(PollCard, width: Int, height: Int)
        case logo(asset: String, width: Int, height: Int)
    }

    private struct Entry<Value> {
        var value: Value
        var used: UInt64
    }

    private struct Contents {
        var overlays: [Key: Entry<Overlay>] = [:]
        var cards: [Key: Entry<VideoFrame>] = [:]
        var slides: [Slides: Entry<VideoFrame>] = [:]
        var images: [String: VideoFrame] = [:]
        var bitmaps: [String: RGBABitmap] = [:]
        var clock: UInt64 = 0
    }

    /// The most that is kept of each kind; what was not used longest goes first.
    static let capacity = (overlays: 96, cards: 96, slides: 12)
    /// The most stills of an event.
    public static let maximumImages = 32

    private let contents = Mutex(Contents())

    /// Creates an empty store.
    public init() {}

    /// Puts a still in, for backgrounds, slots and logos.
    ///
    /// - Returns: false when there are `maximumImages` of other names already.
    @discardableResult
    public func add(image asset: String, _ bitmap: RGBABitmap) -> Bool {
        let frame = VideoFrame(bitmap), isOpaque = bitmap.isOpaque
        return contents.withLock { contents in
            guard contents.images[asset] != nil || contents.images.count < Self.maximumImages else { return false }
            contents.images[asset] = frame
            contents.bitmaps[asset] = isOpaque && bitmap.width * bitmap.height > 1_000_000 ? nil : bitmap
            // A logo of the old picture would otherwise stay.
            contents.overlays = contents.overlays.filter {
                if case .logo(asset, _, _) = $0.key { return false }
                return true
            }
            return true
        }
    }

    /// Takes a still out.
    public func remove(image asset: String) {
        contents.withLock { contents in
            contents.images[asset] = nil
            contents.bitmaps[asset] = nil
        }
    }

    /// Puts a page of slides in.
    public func add(slide: Slides, _ bitmap: RGBABitmap) {
        let frame = VideoFrame(bitmap)
        contents.withLock { contents in
            contents.clock += 1
            contents.slides[slide] = Entry(value: frame, used: contents.clock)
            Self.trim(&contents.slides, to: Self.capacity.slides)
        }
    }

    /// The sizes of the stills that are here, for `SourcesPresent`.
    public var imageSizes: [String: PixelSize] {
        contents.withLock { $0.images.mapValues { PixelSize(width: $0.width, height: $0.height) } }
    }

    /// The size of a page, once it is here.
    public func size(of slide: Slides) -> PixelSize? {
        self.slide(slide).map { PixelSize(width: $0.width, height: $0.height) }
    }

    func image(_ asset: String) -> VideoFrame? { contents.withLock { $0.images[asset] } }

    func bitmap(_ asset: String) -> RGBABitmap? { contents.withLock { $0.bitmaps[asset] } }

    func slide(_ slide: Slides) -> VideoFrame? {
        contents.withLock { contents in
            contents.clock += 1
            contents.slides[slide]?.used = contents.clock
            return contents.slides[slide]?.value
        }
    }

    func overlay(_ key: Key) -> Overlay? {
        contents.withLock { contents in
            contents.clock += 1
            contents.overlays[key]?.used = contents.clock
            return contents.overlays[key]?.value
        }
    }

    func card(_ key: Key) -> VideoFrame? {
        contents.withLock { contents in
            contents.clock += 1
            contents.cards[key]?.used = contents.clock
            return contents.cards[key]?.value
        }
    }

    func add(_ key: Key, overlay: Overlay) {
        contents.withLock { contents in
            contents.clock += 1
            contents.overlays[key] = Entry(value: overlay, used: contents.clock)
            Self.trim(&contents.overlays, to: Self.capacity.overlays)
        }
    }

    func add(_ key: Key, card: VideoFrame) {
        contents.withLock { contents in
            contents.clock += 1
            contents.cards[key] = Entry(value: card, used: contents.clock)
            Self.trim(&contents.cards, to: Self.capacity.cards)
        }
    }

    private static func trim<Name: Hashable, Value>(_ entries: inout [Name: Entry<Value>], to capacity: Int) {
        while entries.count > capacity, let oldest = entries.min(by: { $0.value.used < $1.value.used }) {
            entries[oldest.key] = nil
        }
    }
}

extension GraphicsStore {
    /// The graphics that an operation needs.
    static func keys(_ operation: DrawOperation) -> [Key] {
        switch operation {
        case .card(let name, let key, let rect, _):
            [.card(name: name, key: key, width: rect.width, height: rect.height)]
        case .lowerThird(let name, let title, let rect, _):
            [.lowerThird(name: name, title: title, width: rect.width, height: rect.height)]
        case .logo(let asset, let rect): [.logo(asset: asset, width: rect.width, height: rect.height)]
        case .ticker(let text, let rect, _):
            [.tickerStrip(width: rect.width, height: rect.height), .ticker(text: text, height: rect.height)]
        case .countdown(let time, let title, let rect):
            [.countdown(time: time, title: title, width: rect.width, height: rect.height)]
        case .comment(let comment, let rect): [.comment(comment, width: rect.width, height: rect.height)]
        case .poll(let poll, let rect): [.poll(poll, width: rect.width, height: rect.height)]
        case .background, .tile, .slide, .image: []
        }
    }

    /// Draws the graphics that operations need and that are not here yet; called on the painter's thread.
    ///
    /// - Returns: how many were drawn.
    @discardableResult
    public func prepare(_ operations: [DrawOperation], with painter: GraphicsPainter) -> Int {
        var drawn = 0
        for key in operations.flatMap(Self.keys) {
            if case .card(let name, let id, let width, let height) = key {
                guard card(key) == nil else { continue }
                add(key, card: VideoFrame(painter.card(name: name, key: id, width: width, height: height)))
            } else {
                guard overlay(key) == nil, let bitmap = draw(key, painter) else { continue }
                add(key, overlay: Overlay(bitmap))
            }
            drawn += 1
        }
        return drawn
    }

    private func draw(_ key: Key, _ painter: GraphicsPainter) -> RGBABitmap? {
        switch key {
        case .lowerThird(let name, let title, let width, let height):
            painter.lowerThird(name: name, title: title, width: width, height: height)
        case .ticker(let text, let height): painter.ticker(text: text, height: height)
        case .tickerStrip(let width, let height): painter.tickerStrip(width: width, height: height)
        case .countdown(let time, let title, let width, let height):
            painter.countdown(time: time, title: title, width: width, height: height)
        case .comment(let comment, let width, let height):
            painter.comment(name: comment.name, text: comment.text, width: width, height: height)
        case .poll(let poll, let width, let height): painter.poll(poll, width: width, height: height)
        case .logo(let asset, let width, let height): bitmap(asset)?.scaled(width: width, height: height)
        case .card: nil
        }
    }
}
