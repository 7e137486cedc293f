import Control
import Glibc
import Logging
import Media
import Testing

@testable import Compositor

@Suite("Stills and slides on their way into the program")
struct MediaLibraryTests {
    @Test("a picture that does not come holds nobody up beyond the time allowed")
    func slow() async throws {
        // It listens, and never says a word.
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Int32 in
                guard bind(listener, pointer, length) == 0, listen(listener, 8) == 0 else { return -1 }
                return getsockname(listener, pointer, &length)
            }
        }
        try #require(port == 0)
        let store = GraphicsStore()
        let shop = PaintShop(canvas: PixelSize(width: 320, height: 180), store: store)
        let studio = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        let library = MediaLibrary(
            address: MediaAddress(studio: studio, token: "t", event: "e"), store: store, shop: shop,
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
