// The command line.

import ArgumentParser

/// The command line of the studio.
@main
struct Proscenium: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proscenium", abstract: "A virtual-event production studio.",
        subcommands: [
            Serve.self, Token.self, Layouts.self, Studio.self, SFU.self, Compositor.self, Output.self, Decode.self,
            Roll.self, Demo.self, Load.self, Sandbox.self, BenchCompositor.self,
        ])

    static func main() async {
        ProcessMemory.keepSmall()
        await main(nil)
    }
}
