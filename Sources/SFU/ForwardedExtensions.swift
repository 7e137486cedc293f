// Header extensions on their way through the shard: found under the publisher's ids, written under the subscriber's.

import RTC

/// The ids of the extensions that one side of a track agreed on, 0 for those that it did not.
///
/// The mid is not among them: each side has its own.
struct ExtensionIDs {
    var level: UInt8 = 0, orientation: UInt8 = 0, color: UInt8 = 0, capture: UInt8 = 0
    /// The transport-wide number, which is never forwarded: each transport has its own.
    var transportNumber: UInt8 = 0
    /// When a packet leaves, which each transport says for itself too.
    var sendTime: UInt8 = 0
    /// Which frame it is part of; only to who takes the two-byte form.
    var dependency: UInt8 = 0
    /// How long pictures are to wait, which depends on the subscriber's line.
    var playoutDelay: UInt8 = 0

    /// No extension.
    init() {}

    /// What a section of a description names.
    init(_ section: MediaSection) {
        level = section.extensionID(RTPExtensionURI.audioLevel) ?? 0
        orientation = section.extensionID(RTPExtensionURI.videoOrientation) ?? 0
        color = section.extensionID(RTPExtensionURI.colorSpace) ?? 0
        capture = section.extensionID(RTPExtensionURI.captureTime) ?? 0
        if section.allowsMixedExtensions {
            dependency = section.extensionID(RTPExtensionURI.dependencyDescriptor) ?? 0
        }
        playoutDelay = section.extensionID(RTPExtensionURI.playoutDelay) ?? 0
        sendTime = section.extensionID(RTPExtensionURI.sendTime) ?? 0
        if section.hasTransportFeedback {
            transportNumber = section.extensionID(RTPExtensionURI.transportNumber) ?? 0
        }
    }
}

/// Where the extensions of a stored packet lie that its subscriber wants: a plain value, made for each packet sent.
struct ForwardedExtensions {
    private var level: Range<Int>?, orientation: Range<Int>?, color: Range<Int>?
    private var dependency: UnsafeRawBufferPointer?, frameShift: UInt16 = 0
    /// On our clock, as it was when the packet came: the same each time that it is sent.
    private var capture: Int64 = 0

    @inline(__always)
    init(
        _ entry: PacketStore.Entry, in stored: UnsafeRawBufferPointer, from publisher: ExtensionIDs,
        to subscriber: ExtensionIDs
    ) {
        if subscriber.capture != 0 { capture = entry.capture }
        let header = entry.header
        guard header.extensionLength > 0 else { return }
        if subscriber.level != 0 { level = header.range(ofExtension: publisher.level, in: stored) }
        if subscriber.orientation != 0 { orientation = header.range(ofExtension: publisher.orientation, in: stored) }
        if subscriber.color != 0 { color = header.range(ofExtension: publisher.color, in: stored) }
        // HDR metadata needs the two-byte form, which nobody is offered: the first four bytes stand for themselves.
        if let whole = color { color = whole.prefix(4) }
    }

    @inline(__always)
    var isEmpty: Bool {
        level == nil && orientation == nil && color == nil && capture == 0 && dependency == nil
    }

    /// Whether an element needs the two-byte form.
    @inline(__always)
    var isLong: Bool { dependency.map { $0.count > RTPExtensionWriter.maximumShortLength } ?? false }

    /// Takes the dependency descriptor along, its frame number moved.
    @inline(__always)
    mutating func take(dependency element: UnsafeRawBufferPointer, shift: UInt16) {
        (dependency, frameShift) = (element, shift)
    }

    @inline(__always)
    func append(to writer: inout RTPExtensionWriter, of stored: UnsafeRawBufferPointer, as ids: ExtensionIDs) {
        if let level { writer.append(id: ids.level, UnsafeRawBufferPointer(rebasing: stored[level])) }
        if let orientation { writer.append(id: ids.orientation, UnsafeRawBufferPointer(rebasing: stored[orientation])) }
        if capture != 0 {
            var element: (UInt64, UInt64) = (0, 0)
            withUnsafeMutableBytes(of: &element) { bytes in
                guard CaptureTime.write(unixNanoseconds: capture, to: bytes) else { return }
                writer.append(id: ids.capture, UnsafeRawBufferPointer(bytes))
            }
        }
        if let dependency {
            writer.append(id: ids.dependency, descriptor: dependency, shift: frameShift)
        }
        if let color { writer.append(id: ids.color, UnsafeRawBufferPointer(rebasing: stored[color])) }
    }
}
