import Foundation
import HTTPTypes
import HummingbirdTesting
import Testing
import Web

@testable import Studio

@Suite("Presets by REST")
struct PresetRouteTests {
    @Test("are saved, listed by page, changed by version, and removed, in their own event")
    func saved() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e/presets"
            for name in ["opening", "break", "talk-2"] {
                let made = try await client.call(
                    .put, "\(path)/\(name)", admin, #"{"layout":"grid","overlays":{"ticker":{"text":"\#(name)"}}}"#)
                #expect(made.status == .created)
                #expect(made.object["layout"] as? String == "grid")
            }
            func names(_ response: TestResponse) -> [String] {
                (response.object["items"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
            }
            let first = try await client.call(.get, "\(path)?limit=2", admin)
            #expect(names(first) == ["break", "opening"] && first.object["next"] as? String == "opening")
            let rest = try await client.call(.get, "\(path)?limit=2&after=opening", admin)
            #expect(names(rest) == ["talk-2"] && rest.object["next"] as? String == nil)
            #expect(names(try await client.call(.get, "/v1/events/f/presets", admin)).isEmpty)
            let read = try await client.call(.get, "\(path)/opening", admin)
            let etag = try #require(read.headers[.eTag])
            let put = try await client.call(
                .put, "\(path)/opening", admin, #"{"layout":"full"}"#, headers: [.ifMatch: etag])
            #expect(put.status == .ok && put.headers[.eTag] != etag)
            for method in [HTTPRequest.Method.put, .delete] {
                let stale = try await client.call(
                    method, "\(path)/opening", admin, method == .put ? #"{"layout":"grid"}"# : nil,
                    headers: [.ifMatch: etag])
                #expect(stale.status == .preconditionFailed)
            }
            #expect(try await client.call(.delete, "\(path)/opening", admin).status == .noContent)
            #expect(try await client.call(.delete, "\(path)/opening", admin).status == .notFound)
            #expect(try await client.call(.get, "\(path)/opening", admin).status == .notFound)
        }
    }

    @Test("are recalled without what their roll was to go back to, when that was deleted, and say so")
    func withoutAfter() async throws {
        try await withEvent { client, admin, _ in
            let path = "/v1/events/e/presets", duo = "/v1/events/e/layouts/duo"
            let layout = #"{"name":"duo","slots":[{"id":"left","rect":[0,0,9,9]}]}"#
            _ = try await client.call(.put, duo, admin, layout)
            let after = ##"{"layout":"duo","slots":{"left":"auto"},"background":"#112233"}"##
            let media = #"{"asset":"countdown","state":"playing","after":\#(after)}"#
            let scene = #"{"layout":"full","slots":{"main":"media:countdown"},"media":\#(media)}"#
            #expect(try await client.call(.put, "\(path)/a", admin, scene).status == .created)
            let missing = try #require(HTTPField.Name("Missing-Parts"))
            func recalled() async throws -> (after: [String: Any]?, missing: String?) {
                let answer = try await client.call(.post, "\(path)/a/recall", admin, "")
                #expect(answer.status == .ok)
                let media = try #require(answer.object["media"] as? [String: Any])
                #expect(media["asset"] as? String == "countdown")
                return (media["after"] as? [String: Any], answer.headers[missing])
            }
            let whole = try await recalled()
            #expect(whole.after?["layout"] as? String == "duo" && whole.missing == nil)
            // The layout has other slots now.
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"full"}"#)
            let other = layout.replacing("left", with: "right")
            #expect(try await client.call(.put, duo, admin, other).status == .ok)
            let reshaped = try await recalled()
            #expect(reshaped.after?["background"] as? String == "#112233")
            #expect((reshaped.after?["slots"] as? [String: Any])?.isEmpty ?? true)
            #expect(reshaped.missing == "/media/after/slots")
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"full"}"#)
            #expect(try await client.call(.delete, duo, admin).status == .noContent)
            let gone = try await recalled()
            #expect(gone.after == nil && gone.missing == "/media/after")
            #expect(try await client.call(.get, "/v1/events/e/preview", admin).object["layout"] as? String == "full")
        }
    }

    @Test("are checked like scenes when they are saved, and again when they are recalled")
    func checked() async throws {
        try await withEvent { client, admin, fixture in
            let path = "/v1/events/e/presets"
            for (body, pointer) in [
                (#"{"layout":"nowhere"}"#, "/layout"),
                (#"{"layout":"full","slots":{"main":"image:none"}}"#, "/slots/main"),
                (#"{"layout":"full","colour":1}"#, "/colour"),
            ] {
                let wrong = try await client.call(.put, "\(path)/a", admin, body)
                #expect(wrong.status == .unprocessableContent && wrong.object["pointer"] as? String == pointer)
            }
            for name in ["A", "-a", "a%20b", String(repeating: "a", count: 65)] {
                let wrong = try await client.call(.put, "\(path)/\(name)", admin, #"{"layout":"full"}"#)
                #expect(wrong.status == .unprocessableContent, "\(name)")
            }
            let layout = #"{"name":"duo","slots":[{"id":"left","rect":[0,0,9,9]}]}"#
            _ = try await client.call(.put, "/v1/events/e/layouts/duo", admin, layout)
            _ = try await client.call(.put, "\(path)/a", admin, #"{"layout":"duo","slots":{"left":"auto"}}"#)
            let preview = "/v1/events/e/preview"
            let before = try #require(try await client.call(.get, preview, admin).headers[.eTag])
            let recalled = try await client.call(.post, "\(path)/a/recall", admin, "", headers: [.ifMatch: before])
            #expect(recalled.status == .ok && recalled.object["layout"] as? String == "duo")
            let now = try await client.call(.get, preview, admin)
            #expect(now.object["layout"] as? String == "duo" && now.headers[.eTag] == recalled.headers[.eTag])
            let stale = try await client.call(.post, "\(path)/a/recall", admin, "", headers: [.ifMatch: before])
            #expect(stale.status == .preconditionFailed)
            _ = try await client.call(.put, preview, admin, #"{"layout":"full"}"#)
            // A preset keeps nothing alive.
            #expect(try await client.call(.delete, "/v1/events/e/layouts/duo", admin).status == .noContent)
            let gone = try await client.call(.post, "\(path)/a/recall", admin, "")
            #expect(gone.status == .unprocessableContent && gone.object["pointer"] as? String == "/layout")
            #expect(try await client.call(.get, preview, admin).object["layout"] as? String == "full")
            #expect(try await client.call(.post, "\(path)/none/recall", admin, "").status == .notFound)
            #expect(fixture.control.changes.isEmpty, "the program is not touched")
        }
    }
}
