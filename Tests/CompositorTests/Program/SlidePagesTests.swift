import Control
import Foundation
import Glibc
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

/// A Studio that has one deck: gives its pages by HTTP, one connection for each, and remembers what it was asked for.
final class PageStudio: Sendable {
    private let listener: LoopbackListener
    private let asked = Mutex<[Int]>([])

    var port: Int { listener.port }

    /// The pages that were asked for since the last time, in order.
    func takeAsked() -> [Int] {
        asked.withLock { asked in
            defer { asked = [] }
            return asked
        }
    }

    /// Serves pages 1 to `count`, all with the same picture.
    init(pages count: Int, picture: Data) throws {
        let listener = try LoopbackListener()
        self.listener = listener
        _ = MediaThread(name: "page studio") { [weak self] in
            while let connection = listener.next() {
                defer { close(connection) }
                guard let page = Self.page(connection) else { continue }
                self?.asked.withLock { $0.append(page) }
                let isThere = (1...count).contains(page), body = isThere ? picture : Data()
                let head =
                    "HTTP/1.1 \(isThere ? "200 OK" : "404 Not Found")\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
                Self.write(Array(head.utf8) + body, to: connection)
            }
        }
    }

    deinit { listener.stop() }

    /// The number in `GET /media/e/d/7.png HTTP/1.1`.
    private static func page(_ connection: Int32) -> Int? {
        var request = "", buffer = [UInt8](repeating: 0, count: 4096)
        while !request.contains("\r\n\r\n") {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0, request.utf8.count < 65_536 else { return nil }
            request += String(decoding: buffer.prefix(count), as: UTF8.self)
        }
        return request.split(separator: " ").dropFirst().first?.split(separator: "/").last
            .flatMap { Int($0.dropLast(4)) }
    }

    private static func write(_ bytes: [UInt8], to connection: Int32) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(connection, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}

@Suite("Pages of slides that are kept")
struct SlidePagesTests {
    /// A deck in the program's size.
    private struct Deck {
        let studio: PageStudio
        let store = GraphicsStore(canvas: PixelSize(width: 1920, height: 1080))
        let shop: PaintShop
        let library: MediaLibrary
        var look: ProgramLook

        init(pages: Int, width: Int, height: Int) throws {
            let file = FileManager.default.temporaryDirectory.appending(path: "page-\(UUID().uuidString).png")
            defer { try? FileManager.default.removeItem(at: file) }
            var picture = RGBABitmap(width: width, height: height)
            picture.fill(PixelRect(width: width, height: height), color: RGBColor(red: 250, green: 250, blue: 240))
            try PNGWriter.write(picture, to: file)
            studio = try PageStudio(pages: pages, picture: Data(contentsOf: file))
            shop = PaintShop(canvas: PixelSize(width: 1920, height: 1080), store: store)
            library = MediaLibrary(
                address: MediaAddress(studio: "http://127.0.0.1:\(studio.port)", token: "t", event: "e"), store: store,
                shop: shop, logger: Logger(label: "test"))
            look = try #require(ProgramBoard(try ProgramBoardTests.setup())).look
        }

        /// Turns to a page as the program does: it is there when this returns, and so are those beside it.
        ///
        /// - Returns: the pages that were asked for, and whether the page itself came.
        mutating func turn(to page: Int) async throws -> (asked: [Int], isThere: Bool) {
            let before = look
            look.scene.slides = Slides(deck: "d", page: page)
            let isThere = await library.load(look, keeping: before, waitingAtMost: 120_000)
            library.hold(look)
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 120_000)
            while library.pending > 0, SystemClock.monotonic() < deadline {
                try await Task.sleep(for: .milliseconds(2))
            }
            try #require(library.pending == 0)
            return (studio.takeAsked().sorted(), isThere)
        }

        /// Which of the pages are here; to look counts as their use, as it does when the program turns.
        func here(_ pages: ClosedRange<Int>) -> [Int] {
            pages.filter { store.size(of: Slides(deck: "d", page: $0)) != nil }
        }

        func stop() async {
            await withCheckedContinuation { continuation in
                _ = MediaThread(name: "stop") { [shop] in
                    shop.stop()
                    continuation.resume()
                }
            }
        }
    }

    @Test(
        "three to both sides of the one that is shown are asked for, each once, and none past the ends twice in a row")
    func turned() async throws {
        var deck = try Deck(pages: 12, width: 64, height: 36)
        for (page, asked) in [
            (1, [1, 2, 3, 4]), (2, [5]), (3, [6]), (4, [7]), (3, []), (9, [8, 9, 10, 11, 12]), (8, []),
            // Of 13 to 15 nothing is there, which holds nobody up.
            (12, [13, 14, 15]),
        ] {
            let turn = try await deck.turn(to: page)
            #expect(turn.asked == asked && turn.isThere, "page \(page)")
        }
        #expect(deck.here(1...15) == Array(1...12))
        await deck.stop()
    }

    @Test("at 1080p the seven around the one that is shown stay, others go, and memory is bounded")
    func bounded() async throws {
        var deck = try Deck(pages: 300, width: 1920, height: 1080)
        var most = 0
        func check(_ page: Int, _ asked: [Int]) async throws {
            let turn = try await deck.turn(to: page)
            #expect(turn.asked == asked && turn.isThere, "page \(page)")
            let around = max(1, page - 3)...min(300, page + 3)
            #expect(deck.here(around) == Array(around), "page \(page)")
            most = max(most, deck.store.bytes)
            #expect(deck.store.bytes <= GraphicsStore.limits.slides)
        }
        try await check(1, [1, 2, 3, 4])
        try await check(2, [5])
        // A jump: nothing of it is there.
        try await check(150, Array(147...153))
        try await check(151, [154])
        // By turning on, what is behind goes.
        try await check(152, [155])
        try await check(153, [156])
        #expect(deck.here(1...5).isEmpty)
        // Ten pages of 3.1 MB, and never one more.
        #expect(most == 10 * (1920 * 1080 * 3 / 2), "\(most) bytes")
        await deck.stop()
    }
}
