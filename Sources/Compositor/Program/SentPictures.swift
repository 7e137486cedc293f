// Which cameras and screens people send, and which of them they hide, as scenes name them.

import Control

extension ProgramLook {
    /// The cameras and screens that people send and do not hide: when they are decoded, their pictures come.
    var sent: Set<SceneSource> { pictures { $0.sources.subtracting($0.mutedSources) } }

    /// The cameras and screens that their senders hide.
    var hidden: Set<SceneSource> { pictures(\.mutedSources) }

    private func pictures(_ sources: (CastMember) -> Set<TrackSource>) -> Set<SceneSource> {
        cast.reduce(into: []) { pictures, member in
            let tracks = sources(member)
            if tracks.contains(.camera) { pictures.insert(.participant(member.id)) }
            if tracks.contains(.screen) { pictures.insert(.screen(member.id)) }
        }
    }
}
