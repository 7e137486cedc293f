// Why a session description was refused.

/// What is wrong with a session description, with the number of the line.
public enum SDPError: Error, Hashable, Sendable, CustomStringConvertible {
    case tooLarge
    case tooManyLines
    case tooManySections
    case notSDP(line: Int)
    case badLine(line: Int, expected: String)
    case missing(String)
    case unsupported(String)

    /// One sentence for the one who sent it.
    public var description: String {
        switch self {
        case .tooLarge: "The session description is larger than 64 KiB."
        case .tooManyLines: "The session description has more than 2000 lines."
        case .tooManySections: "The session description has more than 128 media sections."
        case .notSDP(let line):
            "Line \(line) is not of the form letter=value, or the description does not begin with v=0."
        case .badLine(let line, let expected): "Line \(line) is damaged: \(expected) was expected."
        case .missing(let what): "The session description lacks \(what)."
        case .unsupported(let what): "The session description asks for what is not supported: \(what)."
        }
    }
}
