// Scenes, layouts and themes from JSON, with errors that name the place.

public import Foundation

extension Scene {
    /// Reads a scene.
    ///
    /// - Parameter json: UTF-8, at most 256 KiB.
    /// - Throws: `SceneError` with a JSON pointer to what is wrong.
    public init(json: Data) throws(SceneError) {
        self = try decodeStrictly(Scene.self, json)
    }
}

extension Layout {
    /// Reads and checks a layout.
    ///
    /// - Parameter json: UTF-8, at most 256 KiB.
    /// - Throws: `SceneError` with a JSON pointer to what is wrong.
    public init(json: Data) throws(SceneError) {
        self = try decodeStrictly(Layout.self, json)
    }

    /// Reads every `*.json` of a folder.
    ///
    /// - Parameter folder: where the files are; each is named after its layout.
    /// - Returns: the layouts by name, and what is wrong with the files that were left out, by file name.
    /// - Throws: when the folder cannot be listed.
    public static func load(
        folder: URL
    ) throws -> (layouts: [String: Layout], errors: [String: SceneError]) {
        var (layouts, errors) = try readAll(in: folder)
        // One that is left out may be the one that another lets take over.
        while let error = layouts.values.compactMap({ layout in
            layout.missingShare(among: layouts).map { (layout.name, $0) }
        }).first {
            layouts[error.0] = nil
            errors[error.0 + ".json"] = error.1
        }
        return (layouts, errors)
    }

    /// Reads one file.
    ///
    /// - Parameter file: named after its layout.
    /// - Throws: `SceneError` with a JSON pointer to what is wrong.
    public static func read(_ file: URL) throws(SceneError) -> Layout { try readNamed(file) }

    /// What is wrong when the layout that takes over is not there; nil when nothing is.
    ///
    /// - Parameter layouts: those that there are, by name.
    public func missingShare(among layouts: [String: Layout]) -> SceneError? {
        guard let share, layouts[share] == nil else { return nil }
        return SceneError(pointer: "/share", reason: "there is no layout \"\(share)\"")
    }
}

extension OverlayTheme {
    /// Reads and checks a theme.
    ///
    /// - Parameter json: UTF-8, at most 256 KiB.
    /// - Throws: `SceneError` with a JSON pointer to what is wrong.
    public init(json: Data) throws(SceneError) {
        self = try decodeStrictly(OverlayTheme.self, json)
    }

    /// Reads every `*.json` of a folder.
    ///
    /// - Parameter folder: where the files are; each is named after its theme.
    /// - Returns: the themes by name, and what is wrong with the files that were left out, by file name.
    /// - Throws: when the folder cannot be listed.
    public static func load(
        folder: URL
    ) throws -> (themes: [String: OverlayTheme], errors: [String: SceneError]) {
        let (themes, errors) = try readAll(in: folder)
        return (themes, errors)
    }
}

/// What lies in a folder, each in a file of its name.
private protocol NamedByFile: Decodable {
    var name: String { get }
}

extension Layout: NamedByFile {}
extension OverlayTheme: NamedByFile {}

extension NamedByFile {
    /// Reads every `*.json` of a folder; returns what could be read by name, and what is wrong with the rest by file name.
    fileprivate static func readAll(in folder: URL) throws -> (found: [String: Self], errors: [String: SceneError]) {
        var found: [String: Self] = [:], errors: [String: SceneError] = [:]
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files where file.pathExtension == "json" {
            do throws(SceneError) {
                let one = try readNamed(file)
                found[one.name] = one
            } catch {
                errors[file.lastPathComponent] = error
            }
        }
        return (found, errors)
    }

    fileprivate static func readNamed(_ file: URL) throws(SceneError) -> Self {
        guard let data = try? Data(contentsOf: file) else { throw SceneError(pointer: "", reason: "cannot be read") }
        let one = try decodeStrictly(Self.self, data)
        guard one.name + ".json" == file.lastPathComponent else {
            throw SceneError(pointer: "/name", reason: "must be the file's name without .json")
        }
        return one
    }
}

private func decodeStrictly<Value: Decodable>(_ type: Value.Type, _ json: Data) throws(SceneError) -> Value {
    guard json.count <= 256 * 1024 else { throw SceneError(pointer: "", reason: "larger than 256 KiB") }
    do {
        return try JSONDecoder().decode(type, from: json)
    } catch {
        throw SceneError(error)
    }
}
