// Further RTMP destinations of a program: made, listed with their states, removed; a key goes in and never out.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import NIOPosix
internal import Web

struct OutputRoutes: Sendable {
    let outputs: OutputStore
    let compositors: CompositorConductor
    /// Whether destinations may be in private networks and on this machine.
    let allowsPrivate: Bool

    struct Creation: Decodable {
        let url: String, key: String, name: String?
    }

    struct View: Encodable {
        let id: String, name: String?, url: String
        /// `idle` while no compositor runs.
        let state: String
        let reason: String?
        let changedAt: Date?
        let bytesSent: UInt64, bitrate: Int64, droppedFrames: UInt64, connections: UInt64

        init(_ output: OutputRecord, _ state: OutputState?) {
            id = output.id
            name = output.name
            url = output.url
            self.state = state?.phase.rawValue ?? "idle"
            reason = state?.reason
            changedAt = state.map { Date(timeIntervalSince1970: Double($0.sinceMs) / 1000) }
            bytesSent = state?.bytesSent ?? 0
            bitrate = state?.bitrate ?? 0
            droppedFrames = state?.droppedFrames ?? 0
            connections = state?.connections ?? 0
        }
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/outputs", .permission(.changeEvents)) { _, context in
            let event = try context.requireEvent().id
            let states = await compositors.outputStates(of: event)
            return try .json(
                Page(items: try await outputs.list(event: event).map { View($0, states[$0.id]) }, next: nil))
        }
        book.add(.post, "/v1/events/{event}/outputs", .permission(.changeEvents)) { request, context in
            let event = try context.requireEvent()
            let body = try await request.json(Creation.self, context)
            let url = try await check(body.url)
            let output = OutputRecord(id: RandomToken.id(), name: try Self.checkName(body.name), url: url)
            try await outputs.add(output, key: try Self.checkKey(body.key), event: event)
            await compositors.connectionsChanged(event.id)
            return try .json(
                View(output, nil), status: .created,
                headers: [.location: "/v1/events/\(event.id)/outputs/\(output.id)"])
        }
        book.add(.get, "/v1/events/{event}/outputs/{output}", .permission(.changeEvents)) { _, context in
            let event = try context.requireEvent().id, id = try context.pathParameter("output")
            guard let output = try await outputs.list(event: event).first(where: { $0.id == id }) else {
                throw Problem.notFound("There is no such output.")
            }
            return try .json(View(output, await compositors.outputStates(of: event)[id]))
        }
        book.add(.delete, "/v1/events/{event}/outputs/{output}", .permission(.changeEvents)) { _, context in
            let event = try context.requireEvent().id
            try await outputs.remove(try context.pathParameter("output"), event: event)
            await compositors.connectionsChanged(event)
            return .empty()
        }
    }

    /// Returns the address in its plain form.
    ///
    /// The compositor checks every address again that it connects to; here somebody is there to read why not.
    private func check(_ url: String) async throws -> String {
        let address: RTMPAddress
        do {
            address = try RTMPAddress(url)
        } catch {
            throw Problem.invalid(error.description, pointer: "/url")
        }
        guard address.hasUsualPort else {
            throw Problem.invalid("The port is 80, 443 or one from 1024 on.", pointer: "/url")
        }
        guard !allowsPrivate else { return address.url }
        let found: [NetworkAddress]
        do {
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let lookup = HostLookup.addresses(
                of: address.host, port: UInt16(address.port), kind: .foreign, on: loop)
            let patience = loop.makePromise(of: [NetworkAddress].self)
            lookup.cascade(to: patience)
            // A name that can't be looked up now may be there when the program starts.
            let timer = loop.scheduleTask(in: .seconds(3)) { patience.succeed([]) }
            patience.futureResult.whenComplete { _ in timer.cancel() }
            found = try await patience.futureResult.get()
        } catch {
            found = []
        }
        guard found.allSatisfy(\.isPublic) else {
            throw Problem.invalid(
                "The address is private; only servers of the public internet are allowed.", pointer: "/url")
        }
        return address.url
    }

    private static func checkKey(_ key: String) throws(Problem) -> SecretText {
        guard (1...512).contains(key.utf8.count), key.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F })
        else { throw .invalid("A key has 1 to 512 bytes, without blanks and control characters.", pointer: "/key") }
        return SecretText(key)
    }

    private static func checkName(_ name: String?) throws(Problem) -> String? {
        if let name { try PersonText.check(name, "A name", least: 1, pointer: "/name") }
        return name
    }
}
