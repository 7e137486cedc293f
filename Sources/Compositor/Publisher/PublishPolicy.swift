// How a stream is published: to our own pipeline, or to somebody else's server.

internal import Control
internal import Foundation

/// How a publisher treats its server.
struct PublishPolicy: Sendable {
    /// How long it waits before it tries again.
    var backoff = PublishBackoff()
    /// Without progress for so long, the connection is reset.
    var stallMilliseconds: Int64 = 5000
    /// Without progress for so long, the state says so.
    var warnMilliseconds: Int64 = 5000
    /// Whether `onProgramTime` goes before each IDR.
    var tellsProgramTime = true
    /// Whether a first refusal is final, because the key is wrong.
    var givesUpWhenRefused = false
    /// How many streams on end may be started and thrown out again within five seconds before that counts as a refusal too.
    var thrownOutLimit = 3
    /// Whose server it is.
    var hostKind = HostLookup.Kind.own
    /// Whether only addresses of the public internet are connected to.
    var isPublicOnly = false
    /// The RTMP chunk size.
    var chunkSize = 65_536
    /// A PEM file of certificates that are trusted beside the system's; read again when it changes.
    var trustedCertificateFile: URL?

    /// Our own pipeline: it comes back soon, and nobody waits for it.
    static func pipeline(trustedCertificateFile: URL?, stallMilliseconds: Int64) -> Self {
        Self(stallMilliseconds: stallMilliseconds, trustedCertificateFile: trustedCertificateFile)
    }

    /// Somebody else's server: an old session lingers there for about 30 s, and a wrong key stays wrong.
    static func output(isPublicOnly: Bool) -> Self {
        Self(
            backoff: PublishBackoff(shortestMilliseconds: 500, longestMilliseconds: 15_000, growthPercent: 150),
            stallMilliseconds: 30_000, tellsProgramTime: false, givesUpWhenRefused: true, hostKind: .foreign,
            isPublicOnly: isPublicOnly, chunkSize: 4096)
    }
}
