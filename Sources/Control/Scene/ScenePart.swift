// What of the program goes on over a scene that comes on air, whatever that scene says of it.

/// A part of what is on air that a take can keep.
public enum ScenePart: String, Sendable, Codable, Hashable, CaseIterable {
    /// The music.
    case music
    /// Everything else of the sound: levels, ducking and levelling.
    case levels
    /// All that lies over the picture.
    case overlays
    /// The page that the program names, where it names one.
    case slides
}

extension Scene {
    /// Returns the scene with parts of another one in place of its own.
    ///
    /// - Parameters:
    ///   - parts: what is taken over; a page only where the other scene names one.
    ///   - old: what is on air.
    public func keeping(_ parts: [ScenePart], of old: Scene) -> Scene {
        var scene = self
        if parts.contains(.levels) { scene.audio = old.audio }
        scene.audio.music = parts.contains(.music) ? old.audio.music : audio.music
        if parts.contains(.overlays) { scene.overlays = old.overlays }
        if parts.contains(.slides) { scene.slides = old.slides ?? slides }
        return scene
    }
}
