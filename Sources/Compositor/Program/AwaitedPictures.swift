// Which pictures a look lacks, and which of them will come: pure.

import Control

extension SceneResolver {
    /// The sources that are shown, and for whose pictures cards stand in.
    static func lacking(
        _ look: ProgramLook, present: SourcesPresent, canvas: PixelSize
    ) -> Set<SceneSource> {
        let places = places(look.scene, layout: look.layout, present: present, canvas: canvas)
        return Set(places.map(\.source).filter { !present.hasPicture(of: $0) })
    }
}

extension SourcesPresent {
    /// Whether there is a picture to show of a source.
    func hasPicture(of source: SceneSource) -> Bool {
        switch source {
        case .participant(let id): participants.contains { $0.id == id && $0.camera != nil }
        case .screen(let id): participants.contains { $0.id == id && $0.screen != nil }
        case .slides: slide != nil
        case .image(let asset): images[asset] != nil
        case .media(let asset): media[asset] != nil
        case .ingest(let name): ingests[name] != nil
        case .auto, .none: false
        }
    }
}

extension ProgramLook {
    /// Those of the sources that lack a picture for which a card only stands in.
    ///
    /// Who sends no camera, or hides it, is a card by right.
    func standIns(_ lacking: Set<SceneSource>) -> Set<SceneSource> {
        let sent = sent
        return lacking.filter { source in
            if case .participant = source { sent.contains(source) } else { true }
        }
    }
}
