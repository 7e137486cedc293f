import Control
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("Cameras and screens that their senders hide")
struct HiddenPicturesTests {
    private let ada = SceneSource.participant("ada"), ben = SceneSource.participant("ben")

    private func picture(arrived milliseconds: Int64) -> VideoFrame {
        let picture = Pictures.plain(64, 36, y: 100)
        picture.arrival = MonotonicTime(milliseconds: milliseconds)
        return picture
    }

    /// Who is seen at a moment, of two whose newest pictures came at others.
    private func seen(
        _ pictures: inout HiddenPictures, hidden: Set<SceneSource>, ada: Int64?, at now: Int64
    ) -> Set<SceneSource> {
        var all = [ben: picture(arrived: 1)]
        if let ada { all[self.ada] = picture(arrived: ada) }
        pictures.leaveOut(hidden, of: &all, at: MonotonicTime(milliseconds: now))
        return Set(all.keys)
    }

    @Test("what is hidden is gone at once, and comes back with a picture that came after that")
    func comesBack() {
        var pictures = HiddenPictures()
        #expect(seen(&pictures, hidden: [], ada: 90, at: 100) == [ada, ben])
        #expect(seen(&pictures, hidden: [ada], ada: 90, at: 200) == [ben])
        #expect(seen(&pictures, hidden: [ada], ada: 90, at: 300) == [ben])
        #expect(seen(&pictures, hidden: [], ada: 90, at: 400) == [ben], "the old picture is not shown again")
        #expect(seen(&pictures, hidden: [], ada: 90, at: 5000) == [ben])
        #expect(seen(&pictures, hidden: [], ada: 5010, at: 5020) == [ada, ben])
        // A network that loses the packets from then on leaves the picture where it is.
        #expect(seen(&pictures, hidden: [], ada: 5010, at: 90_000) == [ada, ben])
    }

    @Test("a picture that comes before anybody has told that it may is shown when it may")
    func early() {
        var pictures = HiddenPictures()
        #expect(seen(&pictures, hidden: [ada], ada: 90, at: 100) == [ben])
        #expect(seen(&pictures, hidden: [ada], ada: 150, at: 200) == [ben])
        #expect(seen(&pictures, hidden: [], ada: 150, at: 300) == [ada, ben])
    }

    @Test("what is hidden again before a picture came stays away with what came between")
    func again() {
        var pictures = HiddenPictures()
        #expect(seen(&pictures, hidden: [ada], ada: 90, at: 100) == [ben])
        #expect(seen(&pictures, hidden: [], ada: 90, at: 200) == [ben])
        #expect(seen(&pictures, hidden: [ada], ada: 250, at: 300) == [ben])
        #expect(seen(&pictures, hidden: [], ada: 250, at: 400) == [ben])
        #expect(seen(&pictures, hidden: [], ada: nil, at: 500) == [ben])
        #expect(seen(&pictures, hidden: [], ada: 600, at: 610) == [ada, ben], "another track has taken its place")
    }

    @Test("a hidden camera is a card in what is to come, too, and a hidden screen is as if it were not shared")
    func resolved() throws {
        let member = CastMember(
            id: "ada", name: "Ada", isOnStage: true, mutedSources: [.camera, .screen, .microphone])
        let look = ProgramLook(scene: Scene(layout: "full"), layout: try LayoutTests.layout("full"), cast: [member])
        let pictures: [SceneSource: VideoFrame] = [
            ada: picture(arrived: 1), .screen("ada"): picture(arrived: 1),
        ]
        let person = try #require(
            look.present(pictures, GraphicsStore(), ProgramDirection()).participants.first)
        #expect(person.camera == nil && person.screen == nil)
        #expect(look.hidden == [ada, .screen("ada")])
    }

    @Test("the program shows the card from the frame on at which it is told, and a new picture after that")
    func program() async throws {
        /// The last picture of a camera whose packets come no more.
        final class Camera: Sendable {
            private let box: Mutex<VideoFrame>
            init(_ picture: VideoFrame) { box = Mutex(picture) }
            var picture: VideoFrame {
                get { box.withLock { $0 } }
                set { box.withLock { $0 = newValue } }
            }
        }
        func bright() -> VideoFrame {
            let picture = Pictures.plain(320, 180, y: 230)
            picture.arrival = SystemClock.monotonic()
            return picture
        }
        var setup = try ProgramBoardTests.setup()
        setup.cast = [CastMember(id: "ada", name: "Ada", isOnStage: true)]
        setup.scene = Scene(layout: "full", slots: ["main": SlotSources([ada])])
        let board = try #require(ProgramBoard(setup)), camera = Camera(bright()), ada = ada
        let video = ProgramVideo(
            clock: ProgramClock(wallMilliseconds: SystemClock.wallMilliseconds(), monotonic: SystemClock.monotonic()),
            format: ProgramFormat(canvas: PixelSize(width: 320, height: 180), videoKbps: 400, preset: .ultrafast),
            board: board, store: GraphicsStore(),
            callbacks: .init(
                pictures: { _ in [ada: camera.picture] }, onMissing: { _ in }, onConfiguration: { _ in },
                onFrame: { _ in }), logger: Logger(label: "test"))
        func isBright() -> Bool? { video.newest.program.map { $0.y[90 * $0.lumaStride + 160] > 200 } }
        func until(_ what: Testing.Comment, _ holds: () -> Bool) async throws {
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
            while !holds() {
                guard SystemClock.monotonic() < deadline else {
                    Issue.record(what)
                    return
                }
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        try await until("her picture") { isBright() == true }
        var hidden = setup.cast
        hidden[0].mutedSources = [.camera]
        board.put(cast: hidden) { _ in }
        try await until("her card") { isBright() == false }
        #expect(video.newest.sources.pictures.isEmpty)
        let shown = Atomic(false)
        board.put(cast: setup.cast) { _ in shown.store(true, ordering: .releasing) }
        try await until("that she may be seen") { shown.load(ordering: .acquiring) }
        let number = video.counters["proscenium_compositor_frames_emitted_total"] ?? 0
        try await until("frames after that") {
            video.counters["proscenium_compositor_frames_emitted_total"] ?? 0 > number + 3
        }
        #expect(isBright() == false)
        camera.picture = bright()
        try await until("her new picture") { isBright() == true }
        video.stop()
    }
}
