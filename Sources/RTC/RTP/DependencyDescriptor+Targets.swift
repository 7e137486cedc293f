// A descriptor on its way to who gets fewer layers: it says which decode targets are left (RTP Payload Format For AV1, appendix A.4).

extension DependencyDescriptor {
    /// Writes the descriptor once more, with a word on its decode targets in the place of its own.
    ///
    /// - Parameters:
    ///   - element: what it was read from.
    ///   - targets: those that are still sent, a bit each.
    ///   - structure: the one that it follows.
    ///   - room: where it is written, from the beginning.
    /// - Returns: its length in bytes; nil where there is no room for it.
    public func write(
        _ element: UnsafeRawBufferPointer, activeTargets targets: UInt32, of structure: DependencyStructure,
        to room: UnsafeMutableRawBufferPointer
    ) -> Int? {
        var reader = BitReader(element), writer = BitWriter(room)
        writer.put(8 * Self.mandatoryLength, from: &reader)
        let flags = element.count > Self.mandatoryLength ? reader.read(5) : 0
        guard let flags else { return nil }
        writer.put(flags | 8, 5)
        writer.put(maskPosition - 8 * Self.mandatoryLength - 5, from: &reader)
        writer.put(targets, structure.decodeTargets)
        if activeTargets != nil { guard reader.skip(structure.decodeTargets) else { return nil } }
        writer.put(max(0, end - reader.position), from: &reader)
        return writer.fits ? writer.count : nil
    }
}
