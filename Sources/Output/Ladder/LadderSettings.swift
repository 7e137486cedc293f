// The rungs of the ladder.

public import Media

/// One rung.
public struct Rung: Sendable, Hashable, Codable {
    /// The folder and the playlist's path, such as `720p`.
    public var name: String
    /// The picture size, even.
    public var size: PictureSize
    /// The nominal video rate in kbit/s.
    public var videoKbps: Int

    /// Creates a rung.
    public init(name: String, width: Int, height: Int, videoKbps: Int) {
        self.name = name
        size = PictureSize(width: width, height: height)
        self.videoKbps = videoKbps
    }
}

/// How a ladder is made.
public struct LadderSettings: Sendable {
    /// The rungs, largest picture first.
    public var rungs: [Rung]
    /// Pictures per second of every rung, a whole number.
    public var framesPerSecond: Int32 = 30
    /// x264's preset for every rung.
    public var preset: X264Settings.Preset = .superfast
    /// The audio rate that is declared, and used where audio must be encoded anew.
    public var audioKbps = 128
    /// Whether the top rung takes the source's own pictures when they fit.
    public var passesThrough = true

    /// The program's ladder.
    public static let standard = LadderSettings(rungs: [
        Rung(name: "1080p", width: 1920, height: 1080, videoKbps: 4000),
        Rung(name: "720p", width: 1280, height: 720, videoKbps: 2300),
        Rung(name: "540p", width: 960, height: 540, videoKbps: 1800),
        Rung(name: "432p", width: 768, height: 432, videoKbps: 1500),
        Rung(name: "360p", width: 640, height: 360, videoKbps: 1000),
    ])

    /// Creates a ladder.
    public init(rungs: [Rung]) { self.rungs = rungs }

    func variant(of rung: Rung, configuration: AVCConfiguration) -> MasterPlaylist.Variant {
        let rate = Int(framesPerSecond)
        return MasterPlaylist.Variant(
            uri: "\(rung.name)/index.m3u8",
            bandwidth: DeclaredBandwidth.peak(videoKbps: rung.videoKbps, audioKbps: audioKbps, framesPerSecond: rate),
            averageBandwidth: DeclaredBandwidth.average(
                videoKbps: rung.videoKbps, audioKbps: audioKbps, framesPerSecond: rate),
            codecs: [configuration.codecString, "mp4a.40.2"], resolution: rung.size,
            frameRate: FrameRate(framesPerSecond))
    }
}
