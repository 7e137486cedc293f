// A secret that does not find its way into logs by itself.

/// A text that is sent where it belongs and described nowhere.
public struct SecretText: Sendable, Hashable, Codable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The secret; to be handed on, never to be logged.
    public let value: String

    /// Wraps a secret.
    public init(_ value: String) { self.value = value }

    /// Reads a plain string.
    public init(from decoder: any Decoder) throws { value = try decoder.singleValueContainer().decode(String.self) }

    /// Writes a plain string: this is how the secret travels.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    /// Says that there is a secret, and nothing of it.
    public var description: String { "(secret)" }
    /// Says that there is a secret, and nothing of it.
    public var debugDescription: String { "(secret)" }
    /// Shows nothing to `dump` and to interpolation of what holds it.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// A text of a peer or a library without the secret, printable, and at most 200 characters long.
    public func redacted(from text: String) -> String {
        var text = text
        // A short one would take away half of every sentence, and protects nothing.
        if value.utf8.count >= 4 {
            var parts: [Substring] = []
            var rest = text[...]
            while let range = rest.firstRange(of: value) {
                parts.append(rest[..<range.lowerBound])
                rest = rest[range.upperBound...]
            }
            text = (parts + [rest]).joined(separator: "(secret)")
        }
        return String(text.unicodeScalars.map { (0x20..<0x7F).contains($0.value) ? Character($0) : "?" }.prefix(200))
    }
}
