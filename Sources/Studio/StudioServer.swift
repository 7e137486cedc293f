// Studio as a process: listeners, database, workers and interactivity put together.

internal import Control
public import Foundation
internal import GRDB
internal import Hummingbird
internal import HummingbirdCore
internal import Interactivity
public import Logging
internal import Media
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import UnixSignals
internal import Web

/// How Studio runs.
public struct StudioConfiguration: Sendable {
    /// Where the database and the keys lie.
    public var dataDirectory: URL
    /// The address of the public listener.
    public var bindAddress: String
    /// The public HTTPS port.
    public var httpsPort: Int
    /// The port of the internal listener on 127.0.0.1.
    public var internalPort: Int
    /// The names under which the installation is reached, the main one first.
    public var hosts: [String]
    /// The TLS certificate chain and its key, PEM.
    public var certificateFile: URL, keyFile: URL
    /// The folder of the pages, and the one of unpacked libraries.
    public var pages: URL, libraries: URL
    /// The description of the API, OpenAPI in YAML.
    public var openAPI: URL
    /// The folder of the built-in layouts.
    public var layouts: URL
    /// The folder of the themes of overlays.
    public var themes: URL
    /// Addresses of proxies whose X-Forwarded-For counts.
    public var trustedProxies: [String]
    /// Whether outputs may be in private networks and on this machine.
    public var allowsPrivateOutputs: Bool
    /// How long a video may be, in bytes.
    public var videoLimitBytes: Int
    /// How many may watch one event by WHEP.
    public var viewerLimit: Int
    /// How many connections the people of one event have together.
    public var connectionLimit: Int
    /// How often pages make their connections anew, in seconds; 0 for never.
    public var keyRotationSeconds: Int
    /// Where media can be relayed; nil where nobody does.
    public var turn: TURNService?

    /// Creates a configuration.
    public init(
        dataDirectory: URL, bindAddress: String, httpsPort: Int, internalPort: Int, hosts: [String],
        certificateFile: URL, keyFile: URL, pages: URL, libraries: URL, openAPI: URL, layouts: URL, themes: URL,
        trustedProxies: [String], allowsPrivateOutputs: Bool = false, videoLimitBytes: Int = 2_000_000_000,
        viewerLimit: Int = 300, connectionLimit: Int = 2000, keyRotationSeconds: Int = 0, turn: TURNService? = nil
    ) {
        self.dataDirectory = dataDirectory
        self.bindAddress = bindAddress
        self.httpsPort = httpsPort
        self.internalPort = internalPort
        self.hosts = hosts
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.pages = pages
        self.libraries = libraries
        self.openAPI = openAPI
        self.layouts = layouts
        self.themes = themes
        self.trustedProxies = trustedProxies
        self.allowsPrivateOutputs = allowsPrivateOutputs
        self.videoLimitBytes = videoLimitBytes
        self.viewerLimit = viewerLimit
        self.connectionLimit = connectionLimit
        self.keyRotationSeconds = keyRotationSeconds
        self.turn = turn
    }
}

/// Runs Studio.
public enum StudioServer {
    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: what keeps it from starting: a port in use, a database that can't be opened, a bad certificate.
    public static func run(_ configuration: StudioConfiguration, logger: Logger) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let keys = try await TokenKeys(directory: configuration.dataDirectory.appending(path: "keys"))
        let certificates = try CertificateStore(
            certificateFile: configuration.certificateFile, keyFile: configuration.keyFile, logger: logger)
        let database = try StudioDatabase.open(path: configuration.dataDirectory.appending(path: "studio.sqlite").path)
        let studio = try await StudioApplication(configuration, database: database, keys: keys, logger: logger)
        let publicFace = WebFace.service(
            .init(
                // A browser's answer may be as long as a description is read, with its line ends escaped.
                host: configuration.bindAddress, port: configuration.httpsPort, maxWebSocketMessageBytes: 256 << 10,
                trustedProxies: configuration.trustedProxies), router: studio.router,
            webSockets: studio.webSockets, certificates: certificates, group: group, logger: logger)
        let internalFace = WebFace.service(
            .init(host: "127.0.0.1", port: configuration.internalPort, maxWebSocketMessageBytes: 1 << 20),
            router: studio.internalRouter, webSockets: [studio.registry.route], certificates: nil, group: group,
            logger: logger)
        let services = ServiceGroup(
            services: [publicFace, internalFace, studio.followers], gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger)
        try await services.run()
    }
}
