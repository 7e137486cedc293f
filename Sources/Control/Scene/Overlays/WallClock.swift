// A clock: the time of day somewhere.

internal import Foundation
internal import Synchronization

/// The time of day, by the program's clock, which is UTC.
public struct WallClock: Hashable, Sendable, Codable {
    /// Where: a name of the IANA time zone database, such as `Europe/Zurich`.
    public var timeZone: String
    /// 12 or 24.
    public var hours: Int
    /// Whether seconds are shown.
    public var showsSeconds: Bool
    /// A line above it, such as a city.
    public var title: String?
    /// Where it lies.
    public var corner: OverlayCorner
    /// The language of the title, as BCP 47 writes it.
    public var lang: String?

    /// Creates a clock.
    public init(
        timeZone: String = "UTC", hours: Int = 24, showsSeconds: Bool = false, title: String? = nil,
        corner: OverlayCorner = .topLeft, lang: String? = nil
    ) {
        self.timeZone = timeZone
        self.hours = hours
        self.showsSeconds = showsSeconds
        self.title = title
        self.corner = corner
        self.lang = lang
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case timeZone, hours, showsSeconds = "seconds", title, corner, lang
    }

    /// Reads a clock; UTC, 24 hours, without seconds, upper left when it does not say otherwise.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        timeZone = try values.textIfPresent(.timeZone, limit: 64) ?? "UTC"
        guard TimeZones.zone(timeZone) != nil else {
            throw values.invalid(.timeZone, "no time zone of the IANA database")
        }
        hours = try values.decodeIfPresent(Int.self, forKey: .hours) ?? 24
        guard hours == 12 || hours == 24 else { throw values.invalid(.hours, "12 or 24") }
        showsSeconds = try values.decodeIfPresent(Bool.self, forKey: .showsSeconds) ?? false
        title = try values.textIfPresent(.title, limit: 256)
        corner = try values.choice(.corner, OverlayCorner.self, standard: .topLeft)
        lang = try values.languageIfPresent(.lang)
    }

    /// What it shows at a moment: `15:04`, `3:04 PM`, with `:05` after the minutes where it shows seconds.
    public func text(at programTime: Int64) -> String {
        // Years 1970 to 9999: what no clock of a program reaches is held there.
        let time = max(0, min(programTime, 253_402_300_799_000)) / 1000
        let offset = TimeZones.zone(timeZone)?.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time))) ?? 0
        let second = ((time + Int64(offset)) % 86_400 + 86_400) % 86_400
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let (hour, minute) = (second / 3600, two(second / 60 % 60))
        let rest = showsSeconds ? "\(minute):\(two(second % 60))" : minute
        guard hours == 12 else { return "\(two(hour)):\(rest)" }
        return "\((hour + 11) % 12 + 1):\(rest) \(hour < 12 ? "AM" : "PM")"
    }
}

/// Time zones that were asked for: a clock asks for each frame.
private enum TimeZones {
    private static let known = Mutex<[String: TimeZone]>([:])

    static func zone(_ name: String) -> TimeZone? {
        if let zone = known.withLock({ $0[name] }) { return zone }
        guard !name.isEmpty, let zone = TimeZone(identifier: name) else { return nil }
        known.withLock { known in
            if known.count >= 512 { known.removeAll() }
            known[name] = zone
        }
        return zone
    }
}
