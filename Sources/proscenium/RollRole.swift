// Reads one roll, or one piece of sound, for a compositor: what it starts for each, so that a bad file harms nobody else.

import ArgumentParser
import Compositor
import Glibc

extension Proscenium {
    /// Decodes the file that is its standard input, as fast as its pictures are taken.
    struct Roll: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads a video roll or a piece of sound; started by a compositor.", shouldDisplay: false)
        @Option(help: "Where to begin, in milliseconds.") var fromMs: Int64 = 0
        @Flag(help: "Reads the sound and leaves pictures, which need not be there.") var soundOnly = false

        func run() throws {
            // Nothing ends it but its compositor: a roll may stand for hours. Memory is bounded, files it opens none.
            guard ProcessBounds.enter(folder: nil, seconds: nil, keeping: 4) else { Glibc.exit(1) }
            Glibc.exit(RollReader.run(fromMs: fromMs, soundOnly: soundOnly))
        }
    }
}
