// The program on its way to the pipeline: one RTMPS connection at a time, for ever.

internal import Control
public import Foundation
public import Logging
public import Media
public import NIOCore
public import RTMP

/// Publishes a program over RTMPS, with its program time, and connects again whenever the connection is lost.
public final class ProgramPublisher: Sendable {
    private let stream: StreamPublisher?
    private let logger: Logger

    /// Creates a publisher; it connects when the codecs are configured.
    ///
    /// - Parameters:
    ///   - url: `rtmps://HOST[:PORT]/APP`; the server must prove the host's name. Anything else is logged and never
    ///     connects.
    ///   - streamName: the secret name; never logged.
    ///   - trustedCertificateFile: a PEM file of certificates that are trusted beside the system's, as the one for
    ///     development; read again when it changes.
    ///   - clock: the program's clock; frames' PTS count from its anchor.
    ///   - metadata: what is said of the stream.
    ///   - group: where the connection lives.
    ///   - logger: for starts and ends.
    ///   - onState: told on an event loop when the stream runs, and when it no longer does.
    public convenience init(
        url: String, streamName: String, trustedCertificateFile: URL?, clock: ProgramClock, metadata: StreamMetadata,
        group: any EventLoopGroup, logger: Logger, onState: @escaping @Sendable (Bool) -> Void
    ) {
        self.init(
            url: url, streamName: streamName, trustedCertificateFile: trustedCertificateFile, clock: clock,
            metadata: metadata, group: group, logger: logger, stallMilliseconds: 5000, onState: onState)
    }

    init(
        url: String, streamName: String, trustedCertificateFile: URL?, clock: ProgramClock, metadata: StreamMetadata,
        group: any EventLoopGroup, logger: Logger, stallMilliseconds: Int64,
        onState: @escaping @Sendable (Bool) -> Void
    ) {
        self.logger = logger
        // The name is a worker's token: it goes over TLS or not at all.
        guard let address = try? RTMPAddress(url), address.isSecure else {
            stream = nil
            return
        }
        stream = StreamPublisher(
            address: address, streamName: streamName,
            policy: .pipeline(trustedCertificateFile: trustedCertificateFile, stallMilliseconds: stallMilliseconds),
            clock: clock, metadata: metadata, eventLoop: group.next()
        ) { news in
            switch news {
            case .started:
                logger.info("the program reaches the pipeline")
                onState(true)
            case .ended(let end, let ran, let isNew, let wait):
                if ran != nil { onState(false) }
                guard let wait else { return logger.info("the program's stream has ended") }
                let about: Logger.Metadata = [
                    "reason": "\(SecretText(streamName).redacted(from: "\(end)"))", "wait.ms": "\(wait)",
                ]
                if isNew || ran != nil {
                    logger.warning("the program does not reach the pipeline", metadata: about)
                } else {
                    logger.debug("the program still does not reach the pipeline", metadata: about)
                }
            case .stuck: break
            }
        }
    }

    /// Sets the codecs' configurations, and connects the first time; safe from any thread.
    ///
    /// - Parameters:
    ///   - video: an AVCDecoderConfigurationRecord.
    ///   - audio: an AudioSpecificConfig.
    public func configure(video: ByteBlock, audio: ByteBlock) {
        guard let stream else {
            return logger.error("the program can't be published: the address is not rtmps://HOST/APP")
        }
        stream.configure(video: video, audio: audio)
    }

    /// Hands on a frame; never blocks, safe from any thread.
    ///
    /// - Parameter frame: H.264 in AVC form or raw AAC; its PTS counts from the clock's anchor.
    public func send(_ frame: EncodedFrame) { stream?.send(frame) }

    /// Sends what waits and the network takes in time, ends the stream, and never connects again.
    ///
    /// - Returns: done when the connection is closed; nil where there never was one.
    @discardableResult
    public func stop() -> EventLoopFuture<Void>? { stream?.stop() }

    /// Counters and gauges by Prometheus name.
    public var counters: [String: Double] {
        let name = "proscenium_compositor_publisher_"
        guard let figures = stream?.figures else { return [name + "connected": 0] }
        return [
            name + "connected": figures.isConnected ? 1 : 0,
            name + "connections_total": Double(figures.connections),
            name + "refused_total": Double(figures.refused),
            name + "failures_total": Double(figures.failures),
            name + "stalls_total": Double(figures.stalls),
            name + "frames_sent_total": Double(figures.frames),
            name + "bytes_sent_total": Double(figures.bytes),
            name + "queue_milliseconds": Double(figures.queueMilliseconds),
            name + "dropped_unconfigured_total": Double(figures.drops.unconfigured),
            name + "dropped_undecodable_total": Double(figures.drops.undecodable),
            name + "dropped_overflow_total": Double(figures.drops.overflow),
            name + "dropped_reconnect_total": Double(figures.drops.reconnect),
        ]
    }
}
