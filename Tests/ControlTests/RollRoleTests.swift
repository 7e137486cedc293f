import Control
import Foundation
import Testing

@Suite("What a video roll is in the course of the event")
struct RollRoleTests {
    private func read(_ json: String) throws -> MediaRoll {
        try JSONDecoder().decode(MediaRoll.self, from: Data(json.utf8))
    }

    @Test(
        "after a closing film its last picture stays, after any other the scene comes back, unless somebody says otherwise"
    )
    func whatComesAfter() throws {
        #expect(try read(#"{"asset": "a", "state": "playing"}"#).then == .returnToScene)
        #expect(try read(#"{"asset": "a", "state": "playing", "role": "preRoll"}"#).then == .returnToScene)
        #expect(try read(#"{"asset": "a", "state": "playing", "role": "postRoll"}"#).then == .hold)
        let said = try read(#"{"asset": "a", "state": "playing", "role": "postRoll", "then": "returnToScene"}"#)
        #expect(said.then == .returnToScene)
        var roll = MediaRoll(asset: "a", state: .playing)
        roll.become(.postRoll)
        #expect(roll.then == .hold && roll.role == .postRoll)
        roll.become(.roll)
        #expect(roll.then == .returnToScene)
        roll.then = .next
        roll.become(.postRoll)
        #expect(roll.then == .next)
    }

    @Test("before and after the event an exclusive roll is alone while it stands, too; among the others while it plays")
    func alone() {
        func isAlone(_ state: MediaRoll.State, _ role: MediaRoll.Role?, _ audio: MediaRoll.Audio = .exclusive) -> Bool {
            MediaRoll(asset: "a", state: state, role: role, audio: audio).isAlone
        }
        for role in [nil] + MediaRoll.Role.allCases {
            #expect(isAlone(.playing, role) && !isAlone(.stopped, role))
            #expect(isAlone(.paused, role) == (role == .preRoll || role == .postRoll))
            for state in MediaRoll.State.allCases {
                #expect(!isAlone(state, role, .duck) && !isAlone(state, role, .mix))
            }
        }
    }
}
