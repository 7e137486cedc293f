// A compositor as a process: Studio's commands in, the program out.

internal import Control
internal import Foundation
internal import Glibc
public import Logging
internal import Media
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

/// Runs one event's compositor.
public enum CompositorServer {
    /// Runs until SIGTERM or SIGINT.
    public static func run(_ configuration: CompositorConfiguration, logger: Logger) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let link = Link()
        let worker = CompositorWorker(
            configuration, group: group, logger: logger,
            report: { link.connection?.report(.compositor(event: configuration.event, $0)) },
            onFailure: {
                // Half a program helps nobody, and threads may be stuck in libraries: the supervisor starts it again.
                _exit(1)
            })
        let registration = WorkerRegistration(
            id: HandedOverToken.subject(of: configuration.token) ?? "compositor", role: .compositor,
            event: configuration.event, place: configuration.place, capacity: 1, addresses: [:], version: "1")
        let usage = ProcessorUsage()
        let box = CounterBox()
        let connection = WorkerConnection(
            WorkerConnection.Configuration(
                studio: configuration.studio, token: configuration.token, registration: { registration },
                load: {
                    box.refresh(from: worker)
                    return (usage.cores(), box.latest)
                },
                begin: { try await worker.begin($0) }),
            group: group, logger: logger)
        link.connection = connection
        let services = ServiceGroup(
            services: [connection], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await services.run()
        await worker.stop()
    }

    /// The worker's counters, one question old, because an actor answers later.
    private final class CounterBox: Sendable {
        private let box = Mutex<[String: Double]>([:])
        var latest: [String: Double] { box.withLock { $0 } }

        func refresh(from worker: CompositorWorker) {
            Task {
                let counters = await worker.counters
                box.withLock { $0 = counters }
            }
        }
    }

    /// Ties the worker's news to the connection, which is made after it.
    private final class Link: Sendable {
        private let box = Mutex<WorkerConnection?>(nil)
        var connection: WorkerConnection? {
            get { box.withLock { $0 } }
            set { box.withLock { $0 = newValue } }
        }
    }
}
