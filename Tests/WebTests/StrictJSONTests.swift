import Foundation
import HTTPTypes
import Testing
import Web

@Suite("Strict JSON")
struct StrictJSONTests {
    struct Inner: Decodable, Equatable { let count: Int }
    struct Body: Decodable, Equatable {
        let title: String
        let startsAt: Date?
        let inner: Inner?
        let list: [Inner]?
    }

    private func problem(_ text: String) -> Problem? {
        do throws(Problem) {
            _ = try JSON.decodeStrictly(Body.self, from: Data(text.utf8))
            return nil
        } catch { return error }
    }

    @Test("reads what it knows")
    func reads() throws {
        let text = #"{"title":"x","startsAt":"2026-11-21T10:00:00.250Z","inner":{"count":2},"list":[{"count":3}]}"#
        let body = try JSON.decodeStrictly(Body.self, from: Data(text.utf8))
        #expect(body.inner == Inner(count: 2))
        #expect(body.list == [Inner(count: 3)])
        #expect(abs((body.startsAt?.timeIntervalSince1970 ?? 0) - 1_795_255_200.25) < 0.001)
    }

    @Test(
        "names the unknown key",
        arguments: [
            (#"{"title":"x","titel":1}"#, "/titel"), (#"{"title":"x","inner":{"count":1,"a/b":2}}"#, "/inner/a~1b"),
            (#"{"title":"x","list":[{"count":1},{"count":1,"more":0}]}"#, "/list/1/more"),
        ])
    func unknownKey(text: String, pointer: String) {
        #expect(problem(text)?.status == .unprocessableContent)
        #expect(problem(text)?.pointer == pointer)
    }

    @Test(
        "points at what does not fit",
        arguments: [
            (#"{"title":7}"#, "/title"), (#"{}"#, "/title"), (#"{"title":"x","inner":{"count":"1"}}"#, "/inner/count"),
            (#"{"title":"x","inner":{"count":1.5}}"#, "/inner/count"),
            (#"{"title":"x","startsAt":"soon"}"#, "/startsAt"),
            (#"{"title":"x","inner":{"count":99999999999999999999}}"#, "/inner/count"),
        ])
    func mismatch(text: String, pointer: String) {
        #expect(problem(text)?.status == .unprocessableContent)
        #expect(problem(text)?.pointer == pointer)
    }

    @Test("refuses what is no JSON", arguments: ["", "{", "[1,2", "\u{0}", #"{"title":"x"}}"#])
    func malformed(text: String) {
        #expect(problem(text)?.status == .badRequest)
    }

    @Test("refuses a number that is too large for what reads it, and makes no infinity of it")
    func tooLarge() throws {
        struct Level: Decodable { let level: Float }
        #expect(try JSON.decodeStrictly(Level.self, from: Data(#"{"level":1e38}"#.utf8)).level == 1e38)
        for text in [#"{"level":1e39}"#, #"{"level":-33333333333333333333333333333333333333333.5}"#] {
            do throws(Problem) {
                let level = try JSON.decodeStrictly(Level.self, from: Data(text.utf8)).level
                Issue.record("read as \(level)")
            } catch {
                #expect(error.status == .unprocessableContent && error.pointer == "/level")
            }
        }
    }

    @Test("survives hostile nesting and mutations")
    func hostile() {
        #expect(problem(String(repeating: "[", count: 100_000)) != nil)
        var generator = SplitMix(state: 7)
        let seed = Array(#"{"title":"x","inner":{"count":2},"list":[{"count":3}]}"#.utf8)
        var refused = 0
        for _ in 0..<2000 {
            var bytes = seed
            for _ in 0..<3 {
                bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: generator.next())
            }
            do throws(Problem) {
                _ = try JSON.decodeStrictly(Body.self, from: Data(bytes))
            } catch {
                refused += 1
                #expect([400, 422].contains(error.status.code))
            }
        }
        #expect(refused > 1000)
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
