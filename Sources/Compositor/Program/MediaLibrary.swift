// Stills and slides that scenes name: fetched from Studio, decoded, kept while they are needed.

internal import AsyncHTTPClient
import Control
internal import Foundation
public import Logging
internal import Media
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// Where a file of an event is fetched.
public struct MediaAddress: Sendable {
    /// Studio's internal listener, such as `http://127.0.0.1:9443`.
    public var studio: String
    /// The compositor's token.
    public var token: String
    /// The event.
    public var event: String

    /// Creates an address.
    public init(studio: String, token: String, event: String) {
        self.studio = studio
        self.token = token
        self.event = event
    }
}

/// Brings the pictures that scenes name into the graphics store.
public final class MediaLibrary: Sendable {
    /// One file that a scene needs.
    enum Item: Hashable, Sendable {
        case image(String)
        case slide(Slides)
        case font(String)

        var path: String {
            switch self {
            case .image(let asset): "\(asset)/picture.png"
            case .slide(let slides): "\(slides.deck)/\(slides.page).png"
            case .font(let asset): "\(asset)/font"
            }
        }
    }

    private static let fileLimitBytes = 64 << 20
    private let address: MediaAddress
    private let store: GraphicsStore
    private let shop: PaintShop
    private let logger: Logger
    private let loading = Mutex<[Item: Task<Bool, Never>]>([:])
    private let failed = Mutex<[Item: (until: MonotonicTime, pauseMs: Int64)]>([:])

    /// Creates a library.
    ///
    /// - Parameters:
    ///   - address: where files are fetched.
    ///   - store: gets the pictures.
    ///   - shop: decodes them.
    ///   - logger: for files that can't be had.
    public init(address: MediaAddress, store: GraphicsStore, shop: PaintShop, logger: Logger) {
        self.address = address
        self.store = store
        self.shop = shop
        self.logger = logger
    }

    /// How many files are on their way.
    var pending: Int { loading.withLock { $0.count } }

    /// Fetches what a look names, and the pages beside its own.
    ///
    /// - Parameters:
    ///   - look: what is to be shown, now or later.
    ///   - shown: what is shown meanwhile, whose pictures must stay.
    ///   - milliseconds: how long to wait.
    ///   - waitsForKept: whether to wait as well for what is named by both, which somebody else has waited for.
    /// - Returns: whether everything that it names is there, at the latest after `milliseconds`; what takes
    ///   longer goes on arriving.
    func load(
        _ look: ProgramLook, keeping shown: ProgramLook? = nil, waitingAtMost milliseconds: Int64,
        waitsForKept: Bool = true
    ) async -> Bool {
        let needed = Self.items(of: look), kept = shown.map(Self.items) ?? []
        // What is shown stays: it is among those that were used last.
        for item in kept { use(item) }
        let started = needed.filter { !isHere($0) && mayBeHad($0) }.map { ($0, task($0)) }
        let tasks = started.filter { waitsForKept || !kept.contains($0.0) }.map(\.1)
        for item in Self.neighbours(of: look.scene) where !isHere(item) && mayBeHad(item) { _ = task(item) }
        guard !tasks.isEmpty else { return needed.allSatisfy(isHere) }
        return await FirstAnswer<Bool>.within(milliseconds) { [self] in
            var isComplete = true
            for task in tasks where await !task.value { isComplete = false }
            return isComplete && needed.allSatisfy(isHere)
        }
    }

    /// Lets nothing take the place of the pictures that a look names.
    func hold(_ look: ProgramLook) {
        var images: Set<String> = [], slides: Set<Slides> = []
        for item in Self.items(of: look) {
            switch item {
            case .image(let asset): images.insert(asset)
            case .slide(let page): slides.insert(page)
            case .font: break
            }
        }
        store.hold(images: images, slides: slides)
    }

    private func task(_ item: Item) -> Task<Bool, Never> {
        loading.withLock { running in
            if let task = running[item] { return task }
            let task = Task { [self] in
                let isFetched = await fetch(item)
                note(item, isFetched)
                loading.withLock { $0[item] = nil }
                return isFetched
            }
            running[item] = task
            return task
        }
    }

    private func fetch(_ item: Item) async -> Bool {
        do {
            var request = HTTPClientRequest(url: "\(address.studio)/media/\(address.event)/\(item.path)")
            request.headers.add(name: "Authorization", value: "Bearer \(address.token)")
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
            guard response.status == .ok else {
                // The page after the last one is asked for, too.
                logger.log(
                    level: response.status == .notFound ? .debug : .warning, "a picture can't be had",
                    metadata: ["file": "\(item.path)", "status": "\(response.status.code)"])
                return false
            }
            let body = try await response.body.collect(upTo: Self.fileLimitBytes)
            if case .font(let asset) = item {
                try await shop.add(font: asset, Data(body.readableBytesView))
                return true
            }
            try await shop.decode(Data(body.readableBytesView)) { store, bitmap in
                switch item {
                case .image(let asset): store.add(image: asset, bitmap)
                case .slide(let slides): store.add(slide: slides, bitmap)
                case .font: true
                }
            }
            return true
        } catch {
            logger.warning("a picture can't be had", metadata: ["file": "\(item.path)", "error": "\(error)"])
            return false
        }
    }

    /// What could not be had is asked for again later and later, up to a minute.
    private func mayBeHad(_ item: Item) -> Bool {
        failed.withLock { $0[item].map { $0.until <= SystemClock.monotonic() } ?? true }
    }

    private func note(_ item: Item, _ isFetched: Bool) {
        failed.withLock { failed in
            guard !isFetched else { return failed[item] = nil }
            // Of more than can be shown at once, nothing is worth remembering.
            if failed.count >= 256 { failed.removeAll() }
            let pauseMs = min(60_000, (failed[item]?.pauseMs ?? 500) * 2)
            failed[item] = (SystemClock.monotonic().advanced(byMilliseconds: pauseMs), pauseMs)
        }
    }

    private func isHere(_ item: Item) -> Bool {
        switch item {
        case .image(let asset): store.imageSizes[asset] != nil
        case .slide(let slides): store.size(of: slides) != nil
        case .font(let asset): store.has(font: asset)
        }
    }

    private func use(_ item: Item) {
        switch item {
        case .image(let asset): _ = store.image(asset)
        case .slide(let slides): _ = store.slide(slides)
        case .font: break
        }
    }

    private static func items(of look: ProgramLook) -> Set<Item> {
        let scene = look.scene
        var items: Set<Item> = []
        if case .image(let asset) = scene.background ?? look.layout.background { items.insert(.image(asset)) }
        for source in look.layout.slots.flatMap({ (scene.slots[$0.id] ?? $0.content).sources }) {
            if case .image(let asset) = source { items.insert(.image(asset)) }
        }
        if let logo = scene.overlays.logo { items.insert(.image(logo.asset)) }
        if let font = scene.overlays.font { items.insert(.font(font)) }
        if let slides = scene.slides { items.insert(.slide(slides)) }
        return items
    }

    /// Three pages to both sides, the nearest first: producers turn by one, and sometimes fast.
    private static func neighbours(of scene: Scene) -> [Item] {
        guard let slides = scene.slides else { return [] }
        return [1, -1, 2, -2, 3, -3].map { slides.page + $0 }.filter { $0 >= 1 }.map {
            .slide(Slides(deck: slides.deck, page: $0))
        }
    }
}
