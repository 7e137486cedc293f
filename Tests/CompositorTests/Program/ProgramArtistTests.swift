import Control
import Media
import Synchronization
import Testing

@testable import Compositor

/// A program that is drawn frame by frame in virtual time: board, schedule, artist and line are the real ones, without threads.
private struct DrawnProgram {
    /// The newest pictures of the sources.
    final class Sources: Sendable {
        private let box = Mutex<[SceneSource: VideoFrame]>([:])
        var pictures: [SceneSource: VideoFrame] {
            get { box.withLock { $0 } }
            set { box.withLock { $0 = newValue } }
        }
    }

    /// What a pixel of the program is like.
    struct Pixel: Equatable {
        var y: Int, u: Int, v: Int

        func isNear(_ other: Pixel, _ distance: Int = 2) -> Bool {
            max(abs(y - other.y), abs(u - other.u), abs(v - other.v)) <= distance
        }
    }

    static let canvas = PixelSize(width: 320, height: 180)
    static let ana = Pixel(y: 200, u: 100, v: 156), ben = Pixel(y: 60, u: 156, v: 100)
    static let black = Pixel(y: 16, u: 128, v: 128)

    let clock = ProgramClock(wallMilliseconds: 1_700_000_000_000, monotonic: MonotonicTime(nanoseconds: 5_000_000_000))
    let board: ProgramBoard
    let sources = Sources()
    var schedule: FrameScheduler
    private let artist: ProgramArtist
    private let line = ProgramLine(capacity: 4)

    /// Ana and Ben on stage, each with a picture of one colour.
    init(_ scene: Scene, layouts: [String], cast: [String] = ["ana", "ben"]) throws {
        var setup = try ProgramBoardTests.setup()
        setup.layouts = try layouts.map { try LayoutTests.layout($0) }
        setup.scene = scene
        setup.cast = cast.map { CastMember(id: $0, name: $0, isOnStage: true) }
        let board = try #require(ProgramBoard(setup)), format = ProgramFormat(canvas: Self.canvas)
        self.board = board
        schedule = FrameScheduler(
            clock: clock, frameRate: format.frameRate,
            now: MonotonicTime(nanoseconds: clock.anchorMonotonicNanoseconds))
        artist = ProgramArtist(
            clock: clock, format: format, board: board, store: GraphicsStore(),
            callbacks: .init(
                pictures: { [sources] _ in sources.pictures }, onMissing: { _ in }, onConfiguration: { _ in },
                onFrame: { _ in }))
        sources.pictures = [.participant("ana"): Self.plain(Self.ana), .participant("ben"): Self.plain(Self.ben)]
    }

    static func plain(_ pixel: Pixel) -> VideoFrame {
        Pictures.plain(canvas.width, canvas.height, y: UInt8(pixel.y), u: UInt8(pixel.u), v: UInt8(pixel.v))
    }

    /// Goes on by one frame.
    mutating func next() throws -> (time: ProgramTime, picture: VideoFrame) {
        let step = schedule.step(at: schedule.due(schedule.nextIndex))
        guard case .emit(let frame) = step else { throw NothingDue() }
        artist.put(frame, into: line)
        return (frame.programTime, try #require(line.next()).picture)
    }

    struct NothingDue: Error {}

    /// Draws the frames of a change's second, then one more; returns their pixels along the middle.
    mutating func frames(of change: ProgramChange) throws -> [[Pixel]] {
        _ = try next()
        #expect(board.add(change) { _ in })
        // The pictures are not kept: their frames are drawn on again.
        var rows: [[Pixel]] = []
        for _ in 0...30 { rows.append(try next().picture.row) }
        return rows
    }
}

extension VideoFrame {
    fileprivate func pixel(_ x: Int, _ y: Int = 90) -> DrawnProgram.Pixel {
        let chroma = y / 2 * chromaStride + x / 2
        return .init(y: Int(self.y[y * lumaStride + x]), u: Int(u[chroma]), v: Int(v[chroma]))
    }

    /// Its pixels along the middle.
    fileprivate var row: [DrawnProgram.Pixel] { (0..<width).map { pixel($0) } }
}

extension [DrawnProgram.Pixel] {
    /// What all of them are; nil when they are not alike.
    fileprivate var one: DrawnProgram.Pixel? { allSatisfy { $0 == first } ? first : nil }
}

@Suite("The program's picture, frame by frame")
struct ProgramArtistTests {
    private typealias Pixel = DrawnProgram.Pixel

    private static func full(_ id: String) -> Scene {
        Scene(layout: "full", slots: ["main": SlotSources([.participant(id)])])
    }

    /// The second in which Ben takes Ana's place, from the first frame of the change on.
    private func fromAnaToBen(_ kind: ProgramChange.Transition.Kind, milliseconds: Int64 = 1000) throws -> [[Pixel]] {
        var program = try DrawnProgram(Self.full("ana"), layouts: ["full"])
        return try program.frames(
            of: ProgramChange(
                scene: Self.full("ben"), version: 2, transition: .init(kind: kind, milliseconds: milliseconds)))
    }

    @Test(
        "a cut shows all of the new scene from the first frame on, whatever length it is given", arguments: [0, 1000])
    func cut(milliseconds: Int64) throws {
        for row in try fromAnaToBen(.cut, milliseconds: milliseconds) {
            #expect(row.one?.isNear(DrawnProgram.ben) == true)
        }
    }

    @Test("a fade goes from all of the old scene through half of each to all of the new")
    func fade() throws {
        let pixels = try fromAnaToBen(.fade).compactMap(\.one)
        #expect(pixels.count == 31, "the whole picture fades alike")
        #expect(pixels[0].isNear(DrawnProgram.ana) && pixels[30].isNear(DrawnProgram.ben))
        #expect(pixels[15].isNear(Pixel(y: 130, u: 128, v: 128), 3))
        #expect(zip(pixels, pixels.dropFirst()).allSatisfy { $0.y > $1.y && $0.u <= $1.u && $0.v >= $1.v })
    }

    @Test("a dip goes through black: only the old scene before the middle, only the new one after it")
    func dip() throws {
        let pixels = try fromAnaToBen(.dip).compactMap(\.one)
        #expect(pixels.count == 31)
        #expect(pixels[0].isNear(DrawnProgram.ana) && pixels[30].isNear(DrawnProgram.ben))
        #expect(pixels[15].isNear(DrawnProgram.black, 3))
        // Ana is yellow and Ben blue: what is seen of one has none of the other's colour.
        let old = pixels[...14], new = pixels[16...]
        #expect(old.allSatisfy { $0.u < 128 && $0.v > 128 } && new.allSatisfy { $0.u > 128 && $0.v < 128 })
        #expect(zip(old, old.dropFirst()).allSatisfy { $0.y > $1.y })
        #expect(zip(new, new.dropFirst()).allSatisfy { $0.y <= $1.y })
    }

    @Test("a wipe lays the new scene over the old one from the left")
    func wipe() throws {
        var edges: [Int] = []
        for row in try fromAnaToBen(.wipe) {
            let edge = row.firstIndex { $0.isNear(DrawnProgram.ana) } ?? row.count
            #expect(row[..<edge].allSatisfy { $0.isNear(DrawnProgram.ben) })
            #expect(row[edge...].allSatisfy { $0.isNear(DrawnProgram.ana) })
            edges.append(edge)
        }
        #expect(edges.first == 0 && edges.last == 320 && abs(edges[15] - 160) <= 4)
        #expect(zip(edges, edges.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("a move lets who is in both scenes glide to the new place, while the others come")
    func move() throws {
        var program = try DrawnProgram(Self.full("ana"), layouts: ["full", "split-2"])
        let both = Scene(
            layout: "split-2",
            slots: ["left": SlotSources([.participant("ana")]), "right": SlotSources([.participant("ben")])])
        let rows = try program.frames(
            of: ProgramChange(scene: both, version: 2, transition: .init(kind: .move, milliseconds: 1000)))
        let widths = rows.map { row in row.count { $0.isNear(DrawnProgram.ana) } }
        #expect(widths.first == 320 && widths.last == 160)
        #expect(zip(widths, widths.dropFirst()).allSatisfy { $0 >= $1 })
        // It is fast first: past the half of its way after a third of the time, and not there yet at the half.
        #expect(widths[10] < 240 && (161...200).contains(widths[15]))
        for (row, width) in zip(rows, widths) {
            #expect(row[..<width].allSatisfy { $0.isNear(DrawnProgram.ana) }, "in one piece, at the left")
        }
        let arriving = rows.map { $0[318] }
        #expect(arriving[30].isNear(DrawnProgram.ben) && !arriving[15].isNear(DrawnProgram.ben, 4))
        #expect(zip(arriving[10...], arriving[11...]).allSatisfy { $0.y <= $1.y })
    }

    @Test("a change whose sources are there is seen at most two frames after the compositor has it", arguments: 0..<16)
    func atOnce(sixteenth: Int64) throws {
        var program = try DrawnProgram(Self.full("ana"), layouts: ["full", "grid"], cast: [])
        let told = ProgramBoardTests.Told()
        let colors = [RGBColor(red: 250, green: 250, blue: 250), RGBColor(red: 16, green: 16, blue: 16)]
        for version in 2..<8 {
            _ = try program.next()
            // It comes between two frames.
            let due = program.schedule.due(program.schedule.nextIndex)
            let moment = due.advanced(byNanoseconds: -33_333_333 * sixteenth / 16)
            let scene = Scene(
                layout: version.isMultiple(of: 2) ? "grid" : "full", background: .color(colors[version % 2]))
            #expect(program.board.add(ProgramChange(scene: scene, version: Int64(version))) { told.note($0) })
            var shown = try program.next()
            if told.times.count < version - 1 { shown = try program.next() }
            #expect(told.times.count == version - 1 && told.times.last == shown.time.milliseconds)
            #expect(shown.time.milliseconds(since: program.clock.programTime(at: moment)) <= 67)
            // And the answer does not lie: the frame of this program time is the first one that shows it.
            #expect(abs((shown.picture.row.one?.y ?? 0) - (version.isMultiple(of: 2) ? 231 : 30)) < 4)
        }
    }

    @Test("a shared screen takes over half a second after it has come, and gives back after it has gone")
    func takeover() throws {
        var program = try DrawnProgram(
            Scene(layout: "grid"), layouts: ["grid", "share-with-speakers"], cast: ["ana"])
        let screen = Pixel(y: 120, u: 128, v: 128)
        // The middle of the shared screen, and of the speaker beside it; in the grid, Ana is at both.
        func seen(_ picture: VideoFrame) -> [Pixel] { [picture.pixel(122), picture.pixel(280)] }
        let grid = [DrawnProgram.ana, DrawnProgram.ana], share = [screen, DrawnProgram.ana]
        func isNear(_ pixels: [Pixel], _ others: [Pixel]) -> Bool { zip(pixels, others).allSatisfy { $0.isNear($1) } }
        for _ in 0..<3 { #expect(isNear(seen(try program.next().picture), grid)) }
        program.sources.pictures[.screen("ana")] = DrawnProgram.plain(screen)
        for _ in 0..<15 { #expect(isNear(seen(try program.next().picture), grid), "half a second") }
        // The layout's move takes 300 ms.
        for _ in 0..<11 { _ = try program.next() }
        for _ in 0..<30 { #expect(isNear(seen(try program.next().picture), share)) }
        program.sources.pictures[.screen("ana")] = nil
        for _ in 0..<21 { _ = try program.next() }
        for _ in 0..<30 { #expect(isNear(seen(try program.next().picture), grid)) }
        #expect(program.board.look.scene == Scene(layout: "grid"), "what the producer asked for is left alone")
    }
}
