import Control
import Foundation
import Glibc
import Media
import Testing

@testable import Compositor

/// Videos made by ffmpeg, which the tests need as the end-to-end tests do.
enum Video {
    static let ffmpeg = "/usr/bin/ffmpeg"
    static let isThere = FileManager.default.isExecutableFile(atPath: ffmpeg)
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    static let program = repository.appending(path: ".build/debug/proscenium").path
    static let isProgramThere = FileManager.default.isExecutableFile(atPath: program)

    /// Two seconds of a luma that rises by 4 with each of 30 pictures a second, and a beep in the first 100 ms of the second
    /// second; at another rate so many pictures, and the same sound.
    static func make(
        _ name: String, in folder: URL, _ codecs: [String], size: String = "320x180", rate: Int = 30, pictures: Int = 60
    ) throws -> URL {
        let file = folder.appending(path: name), process = Process()
        process.executableURL = URL(filePath: ffmpeg)
        process.arguments =
            [
                "-v", "error", "-y", "-f", "lavfi", "-i",
                "color=black:s=\(size):r=\(rate):d=\(Double(pictures) / Double(rate)),format=yuv420p,geq=lum='16+3*N':cb=128:cr=128",
                "-f", "lavfi", "-i",
                "aevalsrc='0.5*sin(2*PI*1000*t)*between(t,1,1.1)':s=48000:d=2", "-pix_fmt", "yuv420p",
            ] + codecs + [file.path]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return file
    }

    static let h264 = ["-c:v", "libx264", "-preset", "veryfast", "-qp", "4", "-c:a", "aac", "-movflags", "+faststart"]
    static let vp9 = ["-c:v", "libvpx", "-b:v", "2M", "-c:a", "libopus"]

    static func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "rolls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    static func open(_ file: URL) throws -> RollFile {
        let descriptor = Glibc.open(file.path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        return RollFile(descriptor: descriptor, bytes: 0)
    }

    static func describe(_ data: Data, in folder: URL) throws -> RollDescription {
        let file = folder.appending(path: "file")
        try data.write(to: file)
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        return try RollProbe.describe(descriptor: handle.fileDescriptor)
    }
}

@Suite("Video rolls", .enabled(if: Video.isThere))
struct RollTests {
    @Test("MP4, MOV, WebM and Matroska say their size, length and sound")
    func describe() throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, codecs) in [
            ("a.mp4", Video.h264), ("a.mov", Video.h264), ("a.webm", Video.vp9), ("a.mkv", Video.h264.dropLast(2)),
        ] {
            let file = try Video.make(name, in: folder, Array(codecs))
            let roll = try Video.describe(Data(contentsOf: file), in: folder)
            #expect(roll.width == 320 && roll.height == 180 && roll.hasSound, "\(name)")
            #expect(abs(roll.durationMs - 2000) < 60, "\(name) \(roll.durationMs)")
        }
        let tall = try Video.make("tall.mp4", in: folder, Video.h264, size: "1080x2400")
        let roll = try Video.describe(Data(contentsOf: tall), in: folder)
        #expect(roll.height <= 1920 && roll.width * roll.height <= 1920 * 1080 && roll.width % 2 == 0)
    }

    @Test("a playlist, a list of files, a cut file and one that points to another are refused with the reason")
    func refuse() throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        func reason(_ data: Data) -> String {
            do {
                return "taken: \(try Video.describe(data, in: folder))"
            } catch { return (error as? RollError)?.reason ?? "\(error)" }
        }
        let kinds = "The file is neither MP4, MOV, WebM nor Matroska"
        #expect(reason(Data("#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n".utf8)) == "\(kinds), but an HLS playlist.")
        #expect(reason(Data("ffconcat version 1.0\nfile '/etc/passwd'\n".utf8)) == "\(kinds), but a list of files.")
        #expect(reason(Data()) == "\(kinds).")
        let whole = try Data(contentsOf: try Video.make("a.mp4", in: folder, Video.h264))
        for part in [0.3, 0.6, 0.9] {
            let cut = reason(whole.prefix(Int(Double(whole.count) * part)))
            #expect(cut.hasPrefix("The file"), "\(part): \(cut)")
        }
        let webm = try Data(contentsOf: try Video.make("a.webm", in: folder, Video.vp9))
        #expect(reason(webm.prefix(webm.count / 2)).contains("cut off"))
        // A data reference to another file: the entry `url ` with flag 1 (here) becomes one without it (elsewhere).
        var other = whole
        let place = try #require(other.range(of: Data("url \u{0}\u{0}\u{0}\u{1}".utf8)))
        other[place.upperBound - 1] = 0
        #expect(!reason(other).contains("/etc"))
        let sound = try Video.make("sound.mp4", in: folder, ["-vn", "-c:a", "aac"])
        #expect(reason(try Data(contentsOf: sound)) == "The file has no picture track; sound alone is taken as audio.")
    }

    @Test("a picture beyond the limits is too large before it is decoded")
    func limits() throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try Video.make("a.mp4", in: folder, Video.h264)
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        var limits = RollLimits()
        limits.pixels = 320 * 180 - 1
        #expect(throws: RollError.tooLarge("The picture has 320 x 180 pixels.")) {
            try RollProbe.describe(descriptor: handle.fileDescriptor, limits: limits)
        }
        limits = RollLimits()
        limits.packets = 50
        #expect(throws: RollError.tooLarge("The file has more than 50 packets.")) {
            try RollProbe.describe(descriptor: handle.fileDescriptor, limits: limits)
        }
        limits = RollLimits()
        limits.milliseconds = 1000
        #expect(throws: RollError.tooLarge("The file runs for 0 minutes.")) {
            try RollProbe.describe(descriptor: handle.fileDescriptor, limits: limits)
        }
    }
}

@Suite("Rolls in their process", .enabled(if: Video.isThere && Video.isProgramThere))
struct RollPlayerTests {
    private static let frame: Int64 = 33_333_333

    /// Runs a roll at frames of 30 a second, and at each waits until what is due is there.
    ///
    /// - Returns: the luma of each picture, and the samples of each block.
    private func run(_ roll: RollPlayer, from start: MonotonicTime, frames: Int) -> (luma: [Int], sound: [Float]) {
        var luma: [Int] = [], sound: [Float] = [], heard = start
        var block = [Float](repeating: 0, count: 960)
        for index in 0..<frames {
            let moment = start.advanced(byNanoseconds: Int64(index) * Self.frame)
            guard let picture = roll.picture(at: moment, isPlaying: true) else { break }
            luma.append(Int(picture.y[90 * picture.lumaStride + 160]))
            while heard < moment.advanced(byNanoseconds: Self.frame) {
                let isAny = block.withUnsafeMutableBufferPointer { roll.sound(at: heard, into: $0) }
                sound += isAny ? stride(from: 0, to: 960, by: 2).map { block[$0] } : [Float](repeating: 0, count: 480)
                heard = heard.advanced(byMilliseconds: 10)
            }
            if roll.end != nil { break }
            // Test time runs as fast as the process decodes: some of what comes next is there before it is asked for.
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
            while !roll.hasAhead, SystemClock.monotonic() < deadline { usleep(200) }
        }
        return (luma, sound)
    }

    @Test("sound begins with the frame in which a roll starts, also where that stands for the next one")
    func startsWithItsFrame() async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let roll = RollPlayer(
            executable: Video.program, file: try Video.open(try Video.make("a.mp4", in: folder, Video.h264)), fromMs: 0)
        defer { roll.stop() }
        await roll.settled.value
        let start = MonotonicTime(milliseconds: 5000), middle = start.advanced(byNanoseconds: Self.frame)
        _ = roll.picture(.init(begin: start, moment: middle), isPlaying: true)
        #expect(roll.positionMs == 33)
        var block = [Float](repeating: 0, count: 960)
        // The first second is silent: the beep begins where it does in the file.
        #expect(block.withUnsafeMutableBufferPointer { roll.sound(at: start, into: $0) })
        #expect(!block.withUnsafeMutableBufferPointer { roll.sound(at: start.advanced(byMilliseconds: -5), into: $0) })
    }

    @Test("pictures and sound come by one clock, and then it is over", arguments: ["mp4", "webm"])
    func plays(kind: String) async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try Video.make("a.\(kind)", in: folder, kind == "mp4" ? Video.h264 : Video.vp9)
        let roll = RollPlayer(executable: Video.program, file: try Video.open(file), fromMs: 0)
        defer { roll.stop() }
        await roll.settled.value
        #expect(roll.isReady)
        let start = MonotonicTime(milliseconds: 1000)
        // It stands at its first picture until it is played.
        let first = try #require(roll.picture(at: start, isPlaying: false))
        #expect(abs(Int(first.y[90 * first.lumaStride + 160]) - 16) <= 2)
        #expect(roll.picture(at: start.advanced(byMilliseconds: 500), isPlaying: false) === first)
        let (luma, sound) = run(roll, from: start.advanced(byMilliseconds: 1000), frames: 90)
        #expect(roll.end == .over)
        #expect((59...64).contains(luma.count), "\(luma.count)")
        for (index, value) in luma.prefix(59).enumerated() {
            #expect(abs(value - (16 + 3 * index)) <= 3, "picture \(index) has \(value)")
        }
        let onset = try #require(sound.firstIndex { abs($0) > 0.1 })
        #expect(abs(onset - 48_000) < 480, "the beep begins at \(onset)")
        let loud = sound.filter { abs($0) > 0.1 }.count
        #expect((2500...5500).contains(loud), "\(loud)")
    }

    @Test(
        "at any rate pictures are as often early as late, so that the sound needs no shift",
        arguments: [24, 25, 30, 50, 60])
    func nearest(rate: Int) async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try Video.make("a.mp4", in: folder, Video.h264, rate: rate, pictures: 60)
        let roll = RollPlayer(executable: Video.program, file: try Video.open(file), fromMs: 0)
        defer { roll.stop() }
        await roll.settled.value
        let (luma, sound) = run(roll, from: MonotonicTime(milliseconds: 1000), frames: max(40, 1800 / rate))
        // By how much each picture is first shown after its stamp, in frames of the program.
        var late: [Double] = [], last = 0
        for (index, value) in luma.enumerated() {
            let number = Int((Double(value - 16) / 3).rounded())
            if number > last, number < 59 { late.append(Double(index) - Double(30 * number) / Double(rate)) }
            last = number
        }
        #expect(late.count > 20 && late.allSatisfy { abs($0) < 0.6 }, "\(late)")
        #expect(abs(late.reduce(0, +) / Double(max(1, late.count))) < 0.15, "\(late)")
        let onset = try #require(sound.firstIndex { abs($0) > 0.1 })
        #expect(abs(onset - 48_000) < 96, "the beep begins at \(onset)")
    }

    @Test("it begins where it is told, and stands while it is paused")
    func position() async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try Video.make("a.mp4", in: folder, Video.h264)
        let roll = RollPlayer(executable: Video.program, file: try Video.open(file), fromMs: 1000)
        defer { roll.stop() }
        await roll.settled.value
        let start = MonotonicTime(milliseconds: 500)
        let (luma, _) = run(roll, from: start, frames: 10)
        #expect(abs((luma.first ?? 0) - (16 + 90)) <= 4, "\(luma)")
        let stands = start.advanced(byNanoseconds: 10 * Self.frame)
        let held = roll.picture(at: stands, isPlaying: false)
        var block = [Float](repeating: 1, count: 960)
        #expect(!block.withUnsafeMutableBufferPointer { roll.sound(at: stands, into: $0) })
        #expect(roll.picture(at: stands.advanced(byMilliseconds: 60_000), isPlaying: false) === held)
        let (more, _) = run(roll, from: stands.advanced(byMilliseconds: 60_000), frames: 3)
        #expect(abs((more.first ?? 0) - (16 + 90 + 30)) <= 4, "\(more)")
    }

    @Test("begun behind its last picture it shows that one, and is over", arguments: [1999, 2500])
    func beginsAtItsEnd(fromMs: Int64) async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        // Two seconds of pictures, and three of sound.
        let file = try Video.make("a.mp4", in: folder, ["-af", "apad=whole_dur=3"] + Video.h264)
        let roll = RollPlayer(executable: Video.program, file: try Video.open(file), fromMs: fromMs)
        defer { roll.stop() }
        await roll.settled.value
        let (luma, _) = run(roll, from: MonotonicTime(milliseconds: 1000), frames: 90)
        #expect(abs((luma.first ?? 0) - (16 + 3 * 59)) <= 4, "\(luma)")
        #expect(roll.end == .over)
    }

    @Test("a file that breaks in its middle ends as a failure, and one that is none never begins")
    func breaks() async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let whole = try Data(contentsOf: try Video.make("a.mp4", in: folder, Video.h264))
        let cut = folder.appending(path: "cut.mp4")
        try whole.prefix(whole.count * 2 / 3).write(to: cut)
        let roll = RollPlayer(executable: Video.program, file: try Video.open(cut), fromMs: 0)
        defer { roll.stop() }
        await roll.settled.value
        _ = run(roll, from: MonotonicTime(milliseconds: 1000), frames: 120)
        #expect(roll.end?.failure != nil)
        #expect(roll.picture(at: MonotonicTime(milliseconds: 9000), isPlaying: true) == nil)

        let none = folder.appending(path: "none.mp4")
        try Data("#EXTM3U\n".utf8).write(to: none)
        let other = RollPlayer(executable: Video.program, file: try Video.open(none), fromMs: 0)
        defer { other.stop() }
        await other.settled.value
        #expect(!other.isReady)
        #expect(other.end?.failure?.contains("HLS playlist") == true)
    }

    @Test("a process that dies takes nobody with it")
    func dies() async throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try Video.make("a.mp4", in: folder, Video.h264)
        for program in ["/bin/false", "/nowhere/at/all"] {
            let roll = RollPlayer(executable: program, file: try Video.open(file), fromMs: 0)
            await roll.settled.value
            #expect(!roll.isReady && roll.end?.failure != nil, "\(program)")
            roll.stop()
        }
    }

    @Test("records that say what can't be are not taken")
    func records() {
        #expect(RollRecord([1, 0, 0, 1920, 1080, 3, 1, 0]) != nil)
        for wrong: [Int64] in [
            [1, 0, 0, 1920, 1080, 4, 1, 0], [1, 0, 0, 1920, 1922, 0, 1, 0], [1, 0, 0, 1919, 1080, 0, 1, 0],
            [1, -1, 0, 1920, 1080, 0, 1, 0], [1, 0, 0, 1920, 1080, -1, 1, 0], [1, 0, 0, 1920, 1080, 0, 4, 0],
            [1, 0, 0, 1920, 1080, 0, 1, 4], [2, 0, 0, 0, 0, 0, 0, 0], [2, 0, 1 << 40, 0, 0, 0, 0, 0],
            [2, 1 << 44, 1, 0, 0, 0, 0, 0], [4, 0, 301, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0, 0, 0],
            [2, Int64.min, 1, 0, 0, 0, 0, 0], [1],
        ] { #expect(RollRecord(wrong) == nil, "\(wrong)") }
    }
}

@Suite("Pictures without a file")
struct BuiltInRollTests {
    @Test("colour bars are those of BT.709 with 75 %, limited")
    func bars() {
        #expect(
            ColorBars.values.map { [$0.y, $0.u, $0.v] } == [
                [180, 128, 128], [168, 44, 136], [145, 147, 44], [133, 63, 52], [63, 193, 204], [51, 109, 212],
                [28, 212, 120], [16, 128, 128],
            ])
        let frame = ColorBars.make(width: 1920, height: 1080)
        #expect(frame.y[100 * frame.lumaStride + 239] == 180 && frame.y[100 * frame.lumaStride + 240] == 168)
        #expect(frame.u[100 * frame.chromaStride + 959] == 128 && frame.v[0] == 128)
    }

    @Test("the countdown runs for ten seconds, and ends")
    func countdown() async throws {
        let shop = PaintShop(canvas: PixelSize(width: 320, height: 180), store: GraphicsStore())
        defer { shop.stop() }
        let roll = BuiltInRoll(.countdown, shop: shop)
        await roll.settled.value
        try #require(roll.isReady)
        let start = MonotonicTime(milliseconds: 5000)
        let ten = roll.picture(at: start, isPlaying: true)
        #expect(roll.picture(at: start.advanced(byMilliseconds: 900), isPlaying: true) === ten)
        #expect(roll.picture(at: start.advanced(byMilliseconds: 1100), isPlaying: true) !== ten)
        #expect(roll.picture(at: start.advanced(byMilliseconds: 9900), isPlaying: true) != nil && roll.end == nil)
        _ = roll.picture(at: start.advanced(byMilliseconds: 10_000), isPlaying: true)
        #expect(roll.end == .over)
    }

    @Test("a countdown that goes on in another compositor begins where it was")
    func resumed() async throws {
        let shop = PaintShop(canvas: PixelSize(width: 320, height: 180), store: GraphicsStore())
        defer { shop.stop() }
        func settled(_ fromMs: Int64) async -> BuiltInRoll {
            let roll = BuiltInRoll(.countdown, shop: shop, fromMs: fromMs)
            await roll.settled.value
            return roll
        }
        func pixels(_ picture: VideoFrame) -> [UInt8] { Array(UnsafeBufferPointer(start: picture.y, count: 540 * 960)) }
        let whole = await settled(0), start = MonotonicTime(milliseconds: 5000)
        _ = whole.picture(at: start, isPlaying: true)
        let seventh = try #require(whole.picture(at: start.advanced(byMilliseconds: 7300), isPlaying: true))
        let roll = await settled(7300)
        #expect(pixels(try #require(roll.shown)) == pixels(seventh) && roll.positionMs == 7300)
        _ = roll.picture(at: start, isPlaying: true)
        _ = roll.picture(at: start.advanced(byMilliseconds: 2600), isPlaying: true)
        #expect(roll.end == nil && roll.positionMs == 9900)
        _ = roll.picture(at: start.advanced(byMilliseconds: 2700), isPlaying: true)
        #expect(roll.end == .over)
        for (fromMs, expected) in [(Int64.max, Int64(10_000)), (.min, 0)] {
            #expect(await settled(fromMs).positionMs == expected)
        }
    }
}

extension Roll {
    /// The picture of a frame that stands for itself alone.
    fileprivate func picture(at moment: MonotonicTime, isPlaying: Bool) -> VideoFrame? {
        picture(.init(begin: moment, moment: moment), isPlaying: isPlaying)
    }
}
