// The end of a log in memory, so that most readers that come back cost no read of the disk.

/// The last entries of one log, without gaps.
struct RecentEntries {
    /// With more than twice this many, the oldest ones that everybody has are dropped.
    static let limit = 1024

    private(set) var epoch: String
    /// The offset before the first entry that is kept.
    private(set) var base: Int64
    private var entries: [LogEntry] = []

    init(position: LogPosition) {
        epoch = position.epoch
        base = position.offset
    }

    /// The offset of the last entry.
    var head: Int64 { base + Int64(entries.count) }

    /// The position after the last entry.
    var position: LogPosition { LogPosition(epoch: epoch, offset: head) }

    /// Adds the entry that follows the last one.
    mutating func append(_ entry: LogEntry) {
        guard entry.epoch == epoch, entry.offset == head + 1 else { return }
        entries.append(entry)
    }

    /// Returns the entries in `offset + 1 ... last`, or nil when the first of them is not kept any more.
    func entries(after offset: Int64, through last: Int64) -> ArraySlice<LogEntry>? {
        guard offset >= base else { return nil }
        let start = Int(min(offset, head) - base), end = Int(min(max(last, offset), head) - base)
        return entries[start..<max(start, end)]
    }

    /// Drops old entries, but none after `offset`.
    mutating func trim(keepingAfter offset: Int64) {
        guard entries.count > 2 * Self.limit else { return }
        let count = min(entries.count - Self.limit, Int(max(0, offset - base)))
        entries.removeFirst(count)
        base += Int64(count)
    }
}
