// The supervisor: everything on one machine, a process for each role.

import ArgumentParser
import Control
import Foundation
import Logging
import Media
import NIOPosix
import UnixSignals
import Web

extension Proscenium {
    /// Starts every role as a process of its own and starts again what dies.
    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Runs everything on one machine.")
        @OptionGroup var flags: SettingFlags
        @Flag(help: "Fill the event \"demo\" with three synthetic speakers.") var demo = false

        func run() async throws {
            let settings = try flags.resolve()
            _ = try settings.mediaAddresses()
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
            let relay = try settings.startRelay(logger)
            let speakers =
                demo
                ? ChildProcess(name: "demo", settings: settings, logger: logger) { try await Self.demoToken(keys) }
                : nil
            let compositors = CompositorSupervisor(settings: settings, logger: logger) { event in
                try await Self.workerToken(keys, .compositor, id: "compositor-\(event)", event: event)
            }
            let connection = WorkerConnection(
                compositors.configuration(
                    studio: try settings.studio(nil),
                    token: try await Self.workerToken(keys, .supervisor, id: "supervisor-1")),
                group: MultiThreadedEventLoopGroup.singleton, logger: logger)
            let dialling = Task { try await connection.run() }
            let base = "https://\(settings.hosts[0]):\(settings.number("https-port"))"
            logger.info(
                "started",
                metadata: [
                    "produce": "\(base)/produce/EVENT", "watch": "\(base)/watch/EVENT", "join": "\(base)/join/TOKEN",
                ])
            // SIGINT comes from the terminal, SIGTERM from a service manager.
            for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { break }
            // Nothing is started any more; programs end while those are there who carry them.
            dialling.cancel()
            relay?.following.cancel()
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 10_000)
            // A thread waits, so that the cooperative pool does not.
            await withCheckedContinuation { continuation in
                _ = MediaThread(name: "stop") {
                    // First who takes leave of the others.
                    speakers?.stop()
                    speakers?.join(until: SystemClock.monotonic().advanced(byMilliseconds: 3000))
                    compositors.stop(until: SystemClock.monotonic().advanced(byMilliseconds: 4000))
                    for child in children + [relay?.process].compactMap(\.self) { child.stop() }
                    for child in children + [relay?.process].compactMap(\.self) { child.join(until: deadline) }
                    continuation.resume()
                }
            }
            logger.info("stopped")
        }

        /// The demo produces by the public API, as an admin that is the same at each start: what it made before is its own.
        private static func demoToken(_ keys: TokenKeys) async throws -> String {
            let claims = TokenClaims(
                sub: "demo", name: "Demo", org: "default", event: nil, role: .admin, can: [],
                exp: SystemClock.wallMilliseconds() / 1000 + 366 * 86_400, jti: RandomToken.id())
            return try await keys.sign(claims)
        }

        private static func workerToken(
            _ keys: TokenKeys, _ role: WorkerRole, id: String, event: String? = nil
        ) async throws -> String {
            let end = SystemClock.wallMilliseconds() / 1000 + 366 * 86_400
            return try await keys.sign(WorkerClaims(id: id, role: role, event: event, exp: end))
        }
    }
}
