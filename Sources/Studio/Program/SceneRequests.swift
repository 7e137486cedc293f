// Scenes in requests and answers: read with pointers to what is wrong, patched, and shown.

internal import Control
internal import Foundation
import HTTPTypes
internal import HummingbirdCore
internal import Media
internal import NIOCore
internal import Web

/// What was changed, and from when on it is seen: the two keys beside the value's own.
struct Shown<Value: Encodable & Sendable>: Encodable, Sendable {
    let value: Value, shown: ShownAt?

    init(_ value: Value, _ shown: ShownAt?) { (self.value, self.shown) = (value, shown) }

    private enum Keys: CodingKey { case programTime, ready }

    func encode(to encoder: any Encoder) throws {
        try value.encode(to: encoder)
        var keys = encoder.container(keyedBy: Keys.self)
        // null, and not missing, while nothing shows it.
        try keys.encode(shown?.programTime, forKey: .programTime)
        try keys.encode(shown?.isReady ?? false, forKey: .ready)
    }
}

extension ProgramControl {
    /// Shows a scene that is stored already; a compositor that does not answer is told when it is back.
    func showIfThere(_ change: ProgramChange, event: String) async throws -> ShownAt? {
        do {
            return try await show(change, event: event)
        } catch let problem as Problem where problem.status == .serviceUnavailable {
            return nil
        }
    }
}

extension Request {
    private static let sceneLimitBytes = 256 * 1024

    /// Reads any JSON.
    ///
    /// - Throws: `Problem` 400 or 413.
    func anyJSON() async throws -> JSONValue { try Self.parse(try await data()) }

    /// Reads a scene.
    ///
    /// - Throws: `Problem` 400, 413, or 422 with a pointer.
    func scene() async throws -> Scene {
        let data = try await data()
        _ = try Self.parse(data)
        do {
            return try Scene(json: data)
        } catch {
            throw Problem(error)
        }
    }

    /// Reads a layout.
    ///
    /// - Throws: `Problem` 400, 413, or 422 with a pointer.
    func layout() async throws -> Layout {
        let data = try await data()
        _ = try Self.parse(data)
        do {
            return try Layout(json: data)
        } catch {
            throw Problem(error)
        }
    }

    private func data() async throws -> Data {
        var request = self
        do {
            return Data(try await request.collectBody(upTo: Self.sceneLimitBytes).readableBytesView)
        } catch {
            throw Problem(.contentTooLarge, "too-large", "The body is too large")
        }
    }

    private static func parse(_ data: Data) throws(Problem) -> JSONValue {
        do {
            return try JSONDecoder().decode(JSONValue.self, from: data)
        } catch {
            throw Problem(
                .badRequest, "malformed-json", "The body is not JSON", detail: "The body could not be read as JSON.")
        }
    }
}

extension ScenePart {
    /// Reads the names of what is kept of the program.
    ///
    /// - Throws: `Problem` 422 with a pointer to the first that is none.
    static func read(_ names: [String]) throws(Problem) -> [ScenePart] {
        for (index, name) in names.enumerated() where ScenePart(rawValue: name) == nil {
            throw .invalid("music, levels, overlays and slides can be kept.", pointer: "/keeps/\(index)")
        }
        return allCases.filter { names.contains($0.rawValue) }
    }
}

extension Problem {
    /// What is wrong with a scene or a layout.
    init(_ error: SceneError) { self = .invalid(error.reason, pointer: error.pointer) }
}

extension Scene {
    /// Returns the scene with a JSON merge patch (RFC 7396) applied.
    ///
    /// - Throws: `Problem` 422 with a pointer into the patched scene.
    func merged(with patch: JSONValue) throws -> Scene {
        let value = try JSONDecoder().decode(JSONValue.self, from: JSON.encoder.encode(self))
        let data = try JSON.encoder.encode(value.merged(with: patch))
        do {
            return try Scene(json: data)
        } catch {
            throw Problem(error)
        }
    }
}

extension JSONValue {
    /// Applies a JSON merge patch (RFC 7396 §2): objects are merged, null removes, all else replaces.
    func merged(with patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var members: [String: JSONValue] = [:]
        if case .object(let known) = self { members = known }
        for (key, change) in changes {
            members[key] = change == .null ? nil : (members[key] ?? .null).merged(with: change)
        }
        return .object(members)
    }
}
