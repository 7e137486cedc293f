// What browsers do otherwise than the rest, as data: the pages' script asks this table and no browser's name.

internal import Media

/// How one page has to go about sending; told to it in `hello`.
struct BrowserQuirks: Encodable, Sendable, Hashable {
    /// Of a picture of at least so many pixels the browser sends so many layers.
    struct Step: Encodable, Sendable, Hashable {
        let pixels: Int, layers: Int
    }

    /// Codecs that it can be made to send, and should not.
    var avoids: [Codec] = []
    /// How many layers it sends of which picture, largest first; of what is smaller it sends one.
    var layers = Self.libwebrtc
    /// Whether a section that rested may be used again.
    var reusesSections = true

    /// libwebrtc leaves out the last encodings of a small picture (`LimitSimulcastLayerCount`), which are the whole ones.
    static let libwebrtc = [Step(pixels: 960 * 540, layers: 3), Step(pixels: 480 * 270, layers: 2)]
}

/// One line of the table.
struct BrowserQuirk: Sendable {
    /// Which browsers; every version and system where nothing is said.
    let family: Browser.Family
    var since = Browser.Version(0), before: Browser.Version?
    var systems: Set<Browser.System> = Set(Browser.System.allCases)
    /// What it does to how a page goes about sending.
    let change: @Sendable (inout BrowserQuirks) -> Void
    /// Who has seen it.
    let reason: String

    func applies(to browser: Browser) -> Bool {
        browser.family == family && browser.version >= since && before.map { browser.version < $0 } ?? true
            && systems.contains(browser.system)
    }

    /// Every line that is known.
    static let all: [BrowserQuirk] = [
        .init(
            family: .firefox, systems: [.linux, .android],
            change: { $0.avoids.append(.h264) },
            reason: "H.264 comes as a plug-in that is not there on these systems (LiveKit, pkg/clientconfiguration)"),
        .init(
            family: .safari, since: .init(18, 4),
            change: { $0.avoids.append(.vp9) },
            reason: "VP9 is offered and breaks when it is sent (LiveKit, pkg/clientconfiguration)"),
        .init(
            family: .safari,
            change: { $0.reusesSections = false },
            reason: "a section that rested sends nothing when it is used again (livekit/livekit#4474)"),
        .init(
            family: .safari,
            change: { $0.layers = $0.layers.filter { $0.layers == 3 } },
            reason: "simulcast of two layers sends one; three are sent, or none (open-webrtc-toolkit/owt-server#337)"),
    ]
}

extension Browser {
    /// What the table says of it.
    var quirks: BrowserQuirks {
        BrowserQuirk.all.reduce(into: BrowserQuirks()) { if $1.applies(to: self) { $1.change(&$0) } }
    }
}
