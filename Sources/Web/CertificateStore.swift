// The TLS certificate of this installation: read, made for development, and read again when it changes.

import Crypto
public import Foundation
public import Logging
public import NIOSSL
internal import SwiftASN1
internal import Synchronization
internal import X509

/// Holds the TLS context of a listener and follows changes of the files.
///
/// A changed certificate is used for new connections within ten seconds; one that cannot be read is reported, and
/// the old one stays.
public final class CertificateStore: Sendable {
    private struct State {
        var context: NIOSSLContext
        var version: [Date]
        var checkedAt: ContinuousClock.Instant
    }

    private let certificateFile: URL, keyFile: URL
    private let logger: Logger
    private let state: Mutex<State>

    /// Reads a certificate chain and its key, both PEM.
    ///
    /// - Throws: what the files or their parser say.
    public init(certificateFile: URL, keyFile: URL, logger: Logger) throws {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.logger = logger
        let version = Self.version(certificateFile, keyFile)
        let context = try Self.load(certificateFile, keyFile)
        state = Mutex(State(context: context, version: version, checkedAt: .now))
    }

    /// The context for a new connection.
    public func context() -> NIOSSLContext {
        state.withLock { state in
            guard .now - state.checkedAt > .seconds(10) else { return state.context }
            state.checkedAt = .now
            let version = Self.version(certificateFile, keyFile)
            guard version != state.version else { return state.context }
            do {
                state.context = try Self.load(certificateFile, keyFile)
                state.version = version
                logger.info("the TLS certificate was read again")
            } catch {
                logger.error("the changed TLS certificate can't be used", metadata: ["error": "\(error)"])
            }
            return state.context
        }
    }

    private static func version(_ files: URL...) -> [Date] {
        files.map { InstallationFile.changed($0) ?? .distantPast }
    }

    private static func load(_ certificateFile: URL, _ keyFile: URL) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(certificateFile.path).map {
            NIOSSLCertificateSource.certificate($0)
        }
        let key = try NIOSSLPrivateKey(file: keyFile.path, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return try NIOSSLContext(configuration: configuration)
    }

    /// Makes a self-signed certificate for development where there is none.
    ///
    /// - Parameters:
    ///   - directory: gets `certificate.pem` and `key.pem` (mode 0600).
    ///   - hosts: DNS names and IPv4 addresses that it is valid for.
    /// - Returns: the two files.
    public static func development(directory: URL, hosts: [String]) throws -> (certificate: URL, key: URL) {
        let certificateFile = directory.appending(path: "certificate.pem"),
            keyFile = directory.appending(path: "key.pem")
        let files = FileManager.default
        if files.fileExists(atPath: certificateFile.path), files.fileExists(atPath: keyFile.path) {
            return (certificateFile, keyFile)
        }
        try files.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("Proscenium development") }
        let names: [GeneralName] = hosts.map { host in
            let octets = host.split(separator: ".").compactMap { UInt8($0) }
            return octets.count == 4 ? .ipAddress(ASN1OctetString(contentBytes: octets[...])) : .dnsName(host)
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: Date().addingTimeInterval(-3600), notValidAfter: Date().addingTimeInterval(365 * 86400),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(digitalSignature: true, keyCertSign: true))
                SubjectAlternativeNames(names)
                try ExtendedKeyUsage([.serverAuth])
            },
            issuerPrivateKey: .init(key))
        try Data(key.pemRepresentation.utf8).write(to: keyFile, options: .atomic)
        try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keyFile.path)
        try Data(certificate.serializeAsPEM().pemString.utf8).write(to: certificateFile, options: .atomic)
        return (certificateFile, keyFile)
    }
}
