// The compositor offline, as fast as it goes: decoders, renderer, mixer and encoder of the program on files.

public import Control
public import Foundation
import Glibc
import Media

/// What `proscenium bench-compositor` runs; it measures, and is no part of the program's line.
public struct CompositorBench {
    /// How far a frame goes.
    public enum Mode: String, Sendable, CaseIterable {
        /// Decoded only, composed too, or with sound and encoded as well.
        case decode, compose, whole
    }

    /// What it cost.
    public struct Cost: Sendable, Encodable {
        /// How many frames each program had.
        public var frames: Int
        /// Composing one frame of one program, in milliseconds of CPU time: median and 99th percentile.
        public var composeMs: Double, composeP99Ms: Double
        /// What the process used so far, in CPU seconds, and the most memory that it had.
        public var cpuSeconds: Double, rssMB: Double
        /// Bytes of FLV that came out.
        public var bytes: Int
    }

    /// How near a picture is to the reference.
    public struct Quality: Sendable, Encodable {
        /// The mean over frames of structural similarity, all planes.
        public var ssim: Double
        /// The largest mean luma difference of a 16×16 block in any frame, and where.
        public var worstBlock: Double, worstX: Int, worstY: Int
        /// How many frames were compared.
        public var frames: Int
    }

    /// Where the files are.
    public var folder: URL
    /// How many frames.
    public var frames: Int
    /// How many speakers and programs; four speakers without a layout are the peers' stage.
    public var speakers = 4, programs = 1
    /// Shows speakers by a layout.
    public var layout: Layout?
    /// Whether cameras are read as BT.709, as peers read them, instead of BT.601, which costs a conversion.
    public var readsBT709 = false

    /// Creates a benchmark of the files in a folder.
    public init(folder: URL, frames: Int) {
        self.folder = folder
        self.frames = frames
    }

    private func sources() throws -> [WebMSource] {
        try (0..<max(1, speakers)).map { try WebMSource(folder.appending(path: "s\($0 % 4 + 1).webm").path) }
    }

    private func pictures(of sources: [WebMSource], hearing: Bool) throws -> [SceneSource: VideoFrame]? {
        var pictures: [SceneSource: VideoFrame] = [:]
        for (index, source) in sources.enumerated() {
            guard let picture = try source.next(hearing: hearing) else { return nil }
            if readsBT709 { picture.color = .program }
            pictures[BenchStage.speaker(index)] = picture
        }
        return pictures
    }

    /// Runs a mode.
    ///
    /// - Parameters:
    ///   - mode: how far frames go.
    ///   - output: gets what the first program's encoders make as FLV, or in mode `compose` the pictures as raw I420; nil for
    ///     nowhere.
    /// - Throws: when a file can't be read or written, or a codec refuses.
    public func run(_ mode: Mode, output: URL? = nil) throws -> Cost {
        let stage = try BenchStage(.init(folder: folder), layout: layout), sources = try sources()
        let renderers = (0..<max(1, programs)).map { _ in ProgramRenderer(canvas: BenchStage.canvas, store: stage.store)
        }
        var file: FileHandle?
        if let output {
            try Data().write(to: output)
            file = try FileHandle(forWritingTo: output)
        }
        defer { try? file?.close() }
        let encoders = try mode == .whole ? renderers.map { _ in try BenchEncoder() } : []
        var costs: [Double] = [], count = 0, bytes = 0
        while count < frames, let pictures = try pictures(of: sources, hearing: mode == .whole) {
            let blocks = mode == .whole ? Self.blocks(of: sources) : []
            for (index, renderer) in renderers.enumerated() where mode != .decode {
                let before = Self.processorMilliseconds()
                let picture = renderer.render(stage.operations(pictures, frame: count), frames: pictures)
                costs.append(Self.processorMilliseconds() - before)
                guard let picture else { throw AVError.outOfMemory }
                if mode == .whole {
                    for part in try encoders[index].encode(picture, blocks, number: count) {
                        bytes += part.count
                        if index == 0 { try file?.write(contentsOf: part) }
                    }
                } else if let file {
                    try file.write(contentsOf: Self.i420(picture))
                }
            }
            count += 1
        }
        for (index, encoder) in encoders.enumerated() {
            for part in try encoder.flush() {
                bytes += part.count
                if index == 0 { try file?.write(contentsOf: part) }
            }
        }
        costs.sort()
        var usage = rusage()
        getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
        return Cost(
            frames: count, composeMs: costs.isEmpty ? 0 : costs[costs.count / 2],
            composeP99Ms: costs.isEmpty ? 0 : costs[min(costs.count - 1, costs.count * 99 / 100)],
            cpuSeconds: Self.seconds(usage), rssMB: Double(usage.ru_maxrss) / 1024,
            bytes: bytes)
    }

    /// Compares raw I420 pictures of the stage, the first of them the first frame, with the float reference.
    ///
    /// - Parameter files: of 1920×1080 pictures.
    public func compare(_ files: [URL]) throws -> [Quality] {
        let stills = try BenchStage.Stills(folder: folder), sources = try sources()
        let handles = try files.map { try FileHandle(forReadingFrom: $0) }
        let size = BenchStage.canvas, length = size.width * size.height * 3 / 2
        var results = files.map { _ in Quality(ssim: 0, worstBlock: 0, worstX: 0, worstY: 0, frames: 0) }
        for _ in 0..<frames {
            guard let pictures = try pictures(of: sources, hearing: false) else { break }
            let cameras = (0..<4).compactMap { pictures[BenchStage.speaker($0)] }
            let reference = FloatPicture(stills, cameras: cameras)
            for (index, handle) in handles.enumerated() {
                guard let data = try handle.read(upToCount: length), data.count == length else { continue }
                let picture = [UInt8](data).withUnsafeBufferPointer { FloatPicture(i420: $0, size) }
                let worst = picture.worstBlock(reference)
                results[index].ssim += picture.similarity(to: reference)
                results[index].frames += 1
                if worst.difference > results[index].worstBlock {
                    (results[index].worstBlock, results[index].worstX, results[index].worstY) = worst
                }
            }
        }
        for index in results.indices { results[index].ssim /= Double(max(1, results[index].frames)) }
        return results
    }

    /// The ten milliseconds of each source that are there, as often as all have some.
    private static func blocks(of sources: [WebMSource]) -> [[Int: [Float]]] {
        var blocks: [[Int: [Float]]] = []
        while true {
            var each: [Int: [Float]] = [:]
            for (index, source) in sources.enumerated() { each[index] = source.block() }
            guard !each.isEmpty else { return blocks }
            blocks.append(each)
        }
    }

    /// The thread's CPU time: encoders have threads of their own while the next picture is composed.
    private static func processorMilliseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
    }

    private static func seconds(_ usage: rusage) -> Double {
        Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    private static func i420(_ frame: VideoFrame) -> Data {
        var data = Data(capacity: frame.width * frame.height * 3 / 2)
        for y in 0..<frame.height { data.append(frame.y + y * frame.lumaStride, count: frame.width) }
        for plane in [frame.u, frame.v] {
            for y in 0..<(frame.height / 2) { data.append(plane + y * frame.chromaStride, count: frame.width / 2) }
        }
        return data
    }
}

/// Mixer and encoders of one program, with the settings that peers are measured with.
private final class BenchEncoder {
    private var video: X264Encoder
    private var audio: AACEncoder
    private var mixer = AudioMixer<Int>()
    private var mixed: [Float] = []
    private var left = [Float](repeating: 0, count: 480), right = [Float](repeating: 0, count: 480)
    private var muxer = FLVFile()

    init() throws {
        var settings = X264Settings(
            size: PictureSize(width: BenchStage.canvas.width, height: BenchStage.canvas.height),
            frameRate: FrameRate(30), bitrateKbps: 4500, maxRateKbps: 4500, bufferKbit: 4500, preset: .veryfast,
            lookaheadFrames: 10)
        settings.fillsToBitrate = true
        // As the peers' command lines have it. The program itself has one, which costs a little less.
        settings.threads = 2
        video = try X264Encoder(settings: settings, timescale: 90_000)
        audio = try AACEncoder(settings: AACSettings(bitrateKbps: 128))
    }

    func encode(_ picture: VideoFrame, _ blocks: [[Int: [Float]]], number: Int) throws -> [Data] {
        var parts = number == 0 ? [muxer.start(video: video.configuration.record, audio: audio.configuration)] : []
        func take(_ frame: EncodedFrame) { parts.append(muxer.tag(frame)) }
        if let frame = try video.encode(picture, pts: Int64(number) * 3000, forcesIDR: number % 60 == 0) { take(frame) }
        for block in blocks {
            for (id, samples) in block {
                mixer.set(id, gain: 0.5)
                samples.withUnsafeBufferPointer { mixer.take(id, $0) }
            }
            mixer.finish(into: &mixed)
            for at in 0..<480 { (left[at], right[at]) = (mixed[2 * at], mixed[2 * at + 1]) }
            try left.withUnsafeBufferPointer { left in
                try right.withUnsafeBufferPointer { right in try audio.encode(left: left, right: right, output: take) }
            }
        }
        return parts
    }

    func flush() throws -> [Data] {
        var parts: [Data] = []
        while let frame = try video.flush() { parts.append(muxer.tag(frame)) }
        return parts
    }
}
