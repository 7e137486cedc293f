// AMF0: bytes of every kind, and bounds.

import Testing

@testable import RTMP

@Suite("AMF0")
struct AMF0Tests {
    @Test(
        "reads every kind of value",
        arguments: [
            ([0x00, 0x40, 0x59, 0, 0, 0, 0, 0, 0], .number(100)), ([0x01, 1], .boolean(true)),
            ([0x02, 0, 2, 0x68, 0x69], .string("hi")), ([0x05], .null), ([0x06], .undefined),
            ([0x03, 0, 1, 0x61, 0x05, 0, 0, 9], .object([AMF0Property("a", .null)])),
            (
                [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1, 0x61, 1, 0, 0, 0, 9],
                .ecmaArray([AMF0Property("a", .boolean(false))])
            ),
            ([0x0A, 0, 0, 0, 2, 0x05, 0x06], .strictArray([.null, .undefined])),
            ([0x0B, 0x40, 0x59, 0, 0, 0, 0, 0, 0, 0, 0], .date(100)), ([0x0C, 0, 0, 0, 1, 0x7A], .string("z")),
            ([0x10, 0, 1, 0x43, 0, 0, 9], .object([])),
        ] as [([UInt8], AMF0Value)])
    func reads(bytes: [UInt8], value: AMF0Value) throws {
        #expect(try AMF0Reader.values(bytes) == [value])
    }

    @Test("writes what it reads")
    func roundTrip() throws {
        let value: AMF0Value = .object([
            AMF0Property("n", .number(-1.5)), AMF0Property("s", .string("wörld")),
            AMF0Property("a", .ecmaArray([AMF0Property("b", .boolean(true))])),
            AMF0Property("l", .strictArray([.null, .undefined, .date(3)])),
            AMF0Property("long", .string(String(repeating: "x", count: 65_535))),
        ])
        var bytes: [UInt8] = []
        AMF0Writer.write(value, into: &bytes)
        #expect(try AMF0Reader.values(bytes) == [value])
    }

    @Test("every truncation is an error, never a trap")
    func truncation() throws {
        var bytes: [UInt8] = []
        AMF0Writer.write(
            .object([AMF0Property("a", .strictArray([.number(1), .string("x"), .date(1)]))]), into: &bytes)
        for length in 1..<bytes.count {
            #expect(throws: AMF0Error.truncated) { try AMF0Reader.values(Array(bytes.prefix(length))) }
        }
    }

    @Test("refuses nesting deeper than 16")
    func depth() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array(repeating: [0x0A, 0, 0, 0, 1] as [UInt8], count: depth).joined() + [0x05]
        }
        #expect(try AMF0Reader.values(nested(16)).count == 1)
        #expect(throws: AMF0Error.tooDeep) { try AMF0Reader.values(nested(17)) }
    }

    @Test("refuses too many properties, values and too long strings")
    func sizes() throws {
        let property: [UInt8] = [0, 1, 0x61, 0x05]
        let many: [UInt8] = [0x03] + Array(repeating: property, count: 257).joined() + [0, 0, 9]
        #expect(throws: AMF0Error.tooManyValues) { try AMF0Reader.values(many) }
        #expect(throws: AMF0Error.tooManyValues) { try AMF0Reader.values([UInt8](repeating: 5, count: 2049)) }
        #expect(throws: AMF0Error.stringTooLong) {
            try AMF0Reader.values([0x0C, 0, 1, 0, 0] + [UInt8](repeating: 0x61, count: 65_536))
        }
        #expect(throws: AMF0Error.truncated) { try AMF0Reader.values([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 5]) }
        #expect(throws: AMF0Error.unsupportedMarker(0x11)) { try AMF0Reader.values([0x11]) }
    }

    @Test(
        "finds app and key in the forms that encoders send",
        arguments: [
            ("live", "key", "live", "key"), ("live/", "key?user=a&pass=b", "live", "key"),
            ("/live", " key  ", "live", "key"),
            ("live/key", "", "live", "key"), ("live?key=abc", "", "live", "abc"), ("live", "folder/key", "live", "key"),
            ("live?x=1", "key", "live", "key"), ("live", "", "live", ""), ("", "", "", ""), ("?key=", "///?", "", ""),
        ])
    func addresses(app: String, name: String, expectedApp: String, key: String) {
        let request = RTMPStreamRequest(purpose: .publish, app: app, name: name)
        #expect(request.app == expectedApp)
        #expect(request.streamName == key)
        #expect(!"\(request)".contains("key"))
    }
}
