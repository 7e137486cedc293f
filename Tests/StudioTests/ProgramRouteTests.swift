import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import NIOCore
import Synchronization
import Testing
import Web

@testable import Studio

@Suite("Program and preview by REST")
struct ProgramRouteTests {
    @Test("start with a built-in layout, are replaced, and say from when on it is seen")
    func put() async throws {
        try await withEvent { client, admin, fixture in
            let first = try await client.call(.get, "/v1/events/e/program", admin)
            #expect(first.object["layout"] as? String == "full")
            #expect(first.object["programTime"] == nil)
            let put = try await client.call(
                .put, "/v1/events/e/program", admin, ##"{"layout":"grid","background":"#102030"}"##)
            #expect(put.status == .ok)
            #expect(put.object["layout"] as? String == "grid")
            #expect(put.object["programTime"] as? Int == 1002)
            #expect(put.object["ready"] as? Bool == true)
            let change = try #require(fixture.control.changes.last)
            #expect(change.scene.layout == "grid" && change.version == 2)
            #expect(change.transition == .init(kind: .cut, milliseconds: 0))
            let now = try await client.call(.get, "/v1/events/e/program", admin)
            #expect(now.headers[.eTag] == put.headers[.eTag])
            #expect(now.headers[.eTag] != first.headers[.eTag])
        }
    }

    @Test("are kept while no compositor runs or it does not answer: programTime null, ready false")
    func noCompositor() async throws {
        try await withEvent(control: FakeProgram(isThere: false)) { client, admin, fixture in
            for failure in [nil, Problem.overloaded("A worker does not answer.", retryAfterMs: 2000)] {
                fixture.control.state.withLock { $0.failure = failure }
                let put = try await client.call(.put, "/v1/events/e/program", admin, #"{"layout":"grid"}"#)
                #expect(put.status == .ok)
                #expect(put.object["programTime"] is NSNull)
                #expect(put.object["ready"] as? Bool == false)
                let kept = try await client.call(.get, "/v1/events/e/program", admin)
                #expect(kept.object["layout"] as? String == "grid")
            }
        }
    }

    @Test(
        "refuse what does not fit, and say where",
        arguments: [
            (#"{"layuot":"grid"}"#, "/layuot"), (#"{}"#, "/layout"), (#"{"layout":"nowhere"}"#, "/layout"),
            (#"{"layout":"full","slots":{"left":"auto"}}"#, "/slots/left"),
            (#"{"layout":"full","slots":{"main":"somebody"}}"#, "/slots/main"),
            (#"{"layout":"full","slots":{"main":"image:none"}}"#, "/slots/main"),
            (#"{"layout":"full","slots":{"main":["auto","image:none"]}}"#, "/slots/main/1"),
            (#"{"layout":"full","slots":{"main":"media:none"}}"#, "/slots/main"),
            (#"{"layout":"full","background":"image:none"}"#, "/background"),
            (#"{"layout":"full","overlays":{"logo":{"asset":"none"}}}"#, "/overlays/logo/asset"),
            (#"{"layout":"full","slides":{"deck":"none","page":1}}"#, "/slides/deck"),
            (#"{"layout":"full","media":{"asset":"none","state":"playing"}}"#, "/media/asset"),
            (#"{"layout":"full","audio":{"program":{"volume":9}}}"#, "/audio/program/volume"),
        ])
    func refuse(body: String, pointer: String) async throws {
        try await withEvent { client, admin, fixture in
            for place in ["program", "preview"] {
                let response = try await client.call(.put, "/v1/events/e/\(place)", admin, body)
                #expect(response.status == .unprocessableContent)
                #expect(response.object["pointer"] as? String == pointer)
            }
            #expect(fixture.control.changes.isEmpty)
            #expect(try await client.call(.put, "/v1/events/e/program", admin, "{").status == .badRequest)
        }
    }

    @Test("are changed by merge patch: objects merge, null removes, lists are replaced")
    func patch() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e/preview"
            _ = try await client.call(
                .put, path, admin,
                #"{"layout":"full","overlays":{"ticker":{"text":"a"},"lowerThirds":[{"name":"x"},{"name":"y"}]}}"#)
            let patched = try await client.call(
                .patch, path, admin,
                #"{"overlays":{"ticker":null,"lowerThirds":[{"name":"z"}]},"slots":{"main":"auto"}}"#)
            #expect(patched.status == .ok)
            let overlays = try #require(patched.object["overlays"] as? [String: Any])
            #expect(overlays["ticker"] == nil)
            #expect((overlays["lowerThirds"] as? [[String: Any]])?.map { $0["name"] as? String } == ["z"])
            #expect((patched.object["slots"] as? [String: Any])?["main"] as? String == "auto")
            #expect(patched.object["layout"] as? String == "full")
            let wrong = try await client.call(.patch, path, admin, #"{"overlays":{"tikcer":null,"gong":{}}}"#)
            #expect(wrong.status == .unprocessableContent)
            #expect(wrong.object["pointer"] as? String == "/overlays/gong")
            let removed = try await client.call(.patch, path, admin, #"{"layout":null}"#)
            #expect(removed.object["pointer"] as? String == "/layout")
        }
    }

    @Test("RFC 7396's examples come out as the RFC says")
    func mergePatchExamples() throws {
        func value(_ text: String) throws -> JSONValue {
            try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        }
        for (target, patch, result) in [
            (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
            (#"{"a":"b"}"#, #"{"a":null}"#, "{}"), (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
            (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
            (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
            (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#), (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
            (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#), (#"{"a":"foo"}"#, "null", "null"),
            (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#), ("[1,2]", #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
            ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
        ] {
            #expect(try value(target).merged(with: value(patch)) == value(result), "\(target) + \(patch)")
        }
    }

    @Test("honour If-Match, each with a version of its own")
    func preconditions() async throws {
        try await withEvent { client, admin, fixture in
            for place in ["program", "preview"] {
                let path = "/v1/events/e/\(place)"
                let etag = try #require(try await client.call(.get, path, admin).headers[.eTag])
                let good = try await client.call(
                    .patch, path, admin, #"{"layout":"grid"}"#, headers: [.ifMatch: etag])
                #expect(good.status == .ok)
                let stale = try await client.call(
                    .put, path, admin, #"{"layout":"full"}"#, headers: [.ifMatch: etag])
                #expect(stale.status == .preconditionFailed)
                #expect(try await client.call(.get, path, admin).object["layout"] as? String == "grid")
            }
            #expect(fixture.control.changes.count == 1)
        }
    }

    @Test("of producers who change the same version at once, one succeeds and the others hear of it")
    func several() async throws {
        try await withEvent { client, admin, fixture in
            for place in ["program", "preview"] {
                let path = "/v1/events/e/\(place)"
                let etag = try #require(try await client.call(.get, path, admin).headers[.eTag])
                let answers = try await withThrowingTaskGroup(of: (Int, HTTPResponse.Status).self) { group in
                    for number in 0..<12 {
                        group.addTask {
                            let body = #"{"layout":"grid","overlays":{"ticker":{"text":"\#(number)"}}}"#
                            let answer = try await client.call(.put, path, admin, body, headers: [.ifMatch: etag])
                            return (number, answer.status)
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                let winners = answers.filter { $0.1 == .ok }.map(\.0)
                #expect(winners.count == 1 && answers.allSatisfy { [.ok, .preconditionFailed].contains($0.1) })
                let now = try await client.call(.get, path, admin)
                let ticker = (now.object["overlays"] as? [String: Any])?["ticker"] as? [String: Any]
                #expect(ticker?["text"] as? String == winners.first.map(String.init))
            }
            #expect(fixture.control.changes.count == 1)
            // A take names the version of the preview that it means.
            let seen = try #require(try await client.call(.get, "/v1/events/e/preview", admin).headers[.eTag])
            _ = try await client.call(.patch, "/v1/events/e/preview", admin, #"{"layout":"full"}"#)
            for body in ["{}", #"{"at":\#(SystemClock.wallMilliseconds() + 60_000)}"#] {
                let stale = try await client.call(.post, "/v1/events/e/take", admin, body, headers: [.ifMatch: seen])
                #expect(stale.status == .preconditionFailed)
            }
        }
    }

    @Test("a take makes the preview the program, with its transition and moment")
    func take() async throws {
        try await withEvent { client, admin, fixture in
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"grid"}"#)
            let taken = try await client.call(
                .post, "/v1/events/e/take", admin, #"{"transition":"fade","durationMs":700}"#)
            #expect(taken.status == .ok)
            #expect(taken.object["layout"] as? String == "grid")
            #expect(taken.object["ready"] as? Bool == true)
            let change = try #require(fixture.control.changes.last)
            #expect(change.transition == .init(kind: .fade, milliseconds: 700))
            let own = try await client.call(.post, "/v1/events/e/take", admin, "{}")
            #expect(own.status == .ok)
            #expect(
                fixture.control.changes.last?.transition == .init(kind: .move, milliseconds: 300), "the layout's own")
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"full"}"#)
            _ = try await client.call(.post, "/v1/events/e/take", admin, "{}")
            #expect(fixture.control.changes.last?.transition == .init(kind: .cut, milliseconds: 0))
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"grid"}"#)
            _ = try await client.call(.post, "/v1/events/e/take", admin, #"{"at":1}"#)
            let program = try await client.call(.get, "/v1/events/e/program", admin)
            #expect(program.object["layout"] as? String == "grid")
        }
    }

    @Test(
        "a take refuses what it can't do",
        arguments: [
            (#"{"transition":"spin"}"#, "/transition"), (#"{"transition":"fade","durationMs":5001}"#, "/durationMs"),
            (#"{"transition":"fade","durationMs":-1}"#, "/durationMs"), (#"{"at":-1}"#, "/at"),
            (#"{"at":99999999999999}"#, "/at"), (#"{"duration":1}"#, "/duration"), (#"{"keeps":"music"}"#, "/keeps"),
            (#"{"keeps":["music","sound"]}"#, "/keeps/1"), (#"{"keeps":[1]}"#, "/keeps/0"),
        ])
    func refuseTake(body: String, pointer: String) async throws {
        try await withEvent { client, admin, fixture in
            let response = try await client.call(.post, "/v1/events/e/take", admin, body)
            #expect(response.status == .unprocessableContent)
            #expect(response.object["pointer"] as? String == pointer)
            #expect(fixture.control.changes.isEmpty)
        }
    }

    @Test("a take may be any of the contract's transitions", arguments: ["cut", "fade", "move", "dip", "wipe"])
    func transitions(name: String) async throws {
        try await withEvent { client, admin, fixture in
            let response = try await client.call(
                .post, "/v1/events/e/take", admin, #"{"transition":"\#(name)","durationMs":300}"#)
            #expect(response.status == .ok)
            let transition = try #require(fixture.control.changes.last?.transition)
            #expect(transition.kind.rawValue == name && transition.milliseconds == (name == "cut" ? 0 : 300))
        }
    }

    @Test("slides are turned by producers, and by speakers whose token says so")
    func slides() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload(
                "/v1/events/e/decks", admin, FakeDecoder.deck(pages: 3), type: "application/pdf")
            let deck = try #require(made.object["id"] as? String)
            let speaker = try await fixture.token(.speaker, event: "e", can: ["slides"])
            let other = try await fixture.token(.speaker, event: "e", can: [])
            let turn = #"{"deck":"\#(deck)","page":3}"#
            #expect(try await client.call(.get, "/v1/events/e/slides", speaker).object.isEmpty)
            #expect(try await client.call(.put, "/v1/events/e/slides", other, turn).status == .forbidden)
            let turned = try await client.call(.put, "/v1/events/e/slides", speaker, turn)
            #expect(turned.status == .ok)
            #expect(turned.object["page"] as? Int == 3)
            #expect(turned.object["ready"] as? Bool == true)
            #expect(fixture.control.changes.last?.scene.slides == Slides(deck: deck, page: 3))
            let now = try await client.call(.get, "/v1/events/e/slides", speaker)
            #expect(now.object["deck"] as? String == deck)
            #expect(now.object["page"] as? Int == 3)
            #expect(now.object["pages"] as? Int == 3)
            #expect(try await client.call(.get, "/v1/events/e/slides", other).status == .forbidden)
            for (body, pointer) in [
                (#"{"deck":"\#(deck)","page":4}"#, "/page"), (#"{"deck":"\#(deck)","page":0}"#, "/page"),
                (#"{"deck":"none","page":1}"#, "/deck"),
            ] {
                let wrong = try await client.call(.put, "/v1/events/e/slides", speaker, body)
                #expect(wrong.status == .unprocessableContent)
                #expect(wrong.object["pointer"] as? String == pointer)
            }
        }
    }

    @Test("a still that many ask for is drawn once, and none is there while no program runs")
    func stills() async throws {
        try await withEvent { client, admin, fixture in
            let viewer = try await fixture.token(.viewer, event: "e")
            #expect(try await client.call(.get, "/v1/events/e/program.jpg", viewer).status == .notFound)
            try await fixture.startProgram("e")
            let answers = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await client.call(.get, "/v1/events/e/program.jpg", viewer) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0.status == .ok && $0.headers[.contentType] == "image/jpeg" })
            #expect(String(buffer: answers[0].body).hasPrefix("JPEG"))
            #expect(fixture.control.stills.count < 5)
            #expect(try await client.call(.get, "/v1/events/e/preview.jpg", viewer).status == .forbidden)
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"grid"}"#)
            #expect(try await client.call(.get, "/v1/events/e/preview.jpg", admin).status == .ok)
            #expect(fixture.control.stills.last??.layout == "grid")
            fixture.control.state.withLock { $0.isThere = false }
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"full"}"#)
            let gone = try await client.call(.get, "/v1/events/e/preview.jpg", admin)
            #expect(gone.status == .serviceUnavailable)
        }
    }

    @Test("the picture is read in numbers, and areas that are none are refused")
    func meter() async throws {
        try await withEvent { client, admin, fixture in
            let path = "/v1/events/e/program/meter"
            #expect(try await client.call(.get, path, admin).status == .notFound)
            try await fixture.startProgram("e")
            let speaker = try await fixture.token(.speaker, event: "e")
            #expect(try await client.call(.get, path, speaker).status == .forbidden)
            let whole = try await client.call(.get, path, admin)
            #expect(whole.status == .ok && whole.object["width"] as? Int == 1920)
            #expect((whole.object["areas"] as? [Any])?.count == 1)
            let two = try await client.call(.get, path + "?area=2,4,6,8&area=4000,0,2,2", admin)
            let areas = try #require(two.object["areas"] as? [[String: Any]])
            #expect(areas.count == 2)
            #expect(areas[0]["height"] as? Int == 8 && areas[0]["cr"] as? Double == 128.5)
            #expect(areas[1]["x"] as? Int == 4000 && areas[1]["luma"] == nil)
            for wrong in ["", "1,2,3", "1,2,3,4,5", "1,2,3,0", "-1,2,3,4", "a,b,c,d", "0,0,99999,1"] {
                #expect(try await client.call(.get, path + "?area=" + wrong, admin).status == .unprocessableContent)
            }
            let many = (0..<65).map { "area=\($0),0,1,1" }.joined(separator: "&")
            #expect(try await client.call(.get, path + "?" + many, admin).status == .unprocessableContent)
            // One whole picture of 4K, four of 1080p, or sixty-four patches: no more pixels than that.
            let fits = ["0,0,16384,16384"] + [Array(repeating: "0,0,1920,1080", count: 4).joined(separator: "&area=")]
            for area in fits { #expect(try await client.call(.get, path + "?area=" + area, admin).status == .ok) }
            for area in ["0,0,16384,16384&area=0,0,1,1", fits[1] + "&area=0,0,2,2"] {
                let much = try await client.call(.get, path + "?area=" + area, admin)
                #expect(much.status == .unprocessableContent && much.object["pointer"] as? String == "/area")
            }
            fixture.control.state.withLock { $0.isThere = false }
            #expect(try await client.call(.get, path, admin).status == .serviceUnavailable)
        }
    }

    @Test("levels and loudness are read while the program runs, by who may see the studio")
    func sound() async throws {
        try await withEvent { client, admin, fixture in
            let path = "/v1/events/e/program/sound"
            #expect(try await client.call(.get, path, admin).status == .notFound)
            try await fixture.startProgram("e")
            let speaker = try await fixture.token(.speaker, event: "e")
            #expect(try await client.call(.get, path, speaker).status == .forbidden)
            let answer = try await client.call(.get, path, admin)
            #expect(answer.status == .ok)
            let source = try #require((answer.object["sources"] as? [[String: Any]])?.first)
            #expect(source["source"] as? String == "participant:ada" && source["speaking"] as? Bool == true)
            #expect(source["rmsDb"] as? Double == -23.5 && source["peakDb"] as? Double == -20)
            let loudness = try #require(answer.object["loudness"] as? [String: Any])
            #expect(loudness["momentaryLufs"] as? Double == -20 && loudness["truePeakDb"] as? Double == -18)
            #expect(answer.object["duckingDb"] as? Double == -12)
            fixture.control.state.withLock { $0.isThere = false }
            #expect(try await client.call(.get, path, admin).status == .serviceUnavailable)
        }
    }

    @Test("the cache of stills asks again after half a second, and not before")
    func cache() async throws {
        let clock = ManualClock(), cache = StillCache { clock.now }
        let count = ManualClock()
        func still() async throws -> Int {
            let data = try await cache.still("k") {
                count.advance(1)
                return Data("x".utf8)
            }
            #expect(data.count == 1)
            return Int(count.now.nanoseconds)
        }
        #expect(try await still() == 1)
        clock.advance(499_000_000)
        #expect(try await still() == 1)
        clock.advance(1_000_000)
        #expect(try await still() == 2)
        await #expect(throws: Problem.self) { _ = try await cache.still("f") { throw Problem.notFound("x") } }
    }
}
