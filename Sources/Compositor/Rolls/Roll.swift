// What the program asks of a roll, whether it is read from a file or drawn here.

import Media

/// A roll that is loaded: asked for its picture by the program's thread, for its sound by the sound's.
protocol Roll: AnyObject, Sendable {
    /// Whether its first picture is there, or never will be.
    var isSettled: Bool { get }
    /// Whether its first picture is there.
    var isReady: Bool { get }
    /// The picture that it stands at.
    var shown: VideoFrame? { get }
    /// Where it stands, from the start of what it shows.
    var positionMs: Int64 { get }
    /// How it ended; nil while it goes on.
    var end: RollEnd? { get }
    /// Calls back once it is settled; at once when it is.
    func whenSettled(_ body: @escaping @Sendable () -> Void)
    /// Lets it run or stand still from the beginning of a frame on, as its sound does, and gives the picture of the moment that it shows.
    func picture(_ showing: ProgramVideo.Showing, isPlaying: Bool) -> VideoFrame?
    /// Writes the 480 stereo samples from a moment on; false when it is silent.
    func sound(at moment: MonotonicTime, into block: UnsafeMutableBufferPointer<Float>) -> Bool
    /// Ends it; its last picture may still be in use.
    func stop()
}

/// How a roll ended.
enum RollEnd: Sendable, Hashable {
    case over
    case failed(String)

    var failure: String? { if case .failed(let reason) = self { reason } else { nil } }
}
