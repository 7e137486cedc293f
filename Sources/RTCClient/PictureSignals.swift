// Which signal belongs to which picture of a received track: packets tell it, in any order; frames take it, in theirs.

import Media
import RTC

/// The signals of a track; a plain value of its owner.
///
/// A sender tells orientation and colour on the last packet of a key frame, of a frame from which on they are others, and
/// (orientation that is not upright) of every frame. So they hold until they change; a key frame that tells nothing means
/// an upright picture of a colour that is not told, as libwebrtc reads it.
struct PictureSignals {
    private struct Told {
        var timestamp: UInt32
        var rotation: PictureRotation?
        var color: ColorSignal?
    }

    /// More frames than this never wait at once for their packets.
    private static let maximumWaiting = 64

    private let orientationID: UInt8, colorID: UInt8
    private var waiting: [Told] = []
    private var current = PictureSignal()

    /// - Parameters:
    ///   - section: the offered section of the track, which names the ids.
    init(_ section: MediaSection) {
        orientationID = section.extensionID(RTPExtensionURI.videoOrientation) ?? 0
        colorID = section.extensionID(RTPExtensionURI.colorSpace) ?? 0
    }

    /// Reads what a packet tells; elements that are no such thing tell nothing.
    mutating func note(_ header: RTPHeader, _ packet: UnsafeRawBufferPointer) {
        guard header.extensionLength > 0 else { return }
        let rotation = header.range(ofExtension: orientationID, in: packet)
            .flatMap { PictureRotation(orientation: UnsafeRawBufferPointer(rebasing: packet[$0])) }
        let color = header.range(ofExtension: colorID, in: packet)
            .flatMap { ColorSignal(element: UnsafeRawBufferPointer(rebasing: packet[$0])) }
        guard rotation != nil || color != nil else { return }
        if let index = waiting.firstIndex(where: { $0.timestamp == header.timestamp }) {
            waiting[index].rotation = rotation ?? waiting[index].rotation
            waiting[index].color = color ?? waiting[index].color
            return
        }
        if waiting.count == Self.maximumWaiting { waiting.removeFirst() }
        waiting.append(Told(timestamp: header.timestamp, rotation: rotation, color: color))
    }

    /// The signal of a frame; frames come in order.
    mutating func take(timestamp: UInt32, isKeyframe: Bool) -> PictureSignal {
        if isKeyframe { current = PictureSignal() }
        guard !waiting.isEmpty else { return current }
        // What frames told that were lost on the way holds too, unless a key frame begins anew.
        for told in waiting.sorted(by: { Self.age($0, timestamp) > Self.age($1, timestamp) }) {
            let age = Self.age(told, timestamp)
            guard age == 0 || age > 0 && !isKeyframe else { continue }
            current.rotation = told.rotation ?? current.rotation
            current.color = told.color ?? current.color
        }
        waiting.removeAll { Self.age($0, timestamp) >= 0 }
        return current
    }

    /// How far a frame's timestamp is behind another, across wraps.
    private static func age(_ told: Told, _ timestamp: UInt32) -> Int32 {
        Int32(bitPattern: timestamp &- told.timestamp)
    }
}
