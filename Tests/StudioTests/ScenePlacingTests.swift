import Control
import Foundation
import Testing
import Web

@testable import Studio

@Suite("Participants put into scenes")
struct ScenePlacingTests {
    @Test("an id that no scene can name is refused before it is stored in one")
    func id() throws {
        let slots = #"[{"id":"main","rect":[0,0,9,9]}]"#
        let layout = try Layout(json: Data(#"{"name":"one","slots":\#(slots)}"#.utf8))
        var scene = Scene(layout: "one")
        for id in ["a b", "a\u{7}", "", String(repeating: "a", count: 129)] {
            #expect(throws: Problem.self) { try scene.put(participant: id, into: "main", of: layout) }
        }
        #expect(scene == Scene(layout: "one"))
        try scene.put(participant: "a:b", into: "main", of: layout)
        #expect(scene.slots["main"]?.sources == [.participant("a:b")])
    }
}
