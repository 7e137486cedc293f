// The supervisor: everything on one machine, a process for each role.

import ArgumentParser
import Control
import Foundation
import Logging
import Media
import UnixSignals
import Web

extension Proscenium {
    /// Starts every role as a process of its own and starts again what dies.
    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Runs everything on one machine.")
        @OptionGroup var flags: SettingFlags

        func run() async throws {
            let settings = try flags.resolve()
            _ = try settings.announcedAddress()
            settings.startLogging()
            let logger = Logger(label: "supervisor")
            // Made here, before the children could make them side by side.
            _ = try settings.certificate()
            let keys = try await TokenKeys(directory: settings.path("data-directory").appending(path: "keys"))
            let children = [
                ChildProcess(name: "studio", settings: settings, logger: logger) { "" },
                ChildProcess(name: "sfu", settings: settings, logger: logger) {
                    try await Self.workerToken(keys, .sfu, id: "sfu-1")
                },
                ChildProcess(name: "output", settings: settings, logger: logger) {
                    try await Self.workerToken(keys, .output, id: "output-1")
                },
            ]
            let base = "https://\(settings.hosts[0]):\(settings.number("https-port"))"
            logger.info(
                "started",
                metadata: [
                    "produce": "\(base)/produce/EVENT", "watch": "\(base)/watch/EVENT", "join": "\(base)/join/TOKEN",
                ])
            // SIGINT comes from the terminal, SIGTERM from a service manager.
            for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { break }
            for child in children { child.stop() }
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 10_000)
            // A thread waits, so that the cooperative pool does not.
            await withCheckedContinuation { continuation in
                _ = MediaThread(name: "stop") {
                    for child in children { child.join(until: deadline) }
                    continuation.resume()
                }
            }
            logger.info("stopped")
        }

        private static func workerToken(_ keys: TokenKeys, _ role: WorkerRole, id: String) async throws -> String {
            let end = SystemClock.wallMilliseconds() / 1000 + 366 * 86_400
            return try await keys.sign(WorkerClaims(id: id, role: role, event: nil, exp: end))
        }
    }
}
