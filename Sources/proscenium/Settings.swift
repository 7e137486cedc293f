// Every setting with its default and its reason; file, environment and flags, flags win.

import ArgumentParser
import Control
import Foundation
import Yams

/// One setting that the configuration file, the environment and a flag may give.
struct Setting: Sendable {
    /// The name in the file and, with two dashes, as a flag.
    let name: String
    let standard: String
    let reason: String

    /// The name in the environment.
    var variable: String { "PROSCENIUM_" + name.uppercased().replacingOccurrences(of: "-", with: "_") }

    static let all: [Setting] = [
        .init(
            name: "data-directory", standard: "data",
            reason: "database, keys, certificate, segments and logs of this installation"),
        .init(
            name: "public-host", standard: "localhost",
            reason: "the name by which browsers reach the machine; cookies and links carry it"),
        .init(
            name: "bind-address", standard: "",
            reason: "address of the public listeners; empty means 127.0.0.1 for localhost, else 0.0.0.0"),
        .init(name: "https-port", standard: "8443", reason: "API and pages"),
        .init(
            name: "hls-port", standard: "8444",
            reason: "HLS; apart from the API, so that playing goes on without Studio"),
        .init(name: "rtmps-port", standard: "1936", reason: "RTMPS entrances"),
        .init(
            name: "media-port", standard: "7882", reason: "speakers' media by UDP and TCP; one port for each shard"),
        .init(
            name: "media-address", standard: "",
            reason: "the IP addresses that speakers are told; empty means the bound one, which must not be 0.0.0.0"),
        .init(
            name: "media-bind-address", standard: "",
            reason: "what the media port is bound to; empty means bind-address, or :: where IPv6 is announced"),
        .init(
            name: "loudest-speakers", standard: "6",
            reason: "how many voices of a room its speakers get, the loudest, from 1 to 64; 0 for all"),
        .init(
            name: "key-rotation-seconds", standard: "0",
            reason: "how often pages replace their connections by new ones with other keys; 0 for never"),
        .init(
            name: "turn-server", standard: "turnserver",
            reason: "the program of coturn, by name or path; where there is none, or it is empty, none is started"),
        .init(name: "turn-port", standard: "3478", reason: "TURN by UDP and TCP"),
        .init(name: "turns-port", standard: "5349", reason: "TURN by TLS; 443 where nothing else gets out"),
        .init(
            name: "turn-urls", standard: "",
            reason: "addresses of a TURN server elsewhere, separated by commas; then none is started here"),
        .init(name: "turn-secret-file", standard: "", reason: "the secret that is shared with that server"),
        .init(name: "internal-port", standard: "9443", reason: "control, metrics and readiness, on 127.0.0.1 only"),
        .init(
            name: "certificate-file", standard: "",
            reason: "PEM chain; empty makes a self-signed one for development in the data directory"),
        .init(name: "key-file", standard: "", reason: "PEM key of the certificate"),
        .init(
            name: "preset", standard: "superfast",
            reason: "x264 preset of the ladder; superfast is what five rungs of 1080p30 need on two cores"),
        .init(
            name: "program-preset", standard: "veryfast",
            reason: "x264 preset of the program; its rate is constant, so a faster one costs quality"),
        .init(name: "place", standard: "local", reason: "where this machine is, for placement of work"),
        .init(name: "pages-directory", standard: "assets/web", reason: "the pages' files"),
        .init(name: "libraries-directory", standard: ".cache/web", reason: "where scripts/bootstrap unpacks hls.js"),
        .init(
            name: "openapi-file", standard: "docs/openapi.yaml",
            reason: "the description of the API that /openapi.json serves"),
        .init(
            name: "layouts-directory", standard: "layouts",
            reason: "the layouts that every event has, one JSON file each"),
        .init(
            name: "video-limit-megabytes", standard: "2000",
            reason: "the largest video that is taken; an event's files have 16 GB together"),
        .init(
            name: "whep-viewers", standard: "300",
            reason: "how many may watch one event by WHEP; each is sent the whole program by one media server"),
        .init(
            name: "room-connections", standard: "2000",
            reason: "how many connections the people of one event have together; a page has two"),
        .init(
            name: "themes-directory", standard: "themes",
            reason: "the themes of lower thirds and other overlays, one JSON file each"),
        .init(
            name: "trusted-proxies", standard: "",
            reason: "addresses whose X-Forwarded-For counts, separated by commas; empty trusts nobody"),
        .init(
            name: "allow-private-outputs", standard: "false",
            reason: "true lets outputs go into private networks and to this machine, which a producer could reach then"),
        .init(name: "log-level", standard: "info", reason: "lowest level that is logged: trace to critical"),
    ]
}

/// The settings of one run.
struct Settings: Sendable {
    private var values: [String: String] = [:]

    /// Resolves all settings.
    ///
    /// - Parameters:
    ///   - file: a YAML file of `name: value` lines; nil for none.
    ///   - environment: the process's environment.
    ///   - flags: what the command line gives.
    /// - Throws: `ValidationError` naming an unknown setting or a value that does not fit.
    init(file: String?, environment: [String: String], flags: [String: String]) throws {
        let known = Set(Setting.all.map(\.name))
        for setting in Setting.all { values[setting.name] = setting.standard }
        if let file {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw ValidationError("The configuration file \(file) can't be read.")
            }
            guard let tree = try Yams.load(yaml: text) as? [String: Any] else {
                throw ValidationError("The configuration file \(file) is not a list of settings.")
            }
            for (name, value) in tree {
                guard known.contains(name) else { throw ValidationError("\(file): unknown setting \"\(name)\".") }
                values[name] = "\(value)"
            }
        }
        for setting in Setting.all {
            if let value = environment[setting.variable] { values[setting.name] = value }
        }
        for (name, value) in flags { values[name] = value }
        for name in known where name.hasSuffix("-port") {
            guard let port = Int(text(name)), (1...65535).contains(port) else {
                throw ValidationError("\(name) is a port from 1 to 65535, not \"\(text(name))\".")
            }
        }
        guard ["true", "false"].contains(text("allow-private-outputs")) else {
            throw ValidationError("allow-private-outputs is true or false.")
        }
        guard let viewers = Int(text("whep-viewers")), (0...4000).contains(viewers) else {
            throw ValidationError("whep-viewers is a number from 0 to 4000.")
        }
        guard let connections = Int(text("room-connections")), (2...4000).contains(connections) else {
            throw ValidationError("room-connections is a number from 2 to 4000.")
        }
        guard let limit = Int(text("video-limit-megabytes")), (1...8000).contains(limit) else {
            throw ValidationError("video-limit-megabytes is a number from 1 to 8000.")
        }
        guard let loudest = Int(text("loudest-speakers")), (0...64).contains(loudest) else {
            throw ValidationError("loudest-speakers is a number from 0 to 64.")
        }
        guard let rotation = Int(text("key-rotation-seconds")), rotation == 0 || (10...604_800).contains(rotation)
        else {
            throw ValidationError("key-rotation-seconds is 0, or a number from 10 to 604800.")
        }
        for name in ["preset", "program-preset"]
        where !["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"].contains(text(name)) {
            throw ValidationError("\(name) is ultrafast, superfast, veryfast, faster, fast or medium.")
        }
    }

    /// Whether a setting is `true`.
    func flag(_ name: String) -> Bool { text(name) == "true" }

    /// A setting as text.
    func text(_ name: String) -> String { values[name] ?? "" }

    /// A setting as a number; ports were checked when the settings were resolved.
    func number(_ name: String) -> Int { Int(text(name)) ?? 0 }

    /// A setting as a path.
    func path(_ name: String) -> URL { URL(filePath: text(name)) }

    /// The settings as environment variables, for child processes.
    var environment: [String: String] {
        Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.variable, text($0.name)) })
    }

    /// By which addresses speakers reach this machine.
    ///
    /// - Throws: `ValidationError` where somebody would be told what is no address, or one that nobody reaches.
    func mediaAddresses() throws -> MediaAddresses {
        do {
            return try MediaAddresses(
                announced: text("media-address"), mediaBind: text("media-bind-address"), publicBind: bindAddress,
                port: UInt16(clamping: number("media-port")))
        } catch {
            throw ValidationError(error.description)
        }
    }

    /// The names under which the installation is reached.
    var hosts: [String] {
        let host = text("public-host")
        return host == "localhost" ? ["localhost", "127.0.0.1"] : [host]
    }

    /// The address of the public listeners.
    var bindAddress: String {
        let address = text("bind-address")
        return !address.isEmpty ? address : text("public-host") == "localhost" ? "127.0.0.1" : "0.0.0.0"
    }
}

/// The flags that every role takes; each is one setting.
struct SettingFlags: ParsableArguments {
    @Option(help: "YAML file with settings; flags and the environment win over it.") var config: String?
    @Option(help: "Folder of database, keys, certificate and segments.") var dataDirectory: String?
    @Option(help: "Name by which browsers reach this machine.") var publicHost: String?
    @Option(help: "Address of the public listeners.") var bindAddress: String?
    @Option(help: "Port of API and pages.") var httpsPort: String?
    @Option(help: "Port of HLS.") var hlsPort: String?
    @Option(help: "Port of the RTMPS entrances.") var rtmpsPort: String?
    @Option(help: "Port of speakers' media, UDP and TCP.") var mediaPort: String?
    @Option(help: "IP addresses that speakers are told, separated by commas.") var mediaAddress: String?
    @Option(help: "IP address that the media port is bound to.") var mediaBindAddress: String?
    @Option(help: "How many voices of a room its speakers get; 0 for all.") var loudestSpeakers: String?
    @Option(help: "How often pages change their connections' keys, in seconds; 0 for never.")
    var keyRotationSeconds: String?
    @Option(help: "Program of coturn.") var turnServer: String?
    @Option(help: "Port of TURN by UDP and TCP.") var turnPort: String?
    @Option(help: "Port of TURN by TLS.") var turnsPort: String?
    @Option(help: "Addresses of a TURN server elsewhere.") var turnUrls: String?
    @Option(help: "File of the secret shared with that TURN server.") var turnSecretFile: String?
    @Option(help: "Port of the internal listener.") var internalPort: String?
    @Option(help: "PEM certificate chain.") var certificateFile: String?
    @Option(help: "PEM key of the certificate.") var keyFile: String?
    @Option(help: "x264 preset of the ladder.") var preset: String?
    @Option(help: "x264 preset of the program.") var programPreset: String?
    @Option(help: "Where this machine is.") var place: String?
    @Option(help: "Folder of the pages.") var pagesDirectory: String?
    @Option(help: "Folder of unpacked libraries.") var librariesDirectory: String?
    @Option(help: "Description of the API, OpenAPI in YAML.") var openapiFile: String?
    @Option(help: "Folder of the built-in layouts.") var layoutsDirectory: String?
    @Option(help: "How many may watch one event by WHEP.") var whepViewers: String?
    @Option(help: "How many connections the people of one event have together.") var roomConnections: String?
    @Option(help: "The largest video that is taken, in megabytes.") var videoLimitMegabytes: String?
    @Option(help: "Folder of the overlays' themes.") var themesDirectory: String?
    @Option(help: "Trusted proxies' addresses, separated by commas.") var trustedProxies: String?
    @Option(help: "true lets outputs go into private networks.") var allowPrivateOutputs: String?
    @Option(help: "Lowest level that is logged.") var logLevel: String?

    /// Resolves the settings of this run.
    func resolve() throws -> Settings {
        let given: [String: String?] = [
            "data-directory": dataDirectory, "public-host": publicHost, "bind-address": bindAddress,
            "https-port": httpsPort, "hls-port": hlsPort, "rtmps-port": rtmpsPort, "internal-port": internalPort,
            "media-port": mediaPort, "media-address": mediaAddress,
            "media-bind-address": mediaBindAddress,
            "loudest-speakers": loudestSpeakers, "key-rotation-seconds": keyRotationSeconds,
            "turn-server": turnServer,
            "turn-port": turnPort, "turns-port": turnsPort, "turn-urls": turnUrls, "turn-secret-file": turnSecretFile,
            "certificate-file": certificateFile, "key-file": keyFile, "preset": preset, "program-preset": programPreset,
            "place": place,
            "pages-directory": pagesDirectory, "libraries-directory": librariesDirectory,
            "openapi-file": openapiFile, "layouts-directory": layoutsDirectory,
            "video-limit-megabytes": videoLimitMegabytes, "whep-viewers": whepViewers,
            "room-connections": roomConnections,
            "themes-directory": themesDirectory,
            "trusted-proxies": trustedProxies, "allow-private-outputs": allowPrivateOutputs, "log-level": logLevel,
        ]
        return try Settings(
            file: config, environment: ProcessInfo.processInfo.environment, flags: given.compactMapValues { $0 })
    }
}
