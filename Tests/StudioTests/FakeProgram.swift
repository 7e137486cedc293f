import Control
import Foundation
import HTTPTypes
import Media
import Synchronization
import Web

@testable import Studio

/// A compositor that shows everything at once and remembers what it was asked.
final class FakeProgram: ProgramControl {
    struct State {
        var isThere = true
        var failure: Problem?
        var changes: [ProgramChange] = []
        var casts = 0
        var stills: [Scene?] = []
        var layouts: [String] = [], takes: [String] = []
    }

    let state = Mutex(State())

    var changes: [ProgramChange] { state.withLock { $0.changes } }
    /// The events whose layouts, and whose takes, it was told to read.
    var layouts: [String] { state.withLock { $0.layouts } }
    var takes: [String] { state.withLock { $0.takes } }
    var casts: Int { state.withLock { $0.casts } }
    var stills: [Scene?] { state.withLock { $0.stills } }

    init(isThere: Bool = true) { state.withLock { $0.isThere = isThere } }

    func show(_ change: ProgramChange, event: String) async throws -> ShownAt? {
        try state.withLock { state in
            state.changes.append(change)
            if let failure = state.failure { throw failure }
            guard state.isThere else { return nil }
            return ShownAt(programTime: ProgramTime(milliseconds: 1000 + change.version), isReady: true)
        }
    }

    func layoutsChanged(event: String) async -> ShownAt? {
        state.withLock { state in
            state.layouts.append(event)
            return state.isThere ? ShownAt(programTime: ProgramTime(milliseconds: 700), isReady: true) : nil
        }
    }

    func takeChanged(event: String) async -> Bool? {
        state.withLock { state in
            state.takes.append(event)
            return state.isThere ? true : nil
        }
    }

    func castChanged(event: String) async -> ShownAt? {
        state.withLock { state in
            state.casts += 1
            return state.isThere ? ShownAt(programTime: ProgramTime(milliseconds: 500), isReady: false) : nil
        }
    }

    func meter(_ areas: [CanvasArea], event: String) async throws -> CanvasReading {
        try state.withLock { state in
            guard state.isThere else { throw Problem.overloaded("No compositor runs.", retryAfterMs: 2000) }
            let means = areas.map { area in
                area.x < 1920 ? CanvasReading.Mean(area: area, luma: 16, cb: 128, cr: 128.5) : .init(area: area)
            }
            return CanvasReading(width: 1920, height: 1080, areas: means)
        }
    }

    func sound(event: String) async throws -> SoundReading {
        try state.withLock { state in
            guard state.isThere else { throw Problem.overloaded("No compositor runs.", retryAfterMs: 2000) }
            return ConductorFixture.soundReading
        }
    }

    func still(_ scene: Scene?, event: String) async throws -> Data {
        try state.withLock { state in
            guard state.isThere else { throw Problem.overloaded("No compositor runs.", retryAfterMs: 2000) }
            state.stills.append(scene)
            return Data("JPEG \(state.stills.count)".utf8)
        }
    }
}

/// Takes files that begin as PNG for pictures, `a video` for videos, `a font` for fonts, and `%PDF pages=N` for decks of so many pages.
final class FakeDecoder: MediaDecoding {
    static let picture = Data([0x89, 0x50, 0x4E, 0x47]) + Data("a picture".utf8)
    static let video = Data("a video".utf8)
    static let audio = Data("a sound".utf8)
    static let font = Data("a font".utf8)
    static func deck(pages: Int) -> Data { Data("%PDF pages=\(pages)".utf8) }

    func decode(_ kind: MediaKind, file: URL, into folder: URL) async throws -> DecodedMedia {
        let data = try Data(contentsOf: file)
        switch kind {
        case .picture where data.starts(with: Self.picture.prefix(4)):
            try data.write(to: folder.appending(path: "picture.png"))
            return DecodedMedia(width: 6, height: 4)
        case .video where data.starts(with: Self.video):
            return DecodedMedia(width: 320, height: 180, durationMs: 3000)
        case .audio where data.starts(with: Self.audio):
            return DecodedMedia(durationMs: 4000)
        case .font where data.starts(with: Self.font):
            try data.write(to: folder.appending(path: "font"))
            return DecodedMedia()
        case .deck where data.starts(with: Data("%PDF pages=".utf8)):
            let count = Int(String(decoding: data.dropFirst(11), as: UTF8.self)) ?? 0
            for page in 1...max(1, count) {
                try Data("page \(page)".utf8).write(to: folder.appending(path: "\(page).png"))
            }
            try Data("{}".utf8).write(to: folder.appending(path: "deck.json"))
            return DecodedMedia(pages: count)
        default:
            try Data("half".utf8).write(to: folder.appending(path: "1.png"))
            throw Problem(.unsupportedMediaType, "unreadable", "The file can't be read", detail: "It is none.")
        }
    }
}
