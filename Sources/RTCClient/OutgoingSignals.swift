// When a sent track tells orientation and colour, and in which bytes.

import Media
import RTC

/// What a track has told; a plain value of its owner.
///
/// Both go on the last packet of each key frame and of a frame from which on they are others, and an orientation that is
/// not upright on every frame (3GPP TS 26.114, clause 7.4.5, and what libwebrtc's receivers ask for).
struct OutgoingSignals {
    private var orientationID: UInt8 = 0, colorID: UInt8 = 0, levelID: UInt8 = 0
    private var last = PictureSignal()

    /// Tells nothing.
    init() {}

    /// - Parameter section: the answered section of the track, which names what may be told.
    init(_ section: MediaSection) {
        orientationID = section.extensionID(RTPExtensionURI.videoOrientation) ?? 0
        colorID = section.extensionID(RTPExtensionURI.colorSpace) ?? 0
        levelID = section.extensionID(RTPExtensionURI.audioLevel) ?? 0
    }

    /// The elements that a frame's last packet carries, each an id, a length and so many bytes.
    mutating func elements(_ signal: PictureSignal, isKeyframe: Bool) -> [UInt8] {
        defer { last = signal }
        var elements: [UInt8] = []
        if orientationID != 0, isKeyframe || signal.rotation != last.rotation || signal.rotation != .none {
            elements += [orientationID, 1, signal.rotation.orientationByte]
        }
        let tellsColor = signal.color != .untold || last.color != .untold
        if colorID != 0, tellsColor, isKeyframe || signal.color != last.color {
            let element = signal.color.element
            elements += [colorID, UInt8(element.count)] + element
        }
        return elements
    }

    /// The element that tells how loud a frame of sound is (RFC 6464): decibels below the loudest, 0 to 127.
    func elements(level: UInt8?) -> [UInt8] {
        guard let level, levelID != 0 else { return [] }
        return [levelID, 1, min(level, 127) | (level < 127 ? 0x80 : 0)]
    }

    /// Writes such elements into a packet.
    static func append(_ elements: UnsafeRawBufferPointer, to writer: inout RTPExtensionWriter) {
        var offset = 0
        while offset + 2 <= elements.count {
            let end = offset + 2 + Int(elements[offset + 1])
            guard end <= elements.count else { return }
            writer.append(id: elements[offset], UnsafeRawBufferPointer(rebasing: elements[offset + 2..<end]))
            offset = end
        }
    }
}
