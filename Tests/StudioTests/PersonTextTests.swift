import Testing
import Web

@testable import Studio

@Suite("Names and titles of people")
struct PersonTextTests {
    @Test("are counted in characters and in bytes")
    func bounds() throws {
        try PersonText.check(String(repeating: "\u{1F600}", count: 100), "A name", least: 1, pointer: "/name")
        try PersonText.check("", "A title", least: 0, pointer: "/title")
        // One character for those who count characters.
        let tower = "e" + String(repeating: "\u{301}", count: 400)
        #expect(tower.count == 1)
        for text in ["", String(repeating: "a", count: 101), tower, "a\u{0}b", "a\nb"] {
            #expect(throws: Problem.self) { try PersonText.check(text, "A name", least: 1, pointer: "/name") }
        }
    }
}
