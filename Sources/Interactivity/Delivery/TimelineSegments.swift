// The timeline beside the media: what falls into each segment, as JSON that never changes.

import Media
import Web

/// The public timeline entries of one media segment.
public struct TimelineSegment: Hashable, Sendable {
    /// The event.
    public let event: String
    /// The epoch of the timeline.
    public let epoch: String
    /// The number of the media segment.
    public let mediaSequence: Int64
    /// The document.
    public let json: String
}

/// Cuts the timeline into segments: each entry stands in exactly one, at the latest possible in the next one.
struct TimelineSegments {
    /// No segment holds more entries than this; the rest follows in the next one.
    static let entryLimit = 1000

    private var waiting: [LogEntry] = []
    /// Up to this offset everything stands in a segment.
    private(set) var offset: Int64
    private(set) var lastSequence: Int64?

    init(offset: Int64, lastSequence: Int64?) {
        self.offset = offset
        self.lastSequence = lastSequence
    }

    mutating func append(_ entry: LogEntry) {
        waiting.append(entry)
        guard waiting.count > 4 * Self.entryLimit else { return }
        // An event without HLS: results that newer ones replace need not be kept for it.
        var newest: Set<String> = []
        waiting = waiting.reversed().filter { $0.kind != "poll.results" || newest.insert($0.key).inserted }.reversed()
        if waiting.count > 4 * Self.entryLimit { waiting.removeFirst(waiting.count - 4 * Self.entryLimit) }
    }

    /// Returns the document of a media segment; nil for a number that has one already.
    mutating func cut(event: String, epoch: String, mediaSequence: Int64, from: ProgramTime, to: ProgramTime)
        -> TimelineSegment?
    {
        if let lastSequence, mediaSequence <= lastSequence { return nil }
        lastSequence = mediaSequence
        // Program times never fall along the log, so what belongs here or is late is its beginning.
        let entries = waiting.prefix(Self.entryLimit).prefix { $0.programTime < to }
        waiting.removeFirst(entries.count)
        if let last = entries.last { offset = last.offset }
        let head =
            "{\"event\":\"\(event)\",\"epoch\":\"\(epoch)\",\"mediaSequence\":\(mediaSequence),"
            + "\"from\":\(from.milliseconds),\"to\":\(to.milliseconds),\"entries\":["
        return TimelineSegment(
            event: event, epoch: epoch, mediaSequence: mediaSequence,
            json: head + entries.map(\.json).joined(separator: ",") + "]}")
    }
}
