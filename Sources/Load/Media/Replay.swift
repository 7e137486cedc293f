// What a publisher sends when: the way through a recording, told the time.

import Media

/// A publisher's place in a recording, on a timeline that begins at zero and never jumps.
struct Replay: Sendable {
    /// What is due: a picture or a packet of sound by its place in the recording, and its media time.
    enum Item: Sendable, Hashable {
        case picture(Int, nanoseconds: Int64)
        case sound(Int, nanoseconds: Int64)
    }

    /// Requests for key frames closer than this are answered by one.
    static let keyframeNanoseconds: Int64 = 500_000_000
    /// After a wait this long the time is left out instead of made up for in a burst.
    static let patienceNanoseconds: Int64 = 300_000_000

    private let pictureNanoseconds: Int64
    private let pictureCount: Int, soundCount: Int
    private let keyframes: [Int]
    private let start: MonotonicTime
    private var picture: Int64 = 0, sound: Int64 = 0
    private var place = 0
    private var wantsKeyframe = false, lastKeyframe: Int64 = 0
    /// Pictures and packets of sound that were left out because nobody came for them in time.
    private(set) var skipped: Int64 = 0

    /// Starts at the recording's first key frame.
    init(_ recording: Recording, start: MonotonicTime) {
        pictureNanoseconds = recording.pictureNanoseconds
        pictureCount = recording.pictures.count
        soundCount = recording.sounds.count
        keyframes = recording.pictures.indices.filter { recording.pictures[$0].isKeyframe }
        self.start = start
    }

    /// When the next item is due.
    var deadline: MonotonicTime { start.advanced(byNanoseconds: min(pictureDue, soundDue)) }

    /// Somebody needs a key frame: the replay goes on from the next one of the recording.
    mutating func requestKeyframe() { wantsKeyframe = true }

    /// The time of the timeline at a moment.
    func mediaNanoseconds(at now: MonotonicTime) -> Int64 { now.nanoseconds(since: start) }

    private var pictureDue: Int64 { picture &* pictureNanoseconds }
    private var soundDue: Int64 { sound &* Recording.soundNanoseconds }

    /// Takes the next item that is due, or nil when there is none yet.
    mutating func next(now: MonotonicTime) -> Item? {
        let elapsed = now.nanoseconds(since: start)
        if elapsed &- min(pictureDue, soundDue) > Self.patienceNanoseconds {
            let pictures = max(0, elapsed / pictureNanoseconds - picture)
            let sounds = max(0, elapsed / Recording.soundNanoseconds - sound)
            picture += pictures
            sound += sounds
            skipped += pictures + sounds
            // The pictures left out are missing at the decoder.
            place = keyframe(from: place)
        }
        if soundDue <= pictureDue {
            guard soundDue <= elapsed else { return nil }
            defer { sound += 1 }
            return .sound(Int(sound % Int64(soundCount)), nanoseconds: soundDue)
        }
        guard pictureDue <= elapsed else { return nil }
        if wantsKeyframe, pictureDue &- lastKeyframe >= Self.keyframeNanoseconds { place = keyframe(from: place) }
        if keyframes.contains(place) {
            wantsKeyframe = false
            lastKeyframe = pictureDue
        }
        defer {
            picture += 1
            place = (place + 1) % pictureCount
        }
        return .picture(place, nanoseconds: pictureDue)
    }

    private func keyframe(from place: Int) -> Int { keyframes.first { $0 >= place } ?? keyframes[0] }
}
