// What a file is by its first bytes: told here, and not probed for among all that libavformat knows.

/// The containers that are read, by the demuxers that read them.
enum RollKind: String {
    case mov, matroska, mp3, wav, flac, ogg

    /// The longest ID3 tag in front of sound; covers are in there, and it is read into memory.
    static let longestTagBytes: Int64 = 64_000_000

    /// What people call it.
    var name: String {
        switch self {
        case .mov: "MP4 or MOV"
        case .matroska: "Matroska or WebM"
        case .mp3: "MP3"
        case .wav: "WAV"
        case .flac: "FLAC"
        case .ogg: "Ogg"
        }
    }

    /// Whether it may hold pictures; the others are read for sound alone.
    var isForPictures: Bool { self == .mov || self == .matroska }

    /// Whether a place is found at once, and the stamps from there on are those of the file.
    ///
    /// MP3 has no stamps, and a place in it is a guess from the bit rate; in Ogg those of several files may stand one behind
    /// the other. Both are small, and are read up to the place.
    var seeksExactly: Bool { self != .mp3 && self != .ogg }

    /// The names of the demuxer, as libavformat's whitelist has them.
    var formats: String {
        switch self {
        case .mov: "mov,mp4,m4a,3gp,3g2,mj2"
        case .matroska: "matroska,webm"
        case .mp3, .wav, .flac, .ogg: rawValue
        }
    }

    /// Tells what a file is.
    ///
    /// - Parameters:
    ///   - cursor: the file.
    ///   - soundOnly: whether files that hold sound alone are taken.
    /// - Throws: `RollError`, with what else it may be when it is none that is taken.
    init(_ cursor: FileCursor, soundOnly: Bool) throws(RollError) {
        let start = cursor.bytes(512, at: 0)
        if let kind = try Self.known(start, cursor) {
            guard soundOnly || kind.isForPictures else {
                throw .otherKind("\(Self.taken(soundOnly: false)), but \(kind.name), which is taken as audio.")
            }
            self = kind
            return
        }
        let other = Self.other(start).map { ", but \($0)." }
        throw .otherKind(Self.taken(soundOnly: soundOnly) + (other ?? "."))
    }

    private static func taken(soundOnly: Bool) -> String {
        soundOnly
            ? "The file is neither MP3, MP4, WebM, WAV, FLAC nor Ogg"
            : "The file is neither MP4, MOV, WebM nor Matroska"
    }

    private static func known(_ start: [UInt8], _ cursor: FileCursor) throws(RollError) -> Self? {
        func text(_ range: Range<Int>) -> String {
            start.count >= range.upperBound ? String(decoding: start[range], as: UTF8.self) : ""
        }
        if start.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return .matroska }
        if start.count >= 12, ["ftyp", "moov", "mdat", "wide", "free", "skip", "pnot"].contains(text(4..<8)) {
            return .mov
        }
        if ["RIFF", "RF64", "BW64"].contains(text(0..<4)), text(8..<12) == "WAVE" { return .wav }
        if text(0..<4) == "OggS" { return .ogg }
        let behind = try behindTags(cursor), first = cursor.bytes(4, at: behind)
        if first.elementsEqual("fLaC".utf8) { return .flac }
        // Behind a tag there may be some padding, which the demuxer passes over; without one a file begins with a frame.
        return isLayer3(first) || behind > 0 && !isRawAAC(first) ? .mp3 : nil
    }

    /// Where a file begins behind the ID3v2 tags in front of it (ID3v2.4 §3.1).
    private static func behindTags(_ cursor: FileCursor) throws(RollError) -> Int64 {
        var place: Int64 = 0
        // libavformat reads as many as there are, and keeps what is in all of them.
        for _ in 0..<16 {
            let head = cursor.bytes(10, at: place)
            guard head.count == 10, head.starts(with: "ID3".utf8), head[3] < 0xFF, head[4] < 0xFF,
                head[6...].allSatisfy({ $0 < 0x80 })
            else { return place }
            // Seven bits a byte; a footer is not counted.
            let length = head[6...].reduce(Int64(0)) { $0 << 7 | Int64($1) } + (head[5] & 0x10 != 0 ? 20 : 10)
            guard place + length < cursor.length else {
                throw .unreadable("The file is cut off in its ID3 tag, which is said to have \(length) bytes.")
            }
            guard place + length <= longestTagBytes else {
                throw .tooLarge("The file's ID3 tags have \((place + length) / 1_000_000) MB.")
            }
            place += length
        }
        throw .tooLarge("The file has more than 15 ID3 tags.")
    }

    /// Whether four bytes are the header of an MPEG audio frame of layer III (ISO/IEC 11172-3 §2.4.1.3, 13818-3).
    private static func isLayer3(_ header: [UInt8]) -> Bool {
        guard header.count == 4, header[0] == 0xFF, header[1] & 0xE0 == 0xE0 else { return false }
        let version = header[1] >> 3 & 3, layer = header[1] >> 1 & 3, rate = header[2] >> 4,
            sampling = header[2] >> 2 & 3
        return version != 1 && layer == 1 && (1...14).contains(rate) && sampling != 3
    }

    /// Whether four bytes are the header of AAC in ADTS, without a container (ISO/IEC 13818-7 §6.2).
    private static func isRawAAC(_ header: [UInt8]) -> Bool {
        header.count == 4 && header[0] == 0xFF && header[1] & 0xF6 == 0xF0
    }

    /// What a file looks like that is none of them.
    private static func other(_ start: [UInt8]) -> String? {
        if isRawAAC(Array(start.prefix(4))) { return "AAC without a container" }
        let text = String(decoding: start, as: UTF8.self).trimmingPrefix("\u{FEFF}")
        let others = [
            ("#EXTM3U", "an HLS playlist"), ("ffconcat", "a list of files"), ("<?xml", "an XML document"),
            ("<MPD", "a DASH manifest"), ("[playlist]", "a playlist"), ("v=0", "a session description"),
            ("RIFF", "another RIFF file"), ("FORM", "an AIFF file"), ("FLV", "an FLV file"), ("%PDF", "a PDF"),
            ("PK\u{3}\u{4}", "a ZIP archive"), ("MThd", "a MIDI file"),
        ]
        return others.first { text.hasPrefix($0.0) }?.1
    }
}
