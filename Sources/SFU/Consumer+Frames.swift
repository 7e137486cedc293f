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

    /// A packet's descriptor as its subscriber gets it: where layers are taken out of the stream, with a word on the decode targets
    /// that are left.
    ///
    /// It stands in every packet from the first change on, for any may be lost; a repeat says what held for its picture.
    ///
    /// - Parameter element: the publisher's.
    /// - Returns: the element, or what was written, which holds until the next is asked for.
    func descriptor(
        _ element: UnsafeRawBufferPointer, of entry: PacketStore.Entry, _ layer: Layer
    ) -> UnsafeRawBufferPointer {
        guard let spatial else { return element }
        let limits = spatial.limits(at: entry.header.timestamp)
        guard spatial.hasChanged || limits != .all else { return element }
        let written = layer.descriptor(element, of: entry.sequence, within: limits)
        return written.isWhole && !spatial.hasChanged ? element : written.element ?? element
    }
}

extension Layer {
    /// A descriptor with a word on the decode targets that are left within limits.
    fileprivate func descriptor(
        _ element: UnsafeRawBufferPointer, of sequence: Int64, within limits: LayerLimits
    ) -> RewrittenDescriptors.Written {
        rewritten.find(.init(sequence: sequence, limits: limits, version: frameVersion)) { room in
            guard let (read, structure) = descriptor(element) else { return (0, false) }
            let told = read.activeTargets ?? (read.structure == nil ? activeTargets : .max)
            let sent = told & structure.allTargets
            let left = sent & structure.targets(upTo: limits.spatial, temporal: limits.temporal)
            // A structure may name no target without the layers that were taken out; then nothing is said rather than that none is left.
            guard left != 0 else { return (0, false) }
            return (read.write(element, activeTargets: left, of: structure, to: room) ?? 0, left == sent)
        }
    }
}
