// Makes a token by hand: the first admin's.

import ArgumentParser
import Foundation
import Media
import Web

extension Proscenium {
    /// Prints a token that is signed with the installation's key.
    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Prints a token, for example the first admin's.")
        @OptionGroup var flags: SettingFlags
        @Option(help: "admin, producer, moderator, speaker, captioner, attendee or viewer.") var role: String
        @Option(help: "The organisation.") var org = "default"
        @Option(help: "The event; needed for every role but admin.") var event: String?
        @Option(help: "The bearer's name.") var name: String?
        @Option(help: "For how many hours it is good, 1 to 8760.") var hours = 12

        func run() async throws {
            let settings = try flags.resolve()
            guard let role = Role(rawValue: role) else { throw ValidationError("\(role) is not a role.") }
            guard role == .admin || event != nil else { throw ValidationError("The role \(role) needs --event.") }
            guard (1...8760).contains(hours) else { throw ValidationError("hours is 1 to 8760.") }
            let keys = try await TokenKeys(directory: settings.path("data-directory").appending(path: "keys"))
            let claims = TokenClaims(
                sub: RandomToken.id(), name: name, org: org, event: event, role: role,
                can: role == .viewer ? ["watch"] : [],
                exp: SystemClock.wallMilliseconds() / 1000 + Int64(hours) * 3600, jti: RandomToken.id())
            print(try await keys.sign(claims))
        }
    }
}
