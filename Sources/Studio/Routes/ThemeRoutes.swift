// Themes: what scenes may name for their overlays.

internal import Control
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct ThemeRoutes: Sendable {
    let themes: ThemeFolder

    func add(to book: RouteBook) {
        book.add(.get, "/v1/themes", .signedIn) { _, _ in
            try .json(Page(items: themes.themes.values.sorted { $0.name < $1.name }, next: nil))
        }
    }
}
