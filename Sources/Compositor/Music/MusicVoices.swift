// What is heard of the program's music now: the piece of the scene, and those before it that still fade out.

import Control

/// Follows the music of the scene from block to block; confined to the sound's thread.
struct MusicVoices: Sendable {
    private struct Voice {
        let key: MusicShelf.Key, player: MusicPlayer
        var fade = Fade(), loops = true, isLeaving = false, hasSounded = false, hasGone = false
    }

    /// How long music takes to come, to stand still and to go on, in samples: 0.3 s; and to go: 1 s.
    ///
    /// Where the same piece begins anew it goes as fast as it comes, because two places of it at once are a muddle.
    static let comingSamples = 14_400, leavingSamples = 48_000
    /// How many pieces may fade out at once; the oldest of more goes within a block.
    static let leavingLimit = 3

    private var voices: [Voice] = []
    /// The block of a piece, and that of one of its starts.
    private var sum = [Float](repeating: 0, count: 960), part = [Float](repeating: 0, count: 960)

    /// Whether a player is heard, or may be again.
    func has(_ player: MusicPlayer?) -> Bool { voices.contains { $0.player === player } }

    /// The player of a start that is heard, or fades out.
    func player(of key: MusicShelf.Key) -> MusicPlayer? { voices.first { $0.key == key }?.player }

    /// How many pieces fade out.
    var leavingCount: Int { voices.count(where: \.isLeaving) }

    /// Everybody who is heard, or may be.
    var players: [MusicPlayer] { voices.map(\.player) }

    /// Takes in what the scene says now.
    ///
    /// - Parameters:
    ///   - music: the scene's music.
    ///   - loaded: gives the player of a start, if there is one.
    mutating func follow(_ music: SceneAudio.Music?, _ loaded: (MusicShelf.Key) -> MusicPlayer?) {
        let key = music.map { MusicShelf.Key($0) }
        for index in voices.indices where voices[index].key != key && !voices[index].isLeaving {
            let isSame = voices[index].key.asset == key?.asset
            voices[index].isLeaving = true
            voices[index].fade.move(to: 0, over: isSame ? Self.comingSamples : Self.leavingSamples)
        }
        var tooMany = leavingCount - Self.leavingLimit
        for index in voices.indices where tooMany > 0 && voices[index].isLeaving {
            voices[index].fade.hasten(to: AudioMixer<SoundSource>.blockSamples)
            tooMany -= 1
        }
        guard let music, let key else { return }
        let place: Int
        if let known = voices.firstIndex(where: { $0.key == key }) {
            place = known
        } else if music.state == .playing, let player = loaded(key), player.isReady {
            place = voices.count
            voices.append(Voice(key: key, player: player))
        } else {
            return
        }
        voices[place].isLeaving = false
        voices[place].loops = music.loop
        voices[place].fade.move(to: music.state == .playing ? 1 : 0, over: Self.comingSamples)
    }

    /// Gives the next block of each piece that is not silent.
    ///
    /// - Parameter body: gets a piece and the sum of its starts, 960 samples.
    /// - Returns: the players that have faded out.
    mutating func give(
        _ body: (String, UnsafeBufferPointer<Float>) -> Void
    ) -> [(key: MusicShelf.Key, player: MusicPlayer)] {
        var hasEnded = false
        for index in voices.indices {
            let asset = voices[index].key.asset
            // Two starts of one piece are one source of the mix.
            if voices[..<index].contains(where: { $0.key.asset == asset }) { continue }
            var isAny = false
            for other in index..<voices.count where voices[other].key.asset == asset {
                let isHeard = Self.read(&voices[other], into: &part)
                if isHeard, isAny {
                    for at in sum.indices { sum[at] += part[at] }
                } else if isHeard {
                    swap(&sum, &part)
                    isAny = true
                }
                // One that goes and has nothing more to give has gone.
                guard voices[other].isLeaving, !isHeard else { continue }
                voices[other].hasGone = true
                hasEnded = true
            }
            if isAny { sum.withUnsafeBufferPointer { body(asset, $0) } }
        }
        guard hasEnded else { return [] }
        defer { voices.removeAll(where: \.hasGone) }
        return voices.filter(\.hasGone).map { (key: $0.key, player: $0.player) }
    }

    private static func read(_ voice: inout Voice, into block: inout [Float]) -> Bool {
        block.withUnsafeMutableBufferPointer { block in
            if !voice.fade.isSilent, voice.player.read(into: block, loops: voice.loops) {
                voice.fade.apply(to: block)
                voice.hasSounded = true
                return true
            }
            guard voice.hasSounded, voice.fade.isSilent || voice.player.end != nil else { return false }
            // The mix lets what breaks off die away. This has come to its end, and a block of silence says so.
            voice.hasSounded = false
            block.update(repeating: 0)
            return true
        }
    }
}
