// Lists of people told by their changes: whoever applies them has the list.

import Control
import Testing
import Web

@testable import Studio

@Suite("Rosters")
struct RosterTests {
    private func view(_ id: String, _ state: String = "connected", hidden: Bool = false) -> SpeakerView {
        SpeakerView(
            id: id, name: id, role: .speaker, tracks: [], connection: .init(state: state),
            hidden: hidden ? true : nil)
    }

    /// Applies changes as a page does.
    private func apply(_ parts: [RosterChange], to list: inout [SpeakerView]) {
        for part in parts {
            list.removeAll { part.left.contains($0.id) }
            for view in part.participants {
                list.removeAll { $0.id == view.id }
                list.append(view)
            }
        }
        list.sort { $0.id < $1.id }
    }

    @Test("changes name who has come, who is different and who is gone, and nobody else")
    func change() {
        let old = [view("b"), view("c"), view("d", "connecting"), view("f")]
        let new = [view("a"), view("b"), view("d"), view("e")]
        let change = RosterChange(from: old, to: new)
        #expect(change.participants == [view("a"), view("d"), view("e")])
        #expect(change.left == ["c", "f"])
        #expect(RosterChange(from: new, to: new).isEmpty && RosterChange(from: new, to: new).parts.isEmpty)
        #expect(RosterChange(from: [], to: new).participants == new)
        #expect(RosterChange(from: old, to: []).left == ["b", "c", "d", "f"])
    }

    @Test("whoever comes at any time and applies what follows has the list, in messages of at most a hundred")
    func random() {
        var random = UInt64(3)
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % bound
        }
        var roster = Roster([]), now: [String: SpeakerView] = [:]
        var pages: [(list: [SpeakerView], seesHidden: Bool)] = []
        for round in 0..<300 {
            for _ in 0..<next(round % 20 == 0 ? 500 : 6) {
                let id = "p\(next(600))"
                let isHidden = id.hasSuffix("7")
                now[id] = next(3) == 0 ? nil : view(id, next(2) == 0 ? "connecting" : "connected", hidden: isHidden)
            }
            let newest = now.values.sorted { $0.id < $1.id }
            if round % 10 == 0 {
                let seesHidden = next(2) == 0
                pages.append((roster.all(withHidden: seesHidden), seesHidden))
            }
            let (all, visible) = roster.change(to: newest)
            for parts in [all.parts, visible.parts] {
                #expect(parts.allSatisfy { $0.participants.count + $0.left.count <= RosterChange.limit && !$0.isEmpty })
            }
            for index in pages.indices {
                apply(pages[index].seesHidden ? all.parts : visible.parts, to: &pages[index].list)
                let seen = pages[index].seesHidden ? newest : newest.filter { $0.hidden == nil }
                #expect(pages[index].list == seen, "round \(round)")
            }
        }
    }
}
