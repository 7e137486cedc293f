import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Overlays come and go")
struct OverlayTimelineTests {
    private func time(_ milliseconds: Int64) -> ProgramTime { ProgramTime(milliseconds: milliseconds) }

    private func thirds(_ names: [String]) -> Overlays { Overlays(lowerThirds: names.map { LowerThird(name: $0) }) }

    /// What is seen: each name, how it moves, and how much of it is there in hundredths.
    private func seen(_ timeline: OverlayTimeline, _ milliseconds: Int64) -> [String] {
        timeline.presences.compactMap { presence in
            guard let (kind, part) = presence.visibility(at: time(milliseconds)) else { return nil }
            let name =
                switch presence.item {
                case .lowerThird(let third): third.name
                case .comment(let comment): comment.text
                case .poll: "poll"
                case .ticker(let ticker): ticker.text
                default: "other"
                }
            return kind == .none ? name : "\(name) \(kind) \(part * 100 / OverlayPresence.whole)"
        }
    }

    @Test("what a scene begins with is there; what is added comes by its theme, and what is taken away goes by it")
    func comesAndGoes() {
        var timeline = OverlayTimeline(thirds(["A"]), themes: [:])
        #expect(seen(timeline, 0) == ["A"])
        timeline.change(to: thirds(["A", "B"]), themes: [:], at: time(1000))
        #expect(seen(timeline, 1000) == ["A", "B slide 29"], "the first frame shows something already")
        #expect(seen(timeline, 1100) == ["A", "B slide 82"])
        #expect(seen(timeline, 1300) == ["A", "B"])
        timeline.change(to: thirds(["B"]), themes: [:], at: time(2000))
        #expect(seen(timeline, 2000).first == "A slide 99")
        let way = stride(from: Int64(2000), to: 2270, by: 33).map { seen(timeline, $0)[0] }
        #expect(Set(way).count == way.count, "it never stands still on its way")
        #expect(seen(timeline, 2300) == ["B"])
        timeline.forget(at: time(2300))
        #expect(timeline.presences.count == 1)
    }

    @Test("one that follows another in its place dissolves into it; under the same id it stays the same one")
    func replaced() {
        var timeline = OverlayTimeline(thirds(["A"]), themes: [:])
        timeline.change(to: thirds(["B"]), themes: [:], at: time(1000))
        #expect(seen(timeline, 1100).map { $0.prefix(6) } == ["A fade", "B fade"])
        #expect(seen(timeline, 1300) == ["B"])
        timeline = OverlayTimeline(Overlays(comment: Comment(name: "", text: "one")), themes: [:])
        timeline.change(to: Overlays(comment: Comment(name: "", text: "two")), themes: [:], at: time(1000))
        #expect(seen(timeline, 1300) == ["two"])
    }

    @Test("one that is wanted again while it leaves turns round where it is")
    func turns() throws {
        var timeline = OverlayTimeline(thirds(["A"]), themes: [:])
        timeline.change(to: Overlays(), themes: [:], at: time(1000))
        func part(_ at: Int64) throws -> Int { try #require(timeline.presences[0].visibility(at: time(at))).part }
        let leaving = try part(1100)
        timeline.change(to: thirds(["A"]), themes: [:], at: time(1133))
        #expect(timeline.presences.count == 1)
        let back = try part(1133)
        #expect(abs(back - leaving) < OverlayPresence.whole / 8, "\(leaving) then \(back)")
        #expect(seen(timeline, 1500) == ["A"])
    }

    @Test("a take by fade brings its overlays with the picture, one by cut or move lets them move by themselves")
    func take() {
        for isWhole in [false, true] {
            var timeline = OverlayTimeline(thirds(["A"]), themes: [:])
            timeline.change(to: thirds(["B"]), themes: [:], at: time(1000), isWhole: isWhole)
            #expect(seen(timeline, 1000) == (isWhole ? ["B"] : seen(timeline, 1000)))
            #expect(seen(timeline, 1000).count == (isWhole ? 1 : 2))
        }
    }

    @Test("a time to be gone by is kept: at it nothing is seen, and it has gone as its theme says")
    func limits() {
        var third = LowerThird(name: "A", durationMs: 2000)
        var timeline = OverlayTimeline(Overlays(), themes: [:])
        timeline.change(to: Overlays(lowerThirds: [third]), themes: [:], at: time(1000))
        #expect(seen(timeline, 1500) == ["A"] && seen(timeline, 2600) == ["A"])
        #expect(seen(timeline, 2800).first?.hasPrefix("A slide") == true && seen(timeline, 3000) == [])
        // The same scene again does not bring it back.
        timeline.change(to: Overlays(lowerThirds: [third]), themes: [:], at: time(4000))
        #expect(seen(timeline, 4500) == [])
        third = LowerThird(name: "A", fromProgramTime: 5000, untilProgramTime: 7000)
        timeline = OverlayTimeline(Overlays(lowerThirds: [third]), themes: [:])
        #expect(seen(timeline, 4999) == [] && seen(timeline, 5000) == ["A slide 29"] && seen(timeline, 6000) == ["A"])
        #expect(seen(timeline, 6900).first?.hasPrefix("A slide") == true && seen(timeline, 7000) == [])
    }

    @Test("lower thirds glide to the places of those that have gone")
    func glides() {
        var timeline = OverlayTimeline(thirds(["A", "B"]), themes: [:])
        timeline.change(to: thirds(["B"]), themes: [:], at: time(1000))
        let b = timeline.presences[1]
        let heights = [900, 1000, 1100, 1200, 1300].map { b.height(at: time($0)) }
        #expect(heights.first == OverlayPresence.whole || heights == heights.sorted(by: >))
        #expect(heights.last == 0 && heights[1] < OverlayPresence.whole)
    }

    @Test("a poll's bars grow from where they are to the new numbers, and hidden results have none")
    func grows() throws {
        func card(_ first: Int?, _ second: Int?) -> PollCard {
            PollCard(question: "Q", options: [.init(text: "a", percent: first), .init(text: "b", percent: second)])
        }
        var timeline = OverlayTimeline(Overlays(poll: card(20, 80)), themes: [:])
        timeline.change(to: Overlays(poll: card(60, 40)), themes: [:], at: time(1000))
        #expect(timeline.presences.count == 1 && timeline.presences[0].shares(at: time(2000)) == [600, 400])
        let way = [1000, 1100, 1300].map { timeline.presences[0].shares(at: time($0))[0] }
        #expect(way == way.sorted() && way[0] > 200 && way[2] < 600)
        timeline.change(to: Overlays(poll: card(nil, nil)), themes: [:], at: time(3000))
        #expect(timeline.presences.count == 2 && timeline.presences[1].shares(at: time(3500)) == [])
        var quiet = card(60, 40)
        quiet.showsResults = false
        #expect(quiet.shares == [] && !quiet.hasResults)
    }

    @Test("a card that names a poll shows what is known of it, and nothing before that")
    func named() {
        let overlays = Overlays(poll: PollCard(id: "p1"))
        var timeline = OverlayTimeline(overlays, themes: [:])
        #expect(timeline.presences.isEmpty)
        let picture = PollPicture(question: "Q", options: [.init(text: "a", percent: 100)], votes: 3)
        timeline.change(to: overlays, themes: [:], polls: ["p1": picture], at: time(1000))
        #expect(seen(timeline, 1500) == ["poll"])
        timeline.change(to: overlays, themes: [:], polls: [:], at: time(2000))
        #expect(seen(timeline, 2100).first?.hasPrefix("poll slide") == true)
    }

    @Test("themes: the scene's own, the overlay's before it, and the standard one for a name that is not known")
    func themes() {
        var light = OverlayTheme.standard
        light.name = "light"
        light.animation.kind = .none
        let overlays = Overlays(
            theme: "light", lowerThirds: [LowerThird(name: "A"), LowerThird(name: "B", theme: "gone")])
        var timeline = OverlayTimeline(Overlays(), themes: ["light": light])
        timeline.change(to: overlays, themes: ["light": light], at: time(1000))
        #expect(timeline.presences.map(\.theme.name) == ["light", "default"])
        #expect(seen(timeline, 1000)[0] == "A", "a theme without motion shows at once")
    }

    @Test("easing begins at nothing, ends at all, and never turns back", arguments: OverlayTheme.Motion.Ease.allCases)
    func easing(ease: OverlayTheme.Motion.Ease) {
        let way = stride(from: 0, through: OverlayPresence.whole, by: 512).map { OverlayPresence.eased($0, ease) }
        #expect(way.first == 0 && way.last == OverlayPresence.whole && way == way.sorted())
    }

    @Test("times: a countdown at zero and beyond, clocks of several places, with and without seconds")
    func times() {
        var countdown = Countdown(untilProgramTime: 10_000)
        #expect([0, 9001, 10_000, 20_000].map(countdown.text) == ["0:10", "0:01", "0:00", "0:00"])
        countdown.atZero = .countUp
        #expect([10_000, 10_999, 11_000, 75_000].map(countdown.text) == ["0:00", "0:00", "0:01", "1:05"])
        #expect(Countdown(untilProgramTime: .max).text(at: .min) == Countdown(untilProgramTime: .max).text(at: .min))
        // 2026-07-01T22:05:09Z: summer time in Zurich, the next day in Tokyo.
        let moment: Int64 = 1_782_943_509_000
        #expect(WallClock().text(at: moment) == "22:05")
        #expect(WallClock(timeZone: "Europe/Zurich", showsSeconds: true).text(at: moment) == "00:05:09")
        #expect(WallClock(timeZone: "Asia/Tokyo", hours: 12).text(at: moment) == "7:05 AM")
        #expect(WallClock(hours: 12).text(at: moment) == "10:05 PM")
        #expect([0, 43_200_000].map(WallClock(hours: 12).text) == ["12:00 AM", "12:00 PM"])
        _ = WallClock(timeZone: "Pacific/Apia").text(at: .min)
        _ = WallClock(timeZone: "nowhere").text(at: .max)
    }
}
