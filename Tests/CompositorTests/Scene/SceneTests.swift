import Control
import Foundation
import Testing

@testable import Compositor

@Suite("Scene JSON")
struct SceneTests {
    static let full = """
        {"layout":"share-with-speakers","background":"image:brand","slots":{"content":"slides","speakers":["participant:ana","auto"]},
        "overlays":{"lowerThirds":[{"name":"Ana Díaz","title":"CTO","fromProgramTime":1000,"untilProgramTime":9000}],"ticker":{"text":"hello"},
        "logo":{"asset":"mark","corner":"topLeft"},"countdown":{"untilProgramTime":60000,"title":"Soon"},"comment":{"name":"Bo","text":"Nice"},
        "poll":{"question":"Which?","options":[{"text":"A","percent":40},{"text":"B"}]}},
        "slides":{"deck":"d1","page":3},"media":{"asset":"roll","state":"paused"},
        "audio":{"program":{"volume":0.5},"sources":{"participant:ana":{"muted":true}}}}
        """

    private func scene(_ json: String) throws -> Scene { try Scene(json: Data(json.utf8)) }

    @Test("everything in the contract is read, and written the same")
    func roundTrip() throws {
        let scene = try scene(Self.full)
        #expect(scene.slots["content"]?.sources == [.slides])
        #expect(scene.slots["speakers"]?.sources == [.participant("ana"), .auto])
        #expect(scene.slides == Slides(deck: "d1", page: 3) && scene.media?.state == .paused)
        #expect(scene.audio.program.gain == 0.5 && scene.audio.sources["participant:ana"]?.gain == 0)
        let written = try JSONEncoder().encode(scene)
        #expect(try Scene(json: written) == scene)
        let object = try #require(JSONSerialization.jsonObject(with: written) as? [String: Any])
        #expect((object["slots"] as? [String: Any])?["content"] as? String == "slides", "one source stays a string")
        #expect(object["background"] as? String == "image:brand")
        #expect(try self.scene(#"{"layout":"full"}"#) == Scene(layout: "full"))
    }

    @Test(
        "what is unknown or wrong is refused, with its place",
        arguments: [
            (#"{"layout":"full","colour":1}"#, "/colour", "unknown key \"colour\""),
            (#"{"background":"image:a"}"#, "/layout", "missing"),
            (#"{"layout":7}"#, "/layout", "expected a string"),
            (#"{"layout":"full","background":"red"}"#, "/background", "a background is"),
            (#"{"layout":"full","slots":{"main":"camera:7"}}"#, "/slots/main", "a source is"),
            (#"{"layout":"full","slots":{"main":["auto","participant:"]}}"#, "/slots/main/1", "a source is"),
            (#"{"layout":"full","slots":{"a/b":4}}"#, "/slots/a~1b", "expected"),
            (
                #"{"layout":"full","overlays":{"lowerThirds":[{"title":"x"}]}}"#, "/overlays/lowerThirds/0/name",
                "missing"
            ),
            (
                #"{"layout":"full","overlays":{"lowerThirds":[{"name":"x","size":3}]}}"#,
                "/overlays/lowerThirds/0/size", "unknown key"
            ),
            (#"{"layout":"full","slides":{"deck":"d","page":0}}"#, "/slides/page", "counted from 1"),
            (#"{"layout":"full","media":{"asset":"a","state":"spinning"}}"#, "/media/state", "playing"),
            (#"{"layout":"full","audio":{"program":{"volume":9}}}"#, "/audio/program/volume", "outside"),
            (#"{"layout":"full""#, "", "JSON"),
            (#"[1]"#, "", "expected"),
        ])
    func refused(json: String, pointer: String, reason: String) {
        let error = #expect(throws: SceneError.self) { try self.scene(json) }
        #expect(error?.pointer == pointer && error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("any garbling of a scene is read or refused, never a trap")
    func fuzz() throws {
        var random = SeededRandom(1)
        let bytes = Array(Self.full.utf8)
        for _ in 0..<2000 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<changed.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: changed[at] = UInt8.random(in: 0...255, using: &random)
                case 1: changed.remove(at: at)
                default: changed.insert(contentsOf: "9999999999999999999999".utf8, at: at)
                }
            }
            _ = try? Scene(json: Data(changed))
            _ = try? Layout(json: Data(changed))
        }
    }

    @Test("a countdown rounds seconds up and never runs below zero")
    func countdown() {
        let countdown = Countdown(untilProgramTime: 3_661_000)
        #expect(countdown.text(at: 0) == "1:01:01" && countdown.text(at: 3_600_001) == "1:01")
        #expect(countdown.text(at: 3_660_999) == "0:01" && countdown.text(at: 3_661_000) == "0:00")
        #expect(countdown.text(at: 9_000_000) == "0:00")
        #expect(Countdown(untilProgramTime: .min).text(at: .max).isEmpty == false)
    }
}
