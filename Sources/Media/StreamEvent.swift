// What a demuxer says of one incoming stream, in order.

/// One step of an incoming stream: an RTMP publisher's, or one that is played from a server.
public enum StreamEvent: Sendable {
    /// The H.264 configuration, an AVCDecoderConfigurationRecord (ISO/IEC 14496-15); sent again only when it changes.
    case videoConfiguration(ByteBlock)
    /// The AAC configuration, an AudioSpecificConfig (ISO/IEC 14496-3); sent again only when it changes.
    case audioConfiguration(ByteBlock)
    /// One encoded frame; `timescale` is 1000, times are unwrapped to 64 bits.
    case frame(EncodedFrame)
    /// The program time of the frame whose `pts` (timescale 1000) is given: an `onProgramTime` message.
    case programTime(ProgramTime, pts: Int64)
    /// The stream has ended, with a short reason for logs and states.
    case ended(reason: String)
}
