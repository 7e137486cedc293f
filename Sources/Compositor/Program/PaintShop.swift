// What takes long and has no time to keep: text and stills on one thread, pictures that come in on another, each in order.

public import Control
public import Foundation
public import Media
internal import Synchronization

/// Prepares graphics and pictures for the program, one after the other; what is drawn waits for no picture that is decoded.
public final class PaintShop: Sendable {
    /// Nothing is given to it where there are no fonts.
    private typealias Work = @Sendable (Tools?) -> Void

    /// What only this thread touches.
    private final class Tools {
        let painter: GraphicsPainter
        let canvas: PixelSize
        let store: GraphicsStore
        lazy var renderer = ProgramRenderer(canvas: canvas, store: store, framesInUse: 2)

        init(_ painter: GraphicsPainter, _ canvas: PixelSize, _ store: GraphicsStore) {
            self.painter = painter
            self.canvas = canvas
            self.store = store
        }
    }

    /// Why something was not done.
    public enum Failure: Error, Sendable, CustomStringConvertible {
        /// There are no fonts, or too much is waiting.
        case noFonts, busy
        /// The picture could not be read.
        case picture(PictureError)
        /// The font could not be opened.
        case font
        /// There is no room for the picture beside those that are shown.
        case noRoom
        /// The still could not be made.
        case still

        /// For logs and answers.
        public var description: String {
            switch self {
            case .noFonts: "no fonts are installed"
            case .busy: "too much is being drawn"
            case .picture(let error): "a picture can't be read: \(error)"
            case .font: "a font can't be opened"
            case .noRoom: "there is no room for the picture beside those that are shown"
            case .still: "no still can be made"
            }
        }
    }

    private let queue = BoundedQueue<Work>(capacity: 64)
    private let thread: MediaThread
    private let pictures = BoundedQueue<@Sendable () -> Void>(capacity: 64)
    private let pictureThread: MediaThread
    private let store: GraphicsStore
    private let isOrdered = Atomic(false)

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - canvas: the size of the program.
    ///   - store: gets what is drawn.
    public init(canvas: PixelSize, store: GraphicsStore) {
        self.store = store
        pictureThread = MediaThread(name: "pictures") { [pictures] in
            while let work = pictures.pop() { work() }
        }
        thread = MediaThread(name: "painter") { [queue] in
            let tools = GraphicsPainter().map { Tools($0, canvas, store) }
            while let work = queue.pop() { work(tools) }
        }
    }

    /// Ends the thread and waits for it.
    public func stop() {
        queue.close()
        pictures.close()
        thread.join()
        pictureThread.join()
    }

    /// Draws the graphics that operations need, without waiting for them; what is there already costs nothing.
    public func order(_ operations: [DrawOperation]) {
        // Every frame that lacks something orders: one that waits is enough, so that the others find room.
        guard !isOrdered.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let isTaken = queue.push { [self] tools in
            isOrdered.store(false, ordering: .releasing)
            if let tools { tools.store.prepare(operations, with: tools.painter) }
        }
        if !isTaken { isOrdered.store(false, ordering: .releasing) }
    }

    /// Draws the graphics that operations need, and waits until they are there.
    public func prepare(_ operations: [DrawOperation]) async throws(Failure) {
        try await run { tools in
            tools.store.prepare(operations, with: tools.painter)
            return .success(())
        }
    }

    /// Decodes a picture file and puts it into the store.
    ///
    /// - Parameters:
    ///   - file: PNG or JPEG.
    ///   - add: what to do with the bitmap, on the thread; false when there is no room for it.
    public func decode(
        _ file: Data, _ add: @escaping @Sendable (GraphicsStore, RGBABitmap) -> Bool
    ) async throws(Failure) {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Void, Failure>, Never>) in
            let isTaken = pictures.push { [store] in
                do throws(PictureError) {
                    let isThere = add(store, try PictureDecoder.decode(file))
                    continuation.resume(returning: isThere ? .success(()) : .failure(.noRoom))
                } catch {
                    continuation.resume(returning: .failure(.picture(error)))
                }
            }
            if !isTaken { continuation.resume(returning: .failure(.busy)) }
        }
        try result.get()
    }

    /// Takes in an uploaded font that was checked.
    ///
    /// - Parameters:
    ///   - asset: its id.
    ///   - file: what `FontFile.checked` made of it.
    func add(font asset: String, _ file: Data) async throws(Failure) {
        try await run { tools in
            tools.store.add(font: asset, file, with: tools.painter) ? .success(()) : .failure(.font)
        }
    }

    /// Draws with the painter, on the thread.
    func paint<Value: Sendable>(_ body: @escaping @Sendable (GraphicsPainter) -> Value) async throws(Failure) -> Value {
        try await run { .success(body($0.painter)) }
    }

    /// Makes a JPEG of a picture of the program.
    public func still(_ picture: VideoFrame, width: Int) async throws(Failure) -> Data {
        try await run { _ in Self.jpeg(picture, width) }
    }

    /// Makes a JPEG of what operations come to.
    public func still(
        _ operations: [DrawOperation], frames: [SceneSource: VideoFrame], width: Int
    ) async throws(Failure) -> Data {
        try await run { tools in
            tools.store.prepare(operations, with: tools.painter)
            guard let picture = tools.renderer.render(operations, frames: frames) else { return .failure(.still) }
            return Self.jpeg(picture, width)
        }
    }

    private static func jpeg(_ picture: VideoFrame, _ width: Int) -> Result<Data, Failure> {
        do throws(AVError) {
            return .success(try StillEncoder.jpeg(picture, width: width))
        } catch {
            return .failure(.still)
        }
    }

    private func run<Value: Sendable>(
        _ body: @escaping @Sendable (Tools) -> Result<Value, Failure>
    ) async throws(Failure) -> Value {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, Failure>, Never>) in
            if !queue.push({ continuation.resume(returning: $0.map(body) ?? .failure(.noFonts)) }) {
                continuation.resume(returning: .failure(.busy))
            }
        }
        return try result.get()
    }
}
