// What the program asks of a roll or of music: of both how it stands, of a roll its picture and its sound.

import Media
import Synchronization

/// What plays a roll or a piece of music from one start on, as the shelf that keeps it asks it.
protocol StartPlayer: AnyObject, Sendable {
    /// Given once what it begins with is there, or never will be.
    var settled: FirstAnswer<Void> { get }
    /// Whether what it begins with is there.
    var isReady: Bool { get }
    /// Where it stands, from the start of the file.
    var positionMs: Int64 { get }
    /// How it ended; nil while it goes on.
    var end: RollEnd? { get }
    /// Ends it; its last picture may still be in use.
    func stop()
}

/// A roll that is loaded: asked for its picture by the program's thread, for its sound by the sound's.
///
/// It begins with its first picture.
protocol Roll: StartPlayer {
    /// The picture that it stands at.
    var shown: VideoFrame? { get }
    /// Lets it run or stand still from the beginning of a frame on, as its sound does, and gives the picture of the moment that it shows.
    func picture(_ showing: ProgramVideo.Showing, isPlaying: Bool) -> VideoFrame?
    /// Writes the 480 stereo samples from a moment on; false when it is silent.
    func sound(at moment: MonotonicTime, into block: UnsafeMutableBufferPointer<Float>) -> Bool
}

/// How a roll or a piece of music ended.
enum RollEnd: Sendable, Hashable {
    case over
    case failed(String)

    var failure: String? { if case .failed(let reason) = self { reason } else { nil } }
}

/// What players have missed.
final class RollFaults: Sendable {
    /// Pictures that came too late to be shown, and blocks of sound that were not there when they were due.
    let latePictures = Atomic<UInt64>(0), soundGaps = Atomic<UInt64>(0)
}
