// What scenes may name in an event: layouts and their slots, pictures, decks and their pages.

public import Control
internal import Foundation
internal import GRDB
internal import Interactivity
public import Web

/// The layouts and files that scenes of an event may name.
public struct SceneReferences: Sendable {
    /// The layouts, built-in and the event's own, by name.
    public let layouts: [String: Layout]
    /// The ids of the event's pictures.
    let pictures: Set<String>
    /// The ids of the event's fonts.
    let fonts: Set<String>
    /// How long each of the event's videos runs, by id.
    let videos: [String: Int64]
    /// How long each of the event's pieces of sound runs, by id.
    let audios: [String: Int64]
    /// How many pages each deck has.
    let decks: [String: Int]
    /// The names of the themes, and the ids of the event's polls.
    let themes: Set<String>, polls: Set<String>

    init(
        _ database: Database, _ event: String, _ builtIn: [String: Layout],
        themes: Set<String> = [OverlayTheme.standardName]
    ) throws {
        self.themes = themes
        polls = try InteractivityMigrations.polls(of: event, in: database)
        let own = try String.fetchAll(database, sql: "SELECT layout FROM layout WHERE event = ?", arguments: [event])
        layouts = try own.reduce(into: builtIn) { layouts, text in
            let layout = try JSONDecoder().decode(Layout.self, from: Data(text.utf8))
            // A built-in layout that came later under the same name does not replace what scenes were made for.
            layouts[layout.name] = layout
        }
        pictures = Set(
            try String.fetchAll(
                database, sql: "SELECT id FROM asset WHERE event = ? AND kind = 'picture'", arguments: [event]))
        fonts = Set(
            try String.fetchAll(
                database, sql: "SELECT id FROM asset WHERE event = ? AND kind = 'font'", arguments: [event]))
        videos = try Self.lengths(of: .video, database, event)
        audios = try Self.lengths(of: .audio, database, event)
        decks = try Row.fetchAll(database, sql: "SELECT id, pages FROM deck WHERE event = ?", arguments: [event])
            .reduce(into: [:]) { $0[$1["id"]] = $1["pages"] }
    }

    private static func lengths(
        of kind: MediaKind, _ database: Database, _ event: String
    ) throws -> [String: Int64] {
        try Row.fetchAll(
            database, sql: "SELECT id, durationMs FROM asset WHERE event = ? AND kind = ?",
            arguments: [event, kind.rawValue]
        ).reduce(into: [:]) { $0[$1["id"]] = $1["durationMs"] ?? 0 }
    }

    /// Checks that everything that a scene names is there.
    ///
    /// - Throws: `Problem` 422 with a pointer to what is not.
    public func check(_ scene: Scene) throws(Problem) {
        guard let layout = layouts[scene.layout] else {
            throw .invalid("There is no layout \"\(scene.layout)\".", pointer: "/layout")
        }
        for (name, content) in scene.slots.sorted(by: { $0.key < $1.key }) {
            let pointer = "/slots/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
            guard layout.slots.contains(where: { $0.id == name }) else {
                throw .invalid("The layout \"\(layout.name)\" has no slot \"\(name)\".", pointer: pointer)
            }
            try check(content, pointer)
        }
        if case .image(let asset)? = scene.background { try check(picture: asset, "/background") }
        if let logo = scene.overlays.logo { try check(picture: logo.asset, "/overlays/logo/asset") }
        if let font = scene.overlays.font, !fonts.contains(font) {
            throw .invalid("There is no font \"\(font)\".", pointer: "/overlays/font")
        }
        for (name, pointer) in scene.overlays.namedThemes where !themes.contains(name) {
            throw .invalid("There is no theme \"\(name)\".", pointer: "/overlays" + pointer)
        }
        if let poll = scene.overlays.poll?.id, !polls.contains(poll) {
            throw .invalid("There is no poll \"\(poll)\".", pointer: "/overlays/poll/id")
        }
        if let slides = scene.slides { try check(slides, "/slides") }
        if let media = scene.media { try check(media) }
        if let music = scene.audio.music { try check(music: music.asset, "/audio/music/asset") }
    }

    /// Checks that the pictures and the layout that a layout names are there.
    ///
    /// - Throws: `Problem` 422 with a pointer to what is not.
    public func check(_ layout: Layout) throws(Problem) {
        if case .image(let asset) = layout.background { try check(picture: asset, "/background") }
        if let error = layout.missingShare(among: layouts) { throw .invalid(error.reason, pointer: error.pointer) }
        for (index, slot) in layout.slots.enumerated() { try check(slot.content, "/slots/\(index)/default") }
    }

    /// Checks that a page of a deck is there.
    ///
    /// - Throws: `Problem` 422 with a pointer below `pointer`.
    func check(_ slides: Slides, _ pointer: String) throws(Problem) {
        guard let pages = decks[slides.deck] else {
            throw .invalid("There is no deck \"\(slides.deck)\".", pointer: pointer + "/deck")
        }
        guard slides.page <= pages else {
            throw .invalid("The deck has \(pages) pages.", pointer: pointer + "/page")
        }
    }

    private func check(_ content: SlotSources, _ pointer: String) throws(Problem) {
        for (index, source) in content.sources.enumerated() {
            let place = content.sources.count == 1 ? pointer : "\(pointer)/\(index)"
            switch source {
            case .image(let asset): try check(picture: asset, place)
            case .media(let asset): try check(video: asset, place)
            case .participant, .screen, .slides, .ingest, .auto, .none: break
            }
        }
    }

    private func check(_ media: MediaRoll) throws(Problem) {
        try check(video: media.asset, "/media/asset")
        for (index, asset) in media.next.enumerated() { try check(video: asset, "/media/next/\(index)") }
        guard let after = media.after else { return }
        do throws(Problem) {
            try check(after.scene)
        } catch {
            throw .invalid(error.detail ?? "It can't be gone back to.", pointer: "/media/after")
        }
    }

    /// Checks that a video is there.
    ///
    /// - Throws: `Problem` 422 with the pointer.
    func check(video: String, _ pointer: String) throws(Problem) {
        guard audios[video] == nil else {
            throw .invalid("\"\(video)\" is sound; it goes into audio.music.", pointer: pointer)
        }
        guard videos[video] != nil || BuiltInMedia(rawValue: video) != nil else {
            throw .invalid("There is no video \"\(video)\".", pointer: pointer)
        }
    }

    private func check(picture: String, _ pointer: String) throws(Problem) {
        guard pictures.contains(picture) else {
            throw .invalid("There is no picture \"\(picture)\".", pointer: pointer)
        }
    }
}

extension MediaRoll {
    /// Takes out what the roll can't go back to any more, because it was deleted since.
    ///
    /// - Returns: JSON pointers into the scene to what is gone.
    mutating func dropMissing(among references: SceneReferences) -> [String] {
        guard let after else { return [] }
        guard references.layouts[after.layout] != nil else {
            self.after = nil
            return ["/media/after"]
        }
        let back = after.back(among: references)
        let parts = [("background", back.background == after.background), ("slots", back.slots == after.slots)]
        self.after = After(back)
        return parts.filter { !$0.1 }.map { "/media/after/" + $0.0 }
    }
}

extension MediaRoll.After {
    /// What comes back, without the background or the slots that are not there any more; its layout must be.
    func back(among references: SceneReferences) -> Scene {
        var back = Scene(layout: layout, background: background)
        if (try? references.check(back)) == nil { back.background = nil }
        back.slots = slots
        if (try? references.check(back)) == nil { back.slots = [:] }
        return back
    }

    /// What comes back, as a scene of its own.
    var scene: Scene { Scene(layout: layout, background: background, slots: slots) }
}

extension Scene {
    /// Whether the scene shows a picture, or will when its roll has ended.
    func shows(picture: String) -> Bool {
        if let after = media?.after, after.scene.shows(picture: picture) { return true }
        return background == .image(picture) || overlays.logo?.asset == picture
            || slots.values.contains { $0.sources.contains(.image(picture)) }
    }

    /// Whether the scene plays a video, will play it, or has it in a slot, now or when its roll has ended.
    func shows(video: String) -> Bool {
        if let after = media?.after, after.scene.shows(video: video) { return true }
        return media?.asset == video || media?.next.contains(video) == true
            || slots.values.contains { $0.sources.contains(.media(video)) }
    }

    /// Whether the scene has a layout, or will have it when its roll has ended.
    func uses(layout name: String) -> Bool { layout == name || media?.after?.layout == name }

    /// Puts a participant into a slot.
    ///
    /// A slot for one is theirs; in a slot for several they come before `auto`, after those who were named before.
    ///
    /// - Throws: `Problem` 422 when the layout has no such slot, or it takes no participants.
    mutating func put(participant: String, into name: String, of layout: Layout) throws(Problem) {
        guard let slot = layout.slots.first(where: { $0.id == name }), slot.accepts.contains(.participant) else {
            throw .invalid("The layout \"\(layout.name)\" has no slot \"\(name)\" for participants.", pointer: "/slot")
        }
        // What could not be read again must not be stored: a scene is read before each change of it.
        guard case .participant? = SceneSource("participant:" + participant) else {
            throw .invalid("The participant's id can't stand in a scene.", pointer: "/slot")
        }
        let source = SceneSource.participant(participant)
        guard slot.flow != nil else {
            slots[name] = SlotSources([source])
            return
        }
        var sources = (slots[name] ?? slot.content).sources.filter { $0 != source && $0 != .none }
        sources.insert(source, at: sources.firstIndex(of: .auto) ?? sources.count)
        guard sources.count <= 64 else { throw .invalid("The slot is full.", pointer: "/slot") }
        slots[name] = SlotSources(sources)
    }

    /// Takes a participant out of every slot; one that is empty then has its layout's default again.
    mutating func remove(participant: String) {
        for (name, content) in slots where content.sources.contains(.participant(participant)) {
            let rest = content.sources.filter { $0 != .participant(participant) }
            slots[name] = rest.isEmpty ? nil : SlotSources(rest)
        }
    }
}

extension Layout {
    /// Whether the layout shows a picture by itself.
    func shows(picture: String) -> Bool {
        background == .image(picture)
            || slots.contains { $0.content.sources.contains { $0 == .image(picture) || $0 == .media(picture) } }
    }
}
