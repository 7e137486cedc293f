// How a participant's connections are, for who looks after them.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import Web

struct ConnectionRoutes: Sendable {
    let speakers: SpeakerRooms

    /// A connection as the contract names its parts.
    struct View: Encodable {
        struct Path: Encodable {
            let transport: String, family: String, address: String, paths: Int, moves: Int
        }

        struct Layer: Encodable {
            let name: String?, active: Bool, width: Int?, height: Int?, bitrate: Int
        }

        struct Track: Encodable {
            let id: String, participant: String, codec: Codec, flowing: Bool, bitrate: Int, loss: Double
            let jitterMs: Double, nacks: UInt64, retransmissions: UInt64, keyframeRequests: UInt64, layer: Int?
            let limit: LineLimit?
            let layers: [Layer]?

            init(_ track: ConnectionReport.Track, isPublished: Bool) {
                (id, participant, codec) = (track.id, track.participant, track.codec)
                (flowing, bitrate, loss) = (track.isFlowing, track.bitrate, track.loss)
                (jitterMs, layer, limit) = (track.jitterMs, track.layer, track.limit)
                (nacks, retransmissions) = (track.nacks, track.retransmissions)
                keyframeRequests = track.keyframeRequests
                layers =
                    isPublished
                    ? track.layers.map {
                        Layer(
                            name: $0.name, active: $0.isActive, width: $0.width, height: $0.height,
                            bitrate: $0.bitrate)
                    } : nil
            }
        }

        let session: String, direction: String, state: String, path: Path?, protection: String?, rttMs: Int64?
        let bitrateIn: Int, bitrateOut: Int, capacity: Int?, loss: Double, tracks: [Track]

        init(_ report: ConnectionReport) {
            (session, direction, state) = (report.session, report.direction.rawValue, report.state.rawValue)
            path = report.path.map {
                Path(
                    transport: $0.transport, family: $0.family, address: $0.address, paths: $0.paths,
                    moves: $0.moves)
            }
            (protection, rttMs) = (report.protection, report.roundTripMs)
            (bitrateIn, bitrateOut, loss) = (report.bitrateIn, report.bitrateOut, report.loss)
            capacity = report.capacity
            tracks = report.tracks.map { Track($0, isPublished: report.direction == .publishes) }
        }
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/participants/{participant}/connection", .permission(.seeStudio)) {
            _, context in
            let reports = try await speakers.connections(
                of: try context.pathParameter("participant"), event: try context.requireEvent().id)
            return try .json(Page(items: reports.map { View($0) }, next: nil))
        }
    }
}
