// Scenes and layouts from JSON, with errors that name the place.

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
        var layouts: [String: Layout] = [:], errors: [String: SceneError] = [:]
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files where file.pathExtension == "json" {
            do throws(SceneError) {
                let layout = try read(file)
                layouts[layout.name] = layout
            } catch {
                errors[file.lastPathComponent] = error
            }
        }
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
    public static func read(_ file: URL) throws(SceneError) -> Layout {
        guard let data = try? Data(contentsOf: file) else { throw SceneError(pointer: "", reason: "cannot be read") }
        let layout = try Layout(json: data)
        guard layout.name + ".json" == file.lastPathComponent else {
            throw SceneError(pointer: "/name", reason: "must be the file's name without .json")
        }
        return layout
    }

    /// What is wrong when the layout that takes over is not there; nil when nothing is.
    ///
    /// - Parameter layouts: those that there are, by name.
    public func missingShare(among layouts: [String: Layout]) -> SceneError? {
        guard let share, layouts[share] == nil else { return nil }
        return SceneError(pointer: "/share", reason: "there is no layout \"\(share)\"")
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
