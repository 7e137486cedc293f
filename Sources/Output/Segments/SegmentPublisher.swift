// Muxes whole segments and publishes them, on a thread of its own.

import Media

/// Turns assembled segments into files and list entries.
final class SegmentPublisher {
    private let store: EventStore
    private let ladder: LadderSettings
    private let grid: SlotGrid
    private let run: String
    private var marksNext = false

    init(store: EventStore, ladder: LadderSettings, grid: SlotGrid, run: String) {
        self.store = store
        self.ladder = ladder
        self.grid = grid
        self.run = run
    }

    /// Publishes one segment in all rungs.
    ///
    /// - Throws: `PipelineFault`; the next segment then begins with a discontinuity.
    func publish(_ segment: AssembledSegment) throws(PipelineFault) -> SegmentPublished {
        for (index, pictures) in segment.rungs.enumerated() where pictures.first?.frame.isKeyframe != true {
            marksNext = true
            throw .brokenSegment(rung: ladder.rungs[index].name)
        }
        let state = store.state
        let start = grid.time(of: segment.start)
        // 10 s of head room: no stamp of the first segment lies below 0.
        let origin = state.stampOrigin ?? start.advanced(byMilliseconds: -10_000)
        var files: [(rung: String, bytes: ByteBlock)] = []
        var continuity = state.continuity
        var variants: [MasterPlaylist.Variant] = []
        for (index, pictures) in segment.rungs.enumerated() {
            let rung = ladder.rungs[index]
            let writer = mux(pictures, segment.audio, origin: origin, continuity: continuity[rung.name])
            continuity[rung.name] = writer.continuity
            files.append((rung.name, ByteBlock(writer.bytes)))
            if let picture = pictures.first {
                variants.append(ladder.variant(of: rung, configuration: picture.configuration))
            }
        }
        do {
            let published = try store.publish(
                files: files, from: start, to: grid.time(of: segment.end),
                isDiscontinuity: segment.isDiscontinuity || marksNext, run: run
            ) { state in
                state.stampOrigin = origin
                state.continuity = continuity
                state.variants = variants
            }
            marksNext = false
            return published
        } catch {
            marksNext = true
            throw .disk(error)
        }
    }

    private func mux(
        _ pictures: [AssembledSegment.Picture], _ audio: [(position: Int64, payload: ByteBlock)], origin: ProgramTime,
        continuity: TransportStreamContinuity?
    ) -> TransportStreamWriter {
        let base = origin.milliseconds &* 90
        let size =
            pictures.reduce(0) { $0 + $1.frame.payload.count + 400 } + audio.reduce(0) { $0 + $1.payload.count + 200 }
        var writer = TransportStreamWriter(continuity: continuity ?? .init(), reservingBytes: size)
        writer.writeTables()
        var next = 0
        for picture in pictures {
            let time = grid.ticks(of: picture.slot) &- base
            while next < audio.count, audio[next].position &* 15 / 8 &- base < time {
                writer.writeAudio(audio[next].payload, pts: audio[next].position &* 15 / 8 &- base)
                next += 1
            }
            // Encoders without B-frames decode in the order of showing; a source with them is not passed through.
            writer.writeVideo(
                picture.frame.payload, pts: time, dts: time, isKeyframe: picture.frame.isKeyframe,
                configuration: picture.configuration)
        }
        while next < audio.count {
            writer.writeAudio(audio[next].payload, pts: audio[next].position &* 15 / 8 &- base)
            next += 1
        }
        return writer
    }
}
