// Overlays and a moment in; what of them is to be drawn out.

import Control
import Media

/// Resolves overlays.
struct OverlayResolver {
    let layout: Layout
    let images: [String: PixelSize]
    let geometry: SlotGeometry
    let time: ProgramTime

    /// Says what is to be drawn.
    ///
    /// - Parameters:
    ///   - presences: back to front.
    ///   - ignoringTime: all of them as if they had come, so that they are drawn before they are seen.
    func operations(_ presences: [OverlayPresence], ignoringTime: Bool = false) -> [DrawOperation] {
        // Lower thirds stand on a comment that lies where they do.
        let isRaised = presences.contains { presence in
            if case .comment(let comment) = presence.item { comment.corner == .bottomLeft } else { false }
        }
        let hasTicker = presences.contains { presence in
            if case .ticker = presence.item { presence.hiddenAt == nil } else { false }
        }
        return presences.compactMap { presence in
            let visibility = ignoringTime ? (.none, OverlayPresence.whole) : presence.visibility(at: time)
            guard let (motion, part) = visibility else { return nil }
            return operation(presence, motion, part, isRaised: isRaised, hasTicker: hasTicker).map { .overlay($0) }
        } + (ignoringTime ? shorter(presences) : [])
    }

    /// What countdowns become when they have run below an hour: another graphic, which must be there by then.
    private func shorter(_ presences: [OverlayPresence]) -> [DrawOperation] {
        presences.compactMap { presence in
            guard case .countdown(var countdown) = presence.item else { return nil }
            countdown.untilProgramTime = time.advanced(byMilliseconds: 1000).milliseconds
            var last = presence
            last.item = .countdown(countdown)
            return operation(last, .none, OverlayPresence.whole, isRaised: false, hasTicker: false).map { .overlay($0) }
        }
    }

    private func operation(
        _ presence: OverlayPresence, _ motion: OverlayTheme.Motion.Kind, _ part: Int, isRaised: Bool,
        hasTicker: Bool
    ) -> OverlayOperation? {
        let safe = layout.safeArea, now = time.milliseconds
        func made(
            _ drawing: OverlayOperation.Drawing, _ rect: PixelRect, _ live: OverlayOperation.Live = .none,
            corner: OverlayCorner? = .bottomLeft, opacity: UInt8 = 255
        ) -> OverlayOperation {
            OverlayOperation(
                drawing: drawing, live: live, theme: presence.theme, rect: rect, isRight: corner?.isRight ?? false,
                isLow: corner?.isLow ?? false, isCentred: corner == nil, unit: geometry.pixels(1), opacity: opacity,
                motion: motion, part: part)
        }
        // What lies at the lower edge stands on a ticker.
        let lift = hasTicker ? Self.tickerHeight : 0
        var floor = safe
        floor.height -= lift
        let lower = layout.lowerThird.moved(into: floor)
        /// A box in a corner, or in the middle.
        func box(_ width: Double, _ height: Double, _ corner: OverlayCorner?, margin: Double = 1) -> PixelRect {
            let width = max(1, min(width, safe.width - 2 * margin))
            let height = max(1, min(height, safe.height - 2 * margin - lift))
            var box = GridRect(
                x: safe.x + (safe.width - width) / 2, y: safe.y + (safe.height - height) / 2, width: width,
                height: height)
            if let corner {
                box.x = corner.isRight ? safe.x + safe.width - margin - width : safe.x + margin
                box.y = corner.isLow ? safe.bottom - margin - height - lift : safe.y + margin
            }
            return geometry.rect(box.moved(into: safe))
        }
        switch presence.item {
        case .lowerThird(let third):
            var rect = lower
            let step = rect.height + 0.5
            rect.y -= step * Double(presence.height(at: time)) / Double(OverlayPresence.whole)
            if isRaised { rect.y -= Self.commentHeight + 0.5 }
            guard rect.y >= safe.y else { return nil }
            return made(
                .lowerThird(name: third.name, title: third.title, lang: third.lang ?? ""), geometry.rect(rect))
        case .ticker(let ticker):
            let since = presence.shownAt?.milliseconds ?? 0
            let elapsed = max(0, now.subtractingReportingOverflow(since).partialValue)
            let speed = Int64((geometry.pixels(ticker.speed) * 1000).rounded())
            // A program clock is UTC in milliseconds: 1.8e12 times a speed of 10⁶ still fits.
            let run = elapsed.multipliedReportingOverflow(by: speed).partialValue / 1_000_000
            return made(
                .ticker(text: ticker.text, lang: ticker.lang ?? ""),
                geometry.rect(
                    GridRect(
                        x: safe.x, y: safe.bottom - Self.tickerHeight, width: safe.width, height: Self.tickerHeight)),
                .run(run))
        case .logo(let logo):
            guard let size = images[logo.asset] else { return nil }
            let box = box(logo.size, logo.size / 2, logo.corner, margin: logo.margin)
            var rect = SlotGeometry.place(size, in: box, fit: .fit, anchor: .middle, zoom: 1).rect
            rect.x = logo.corner.isRight ? box.right - rect.width : box.x
            rect.y = logo.corner.isLow ? box.bottom - rect.height : box.y
            return made(
                .logo(asset: logo.asset), rect, corner: logo.corner,
                opacity: UInt8(clamping: Int((logo.opacity * 255).rounded())))
        case .countdown(let countdown):
            if countdown.atZero == .hide, now >= countdown.untilProgramTime { return nil }
            let text = countdown.text(at: now)
            let middle = layout.countdown.map { geometry.rect($0.moved(into: safe)) } ?? box(24, 10, nil)
            let rect = countdown.corner.map { box(16, 6, $0) } ?? middle
            return made(
                .time(title: countdown.title, shape: Self.shape(text, least: "00:00"), lang: countdown.lang ?? ""),
                rect, .time(text),
                corner: countdown.corner)
        case .clock(let clock):
            let text = clock.text(at: now)
            return made(
                .time(
                    title: clock.title,
                    shape: Self.shape(
                        text, least: (clock.showsSeconds ? "00:00:00" : "00:00") + (clock.hours == 12 ? " PM" : "")),
                    lang: clock.lang ?? ""),
                box(14, clock.title == nil ? 3.2 : 4.6, clock.corner), .time(text), corner: clock.corner)
        case .comment(let comment):
            let rect =
                comment.corner == .bottomLeft
                ? GridRect(
                    x: lower.x, y: max(safe.y, lower.bottom - Self.commentHeight), width: lower.width,
                    height: Self.commentHeight) : nil
            return made(
                .comment(name: comment.name, text: comment.text, lang: comment.lang ?? ""),
                rect.map(geometry.rect) ?? box(30, Self.commentHeight, comment.corner), corner: comment.corner)
        case .poll(let poll):
            return made(
                .poll(
                    question: poll.question, options: poll.options.map(\.text), hasResults: poll.hasResults,
                    hasVotes: poll.hasResults && poll.votes != nil, lang: poll.lang ?? ""),
                box(24, 30, poll.corner),
                .shares(presence.shares(at: time), votes: poll.hasResults ? poll.votes : nil), corner: poll.corner)
        }
    }

    /// The highest that a comment becomes, in grid units.
    private static let commentHeight = 9.0
    private static let tickerHeight = 2.0

    /// A time with all digits alike, no shorter than most of its kind: panels stay as wide as they are.
    private static func shape(_ time: String, least: String) -> String {
        time.count <= least.count ? least : String(time.map { $0.isNumber ? "0" : $0 })
    }
}
