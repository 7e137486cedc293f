import ArgumentParser

/// The command line of the studio.
@main
struct Proscenium: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "proscenium", abstract: "A virtual-event studio.")
}
