// Measures the compositor on files; what scripts/bench compositor runs beside its peers.

import ArgumentParser
import Compositor
import Control
import Foundation

extension Proscenium {
    /// Runs the compositor offline, or compares pictures with the float reference; prints one line of JSON.
    struct BenchCompositor: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "bench-compositor", abstract: "Measures the compositor on files.", shouldDisplay: false)
        @Argument(help: "The folder with s1.webm … s4.webm, bg.png, slide.png and lt.png.") var folder: String
        @Option(help: "decode, compose or whole.") var mode = "compose"
        @Option(help: "How many frames.") var frames = 600
        @Option(help: "How many speakers, shown by the layout.") var speakers = 4
        @Option(help: "How many programs.") var programs = 1
        @Option(help: "A layout file, instead of the stage that peers show.") var layout: String?
        @Option(help: "Where pictures (compose) or encoded bytes (whole) go.") var output: String?
        @Flag(name: .customLong("bt709"), help: "Reads cameras as BT.709, as peers do.") var readsBT709 = false
        @Option(name: .customLong("compare"), help: "Raw I420 pictures to compare with the reference.")
        var comparedFiles: [String] = []

        func run() throws {
            guard let mode = CompositorBench.Mode(rawValue: mode) else {
                throw ValidationError("\(mode) is decode, compose or whole.")
            }
            guard (1...64).contains(speakers), (1...16).contains(programs), frames > 0 else {
                throw ValidationError("1…64 speakers, 1…16 programs, and a frame at least.")
            }
            var bench = CompositorBench(folder: URL(filePath: folder, directoryHint: .isDirectory), frames: frames)
            (bench.speakers, bench.programs, bench.readsBT709) = (speakers, programs, readsBT709)
            bench.layout = try layout.map { try Layout(json: Data(contentsOf: URL(filePath: $0))) }
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let result =
                comparedFiles.isEmpty
                ? try encoder.encode(bench.run(mode, output: output.map { URL(filePath: $0) }))
                : try encoder.encode(bench.compare(comparedFiles.map { URL(filePath: $0) }))
            print(String(decoding: result, as: UTF8.self))
        }
    }
}
