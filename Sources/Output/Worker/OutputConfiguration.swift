// How an output worker runs.

public import Foundation

/// How an output worker runs.
public struct OutputConfiguration: Sendable {
    /// Studio's internal listener.
    public var studio: URL
    /// The worker's token.
    public var token: String
    /// Where this machine is.
    public var place: String
    /// The folder of all events' media.
    public var directory: URL
    /// The address of the public listeners.
    public var bindAddress: String
    /// The names under which the installation is reached, the main one first.
    public var hosts: [String]
    /// The ports of the pages, of HLS and of the RTMPS entrances.
    public var httpsPort: Int, hlsPort: Int, rtmpsPort: Int
    /// The TLS certificate chain and its key, PEM.
    public var certificateFile: URL, keyFile: URL
    /// x264's preset for the ladder.
    public var preset: String

    /// Creates a configuration.
    public init(
        studio: URL, token: String, place: String, directory: URL, bindAddress: String, hosts: [String],
        httpsPort: Int, hlsPort: Int, rtmpsPort: Int, certificateFile: URL, keyFile: URL, preset: String
    ) {
        self.studio = studio
        self.token = token
        self.place = place
        self.directory = directory
        self.bindAddress = bindAddress
        self.hosts = hosts
        self.httpsPort = httpsPort
        self.hlsPort = hlsPort
        self.rtmpsPort = rtmpsPort
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.preset = preset
    }
}
