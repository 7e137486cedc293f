// How a compositor runs.

public import Foundation
import Media

/// How long a change waits for what it names before cards stand in for it.
struct SourcePatience: Sendable {
    /// For pictures, and for streams that come in.
    var pictureMs: Int64 = 1000
    /// For rolls, whose process begins with the file there.
    var rollMs: Int64 = 3000
}

/// How a compositor runs.
public struct CompositorConfiguration: Sendable {
    /// The event whose program it makes.
    public var event: String
    /// Studio's internal listener.
    public var studio: URL
    /// The worker's token, for this event only.
    public var token: String
    /// Where this machine is.
    public var place: String
    /// The address at which it receives media.
    public var bindAddress: String
    /// A certificate to trust beside the machine's own, PEM: the one for development.
    public var trustedCertificateFile: URL?
    /// Whether outputs may be in private networks and on this machine.
    public var allowsPrivateOutputs: Bool
    /// Where files of rolls lie while they are needed.
    public var cacheDirectory: URL
    /// What the program is like.
    public var format: ProgramFormat
    /// How long changes wait for what they name.
    var patience = SourcePatience()

    /// Creates a configuration.
    public init(
        event: String, studio: URL, token: String, place: String, bindAddress: String, trustedCertificateFile: URL?,
        allowsPrivateOutputs: Bool = false, cacheDirectory: URL = FileManager.default.temporaryDirectory,
        format: ProgramFormat = ProgramFormat()
    ) {
        self.event = event
        self.studio = studio
        self.token = token
        self.place = place
        self.bindAddress = bindAddress
        self.trustedCertificateFile = trustedCertificateFile
        self.allowsPrivateOutputs = allowsPrivateOutputs
        self.cacheDirectory = cacheDirectory
        self.format = format
    }
}
