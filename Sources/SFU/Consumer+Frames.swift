// Dependency descriptors on their way to a subscriber.

import RTC

extension Consumer {
    /// Whether both sides have agreed to dependency descriptors.
    @inline(__always)
    var tellsFrames: Bool { extensions.dependency != 0 && producer.extensions.dependency != 0 }

    /// Takes note of the frame that a packet is part of, before it is sent for the first time.
    func noteFrame(_ entry: PacketStore.Entry, as out: LayerForwarder.Outgoing) {
        if out.begins { frames.begin(at: out.number, frame: entry.bringsStructure ? entry.frame : nil) }
        if entry.hasFrame, !out.isFiller { frames.note(entry.frame, at: out.number) }
    }
}
