// Hands the workers' reports on to interactivity.

internal import Control
internal import Interactivity
internal import Logging
internal import Media

/// Tells the interactivity service of programs.
struct ProgramNews: ProgramObserver {
    let interactivity: InteractivityService

    func mediaPublished(_ segment: SegmentReport) async throws {
        try await interactivity.mediaPublished(
            event: segment.event, mediaSequence: segment.mediaSequence, from: segment.from, to: segment.to)
    }

    func clockReport(event: String, programTime: ProgramTime, wallMilliseconds: Int64) async throws {
        try await interactivity.clockReport(
            event: event, programTime: programTime, wallMilliseconds: wallMilliseconds)
    }

    func programState(event: String, isLive: Bool) async throws {
        try await interactivity.programState(event: event, isLive: isLive)
    }
}

/// Hands a segment's timeline to the output that serves the event; one that is away never serves the segment.
struct TimelineDelivery: Sendable {
    let events: EventStore
    let registry: WorkerRegistry
    let logger: Logger

    func deliver(_ timeline: TimelineSegment) async {
        do {
            guard let output = try await events.record(timeline.event)?.output else { return }
            try await registry.send(
                .putTimeline(
                    event: timeline.event, epoch: timeline.epoch, mediaSequence: timeline.mediaSequence,
                    json: timeline.json), to: output)
        } catch {
            logger.warning(
                "a timeline could not be stored", metadata: ["event": "\(timeline.event)", "error": "\(error)"])
        }
    }
}
