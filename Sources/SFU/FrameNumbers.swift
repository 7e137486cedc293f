// The frame numbers of a dependency descriptor on their way to a subscriber: one row over all layers and publications of a track.

import RTC

/// One subscriber's frame numbers.
///
/// libwebrtc takes a number for the frame's name and drops what is older than the last structure: a layer with numbers of its own
/// would freeze the picture. So each stretch that a key frame begins is moved to right behind what was sent; one whose key frame
/// brings no structure goes without descriptors, which nobody could read.
///
/// Numbers may leave some out, as they do where frames are not sent on: references are told as differences, and stay.
struct FrameNumbers: Sendable {
    private struct Stretch: Sendable {
        /// The outgoing number of the packet that began it.
        var from: Int64
        var shift: UInt16, isTold: Bool
    }

    /// Repeats of earlier ones are told apart that far back.
    private static let maximumStretches = 8

    private var stretches: [Stretch] = []
    private var newest: UInt16?

    /// Begins a stretch.
    ///
    /// - Parameter frame: the number of its key frame; nil where that brings no structure.
    mutating func begin(at number: Int64, frame: UInt16?) {
        let shift = newest.flatMap { newest in frame.map { newest &+ 1 &- $0 } } ?? 0
        if stretches.count == Self.maximumStretches { stretches.removeFirst() }
        stretches.append(Stretch(from: number, shift: shift, isTold: frame != nil))
    }

    /// What is added to the frame number of a packet with this outgoing number; nil where it goes without descriptor.
    func shift(at number: Int64) -> UInt16? {
        guard let stretch = stretches.last(where: { $0.from <= number }), stretch.isTold else { return nil }
        return stretch.shift
    }

    /// Takes note of a frame that is sent.
    mutating func note(_ frame: UInt16, at number: Int64) {
        guard let shift = shift(at: number) else { return }
        let out = frame &+ shift
        if newest.map({ Int16(bitPattern: out &- $0) > 0 }) ?? true { newest = out }
    }
}
