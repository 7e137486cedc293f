// What a compositor does with Studio's commands.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import NIOCore

/// One event's compositor: starts its program with the first setup, and changes it from then on.
actor CompositorWorker {
    private let configuration: CompositorConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let report: @Sendable (CompositorEvent) -> Void
    private let onFailure: @Sendable () -> Void
    private var program: EventProgram?
    /// The program that gives way to another one, and what those before it have counted.
    private var ending: EventProgram?, counted: [String: Double] = [:]
    private var isStopped = false
    private var going = 0
    private var lanes: [Lane: Task<CommandReply, Never>] = [:]

    init(
        _ configuration: CompositorConfiguration, group: any EventLoopGroup, logger: Logger,
        report: @escaping @Sendable (CompositorEvent) -> Void, onFailure: @escaping @Sendable () -> Void
    ) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        self.report = report
        self.onFailure = onFailure
    }

    /// Begins one command; those that wait for a source, or for a frame, go on while later ones are begun.
    ///
    /// What changes the program is in order from here on: scenes by their place on the board, everything else by its lane.
    func begin(_ command: Command) async throws -> CommandWork {
        guard case .compositor(let command) = command else { return .done(.failed("a compositor does not do this")) }
        if case .run(let setup) = command { return .done(try await run(setup)) }
        guard let program else { return .done(.failed("no program runs yet")) }
        guard going < Self.goingLimit else { return .done(.failed("too many commands are being carried out")) }
        return begin(command, of: program)
    }

    private func begin(_ command: CompositorCommand, of program: EventProgram) -> CommandWork {
        do {
            switch command {
            case .run: return .done(.done)
            case .show(let change):
                let announced = try program.announce(change)
                return go { try await program.show(announced) }
            case .putTake(let take):
                let look = try program.put(take: take)
                return go { await program.prepareTake(look) }
            case .putCast(let cast):
                let announced = program.announce(cast)
                return go(.cast) { try await program.put(announced) }
            case .putPolls(let polls): return go(.polls) { try await program.put(polls: polls) }
            case .offer(let session, let offer):
                return go(.room) { .answer(try await program.answer(session: session, offer: offer)) }
            case .still(let scene): return go { .still(try await program.still(scene).base64EncodedString()) }
            case .connect(let connections):
                program.connect(connections)
                return .done(.compositor(.connected))
            case .meter(let areas): return go { .reading(try await Self.apart { try program.meter(areas) }) }
            case .sound: return .done(.compositor(.sound(program.soundReading)))
            case .returnFeed(let session, let listeners):
                return go(.returnFeed) { try await program.returnFeed(session: session, listeners: listeners) }
            case .returnAnswer(let session, let answer):
                return go(.returnFeed) {
                    try await program.acceptReturn(session: session, answer: answer)
                    return .connected
                }
            case .endReturnFeed:
                return go(.returnFeed) {
                    program.endReturnFeed()
                    return .connected
                }
            }
        } catch {
            return .done(.failed("\(error)"))
        }
    }

    // MARK: - What goes on

    /// How many commands may go on at once.
    private static let goingLimit = 128

    /// Commands of one kind, each of which begins when the one before has ended.
    private enum Lane { case cast, polls, room, returnFeed }

    private func go(_ lane: Lane? = nil, _ body: @escaping @Sendable () async throws -> CompositorReply) -> CommandWork
    {
        going += 1
        let task = Task { [previous = lane.flatMap { lanes[$0] }] () -> CommandReply in
            _ = await previous?.value
            defer { going -= 1 }
            do {
                return .compositor(try await body())
            } catch {
                return .failed("\(error)")
            }
        }
        if let lane { lanes[lane] = task }
        return .going(task)
    }

    /// Reckons somewhere else, so that no command waits for it.
    @concurrent
    private static func apart<Value: Sendable>(_ body: @Sendable () throws -> Value) async throws -> Value {
        try body()
    }

    /// Counters by Prometheus name; they go on when another program takes the place of the one before.
    var counters: [String: Double] {
        counted.merging((program ?? ending)?.counters ?? [:], uniquingKeysWith: +)
    }

    /// Whether a series only rises: a counter, or part of a histogram.
    private static func onlyRises(_ series: String) -> Bool {
        let name = series.prefix { $0 != "{" }
        return ["_total", "_bucket", "_count", "_sum"].contains { name.hasSuffix($0) }
    }

    /// Ends the program.
    func stop() async {
        isStopped = true
        guard let program else { return }
        self.program = nil
        await Self.stop(program)
    }

    private func run(_ setup: ProgramSetup) async throws -> CommandReply {
        guard setup.event == configuration.event else { return .failed("this compositor is for another event") }
        guard !isStopped else { return .failed("this compositor ends") }
        if let program, program.publishURL == setup.publishURL {
            for command in program.commands(following: setup) { _ = begin(command, of: program) }
            return .compositor(.running(anchor(program.clock)))
        }
        // The clock goes on: in this process, or from an earlier one on this machine.
        let handedOn = setup.clock.flatMap { isGood($0) ? $0.clock : nil }
        let clock =
            program?.clock ?? handedOn
            ?? ProgramClock(wallMilliseconds: SystemClock.wallMilliseconds(), monotonic: SystemClock.monotonic())
        if let old = program {
            program = nil
            ending = old
            await Self.stop(old)
            ending = nil
            counted.merge(old.counters.filter { Self.onlyRises($0.key) }, uniquingKeysWith: +)
            guard !isStopped else { return .failed("this compositor ends") }
        }
        let started = try EventProgram(
            setup, clock: clock, configuration, group: group, logger: logger, report: report, onFailure: onFailure)
        program = started
        logger.info(
            "a program runs",
            metadata: [
                "event": "\(setup.event)", "org": "\(setup.org)", "clock": "\(handedOn == nil ? "new" : "handed on")",
            ])
        return .compositor(.running(anchor(clock)))
    }

    /// A clock of this machine, unless the machine has slept since: its monotonic clock stood still, and nobody would
    /// take the program time that follows from it.
    private func isGood(_ anchor: ClockAnchor) -> Bool {
        guard anchor.machine == Self.machine else { return false }
        let time = anchor.clock.programTime(at: SystemClock.monotonic())
        let isNear = (time.milliseconds &- SystemClock.wallMilliseconds()).magnitude < Self.driftLimitMs
        if !isNear { logger.warning("the program's clock is far from the wall and starts anew") }
        return isNear
    }

    private static let driftLimitMs: UInt64 = 1_800_000

    private func anchor(_ clock: ProgramClock) -> ClockAnchor { ClockAnchor(clock: clock, machine: Self.machine) }

    /// Names this machine since its last start: only then does its monotonic clock go on.
    private static let machine: String = {
        let id = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        return id?.trimmingCharacters(in: .whitespacesAndNewlines) ?? UUID().uuidString
    }()

    /// Stopping waits for threads, which the cooperative pool must not.
    private static func stop(_ program: EventProgram) async {
        await withCheckedContinuation { continuation in
            _ = MediaThread(name: "stop") {
                program.stop()
                continuation.resume()
            }
        }
    }
}
