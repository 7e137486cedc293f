// A subscriber's packets of a stream that carries its layers together (VP9): some are taken out before the rest is numbered.

import Control
import Media
import RTC

extension Producer {
    /// Takes note of what a packet says of the layers in its stream.
    func noteLayers(
        _ picture: VideoPayload, _ payload: UnsafeRawBufferPointer, isRepeat: Bool, now: MonotonicTime
    ) {
        if spatial == nil { spatial = SpatialLayers() }
        spatial?.note(
            picture.place, startsKeyframe: picture.startsKeyframe, isRepeat: isRepeat, bytes: payload.count, now: now)
        if picture.hasStructure, let descriptor = VP9Descriptor(payload) { spatial?.note(descriptor.structure) }
        let count = spatial?.count ?? 1, told = count > 1 ? count : nil
        guard told != track.layers else { return }
        track.layers = told
        hasChanged = true
    }

    /// Whether another number of layers has been told since this was asked last: publishers may say another one with each packet.
    func takeChange() -> Bool {
        defer { hasChanged = false }
        return hasChanged
    }
}

extension Producer {
    /// Whether its one stream carries layers, of which some can be left out.
    var hasSpatialLayers: Bool { spatial.map { $0.count > 1 } ?? false }

    /// The layers to choose from, the smallest first, up to the one that fills a wish.
    func order(_ wish: LayerWish, into order: inout [Int]) {
        guard hasSpatialLayers, let spatial else { return table.order(wish, into: &order) }
        spatial.table.order(wish, into: &order)
        // Of many the smallest and the largest are worth a choice of their own.
        while order.count > LayerRequest.maximumLayers { order.remove(at: 1) }
    }

    /// What it takes to send a layer, with those that it needs below, in bits per second; nil while that is not known.
    func bitrate(of layer: Int, now: MonotonicTime) -> Int? {
        hasSpatialLayers
            ? spatial?.bitrate(upTo: layer, now: now) : layers[layer].rate.bitrate(at: now.nanoseconds)
    }

    /// What a layer that has only begun may take: in one stream, where it is sent without being asked for, so many times what
    /// those below take.
    func guess(above bitrate: Int) -> Int? { hasSpatialLayers && bitrate > 0 ? 3 * bitrate : nil }
}

extension Consumer {
    /// Says how a packet goes out, or why it does not.
    @inline(__always)
    func pass(
        _ entry: PacketStore.Entry, of layer: Int, now: MonotonicTime, movedBy: UInt32 = 0
    ) -> Result<LayerForwarder.Outgoing, DropReasonError> {
        guard producer.spatial == nil else { return passLayers(entry, of: layer, now: now, movedBy) }
        return forwarder.forward(entry, of: layer, producer.table, now: now, movedBy: movedBy)
    }

    /// Closes the hole that a packet without payload would leave.
    func skip(_ sequence: Int64, of layer: Int) {
        guard spatial == nil else {
            spatial?.skip(sequence)
            return
        }
        forwarder.skip(sequence, of: layer)
    }

    private func passLayers(
        _ entry: PacketStore.Entry, of layer: Int, now: MonotonicTime, _ movedBy: UInt32
    ) -> Result<LayerForwarder.Outgoing, DropReasonError> {
        var thinned = entry
        guard forwarder.current == nil else {
            if spatial == nil {
                // Everything up to the newest has had its own number.
                let highest = producer.table.facts[layer].highest
                let first = entry.sequence >= highest ? entry.sequence : highest &+ 1
                spatial = SpatialForwarder(from: entry, .all, first: first)
            }
            guard let fate = spatial?.take(entry, wanted: { wantedLimits }) else { return .failure(.init(.late)) }
            var isFiller = false
            switch fate {
            case .sent(let number, let marks): (thinned.sequence, thinned.header.marker) = (number, marks)
            case .filled(let number):
                (thinned.sequence, thinned.header.marker) = (number, false)
                isFiller = true
            case .gone: return .failure(.init(.otherLayer))
            case .late: return .failure(.init(.late))
            }
            return forwarder.forward(thinned, of: layer, producer.table, now: now, movedBy: movedBy).map { out in
                var out = out
                out.marks = thinned.header.marker
                out.isFiller = isFiller
                return out
            }
        }
        // What the forwarder knows are the numbers of the thinned stream, which lie before those that came.
        guard spatial?.isBehind(entry) ?? true else { return .failure(.init(.late)) }
        let limits = wantedLimits
        thinned.header.marker = SpatialForwarder.marks(entry, limits)
        return forwarder.forward(thinned, of: layer, producer.table, now: now, movedBy: movedBy).map { out in
            if spatial == nil {
                spatial = SpatialForwarder(from: entry, limits)
            } else {
                spatial?.restart(from: entry, limits)
            }
            // The first packet has its number, whatever it says of itself; what follows is counted from it on.
            spatial?.begun(with: entry)
            var out = out
            out.marks = thinned.header.marker
            return out
        }
    }

    /// How far the subscriber's wish and its line reach; the compositor asks for sizes, and shows every picture.
    private var wantedLimits: LayerLimits {
        var limits = producer.spatial?.limits(forwarder.wish, keepsRate: session.hearsEverybody) ?? .all
        if let top = grant.largest { limits.spatial = min(limits.spatial, UInt8(truncatingIfNeeded: top)) }
        return limits
    }

    /// Whether a layer is sent that the line has no room for, until a smaller one begins.
    var isBeyondGrant: Bool {
        forwarder.current.map { forwarder.allowed >> UInt8(truncatingIfNeeded: $0) & 1 == 0 } ?? false
    }

    /// Sends no more than the line has room for: of layers in one stream `wantedLimits` says how many.
    ///
    /// A layer goes on until the key frame of a smaller one, unless the way is jammed: then it is broken off, and what waits of it
    /// is forgotten, so that the key frame finds the queue empty.
    ///
    /// - Returns: how many packets are forgotten.
    func followGrant(isJammed: Bool) -> Int {
        let current = forwarder.current
        forwarder.setAllowed(producer.hasSpatialLayers && !grant.isPaused ? .max : grant.allowed)
        if isJammed, isBeyondGrant { forwarder.hold() }
        guard current != nil, forwarder.current == nil else { return 0 }
        return forgetUnsent()
    }

    /// Whether a key frame would lead to a larger layer that is wished for.
    func needsLargerLayer(now: MonotonicTime) -> Bool {
        guard let layers = producer.spatial, let limits = spatial?.limits, forwarder.current != nil else {
            return false
        }
        return layers.isAbove(limits, upTo: wantedLimits.spatial, now: now)
    }

    /// The layer that is sent now, as reports name it.
    var shownLayer: Int? {
        guard let layers = producer.spatial, layers.count > 1, let spatial, forwarder.current != nil else {
            return forwarder.current
        }
        return layers.highest(within: spatial.limits)
    }
}
