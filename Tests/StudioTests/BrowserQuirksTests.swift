// Browsers by their User-Agent, and what the table says of them.

import Media
import Testing

@testable import Studio

@Suite("Browsers and their quirks")
struct BrowserQuirksTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let userAgent: String, family: Browser.Family, major: Int, minor: Int, system: Browser.System
        var avoids: [Codec] = [], layers = [3, 2], reuses = true
        var testDescription: String { userAgent }
    }

    static let cases: [Case] = [
        .init(
            userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", family: .firefox,
            major: 128, minor: 0, system: .linux, avoids: [.h264]),
        .init(
            userAgent: "Mozilla/5.0 (Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0", family: .firefox,
            major: 131, minor: 0, system: .android, avoids: [.h264]),
        .init(
            userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
            family: .firefox, major: 131, minor: 0, system: .windows),
        .init(
            userAgent:
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36",
            family: .chromium, major: 150, minor: 0, system: .linux),
        .init(
            userAgent:
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36 Edg/129.0.0.0",
            family: .chromium, major: 129, minor: 0, system: .windows),
        .init(
            userAgent:
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
            family: .chromium, major: 129, minor: 0, system: .android),
        .init(
            userAgent:
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
            family: .safari, major: 18, minor: 3, system: .mac, layers: [3], reuses: false),
        .init(
            userAgent:
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
            family: .safari, major: 18, minor: 4, system: .mac, avoids: [.vp9], layers: [3], reuses: false),
        .init(
            userAgent:
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/129.0.6668.46 Mobile/15E148 Safari/604.1",
            family: .safari, major: 17, minor: 6, system: .ios, layers: [3], reuses: false),
        .init(
            userAgent:
                "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/131.0 Mobile/15E148 Safari/605.1.15",
            family: .safari, major: 18, minor: 5, system: .ios, avoids: [.vp9], layers: [3], reuses: false),
        .init(userAgent: "Python/3.13 aiohttp/3.9", family: .other, major: 0, minor: 0, system: .other),
        .init(userAgent: "", family: .other, major: 0, minor: 0, system: .other),
        .init(userAgent: "Firefox/", family: .other, major: 0, minor: 0, system: .other),
        .init(
            userAgent: "Firefox/99999999999999999999999.5", family: .firefox, major: 999_999, minor: 5, system: .other),
        .init(
            userAgent: String(repeating: "x", count: 10_000) + "Firefox/128", family: .other, major: 0, minor: 0,
            system: .other),
    ]

    @Test("a User-Agent tells engine, version and system, and those the quirks", arguments: cases)
    func browser(_ known: Case) {
        let browser = Browser(userAgent: known.userAgent)
        #expect(browser.family == known.family && browser.system == known.system)
        #expect(browser.version == .init(known.major, known.minor))
        let quirks = browser.quirks
        #expect(quirks.avoids == known.avoids)
        #expect(quirks.layers.map(\.layers) == known.layers)
        #expect(quirks.reusesSections == known.reuses)
    }

    @Test("every line of the table applies to a browser that is known here, spares another, and says who has seen it")
    func table() {
        let browsers = Self.cases.map { Browser(userAgent: $0.userAgent) }
        for quirk in BrowserQuirk.all {
            #expect(browsers.contains { quirk.applies(to: $0) }, "\(quirk.reason)")
            #expect(browsers.contains { !quirk.applies(to: $0) })
            var changed = BrowserQuirks()
            quirk.change(&changed)
            #expect(changed != BrowserQuirks(), "\(quirk.reason)")
            #expect(quirk.reason.count > 20)
            // VP8 is what everybody sends and shows: no line may take it away.
            #expect(!changed.avoids.contains(.vp8))
        }
    }
}
