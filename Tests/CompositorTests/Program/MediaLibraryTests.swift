import Control
import Logging
import Media
import Testing

@testable import Compositor

@Suite("Stills and slides on their way into the program")
struct MediaLibraryTests {
    @Test("a picture that does not come holds nobody up beyond the time allowed")
    func slow() async throws {
        let store = GraphicsStore()
        let shop = PaintShop(canvas: PixelSize(width: 320, height: 180), store: store)
        let silence = try LoopbackListener()
        defer { withExtendedLifetime(silence) {} }
        let library = MediaLibrary(
            address: MediaAddress(studio: "http://127.0.0.1:\(silence.port)", token: "t", event: "e"), store: store,
            shop: shop,
            logger: Logger(label: "test"))
        var look = try #require(ProgramBoard(try ProgramBoardTests.setup())).look
        look.scene.background = .image("slow")
        let isComplete = await library.load(look, waitingAtMost: 100)
        #expect(!isComplete)
        // The fetch goes on by itself.
        #expect(library.pending == 1)
        await withCheckedContinuation { continuation in
            _ = MediaThread(name: "stop") {
                shop.stop()
                continuation.resume()
            }
        }
    }
}
