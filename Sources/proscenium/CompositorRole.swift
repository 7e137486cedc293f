// The compositor as a command: one process for each live event.

import ArgumentParser
import Compositor
import Foundation
import Logging
import Media

extension Proscenium {
    /// Runs one event's compositor alone.
    struct Compositor: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs one event's compositor: speakers in, the program out.",
            discussion: "Its token is read from standard input.")
        @OptionGroup var flags: SettingFlags
        @Option(help: "The event whose program it makes.") var event: String
        @Option(help: "The internal listener of Studio; by default this machine's.") var studio: String?

        func run() async throws {
            let settings = try flags.resolve()
            settings.startLogging()
            let token = try handedOverToken()
            ProcessMemory.letGoOfTheStart(after: .seconds(60))
            let format = ProgramFormat(preset: .init(rawValue: settings.text("program-preset")) ?? .veryfast)
            try await CompositorServer.run(
                CompositorConfiguration(
                    event: event, studio: try settings.studio(studio), token: token, place: settings.text("place"),
                    bindAddress: settings.bindAddress, trustedCertificateFile: try settings.certificate().certificate,
                    allowsPrivateOutputs: settings.flag("allow-private-outputs"),
                    cacheDirectory: settings.path("data-directory").appending(path: "cache"), format: format),
                logger: Logger(label: "compositor"))
        }
    }
}
