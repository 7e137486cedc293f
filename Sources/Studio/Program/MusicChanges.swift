// What playing, pausing and ending music make of the program's scene.

internal import Control
internal import Web

extension ProgramState {
    /// Starts music in place of what plays, or lets it go on or stand still.
    ///
    /// - Throws: `Problem` 422 when there is no such music, it is shorter, or the order says what music can't do.
    mutating func playMusic(
        _ asset: String, _ order: RollOrder, state: SceneAudio.Music.State, among references: SceneReferences
    ) throws(Problem) {
        try references.check(music: asset, "/asset")
        let ducks = try order.ducksMusic()
        if let length = references.length(ofMusic: asset), let position = order.positionMs, position >= length {
            throw .invalid("The music runs for \(length) ms.", pointer: "/positionMs")
        }
        let known = scene.audio.music.flatMap { $0.asset == asset ? $0 : nil }
        var music = known ?? SceneAudio.Music(asset: asset, state: state, run: version + 1)
        if let position = order.positionMs { (music.positionMs, music.run) = (position, version + 1) }
        music.state = state
        music.loop = order.loop ?? music.loop
        music.duck = ducks ?? music.duck
        scene.audio.music = music
    }

    /// Music has ended, or can't go on; false when the scene has gone on already.
    mutating func musicEnded(_ asset: String, run: Int64) -> Bool {
        guard let music = scene.audio.music, music.asset == asset, music.run == run else { return false }
        scene.audio.music = nil
        return true
    }
}

extension RollOrder {
    /// Whether music is to make way for speech; nil where nothing is said.
    ///
    /// - Throws: `Problem` 422 for what is said of videos alone.
    fileprivate func ducksMusic() throws(Problem) -> Bool? {
        if role != nil { throw .invalid("Music has no role; a video has.", pointer: "/role") }
        if then != nil { throw .invalid("Music loops or ends; what comes then is said of videos.", pointer: "/then") }
        if !next.isEmpty { throw .invalid("Nothing follows music; next is a list of videos.", pointer: "/next") }
        switch audio {
        case .exclusive: throw .invalid("Music is heard beside other sound: duck or mix.", pointer: "/audio")
        case .duck: return true
        case .mix: return false
        case nil: return nil
        }
    }
}

extension SceneReferences {
    /// How long music runs; nil when it is not known.
    func length(ofMusic music: String) -> Int64? { audios[music].flatMap { $0 > 0 ? $0 : nil } }

    /// Checks that music is there.
    ///
    /// - Throws: `Problem` 422 with the pointer.
    func check(music: String, _ pointer: String) throws(Problem) {
        guard videos[music] == nil, BuiltInMedia(rawValue: music) == nil else {
            throw .invalid("\"\(music)\" is a video; it goes into media.", pointer: pointer)
        }
        guard audios[music] != nil else { throw .invalid("There is no music \"\(music)\".", pointer: pointer) }
    }
}

extension Scene {
    /// Whether the scene plays a piece of sound.
    func plays(music: String) -> Bool { audio.music?.asset == music }

    /// Whether a video or a piece of sound is the scene's, whatever it does there.
    func hasLoaded(_ asset: String) -> Bool { plays(music: asset) || media?.asset == asset }
}
