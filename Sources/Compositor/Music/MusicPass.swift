// One reading of a file's sound from one place to its end.

/// Reads a piece of music once; used and ended by one thread, but for `kill`.
protocol MusicPass: AnyObject, Sendable {
    /// Waits for what comes next; nil when nothing comes any more, though the end has not come.
    func nextPiece() -> MusicPiece?
    /// Lets the reader see an end soon; from any thread.
    func kill()
    /// Gives everything back.
    ///
    /// - Returns: whether it ended by itself and in order.
    func finish() -> Bool
}

/// What a pass gives.
enum MusicPiece: Sendable {
    /// Samples at 48 kHz, left and right in turn, and where the first one lies, in samples from the file's start.
    case samples([Float], position: Int64)
    case end
    case failure(String)
}

extension RollProcess: MusicPass {
    func nextPiece() -> MusicPiece? {
        guard let record = next() else { return nil }
        switch record.kind {
        case .sound: return samples(record).map { .samples($0, position: record.stamp) }
        case .end: return .end
        case .failure: return .failure(text(record))
        // It was not asked for any.
        case .picture: return nil
        }
    }
}
