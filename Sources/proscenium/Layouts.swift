// Checks layout files without a running studio.

import ArgumentParser
import Control
import Foundation

extension Proscenium {
    /// What can be done with layout files.
    struct Layouts: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Works on layout files.", subcommands: [Check.self])

        /// Reads each file as Studio would, and says what is wrong where.
        struct Check: ParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Checks layout files.",
                discussion:
                    "Prints one line for each file: the path, and a JSON pointer to what is wrong. Ends with 1 when a file is bad."
            )
            @Argument(help: "Layout files.") var files: [String]

            func run() throws {
                guard !files.isEmpty else { throw ValidationError("Name at least one file.") }
                let urls = files.map { URL(filePath: $0) }
                // A layout may let another one take over that lies beside it.
                let folders = Set(urls.map { $0.deletingLastPathComponent() })
                var known: [String: Layout] = [:]
                for folder in folders {
                    known.merge((try? Layout.load(folder: folder))?.layouts ?? [:]) { first, _ in first }
                }
                for url in urls { if let layout = try? Layout.read(url) { known[layout.name] = layout } }
                var isGood = true
                for (path, url) in zip(files, urls) {
                    do throws(SceneError) {
                        let layout = try Layout.read(url)
                        if let error = layout.missingShare(among: known) { throw error }
                        print("\(path): good")
                    } catch {
                        isGood = false
                        let line = "\(path): \(error)\n"
                        FileHandle.standardError.write(Data(line.utf8))
                    }
                }
                if !isGood { throw ExitCode(1) }
            }
        }
    }
}
