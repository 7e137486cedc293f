import Foundation
import Testing

/// Texts that are held against files of the repository.
enum Goldens {
    /// Holds a value against its golden as pretty JSON.
    static func check(_ value: some Encodable, _ name: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try check(json: String(decoding: encoder.encode(value), as: UTF8.self) + "\n", name)
    }

    /// Holds a text against its golden, or writes it where `PROSCENIUM_WRITE_GOLDENS` says.
    static func check(json: String, _ name: String) throws {
        if let folder = ProcessInfo.processInfo.environment["PROSCENIUM_WRITE_GOLDENS"] {
            try Data(json.utf8).write(to: URL(fileURLWithPath: folder).appendingPathComponent(name + ".json"))
        }
        let file = try #require(Bundle.module.url(forResource: "Goldens/" + name, withExtension: "json"))
        let golden = try String(decoding: Data(contentsOf: file), as: UTF8.self)
        let differing = zip(json.split(separator: "\n"), golden.split(separator: "\n")).first { $0 != $1 }
        #expect(json == golden, "\(name) differs, first in: \(String(describing: differing))")
    }
}
