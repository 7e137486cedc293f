// onMetaData: what a publisher says of itself.

/// The declared properties of a stream; a claim of the publisher, for display and logs only.
public struct StreamMetadata: Equatable, Sendable {
    /// Picture width in pixels.
    public var width: Double?
    /// Picture height in pixels.
    public var height: Double?
    /// Frames per second.
    public var frameRate: Double?
    /// Video rate in kbit/s.
    public var videoKilobitsPerSecond: Double?
    /// Audio rate in kbit/s.
    public var audioKilobitsPerSecond: Double?
    /// Audio sampling rate in Hz.
    public var audioSampleRate: Double?
    /// Audio channels.
    public var audioChannels: Double?
    /// The name of the encoder, at most 128 characters.
    public var encoder: String?

    /// Creates empty metadata.
    public init() {}

    init?(_ value: AMF0Value) {
        switch value {
        case .object, .ecmaArray: break
        default: return nil
        }
        width = value["width"]?.number
        height = value["height"]?.number
        frameRate = value["framerate"]?.number
        videoKilobitsPerSecond = value["videodatarate"]?.number
        audioKilobitsPerSecond = value["audiodatarate"]?.number
        audioSampleRate = value["audiosamplerate"]?.number
        audioChannels = value["audiochannels"]?.number
        encoder = (value["encoder"]?.string).map { String($0.prefix(128)) }
    }

    /// The ECMA array with the codec numbers of AVC (7) and AAC (10).
    var value: AMF0Value {
        var properties: [AMF0Property] = []
        func add(_ name: String, _ number: Double?) {
            if let number { properties.append(AMF0Property(name, .number(number))) }
        }
        add("duration", 0)
        add("width", width)
        add("height", height)
        add("framerate", frameRate)
        add("videodatarate", videoKilobitsPerSecond)
        add("videocodecid", 7)
        add("audiodatarate", audioKilobitsPerSecond)
        add("audiosamplerate", audioSampleRate)
        add("audiochannels", audioChannels)
        add("audiocodecid", 10)
        if let audioChannels { properties.append(AMF0Property("stereo", .boolean(audioChannels == 2))) }
        if let encoder { properties.append(AMF0Property("encoder", .string(encoder))) }
        return .ecmaArray(properties)
    }
}
