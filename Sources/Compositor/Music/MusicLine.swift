// The samples of a piece of music that wait to be heard, pass after pass.

/// Samples in the order in which they are heard; the last ones before an end that is known fade away.
struct MusicLine: Sendable {
    /// What a pass gave at once.
    struct Chunk: Sendable {
        /// Left and right in turn.
        var samples: [Float]
        /// Where the first one lies, in samples from the file's start.
        var position: Int64
        /// Whether the music begins again with it.
        var beginsAgain = false

        var count: Int { samples.count / 2 }
    }

    private var chunks: [Chunk] = []
    /// The chunk that is heard next, and how much of it has been.
    private var first = 0, offset = 0
    /// Over how many samples the music fades away at its end, once that is near.
    private var tail: Int?
    /// Samples that wait.
    private(set) var waiting = 0
    /// The sample that is heard next, counted from the file's start.
    private(set) var position: Int64
    /// Whether nothing comes after what waits.
    var isComplete = false
    /// Whether the music begins again.
    var loops = true
    /// Whether the end has been heard.
    private(set) var isOver = false

    /// Begins a line at a sample of the file.
    init(position: Int64) { self.position = position }

    /// How many chunks wait.
    var chunkCount: Int { chunks.count - first }

    mutating func append(_ chunk: Chunk) {
        guard chunk.count > 0 else { return }
        if waiting == 0 { position = chunk.position }
        chunks.append(chunk)
        waiting += chunk.count
    }

    /// Writes the next samples, left and right in turn; false, and nothing is taken, when too few are there.
    mutating func read(into block: UnsafeMutableBufferPointer<Float>) -> Bool {
        guard !isOver else { return false }
        let wanted = block.count / 2, left = samplesLeft(within: 2 * wanted)
        tail = left.map { tail ?? min($0, wanted) }
        let count = min(wanted, left ?? waiting, waiting)
        if left == 0 { isOver = true }
        guard count > 0, count == wanted || count == left else { return false }
        block.update(repeating: 0)
        take(count, into: block)
        if let left, let tail {
            for at in 0..<count where left - at < tail {
                let gain = GainRamp.rise(Float(left - at) / Float(tail))
                block[2 * at] *= gain
                block[2 * at + 1] *= gain
            }
            if left == count { isOver = true }
        }
        return true
    }

    /// How many samples are left until the music ends, when it does within so many.
    private func samplesLeft(within limit: Int) -> Int? {
        var sum = 0
        for index in first..<chunks.count {
            if !loops, chunks[index].beginsAgain, index > first || offset == 0 { return sum }
            sum += chunks[index].count - (index == first ? offset : 0)
            if sum > limit { return nil }
        }
        return isComplete ? sum : nil
    }

    private mutating func take(_ count: Int, into block: UnsafeMutableBufferPointer<Float>) {
        var done = 0
        while done < count, first < chunks.count {
            let part = min(count - done, chunks[first].count - offset), from = 2 * offset, to = 2 * done
            chunks[first].samples.withUnsafeBufferPointer { samples in
                for at in 0..<2 * part { block[to + at] = samples[from + at] }
            }
            done += part
            offset += part
            position = chunks[first].position + Int64(offset)
            guard offset == chunks[first].count else { continue }
            chunks[first].samples = []
            first += 1
            offset = 0
            if first < chunks.count { position = chunks[first].position }
        }
        waiting -= done
        // What was heard goes by and by, so that it is not moved for each block.
        if first > 64, 2 * first > chunks.count {
            chunks.removeFirst(first)
            first = 0
        }
    }
}
