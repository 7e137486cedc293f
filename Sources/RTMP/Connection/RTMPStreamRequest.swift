// What a peer wants to do with which stream.

/// A request that the shell has to authorize.
public struct RTMPStreamRequest: Equatable, Sendable, CustomStringConvertible {
    /// What is asked for.
    public enum Purpose: String, Sendable {
        /// Sending a stream.
        case publish
        /// Receiving a stream.
        case play
    }

    /// What is asked for.
    public var purpose: Purpose
    /// The application, without slashes at its ends and without a query.
    public var app: String
    /// The stream name, which is the key: never to be logged.
    public var streamName: String

    /// Creates a request.
    public init(purpose: Purpose, app: String, streamName: String) {
        self.purpose = purpose
        self.app = app
        self.streamName = streamName
    }

    /// The request without its key.
    public var description: String { "\(purpose.rawValue) a stream" }

    /// Finds application and key in the forms that encoders send.
    ///
    /// The key is the last part of the name, without a query (OBS joins `key?x=y`) and without blanks at its ends (OBS
    /// strips them itself). With an empty name it is the `key` of the application's query, or the last part of an
    /// application with several parts (encoders that put everything in the URL).
    init(purpose: Purpose, app: String, name: String) {
        let (path, query) = Self.split(app)
        var parts = Self.parts(path)
        var key = Self.parts(Self.split(name).path).last ?? ""
        if key.isEmpty {
            let named = query.split(separator: "&").first { $0.hasPrefix("key=") }
            if let named {
                key = String(named.dropFirst(4))
            } else if parts.count > 1 {
                key = parts.removeLast()
            }
        }
        self.init(purpose: purpose, app: parts.joined(separator: "/"), streamName: key)
    }

    private static func split(_ text: String) -> (path: Substring, query: Substring) {
        guard let mark = text.firstIndex(of: "?") else { return (text[...], "") }
        return (text[..<mark], text[text.index(after: mark)...])
    }

    private static func parts(_ path: Substring) -> [String] {
        path.split(separator: "/").map { part in
            var part = part
            while part.first?.isWhitespace == true { part.removeFirst() }
            while part.last?.isWhitespace == true { part.removeLast() }
            return String(part)
        }.filter { !$0.isEmpty }
    }
}
