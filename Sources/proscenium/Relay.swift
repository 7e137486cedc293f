// TURN for speakers whose network lets no UDP through: coturn, with a configuration of ours.

import ArgumentParser
import Control
import Foundation
import Logging
import Media
import Studio
import Web

/// Where TURN is, and what is shared with it.
struct RelaySetup {
    /// coturn's program; nil where the server is somebody else's.
    var program: URL?
    var urls: [String]
    var secret: String

    /// What Studio tells speakers.
    var service: TURNService { TURNService(urls: urls, secret: secret) }
}

extension Settings {
    /// The TURN server of this installation; nil where there is none.
    ///
    /// - Throws: `ValidationError` where the settings name what is not there.
    func turn() throws -> RelaySetup? {
        let addresses = text("turn-urls").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        if !addresses.isEmpty {
            guard addresses.allSatisfy({ $0.hasPrefix("turn:") || $0.hasPrefix("turns:") }) else {
                throw ValidationError("turn-urls are addresses that begin with turn: or turns:.")
            }
            let file = path("turn-secret-file")
            guard !text("turn-secret-file").isEmpty, let text = try? String(contentsOf: file, encoding: .utf8) else {
                throw ValidationError("turn-secret-file is needed with turn-urls, and must be readable.")
            }
            let secret = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard secret.utf8.count >= 16 else {
                throw ValidationError("turn-secret-file holds no secret of 16 bytes.")
            }
            return RelaySetup(program: nil, urls: addresses, secret: secret)
        }
        guard let program = try relayProgram() else { return nil }
        let host = text("public-host") == "localhost" ? bindAddress : text("public-host")
        func written(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }
        return RelaySetup(
            program: program,
            urls: [
                "turn:\(written(host)):\(number("turn-port"))?transport=udp",
                "turn:\(written(host)):\(number("turn-port"))?transport=tcp",
                // By the name in the certificate: Firefox opens no TLS to a relay that is told as an address.
                "turns:\(written(text("public-host"))):\(number("turns-port"))?transport=tcp",
            ],
            secret: try InstallationFile.secret(
                "turn.secret", in: path("data-directory").appending(path: "keys"), make: { RandomToken.secret() }))
    }

    private func relayProgram() throws -> URL? {
        let name = text("turn-server")
        guard !name.isEmpty else { return nil }
        if name.contains("/") {
            guard FileManager.default.isExecutableFile(atPath: name) else {
                throw ValidationError("turn-server \(name) is no program.")
            }
            return URL(filePath: name)
        }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        return folders.map { URL(filePath: String($0)).appending(path: name) }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Starts coturn, where it is installed and nobody else's is used.
    ///
    /// - Returns: the process, and what tells it of a changed certificate.
    /// - Throws: what keeps its configuration from being written.
    func startRelay(_ logger: Logger) throws -> (process: ChildProcess, following: Task<Void, Never>)? {
        guard let setup = try turn() else {
            logger.notice("nobody relays media: coturn (turnserver) is not installed, or is switched off")
            return nil
        }
        guard let program = setup.program else { return nil }
        let data = path("data-directory"), folder = data.appending(path: "turn")
        // It names the secret, so it lies where secrets do.
        let file = data.appending(path: "keys/turnserver.conf")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let files = try certificate()
        // Where it lay before, too.
        for former in [file, folder.appending(path: "turnserver.conf")] {
            try? FileManager.default.removeItem(at: former)
        }
        try InstallationFile.write(try relayConfiguration(setup, folder: folder, certificate: files), to: file)
        let process = ChildProcess(
            name: "turnserver", executable: program.path, arguments: ["-c", file.path], settings: self, logger: logger
        ) { "" }
        let following = Task {
            var known = InstallationFile.changed(files.certificate)
            while (try? await Task.sleep(for: .seconds(10))) != nil {
                let current = InstallationFile.changed(files.certificate)
                guard current != known, current != nil else { continue }
                known = current
                // coturn reads its certificate again.
                process.signal(SIGUSR2)
            }
        }
        return (process, following)
    }

    /// coturn's configuration: it relays to our media ports' addresses, for those whom Studio has let in, and nothing else.
    func relayConfiguration(
        _ setup: RelaySetup, folder: URL, certificate: (certificate: URL, key: URL)
    ) throws -> String {
        let peers = try mediaAddresses().announced.map(\.ip)
        var lines = [
            "listening-port=\(number("turn-port"))", "tls-listening-port=\(number("turns-port"))",
            "realm=\(text("public-host"))", "use-auth-secret", "static-auth-secret=\(setup.secret)", "fingerprint",
            "cert=\(certificate.certificate.path)", "pkey=\(certificate.key.path)", "no-tlsv1", "no-tlsv1_1", "no-dtls",
            // Nobody gets anywhere but to us: neither behind our firewall nor to third parties.
            "denied-peer-ip=0.0.0.0-255.255.255.255",
            "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "no-multicast-peers", "no-tcp-relay",
            "user-quota=\(TURNService.relaysPerName)", "total-quota=\(TURNService.relays)", "max-bps=2500000",
            "stale-nonce=600", "relay-threads=1",
            "no-cli", "no-rfc5780", "no-stun-backward-compatibility", "no-software-attribute",
            "userdb=\(folder.appending(path: "turndb").path)",
            "pidfile=\(folder.appending(path: "turnserver.pid").path)",
            // It has no levels: every relay would be a line, in a file that nobody bounds. That it has died, the supervisor says.
            "log-file=/dev/null", "no-stdout-log",
        ]
        if bindAddress != "0.0.0.0", bindAddress != "::" {
            lines += ["listening-ip=\(bindAddress)", "relay-ip=\(bindAddress)"]
        }
        lines += peers.map { "allowed-peer-ip=\($0)" }
        if peers.contains(where: { $0.hasPrefix("127.") || $0 == "::1" }) { lines.append("allow-loopback-peers") }
        return lines.joined(separator: "\n") + "\n"
    }
}
