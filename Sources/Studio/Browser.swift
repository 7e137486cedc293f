// Which browser somebody comes with, as its User-Agent says.

/// A browser by what decides how it behaves: its engine's family and version, and the system.
struct Browser: Sendable, Hashable {
    enum Family: String, Sendable, CaseIterable { case chromium, firefox, safari, other }
    enum System: String, Sendable, CaseIterable { case windows, mac, linux, android, ios, other }

    /// A version by its first two numbers.
    struct Version: Sendable, Hashable, Comparable {
        var major: Int, minor: Int

        init(_ major: Int, _ minor: Int = 0) { (self.major, self.minor) = (major, minor) }

        static func < (one: Self, other: Self) -> Bool { (one.major, one.minor) < (other.major, other.minor) }
    }

    var family: Family, version: Version, system: System

    /// Reads a `User-Agent` header; what is not known is another browser.
    ///
    /// Every browser on iOS is Safari's engine in the version of the system, and every one that names Chrome is Chromium.
    init(userAgent: String) {
        // Headers are bounded, and what says more than browsers do is none.
        let text = String(userAgent.prefix(512))
        let isIOS = text.contains("iPhone") || text.contains("iPad") || text.contains("iPod")
        system =
            isIOS
            ? .ios
            : text.contains("Android")
                ? .android
                : text.contains("Windows")
                    ? .windows : text.contains("Mac OS X") ? .mac : text.contains("Linux") ? .linux : .other
        if isIOS {
            (family, version) = (.safari, Self.version(in: text, behind: " OS ") ?? Version(0))
        } else if let found = Self.version(in: text, behind: "Firefox/") {
            (family, version) = (.firefox, found)
        } else if let found = Self.version(in: text, behind: "Chrome/") {
            (family, version) = (.chromium, found)
        } else if text.contains("Safari/"), let found = Self.version(in: text, behind: "Version/") {
            (family, version) = (.safari, found)
        } else {
            (family, version) = (.other, Version(0))
        }
    }

    private static func version(in text: String, behind name: String) -> Version? {
        guard let place = text.firstRange(of: name) else { return nil }
        let numbers = text[place.upperBound...].prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "_") }
            .split { $0 == "." || $0 == "_" }.prefix(2).map { Int($0.prefix(6)) ?? 0 }
        guard let major = numbers.first else { return nil }
        return Version(major, numbers.count > 1 ? numbers[1] : 0)
    }
}
