// What a process lets go of, and that it goes on.

import CProcess
import Foundation
import Testing

struct ProcessMemoryTests {
    /// How many kB of files' pages this process has mapped.
    private func mappedOfFiles() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssFile:") })
        return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
    }

    @Test func whatStandsInFilesIsLetGoAndComesBackAsItIsUsed() throws {
        let before = try mappedOfFiles()
        #expect(proscenium_let_go_of_files() > 0)
        #expect(try mappedOfFiles() < before)
        let numbers = try JSONDecoder().decode([Int].self, from: Data("[3, 1, 2]".utf8))
        #expect(numbers.sorted() == [1, 2, 3])
    }
}
