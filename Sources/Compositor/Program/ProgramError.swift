// What a program refuses, and why.

/// Why a program does not do what it was told.
public enum ProgramError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No layout is known at all.
    case noLayout
    /// The scene names a layout that is not there.
    case unknownLayout(String)
    /// Something newer is shown already, or the program has ended.
    case outdated
    /// More changes wait for what they name than can be kept.
    case tooManyWait
    /// There is no picture yet.
    case notStarted
    /// More pixels are to be read than anybody needs.
    case tooManyPixels(Int)

    /// For logs and answers.
    public var description: String {
        switch self {
        case .noLayout: "there is no layout"
        case .unknownLayout(let name): "there is no layout \(name)"
        case .outdated: "a newer scene is shown"
        case .tooManyWait: "too many changes wait for what they name"
        case .notStarted: "the program has not started"
        case .tooManyPixels(let count): "\(count) pixels are more than are read at once"
        }
    }
}
