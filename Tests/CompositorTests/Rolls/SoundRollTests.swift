import Foundation
import Glibc
import Testing

@testable import Compositor

// One after the other: they decode for seconds, and hold up what else waits for a thread.
@Suite("Sound alone", .enabled(if: Video.isThere), .serialized)
struct SoundRollTests {
    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    @Test(
        "of each kind it is known how long it runs, and its first sample is the first one that was recorded",
        arguments: RisingTone.kinds)
    func whole(kind: RisingTone.Kind) throws {
        try withFolder { folder in
            let file = try RisingTone.make(kind, in: folder)
            let told = try RisingTone.describe(Data(contentsOf: file), in: folder), heard = try RisingTone.decode(file)
            #expect(abs(told - RisingTone.milliseconds) <= (kind.error == nil ? 30 : 0), "\(told)")
            #expect(heard.first == 0 && heard.isContinuous)
            #expect(abs(heard.left.count - Int(48 * told)) <= (kind.error == nil ? 1440 : 0), "\(heard.left.count)")
            let late = try #require(RisingTone.lateness(of: heard.left.dropFirst(4800), at: 4800))
            #expect(abs(late) <= min(kind.rounding, 2), "\(late)")
            if let error = kind.error {
                let worst = zip(heard.left, RisingTone.samples).map { abs($0 - $1) }.max() ?? 1
                #expect(worst < error, "\(worst)")
            }
        }
    }

    @Test("it begins with the very sample of the place that is told", arguments: RisingTone.placed)
    func place(kind: RisingTone.Kind) throws {
        try withFolder { folder in
            let file = try RisingTone.make(kind, in: folder), whole = try RisingTone.decode(file)
            for fromMs in [5, 700, 1234, 2400] {
                let place = 48 * fromMs, part = try RisingTone.decode(file, fromMs: Int64(fromMs))
                #expect(part.first == Int64(place) && part.isContinuous, "\(fromMs): \(String(describing: part.first))")
                #expect(abs(place + part.left.count - whole.left.count) <= kind.rounding, "\(fromMs)")
                let late = try #require(RisingTone.lateness(of: part.left[...], at: place), "\(fromMs)")
                #expect(abs(late) <= kind.rounding, "\(fromMs): \(late)")
                let isSame = part.left.elementsEqual(whole.left.dropFirst(place))
                #expect(isSame || kind.error == nil, "\(fromMs)")
            }
            let behind = try RisingTone.decode(file, fromMs: 4000)
            #expect(behind.left.isEmpty)
        }
    }

    @Test("a cover is left out", arguments: ["a.mp3", "a.m4a", "a.flac"])
    func cover(name: String) throws {
        try withFolder { folder in
            let kind = try RisingTone.kind(name), file = folder.appending(path: name)
            try RisingTone.run(
                RisingTone.source(kind.rate) + ["-f", "lavfi", "-i", "color=red:s=64x64:r=1:d=1"]
                    + ["-map", "0:a", "-map", "1:v", "-frames:v", "1", "-c:v", "png", "-disposition:v", "attached_pic"]
                    + kind.codec + ["-t", "3", file.path])
            #expect(try abs(RisingTone.describe(Data(contentsOf: file), in: folder) - 3000) <= 30)
            let heard = try RisingTone.decode(file, fromMs: 1000)
            #expect(heard.first == 48_000 && RisingTone.lateness(of: heard.left[...], at: 48_000).map(abs) ?? 99 <= 2)
        }
    }

    @Test("what is no sound, or more than sound, is refused with the reason")
    func refuse() throws {
        try withFolder { folder in
            let kinds = "The file is neither MP3, MP4, WebM, WAV, FLAC nor Ogg"
            let avi = Data("RIFF".utf8) + Data([0, 1, 0, 0]) + Data("AVI LIST".utf8)
            let adts = Data([0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC, 0x21])
            for (data, other) in [
                (Data("#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n".utf8), ", but an HLS playlist."),
                (Data("ffconcat version 1.0\nfile '/etc/passwd'\n".utf8), ", but a list of files."),
                (Data("[playlist]\nFile1=http://127.0.0.1/a\n".utf8), ", but a playlist."),
                (avi, ", but another RIFF file."), (adts, ", but AAC without a container."), (Data(), "."),
                (Data(repeating: 0, count: 4000), "."),
            ] as [(Data, String)] { #expect(try RisingTone.reason(data, in: folder) == kinds + other) }

            let video = try Data(contentsOf: try Video.make("a.mp4", in: folder, Video.h264))
            #expect(try RisingTone.reason(video, in: folder) == "The file has a picture; upload it as a video.")
            let silent = folder.appending(path: "silent.mp4")
            try RisingTone.run(["-i", folder.appending(path: "a.mp4").path, "-an", "-c", "copy", silent.path])
            #expect(try RisingTone.reason(Data(contentsOf: silent), in: folder) == "The file has no sound track.")
            let other = RisingTone.Kind(name: "other.mp4", codec: ["-c:a", "ac3"])
            let unread = try Data(contentsOf: try RisingTone.make(other, in: folder))
            #expect(try RisingTone.reason(unread, in: folder) == "The sound is ac3, which is not read.")
            let layer = try Data(
                contentsOf: try RisingTone.make(.init(name: "2.wav", codec: ["-c:a", "mp2"]), in: folder))
            #expect(try RisingTone.reason(layer, in: folder) == "The sound is mp2, which is not read.")

            // And the other way round.
            func asVideo(_ name: String) throws -> String {
                let data = try Data(contentsOf: try RisingTone.make(try RisingTone.kind(name), in: folder))
                do {
                    return "taken: \(try Video.describe(data, in: folder))"
                } catch let error as RollError { return error.reason }
            }
            let videos = "The file is neither MP4, MOV, WebM nor Matroska"
            #expect(try asVideo("a.mp3") == "\(videos), but MP3, which is taken as audio.")
            #expect(try asVideo("16.wav") == "\(videos), but WAV, which is taken as audio.")
            #expect(try asVideo("opus.ogg") == "\(videos), but Ogg, which is taken as audio.")
            for name in ["a.m4a", "a.webm"] {
                #expect(try asVideo(name) == "The file has no picture track; sound alone is taken as audio.")
            }
        }
    }

    @Test("what ends before it says is cut off, and what says nothing is as long as it is")
    func cut() throws {
        try withFolder { folder in
            for name in ["a.mp3", "variable.mp3", "a.m4a", "16.wav", "large.wav", "a.flac"] {
                let whole = try Data(contentsOf: try RisingTone.make(try RisingTone.kind(name), in: folder))
                let part = whole.prefix(whole.count * 6 / 10), reason = try RisingTone.reason(part, in: folder)
                #expect(reason.hasPrefix("The file ") && !reason.contains("neither"), "\(name): \(reason)")
                let file = folder.appending(path: "part-\(name)")
                try part.write(to: file)
                #expect(throws: RollError.self, "\(name)") { try RisingTone.decode(file) }
                #expect(throws: RollError.self, "\(name)") { try RisingTone.decode(file, fromMs: 2000) }
            }
            let stream = RisingTone.Kind(
                name: "stream.mp3", codec: ["-c:a", "libmp3lame", "-b:a", "160k", "-write_xing", "0"])
            for kind in [stream, try RisingTone.kind("opus.ogg"), try RisingTone.kind("vorbis.ogg")] {
                let whole = try Data(contentsOf: try RisingTone.make(kind, in: folder))
                let part = try RisingTone.describe(whole.prefix(whole.count * 6 / 10), in: folder)
                #expect((500...2500).contains(part), "\(kind): \(part)")
                #expect(try abs(RisingTone.describe(whole, in: folder) - 3000) < 100, "\(kind)")
            }
        }
    }

    @Test("lengths in headers that can't be are refused, and unknown ones are found out")
    func headers() throws {
        try withFolder { folder in
            var wave = try Data(contentsOf: try RisingTone.make(try RisingTone.kind("16.wav"), in: folder))
            let place = try #require(wave.range(of: Data("data".utf8))).upperBound
            func with(_ length: [UInt8]) -> Data {
                wave.replaceSubrange(place..<(place + 4), with: length)
                return wave
            }
            #expect(try RisingTone.reason(with([0xF0, 0xFF, 0xFF, 0x0F]), in: folder).hasPrefix("The file is cut off"))
            // As one writes that can't go back to the header.
            #expect(try RisingTone.describe(with([0xFF, 0xFF, 0xFF, 0xFF]), in: folder) == 3000)

            let song = try Data(contentsOf: try RisingTone.make(try RisingTone.kind("a.mp3"), in: folder))
            func tagged(_ length: [UInt8], _ bytes: Int = 0) -> Data {
                Data("ID3".utf8) + Data([3, 0, 0]) + Data(length) + Data(count: bytes) + song
            }
            #expect(
                try RisingTone.reason(tagged([0x7F, 0x7F, 0x7F, 0x7F]), in: folder)
                    == "The file is cut off in its ID3 tag, which is said to have 268435465 bytes.")
            #expect(
                try RisingTone.reason(tagged([0x20, 0, 0, 0], 1 << 26), in: folder) == "The file's ID3 tags have 67 MB."
            )
            let empty = Data("ID3".utf8) + Data([3, 0, 0, 0, 0, 0, 0])
            #expect(try abs(RisingTone.describe(empty + empty + tagged([0, 0, 0, 0]), in: folder) - 3000) <= 30)
            let many = (0..<20).reduce(Data()) { data, _ in data + empty } + song
            #expect(try RisingTone.reason(many, in: folder) == "The file has more than 15 ID3 tags.")
            // Two tags, the second of ffmpeg, and padding.
            #expect(try abs(RisingTone.describe(tagged([0, 0, 8, 0], 1024), in: folder) - 3000) <= 30)
            let flac = try Data(contentsOf: try RisingTone.make(try RisingTone.kind("a.flac"), in: folder))
            #expect(try RisingTone.describe(tagged([0, 0, 8, 0], 1024).prefix(1034) + flac, in: folder) == 3000)
        }
    }

    @Test("longer than the limits, or in more pieces, is too large")
    func limits() throws {
        try withFolder { folder in
            for name in ["a.mp3", "a.m4a", "16.wav", "a.flac", "opus.ogg"] {
                let data = try Data(contentsOf: try RisingTone.make(try RisingTone.kind(name), in: folder))
                var limits = RollLimits()
                limits.milliseconds = 2000
                #expect(
                    try RisingTone.reason(data, in: folder, limits: limits) == "The file runs for 0 minutes.", "\(name)"
                )
                limits = RollLimits()
                limits.packets = 2
                #expect(
                    try RisingTone.reason(data, in: folder, limits: limits) == "The file has more than 2 packets.",
                    "\(name)")
            }
        }
    }

    @Test("songs one behind the other in one Ogg file are one sound")
    func chained() throws {
        try withFolder { folder in
            let one = try Data(contentsOf: try RisingTone.make(try RisingTone.kind("opus.ogg"), in: folder))
            var other = RisingTone.Kind(name: "other.ogg", codec: try RisingTone.kind("opus.ogg").codec)
            other.codec += ["-serial_offset", "7"]
            let both = one + (try Data(contentsOf: try RisingTone.make(other, in: folder)))
            #expect(try abs(RisingTone.describe(both, in: folder) - 6000) <= 60)
            let file = folder.appending(path: "both.ogg")
            try both.write(to: file)
            let heard = try RisingTone.decode(file)
            #expect(heard.isContinuous && abs(heard.left.count - 288_000) <= 2880, "\(heard.left.count)")
            let second = try RisingTone.decode(file, fromMs: 4000)
            #expect(second.first == 192_000)
            // But for what the second one's coder has put in front of it.
            #expect(abs(192_000 + second.left.count - heard.left.count) <= 480)
        }
    }

    @Test("damaged and random bytes are refused or taken, and always in order", arguments: [1, 2] as [UInt64])
    func damaged(seed: UInt64) throws {
        try withFolder { folder in
            var random = SeededRandom(seed), taken = 0, refused = 0
            func look(_ data: Data) throws {
                do {
                    _ = try RisingTone.describe(data, in: folder)
                    taken += 1
                } catch let error as RollError {
                    #expect(!error.reason.isEmpty)
                    refused += 1
                }
                do {
                    _ = try RisingTone.decode(folder.appending(path: "file"), fromMs: 1500)
                } catch is RollError {}
            }
            for name in ["a.mp3", "a.m4a", "16.wav", "a.flac", "flac.ogg", "vorbis.ogg", "opus.ogg", "a.webm"] {
                let whole = try Data(contentsOf: try RisingTone.make(try RisingTone.kind(name), in: folder))
                for round in 0..<8 {
                    var data = whole
                    // Headers stand in front, or the index at the end; then anywhere.
                    let reach = round < 6 ? min(whole.count, 1200) : whole.count
                    for _ in 0..<6 {
                        let place = Int.random(in: 0..<reach, using: &random)
                        data[round % 2 == 0 ? place : whole.count - 1 - place] = UInt8.random(
                            in: 0...255, using: &random)
                    }
                    try look(data)
                }
                try look(whole.prefix(Int.random(in: 0..<whole.count, using: &random)))
                // The beginning of the kind, and nothing else of it.
                try look(whole.prefix(64) + Data(random.bytes(20_000)))
            }
            #expect(taken > 0 && refused > 0, "\(taken) taken, \(refused) refused")
        }
    }
}

@Suite("Sound alone in its process", .enabled(if: Video.isThere && Video.isProgramThere))
struct SoundProcessTests {
    /// What a process says of a file: the samples of the left side, where they begin, and how it ends.
    private func listen(
        _ file: URL, fromMs: Int64 = 0, soundOnly: Bool = true
    ) throws -> (first: Int64?, left: [Float], pictures: Int, end: String) {
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let process = try #require(
            RollProcess(executable: Video.program, file: descriptor, fromMs: fromMs, soundOnly: soundOnly))
        defer { _ = process.finish() }
        var first: Int64?, left: [Float] = [], pictures = 0
        while let record = process.next() {
            switch record.kind {
            case .picture:
                pictures += 1
            case .sound:
                let samples = try #require(process.samples(record))
                first = first ?? record.stamp
                #expect(record.stamp == (first ?? 0) + Int64(left.count))
                left += stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
            case .end:
                return (first, left, pictures, "over at \(record.stamp)")
            case .failure:
                return (first, left, pictures, process.text(record))
            }
        }
        return (first, left, pictures, "nothing")
    }

    @Test("records of sound come from the place that is told, and then the end", arguments: ["a.flac", "a.mp3"])
    func records(name: String) throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try RisingTone.make(try RisingTone.kind(name), in: folder), whole = try RisingTone.decode(file)
        for fromMs in [0, 1234] as [Int64] {
            let heard = try listen(file, fromMs: fromMs)
            #expect(heard.first == 48 * fromMs && heard.pictures == 0)
            #expect(heard.left.count == whole.left.count - Int(48 * fromMs))
            #expect(heard.end == "over at \(whole.left.count)")
            let isSame = heard.left.elementsEqual(whole.left.dropFirst(Int(48 * fromMs)))
            #expect(isSame || name == "a.mp3")
        }
    }

    @Test(
        "of a video the sound alone is read when that is asked for, and a file without a picture fails when it is not")
    func pictures() throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let video = try listen(try Video.make("a.mp4", in: folder, Video.h264))
        #expect(video.pictures == 0 && video.first == 0 && video.end.hasPrefix("over at"))
        // The beep of the second second.
        let onset = try #require(video.left.firstIndex { abs($0) > 0.1 })
        #expect(abs(onset - 48_000) < 96, "\(onset)")
        let sound = try listen(try RisingTone.make(try RisingTone.kind("a.m4a"), in: folder), soundOnly: false)
        #expect(sound.end == "The file has no picture track; sound alone is taken as audio.")
        let song = try listen(try RisingTone.make(try RisingTone.kind("a.mp3"), in: folder), soundOnly: false)
        #expect(song.end.hasSuffix("but MP3, which is taken as audio."))
    }

    @Test("one that is cut off says so in its place")
    func cut() throws {
        let folder = try Video.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let whole = try Data(contentsOf: try RisingTone.make(try RisingTone.kind("a.flac"), in: folder))
        let part = folder.appending(path: "part.flac")
        try whole.prefix(whole.count / 2).write(to: part)
        let heard = try listen(part)
        #expect(heard.left.count > 48_000 && heard.end.hasPrefix("The file is cut off"), "\(heard.end)")
    }
}
