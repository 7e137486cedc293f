// The media playlist of one rung, as a value and as text (RFC 8216bis).

public import Media

/// A live media playlist.
public struct MediaPlaylist: Sendable, Equatable {
    /// One listed segment.
    public struct Segment: Sendable, Equatable {
        /// Where it is, relative to the playlist.
        public var uri: String
        /// The program time of its first picture, and of the next segment's.
        public var from: ProgramTime, to: ProgramTime
        /// Whether stamps or encoding change before it.
        public var isDiscontinuity: Bool

        /// Creates a segment.
        public init(uri: String, from: ProgramTime, to: ProgramTime, isDiscontinuity: Bool) {
            self.uri = uri
            self.from = from
            self.to = to
            self.isDiscontinuity = isDiscontinuity
        }
    }

    /// Seconds; never changes while the event lives.
    public var targetDuration: Int
    /// The number of the first listed segment.
    public var mediaSequence: Int64
    /// How many discontinuities have left the list.
    public var discontinuitySequence: Int64
    /// How far from the end players start, in seconds.
    public var holdBack: Int
    /// The listed segments.
    public var segments: [Segment]
    /// Whether no more segments come.
    public var isEnded: Bool

    /// Creates a playlist.
    public init(
        targetDuration: Int, mediaSequence: Int64, discontinuitySequence: Int64, holdBack: Int, segments: [Segment],
        isEnded: Bool
    ) {
        self.targetDuration = targetDuration
        self.mediaSequence = mediaSequence
        self.discontinuitySequence = discontinuitySequence
        self.holdBack = holdBack
        self.segments = segments
        self.isEnded = isEnded
    }

    /// The text, with a line feed after each line.
    ///
    /// DISCONTINUITY-SEQUENCE is written even when it is 0: players that meet it only later lose their place
    /// (video-dev/hls.js#1172).
    public func render() -> String {
        var text = """
            #EXTM3U
            #EXT-X-VERSION:6
            #EXT-X-INDEPENDENT-SEGMENTS
            #EXT-X-TARGETDURATION:\(targetDuration)
            #EXT-X-MEDIA-SEQUENCE:\(mediaSequence)
            #EXT-X-DISCONTINUITY-SEQUENCE:\(discontinuitySequence)
            #EXT-X-SERVER-CONTROL:HOLD-BACK=\(holdBack)

            """
        for segment in segments {
            if segment.isDiscontinuity { text += "#EXT-X-DISCONTINUITY\n" }
            let duration = max(1, segment.to.milliseconds(since: segment.from))
            text += "#EXT-X-PROGRAM-DATE-TIME:\(ProgramDate.text(of: segment.from))\n"
            text += "#EXTINF:\(duration / 1000).\(ProgramDate.digits(duration % 1000, 3)),\n\(segment.uri)\n"
        }
        if isEnded { text += "#EXT-X-ENDLIST\n" }
        return text
    }
}

/// Program time as RFC 3339 text.
enum ProgramDate {
    /// UTC with milliseconds; the civil date by counting days in eras of 400 years.
    static func text(of time: ProgramTime) -> String {
        let day: Int64 = 86_400_000
        var days = time.milliseconds / day
        var rest = time.milliseconds % day
        if rest < 0 {
            rest += day
            days -= 1
        }
        days += 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(dayOfYear - (153 * shifted + 2) / 5 + 1, 2))"
        let clock = "\(digits(rest / 3_600_000, 2)):\(digits(rest / 60_000 % 60, 2)):\(digits(rest / 1000 % 60, 2))"
        return "\(date)T\(clock).\(digits(rest % 1000, 3))Z"
    }

    static func digits(_ value: Int64, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
}
