// Output as a process: RTMPS in, HLS out, Studio's commands between.

internal import Control
internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import Media
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals
internal import Web

/// Runs an output worker.
public enum OutputServer {
    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: what keeps it from starting: a port in use, a folder that can't be made, a bad certificate.
    public static func run(_ configuration: OutputConfiguration, logger: Logger) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let certificates = try CertificateStore(
            certificateFile: configuration.certificateFile, keyFile: configuration.keyFile, logger: logger)
        let parts = Parts()
        var ladder = LadderSettings.standard
        ladder.preset = X264Settings.Preset(rawValue: configuration.preset) ?? .superfast
        let worker = try OutputWorker(
            directory: configuration.directory, ladder: ladder, logger: logger,
            report: { parts.connection?.report($0) }, disconnect: { parts.ingest?.disconnect(ingestID: $0) })
        let ingest = RTMPServer(
            host: configuration.bindAddress, port: configuration.rtmpsPort,
            tlsContext: certificates.context(), eventLoopGroup: group, logger: logger,
            authorizer: StreamKeyAuthorizer { [weak worker] in worker })
        parts.ingest = ingest
        let connection = makeConnection(configuration, worker, group, logger)
        parts.connection = connection
        let origin = Origin(
            worker: worker,
            allowedOrigins: Set(configuration.hosts.map { "https://\($0):\(configuration.httpsPort)" }),
            files: FileIO(), nowSeconds: { SystemClock.wallMilliseconds() / 1000 })
        let face = WebFace.service(
            .init(host: configuration.bindAddress, port: configuration.hlsPort),
            router: origin.router(metrics: Metrics()), webSockets: [], certificates: certificates, group: group,
            logger: logger)
        let services = ServiceGroup(
            services: [face, IngestService(server: ingest, certificates: certificates), connection],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await services.run()
        await worker.stop()
    }

    private static func makeConnection(
        _ configuration: OutputConfiguration, _ worker: OutputWorker, _ group: any EventLoopGroup, _ logger: Logger
    ) -> WorkerConnection {
        let host = configuration.hosts.first ?? "localhost"
        let registration = WorkerRegistration(
            id: HandedOverToken.subject(of: configuration.token) ?? "output", role: .output,
            place: configuration.place, capacity: Double(ProcessInfo.processInfo.activeProcessorCount),
            addresses: [
                "hls": "https://\(host):\(configuration.hlsPort)",
                "rtmps": "rtmps://\(host):\(configuration.rtmpsPort)/live",
            ],
            version: "1")
        let usage = ProcessorUsage()
        return WorkerConnection(
            WorkerConnection.Configuration(
                studio: configuration.studio, token: configuration.token, registration: { registration },
                load: { (usage.cores(), worker.counters) }, handle: { try await worker.handle($0) },
                onRegistered: { _ in worker.reportState() }),
            group: group, logger: logger)
    }

    /// What refers to each other; set before anything runs.
    private final class Parts: Sendable {
        private let box = Mutex<(connection: WorkerConnection?, ingest: RTMPServer?)>((nil, nil))
        var connection: WorkerConnection? {
            get { box.withLock { $0.connection } }
            set { box.withLock { $0.connection = newValue } }
        }
        var ingest: RTMPServer? {
            get { box.withLock { $0.ingest } }
            set { box.withLock { $0.ingest = newValue } }
        }
    }
}

/// Runs the RTMPS server in a service group.
private struct IngestService: Service {
    let server: RTMPServer
    let certificates: CertificateStore

    func run() async throws {
        try await server.start()
        await cancelWhenGracefulShutdown { [server, certificates] in
            // A changed certificate is for the next connections.
            while (try? await Task.sleep(for: .seconds(10))) != nil { server.updateTLS(certificates.context()) }
        }
        await server.shutdown()
    }
}
