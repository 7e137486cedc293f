// The load tool: publishers and subscribers without browsers; what scripts/bench sfu runs beside Janus.

import ArgumentParser
import Load

/// What the recording and the transport of a load are.
struct LoadFlags: ParsableArguments {
    @Option(help: "How long is measured, in seconds.") var seconds = 10
    @Option(help: "An IVF file with VP8 that is replayed, instead of a recording made at the start.") var file: String?
    @Option(help: "Width of the recording that is made.") var width = 1280
    @Option(help: "Height of the recording that is made.") var height = 720
    @Option(help: "Rate of its pictures, in bits per second.") var bitrate = 1_300_000
    @Option(help: "Which SRTP profiles are offered: both, gcm or cm.") var srtp = "both"

    func fill(_ options: inout LoadOptions) throws {
        guard let profile = LoadOptions.Profile(rawValue: srtp) else {
            throw ValidationError("srtp is both, gcm or cm, not \(srtp).")
        }
        options.seconds = seconds
        options.file = file
        (options.width, options.height, options.bitrate) = (width, height, bitrate)
        options.profile = profile
    }
}

extension Proscenium {
    /// Makes load on a media server; prints one line of JSON.
    struct Load: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes load on a media server, and prints what came through as one line of JSON.",
            subcommands: [Join.self, Limit.self], defaultSubcommand: Join.self)
    }
}

extension Proscenium.Load {
    /// Joins with publishers and subscribers.
    struct Join: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Joins rooms with publishers that replay a recording and subscribers that count.")
        @Option(
            help:
                "Who forwards: proscenium (an installation), sfu (a worker that dials in to --control-port), or janus.")
        var peer = "proscenium"
        @Option(help: "Where the server is: https://…, or ws://… of Janus.") var url: String?
        @Option(help: "The event that is joined.") var event: String?
        @Option(help: "The token of a speakers' invitation with enough uses.") var invitation: String?
        @Option(help: "A PEM file that is trusted beside the system's certificates.") var certificate: String?
        @Option(help: "The loopback port on which an SFU worker is waited for.") var controlPort = 9443
        @Option(help: "The number of Janus's first room.") var room = 1000
        @Option(help: "How many rooms.") var rooms = 1
        @Option(help: "Publishers in each room; an installation lets no more voices be heard than loudest-speakers.")
        var publishers = 2
        @Option(help: "Subscribers in each room.") var subscribers = 6
        @Option(help: "How long everything flows before it is measured, in seconds.") var settle = 2
        @Option(help: "The server's process, whose CPU time and memory are read.") var pid: Int32?
        @Option(help: "The file in which the server's process counts its allocations.") var allocations: String?
        @Flag(help: "A socket for each peer; needed when the server is on another machine.") var ownSockets = false
        @Flag(inversion: .prefixedNo, help: "Subscribers tell when each packet came, as browsers do.") var feedback =
            true
        @OptionGroup var flags: LoadFlags

        func options() throws -> LoadOptions {
            func needed(_ value: String?, _ name: String) throws -> String {
                guard let value, !value.isEmpty else { throw ValidationError("--peer \(peer) needs --\(name).") }
                return value
            }
            var options: LoadOptions
            switch peer {
            case "proscenium":
                options = LoadOptions(
                    peer: .studio(
                        origin: try needed(url, "url"), event: try needed(event, "event"),
                        invitation: try needed(invitation, "invitation"), certificate: certificate))
            case "sfu": options = LoadOptions(peer: .worker(port: controlPort))
            case "janus": options = LoadOptions(peer: .janus(url: try needed(url, "url"), firstRoom: room))
            default: throw ValidationError("peer is proscenium, sfu or janus, not \(peer).")
            }
            (options.rooms, options.publishers, options.subscribers) = (rooms, publishers, subscribers)
            (options.settleSeconds, options.process, options.ownSockets) = (settle, pid, ownSockets)
            options.feedsBack = feedback
            options.allocations = allocations
            try flags.fill(&options)
            return options
        }

        func validate() throws {
            do { try options().check() } catch let error as LoadError { throw ValidationError(error.description) }
        }

        func run() async throws {
            print(try await LoadRunner.run(options()).line)
        }
    }

    /// Measures what the machine can do at best.
    struct Limit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measures the bare limit: AES-GCM and sendmmsg for the datagrams of a load, and nothing else.")
        @Option(help: "To how many receivers each packet goes.") var subscribers = 100
        @OptionGroup var flags: LoadFlags

        func run() async throws {
            var options = LoadOptions(peer: .worker(port: 1))
            try flags.fill(&options)
            print(try await BareLimit.measure(options, targets: subscribers, seconds: options.seconds).line)
        }
    }
}
