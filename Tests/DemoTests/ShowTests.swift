// The show: what is on when, which scene that makes, and how the stage is looked after.

import Foundation
import Media
import Testing

@testable import Demo

@Suite("The show")
struct ShowTests {
    @Test("changes the layout every 20 s through all three, turns slides, and gives each speaker a turn")
    func schedule() {
        let schedule = ShowSchedule(pages: 4, speakers: 3)
        let layouts = (0..<6).map { schedule.step(atMs: Int64($0) * 20_000).layout }
        #expect(layouts == [.grid, .shareWithSpeakers, .full, .grid, .shareWithSpeakers, .full])
        #expect(schedule.step(atMs: 19_999).layout == .grid)
        let pages = [20_000, 29_999, 30_000, 59_999, 60_000, 80_000, 90_000, 120_000].map {
            schedule.step(atMs: $0).page
        }
        #expect(pages == [1, 1, 2, 2, 3, 3, 4, 1])
        #expect([0, 60_000, 120_000, 180_000].map { schedule.step(atMs: $0).speaker } == [0, 1, 2, 0])
        #expect(ShowSchedule(pages: 0, speakers: 0).step(atMs: -5) == ShowStep(layout: .grid, page: 1, speaker: 0))
    }

    @Test("makes scenes as the API has them")
    func scenes() throws {
        let step = ShowStep(layout: .full, page: 2, speaker: 1)
        let scene = Show.scene(step, speakers: ["a", "b", "c"], background: "sky", deck: "deck")
        let json = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(scene)) as? [String: Any])
        #expect(Set(json.keys) == ["layout", "background", "slots", "overlays", "slides"])
        #expect(json["layout"] as? String == "full" && json["background"] as? String == "image:sky")
        #expect(json["slots"] as? [String: String] == ["main": "participant:b"])
        let lowerThirds = (json["overlays"] as? [String: Any])?["lowerThirds"] as? [[String: String]]
        #expect(lowerThirds?.first?["name"] == DemoCast.members[1].name)
        // Before files and speakers are there the scene names none.
        let early = Show.scene(step, speakers: [], background: nil, deck: nil)
        #expect(early.slots.isEmpty && early.slides == nil && early.background == nil)
    }

    private func entry(_ id: String, onStage: Bool?, _ state: String = "connected") -> ParticipantPage.Participant {
        ParticipantPage.Participant(id: id, onStage: onStage, connection: .init(state: state))
    }

    @Test("puts speakers on stage once they are connected, and rests when all are there")
    func staging() {
        var staging = Staging()
        let ids = ["a", "b", "c"]
        func at(_ ms: Int64) -> MonotonicTime { MonotonicTime(milliseconds: ms) }
        let first = staging.actions(
            for: ids,
            among: [entry("a", onStage: false), entry("b", onStage: false, "connecting"), entry("x", onStage: false)],
            now: at(0))
        #expect(first == Staging.Actions(stage: ["a"]))
        #expect(!staging.isSettled && staging.isDue(at(1)))
        let all = ids.map { entry($0, onStage: true) }
        #expect(staging.actions(for: ids, among: all, now: at(500)) == Staging.Actions())
        #expect(staging.isSettled && !staging.isDue(at(1499)) && staging.isDue(at(1500)))
        // Somebody who was taken off, or whose stage was lost, comes back.
        let off = [entry("a", onStage: true), entry("b", onStage: false), entry("c", onStage: true)]
        #expect(staging.actions(for: ids, among: off, now: at(1500)) == Staging.Actions(stage: ["b"]))
    }

    @Test("tells a speaker that the room has lost to join again, not one that never came")
    func rejoining() {
        var staging = Staging()
        func at(_ ms: Int64) -> MonotonicTime { MonotonicTime(milliseconds: ms) }
        _ = staging.actions(for: ["a", "b"], among: [entry("a", onStage: true)], now: at(0))
        #expect(staging.actions(for: ["a", "b"], among: [], now: at(1000)) == Staging.Actions())
        #expect(staging.actions(for: ["a", "b"], among: [], now: at(1500)) == Staging.Actions(rejoin: ["a"]))
        #expect(staging.actions(for: ["a", "b"], among: [], now: at(1700)) == Staging.Actions())
        #expect(staging.actions(for: ["a", "b"], among: [], now: at(3000)) == Staging.Actions(rejoin: ["a"]))
    }
}
