// JSON: what pages send by their sockets, and what workers and Studio say to each other.

import Control
import Foundation
import Media
import Web

extension FuzzTarget {
    /// A request in the shape of the pages' signalling, with every kind of value that our decoder reads.
    private struct Signal: Codable, Equatable {
        struct Publish: Codable, Equatable {
            let offer: String, sources: [String: TrackSource]?
        }
        let id: Int64
        let publish: Publish?, subscribe: Bool?, layers: [String: LayerSize]?, sizes: [UInt8]?, volume: Double?
        let any: JSONValue?, size: Float?
    }

    private static let worker: [WorkerMessage] = [
        .register(
            .init(
                id: "sfu-1", role: .sfu, place: "here", capacity: 1, addresses: ["media": "192.0.2.1:7882"],
                version: "1")),
        .heartbeat(load: 0.25, counters: ["proscenium_sfu_rooms": 3]),
        .report(.sfu(.offer(session: "s", offer: "v=0\r\n"))),
        .reply(id: 7, .refused(SFUError(.full, "too much"))),
    ]
    private static let studio: [StudioMessage] = [
        .command(
            id: 5,
            .sfu(
                .publish(
                    room: "r", participant: "p", session: "s", offer: "v=0", sources: ["0": .screenAudio],
                    audiences: ["0": .only(["a", "b"]), "1": .everybody]))),
        .command(id: 6, .sfu(.setSizes(session: "s", sizes: ["t": LayerSize(width: 5, height: 9)]))),
    ]
    private static let pages = [
        #"{"id":1,"publish":{"offer":"v=0","sources":{"0":"camera"}}}"#,
        #"{"id":2,"layers":{"camera.x.0":{"width":640,"height":360}},"sizes":[1,2],"volume":0.5,"any":[null,{"a":1e3}]}"#,
        #"{"id":3,"subscribe":true,"size":1,"unknown":{"~/":[]}}"#,
    ]

    static let control = FuzzTarget("control") {
        let encoder = JSON.encoder
        let written = worker.compactMap { try? encoder.encode($0) } + studio.compactMap { try? encoder.encode($0) }
        return written.map { Array($0) } + pages.map { Array($0.utf8) }
    } run: { bytes in
        let data = Data(bytes)
        again(WorkerMessage.self, data)
        again(StudioMessage.self, data)
        do throws(Problem) {
            let signal = try JSON.decodeStrictly(Signal.self, from: data)
            // What our decoder takes, any other one takes and reads alike.
            let other = try? JSONDecoder().decode(Signal.self, from: data)
            never(other != signal, "read otherwise than others do")
        } catch {
            never(error.type.isEmpty, "a refusal without its kind")
        }
    }

    /// What is understood once can be said, and is understood the same way.
    private static func again<Message: Codable & Equatable>(_ type: Message.Type, _ data: Data) {
        guard let message = try? JSONDecoder().decode(type, from: data) else { return }
        guard let written = try? JSON.encoder.encode(message) else { return never(true, "what is read can't be said") }
        never((try? JSONDecoder().decode(type, from: written)) != message, "what is said is read otherwise")
    }
}
