// Turning what people upload into pictures: never in this process, but in a child with bounds.

internal import Control
public import Foundation

/// What an upload should be.
public enum MediaKind: String, Sendable, Codable, CaseIterable {
    /// PNG, JPEG or WebP; becomes `picture.png`.
    case picture
    /// PDF, or a ZIP archive of pictures; becomes `1.png`, `2.png` … and `deck.json`.
    case deck
    /// MP4, MOV, WebM or Matroska; stays as it is, and becomes `video`.
    case video
    /// MP3, MP4, WAV, FLAC, Ogg or WebM without a picture; stays as it is, and becomes `audio`.
    case audio
    /// TTF or OTF; what is used of it becomes `font`.
    case font

    /// How many bytes of it are taken, unless a setting says otherwise.
    public var limitBytes: Int {
        switch self {
        case .picture: 20_000_000
        case .deck: 150_000_000
        case .video: 2_000_000_000
        case .audio: 500_000_000
        case .font: 20_000_000
        }
    }
    /// How many seconds its decoding may take.
    public var limitSeconds: Int {
        switch self {
        case .picture: 60
        case .deck: 300
        case .video, .audio: 120
        case .font: 60
        }
    }
}

/// What came out of an upload: the size of a picture, the pages of a deck, or how long it runs.
public struct DecodedMedia: Sendable, Hashable, Codable {
    /// The size of a picture in pixels.
    public var width: Int?, height: Int?
    /// How many pages a deck has.
    public var pages: Int?
    /// How long a video or a piece of sound runs.
    public var durationMs: Int64?

    /// Creates the description of a picture.
    public init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

    /// Creates the description of a video.
    public init(width: Int, height: Int, durationMs: Int64) {
        (self.width, self.height, self.durationMs) = (width, height, durationMs)
    }

    /// Creates the description of sound.
    public init(durationMs: Int64) { self.durationMs = durationMs }

    /// Creates the description of what has no size, such as a font.
    public init() {}

    /// Creates the description of a deck.
    public init(pages: Int) { self.pages = pages }

    private static let pagesOfDeck = 1...300, pixelsOfSide = 1...8192

    /// Whether a sound decoder may say this; one that a bad file has taken over may say anything.
    func isPossible(as kind: MediaKind) -> Bool {
        if kind == .font { return self == DecodedMedia() }
        if kind == .audio {
            guard let durationMs, (1...MediaRoll.longestMs).contains(durationMs) else { return false }
            return self == DecodedMedia(durationMs: durationMs)
        }
        if kind == .deck { return pages.map { Self.pagesOfDeck.contains($0) } ?? false }
        guard let width, let height, Self.pixelsOfSide.contains(width), Self.pixelsOfSide.contains(height) else {
            return false
        }
        guard kind == .video else { return durationMs == nil }
        return durationMs.map { (0...MediaRoll.longestMs).contains($0) } ?? false
    }
}

/// How the `decode` command ends, beside 0.
public enum DecodeExit {
    /// The file is none that can be read; the reason is the last line of the standard error.
    public static let unreadable: Int32 = 65
    /// The file is too large, has too many pixels or pages; the reason is the last line of the standard error.
    public static let tooLarge: Int32 = 27
}

/// Decodes uploads.
public protocol MediaDecoding: Sendable {
    /// Decodes a file.
    ///
    /// - Parameters:
    ///   - kind: what it should be.
    ///   - file: the upload, in a folder of its own, where the decoder may leave more files.
    ///   - folder: where the result goes; it is there, and empty.
    /// - Throws: `Problem` 415 with the reason when it can't be read, 413 when it is too large, 503 when too many wait.
    func decode(_ kind: MediaKind, file: URL, into folder: URL) async throws -> DecodedMedia
}
