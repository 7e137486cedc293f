// The roles as commands: one process each.

import ArgumentParser
import Control
import Demo
import Foundation
import Logging
import Media
import Output
import SFU
import Studio
import Web

extension Settings {
    /// Sends every logger's records to standard error as JSON lines.
    func startLogging() {
        let level = Logger.Level(rawValue: text("log-level")) ?? .info
        LoggingSystem.bootstrap { label in
            var handler = JSONLogHandler(label: label)
            handler.logLevel = level
            return handler
        }
    }

    /// Where Studio's internal listener is.
    func studio(_ given: String?) throws -> URL {
        let address = given ?? "http://127.0.0.1:\(number("internal-port"))"
        guard let url = URL(string: address), url.host() != nil else {
            throw ValidationError("\(address) is not an address of Studio.")
        }
        return url
    }

    /// The certificate's files: the configured ones, or those for development, made on first use.
    func certificate() throws -> (certificate: URL, key: URL) {
        if !text("certificate-file").isEmpty { return (path("certificate-file"), path("key-file")) }
        return try CertificateStore.development(
            directory: path("data-directory").appending(path: "tls"), hosts: hosts)
    }
}

/// The worker's token, which is handed over by standard input.
func handedOverToken() throws -> String {
    guard let token = HandedOverToken.read() else {
        throw ValidationError("The worker's token is expected on standard input.")
    }
    return token
}

extension Proscenium {
    /// Runs an SFU worker alone.
    struct SFU: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs an SFU worker: speakers' media.", discussion: "Its token is read from standard input.")
        @OptionGroup var flags: SettingFlags
        @Option(help: "The internal listener of Studio; by default this machine's.") var studio: String?
        @Option(
            help: .init("How many equal datagrams go as one message, 0 for never; for measuring.", visibility: .hidden))
        var segmentRun: Int?

        func run() async throws {
            guard (0...48).contains(segmentRun ?? 0) else { throw ValidationError("segment-run is 0 to 48.") }
            let settings = try flags.resolve()
            settings.startLogging()
            let token = try handedOverToken()
            var configuration = SFUConfiguration(
                studio: try settings.studio(studio), token: token, place: settings.text("place"),
                addresses: try settings.mediaAddresses())
            if let segmentRun { configuration.segmentRun = segmentRun }
            configuration.loudestSpeakers = settings.number("loudest-speakers")
            try await SFUServer.run(configuration, logger: Logger(label: "sfu"))
        }
    }

    /// Runs Studio alone.
    struct Studio: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Runs Studio: API, pages, interactivity.")
        @OptionGroup var flags: SettingFlags

        func run() async throws {
            let settings = try flags.resolve()
            settings.startLogging()
            let (certificate, key) = try settings.certificate()
            let proxies = settings.text("trusted-proxies").split(separator: ",")
            try await StudioServer.run(
                StudioConfiguration(
                    dataDirectory: settings.path("data-directory"), bindAddress: settings.bindAddress,
                    httpsPort: settings.number("https-port"), internalPort: settings.number("internal-port"),
                    hosts: settings.hosts, certificateFile: certificate, keyFile: key,
                    pages: settings.path("pages-directory"), libraries: settings.path("libraries-directory"),
                    openAPI: settings.path("openapi-file"), layouts: settings.path("layouts-directory"),
                    themes: settings.path("themes-directory"),
                    trustedProxies: proxies.map { $0.trimmingCharacters(in: .whitespaces) },
                    allowsPrivateOutputs: settings.flag("allow-private-outputs"),
                    videoLimitBytes: settings.number("video-limit-megabytes") * 1_000_000,
                    viewerLimit: settings.number("whep-viewers"),
                    connectionLimit: settings.number("room-connections"),
                    keyRotationSeconds: settings.number("key-rotation-seconds"),
                    turn: try settings.turn()?.service),
                logger: Logger(label: "studio"))
        }
    }

    /// Runs an output worker alone.
    struct Output: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs an output worker: ingest, ladder, HLS.",
            discussion: "Its token is read from standard input.")
        @OptionGroup var flags: SettingFlags
        @Option(help: "The internal listener of Studio; by default this machine's.") var studio: String?

        func run() async throws {
            let settings = try flags.resolve()
            settings.startLogging()
            let token = try handedOverToken()
            let (certificate, key) = try settings.certificate()
            let url = try settings.studio(studio)
            try await OutputServer.run(
                OutputConfiguration(
                    studio: url, token: token, place: settings.text("place"),
                    directory: settings.path("data-directory").appending(path: "hls"),
                    bindAddress: settings.bindAddress, hosts: settings.hosts,
                    httpsPort: settings.number("https-port"), hlsPort: settings.number("hls-port"),
                    rtmpsPort: settings.number("rtmps-port"), certificateFile: certificate, keyFile: key,
                    preset: settings.text("preset")),
                logger: Logger(label: "output"))
        }
    }
    /// Runs the demo alone: synthetic speakers and their show.
    struct Demo: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs three synthetic speakers in an event of their own.",
            discussion: "An admin's token is read from standard input.", shouldDisplay: false)
        @OptionGroup var flags: SettingFlags

        func run() async throws {
            let settings = try flags.resolve()
            settings.startLogging()
            let token = try handedOverToken()
            let (certificate, _) = try settings.certificate()
            let host = settings.hosts[0], bind = settings.bindAddress
            try await DemoRunner.run(
                DemoConfiguration(
                    studio: StudioAddress(
                        host: host, address: bind == "0.0.0.0" ? "127.0.0.1" : bind,
                        port: settings.number("https-port"), certificateFile: certificate),
                    mediaAddress: try settings.mediaAddresses().announced[0].ip, token: token),
                logger: Logger(label: "demo"))
        }
    }
}
