// The program in numbers: the mean colours of areas of its picture, and how loud it and its sources are.

internal import Control
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct MeterRoutes: Sendable {
    /// As many areas as a colour chart has patches, and some.
    static let maximumAreas = 64
    /// More pixels than this in one area are counted for the whole picture only.
    static let maximumSide = 16_384

    let events: EventStore
    let control: any ProgramControl

    private struct View: Encodable {
        struct Area: Encodable {
            let x: Int, y: Int, width: Int, height: Int
            let luma: Double?, cb: Double?, cr: Double?
        }
        let width: Int, height: Int, areas: [Area]

        init(_ reading: CanvasReading) {
            (width, height) = (reading.width, reading.height)
            areas = reading.areas.map {
                Area(
                    x: $0.area.x, y: $0.area.y, width: $0.area.width, height: $0.area.height, luma: $0.luma, cb: $0.cb,
                    cr: $0.cr)
            }
        }
    }

    private struct SoundView: Encodable {
        struct Source: Encodable {
            let source: String, rmsDb: Double, peakDb: Double, speaking: Bool
        }
        struct Loudness: Encodable {
            let momentaryLufs: Double, shortTermLufs: Double, integratedLufs: Double, truePeakDb: Double
        }
        let sources: [Source], loudness: Loudness, levelingDb: Double, duckingDb: Double, limitingDb: Double

        init(_ reading: SoundReading) {
            sources = reading.sources.map {
                Source(
                    source: $0.name, rmsDb: Self.tenths($0.rmsDecibels), peakDb: Self.tenths($0.peakDecibels),
                    speaking: $0.isSpeaking)
            }
            let loudness = reading.loudness
            self.loudness = Loudness(
                momentaryLufs: Self.tenths(loudness.momentary), shortTermLufs: Self.tenths(loudness.shortTerm),
                integratedLufs: Self.tenths(loudness.integrated), truePeakDb: Self.tenths(loudness.truePeak))
            levelingDb = Self.tenths(reading.levelingDecibels)
            duckingDb = Self.tenths(reading.duckingDecibels)
            limitingDb = Self.tenths(reading.limitingDecibels)
        }

        private static func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/program/meter", .permission(.seeStudio)) { request, context in
            let event = try context.requireEvent().id
            let areas = try Self.areas(request.uri.queryParameters.getAll("area"))
            try await requireRunning(event)
            return try .json(View(try await control.meter(areas, event: event)), headers: [.cacheControl: "no-store"])
        }
        book.add(.get, "/v1/events/{event}/program/sound", .permission(.seeStudio)) { _, context in
            let event = try context.requireEvent().id
            try await requireRunning(event)
            return try .json(SoundView(try await control.sound(event: event)), headers: [.cacheControl: "no-store"])
        }
    }

    private func requireRunning(_ event: String) async throws {
        guard let state = try await events.record(event)?.state, state == .starting || state == .live else {
            throw Problem.notFound("The program does not run now.")
        }
    }

    /// Reads `x,y,width,height` for each area; the whole picture when there is none.
    static func areas(_ texts: [String]) throws(Problem) -> [CanvasArea] {
        guard !texts.isEmpty else { return [CanvasArea(x: 0, y: 0, width: maximumSide, height: maximumSide)] }
        guard texts.count <= maximumAreas else {
            throw .invalid("At most \(maximumAreas) areas are read at once.", pointer: "/area")
        }
        var areas: [CanvasArea] = []
        for text in texts {
            let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
            guard numbers.count == 4, numbers.allSatisfy({ (0...maximumSide).contains($0) }), numbers[2] > 0,
                numbers[3] > 0
            else {
                throw .invalid(
                    "An area is x,y,width,height in pixels, each at most \(maximumSide), and not empty.",
                    pointer: "/area")
            }
            areas.append(CanvasArea(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3]))
        }
        // No program is larger, whatever is asked for.
        guard CanvasArea.pixels(of: areas, width: 3840, height: 2160) <= CanvasArea.pixelLimit else {
            throw .invalid(
                "The areas have more than \(CanvasArea.pixelLimit) pixels together; ask for fewer or smaller ones.",
                pointer: "/area")
        }
        return areas
    }
}
