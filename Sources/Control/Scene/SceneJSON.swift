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
            let name = file.lastPathComponent
            do {
                guard let data = try? Data(contentsOf: file) else {
                    throw SceneError(pointer: "", reason: "cannot be read")
                }
                let layout = try Layout(json: data)
                guard layout.name + ".json" == name else {
                    throw SceneError(pointer: "/name", reason: "must be the file's name without .json")
                }
                layouts[layout.name] = layout
            } catch let error as SceneError {
                errors[name] = error
            }
        }
        return (layouts, errors)
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
