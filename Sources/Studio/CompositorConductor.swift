// Which events have a compositor, on which machine it runs, and what is said to it.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import Web

/// Keeps a compositor running for every event whose program is made here.
///
/// Everything is declared: each change makes the set of events anew, and each supervisor is told its whole set.
actor CompositorConductor: ProgramControl {
    /// How long it waits for those that may come back.
    struct Patience: Sendable {
        /// After Studio's start, until supervisors have said what they run already; they dial again within 2 s.
        var startMs: Int64 = 2500
        /// Until the events of a supervisor that is away are given to another.
        var supervisorMs: Int64 = 5000
    }

    private struct Program {
        let org: String
        /// Whether it ran before this Studio did, so that some supervisor may run its compositor.
        let isInherited: Bool
        var supervisor: String?
        var link: CompositorLink?
        /// How far its roll has run, whichever compositor shows it.
        let rolls = RollProgress()
        /// How its outputs are doing, by id, as its compositor said last.
        var outputs: [String: OutputState] = [:]
        /// The outputs that are known to have been live.
        var lived: Set<String> = []
    }

    private struct Supervisor {
        let registrationNumber: Int
        var told: [String]?
        var isBeingTold = false
    }

    private let parts: CompositorLink.Parts
    private let patience: Patience
    private var programs: [String: Program] = [:]
    private var supervisors: [String: Supervisor] = [:]
    private var registrations = 0
    private var isFirst = true
    private var mayPlaceInherited = false
    private var last: Task<Void, Never>?
    private var waiting: Task<Void, Never>?

    /// Creates a conductor.
    ///
    /// - Parameters:
    ///   - parts: what it and its links work with.
    ///   - patience: how long it waits for those that may come back.
    init(parts: CompositorLink.Parts, patience: Patience = Patience()) {
        self.parts = parts
        self.patience = patience
    }

    // MARK: - Which events

    /// Takes over the events that run already; called once, before any worker's news.
    func begin() async {
        await refresh()
        Task { [weak self, patience] in
            try await Task.sleep(for: .milliseconds(patience.startMs))
            await self?.placeInherited()
        }
    }

    /// Looks which events need a compositor, and sees to it; returns when it has been looked.
    func refresh() async {
        if let waiting { return await waiting.value }
        let looking = Task { [previous = last] in
            await previous?.value
            await self.look()
        }
        (waiting, last) = (looking, looking)
        await looking.value
    }

    /// An event has ended, or starts anew: the clock of its last program is worth nothing.
    func forgetClock(of event: String) async throws { try await parts.source.setClock(nil, of: event) }

    /// Throws `Problem` 503 when no supervisor has room for another compositor.
    func checkRoom() throws {
        guard Placement.choose(.supervisor, among: candidates()) != nil else {
            throw Problem.overloaded("No machine has room for the event's compositor.", retryAfterMs: 5000)
        }
    }

    private func look() async {
        waiting = nil
        let wanted: [EventRecord]
        do {
            wanted = try await parts.events.composed()
        } catch {
            parts.logger.error("the events can't be read", metadata: ["error": "\(error)"])
            // Nobody else may have a reason to look for a long time.
            Task { [weak self] in
                try await Task.sleep(for: .seconds(1))
                await self?.refresh()
            }
            return
        }
        let ids = Set(wanted.map(\.id))
        var ended: [CompositorLink] = []
        for (id, program) in programs where !ids.contains(id) {
            programs[id] = nil
            if let link = program.link { ended.append(link) }
        }
        for event in wanted where programs[event.id] == nil {
            programs[event.id] = Program(org: event.org, isInherited: isFirst)
        }
        isFirst = false
        place()
        for link in ended { await link.end() }
        for id in ids {
            if programs[id]?.link == nil, let worker = parts.registry.compositor(of: id) { await connect(worker) }
        }
    }

    // MARK: - On which machine

    private func candidates() -> [PlacementCandidate] {
        let placed = Dictionary(grouping: programs.values.filter { $0.supervisor != nil }) { $0.supervisor ?? "" }
        return parts.registry.candidates(.supervisor).compactMap { candidate in
            let here = placed[candidate.id] ?? []
            guard supervisors[candidate.id] != nil, here.count < Placement.compositorLimit else { return nil }
            var candidate = candidate
            // What has not come up is in no measured load yet, and a start takes about half a core.
            candidate.load += 0.5 * Double(here.count { $0.link == nil })
            return candidate
        }
    }

    private func place() {
        for (id, program) in programs.sorted(by: { $0.key < $1.key }) where program.supervisor == nil {
            guard !program.isInherited || mayPlaceInherited else { continue }
            let able = candidates()
            // An event that runs is not left without a program because everybody is busy.
            let chosen =
                Placement.choose(.supervisor, among: able)
                ?? able.min { ($0.load / max(1, $0.capacity), $0.id) < ($1.load / max(1, $1.capacity), $1.id) }
            guard let chosen else { break }
            programs[id]?.supervisor = chosen.id
        }
        for id in supervisors.keys { tell(id) }
    }

    /// Places what nobody has said to run; after `Patience.startMs`.
    func placeInherited() {
        mayPlaceInherited = true
        place()
    }

    private func tell(_ id: String) {
        guard let supervisor = supervisors[id], !supervisor.isBeingTold, supervisor.told != events(of: id) else {
            return
        }
        supervisors[id]?.isBeingTold = true
        Task { await self.tellUntilKnown(id, supervisor.registrationNumber) }
    }

    private func events(of supervisor: String) -> [String] {
        programs.filter { $0.value.supervisor == supervisor }.keys.sorted()
    }

    private func tellUntilKnown(_ id: String, _ number: Int) async {
        while let supervisor = supervisors[id], supervisor.registrationNumber == number {
            let events = events(of: id)
            guard supervisor.told != events else { break }
            do {
                try await parts.registry.send(.runCompositors(events), to: id)
            } catch {
                parts.logger.error(
                    "a supervisor did not take its events", metadata: ["worker": "\(id)", "error": "\(error)"])
                // It dials again, and is told everything; a later registration is not this one.
                if supervisors[id]?.registrationNumber == number { parts.registry.disconnect(id) }
                return
            }
            if supervisors[id]?.registrationNumber == number { supervisors[id]?.told = events }
        }
        if supervisors[id]?.registrationNumber == number { supervisors[id]?.isBeingTold = false }
    }

    private func giveUp(_ id: String) {
        guard supervisors[id] == nil else { return }
        // A compositor that is there goes on, whoever has started it.
        for (event, program) in programs where program.supervisor == id && program.link == nil {
            programs[event]?.supervisor = nil
        }
        place()
    }

    private func giveUpLater(_ id: String) {
        Task { [weak self, patience] in
            try await Task.sleep(for: .milliseconds(patience.supervisorMs))
            await self?.giveUp(id)
        }
    }

    // MARK: - What the workers do

    /// A worker has dialled in.
    func registered(_ worker: WorkerRegistration) async {
        switch worker.role {
        case .supervisor:
            registrations += 1
            supervisors[worker.id] = Supervisor(registrationNumber: registrations)
            for event in worker.running {
                guard let program = programs[event] else { continue }
                if program.supervisor.map({ supervisors[$0] == nil }) ?? true {
                    programs[event]?.supervisor = worker.id
                }
            }
            place()
        case .compositor: await connect(worker)
        case .output:
            // It may be somewhere else now; where it is not, the same setup changes nothing.
            for program in programs.values { await program.link?.setUpAgain() }
        case .sfu: break
        }
    }

    /// A worker is gone.
    func left(_ worker: WorkerRegistration) async {
        switch worker.role {
        case .supervisor:
            supervisors[worker.id] = nil
            giveUpLater(worker.id)
        case .compositor:
            guard let event = worker.event, let program = programs[event], let link = program.link else { return }
            programs[event]?.link = nil
            programs[event]?.outputs = [:]
            if let supervisor = program.supervisor, supervisors[supervisor] == nil { giveUpLater(supervisor) }
            await link.end()
        case .sfu, .output: break
        }
    }

    /// A compositor has told something.
    func follow(_ news: CompositorEvent, event: String) async {
        switch news {
        case .connectionLost(let session): await programs[event]?.link?.connectionLost(session)
        case .sizes(let session, let sizes): await programs[event]?.link?.sizesChanged(session, sizes)
        case .taken(let id, _):
            guard let link = programs[event]?.link else { return }
            // It waits for its turn at the compositor; other reports do not.
            Task { await link.taken(id) }
        case .rollEnded(let asset, let run, let failure):
            if let failure {
                parts.logger.warning(
                    "a roll could not go on",
                    metadata: ["event": "\(event)", "asset": "\(asset)", "reason": "\(failure)"])
            }
            // Other reports do not wait for a compositor's answer.
            Task { [weak self, parts] in
                do {
                    guard let change = try await parts.source.rollEnded(asset, run: run, event: event) else { return }
                    _ = try await self?.show(change, event: event)
                } catch {
                    // The compositor tells it again while the scene is the same.
                    parts.logger.warning(
                        "the scene after a roll could not be shown",
                        metadata: ["event": "\(event)", "error": "\(error)"])
                }
            }
        case .rollPlace(let asset, let run, let positionMs, let isPlaying):
            programs[event]?.rolls.reported(
                asset, run: run, positionMs: positionMs, isPlaying: isPlaying,
                at: ProgramTime(milliseconds: SystemClock.wallMilliseconds()))
        case .publishing(let isConnected):
            parts.logger.info(
                "a program reaches its output, or does not",
                metadata: ["event": "\(event)", "isConnected": "\(isConnected)"])
        case .outputs(let states): await follow(states, event: event)
        }
    }

    private func follow(_ states: [OutputState], event: String) async {
        guard let program = programs[event] else { return }
        let live = states.filter { $0.hasBeenLive && !program.lived.contains($0.id) }.map(\.id)
        programs[event]?.outputs = Dictionary(states.map { ($0.id, $0) }) { $1 }
        programs[event]?.lived.formUnion(live)
        guard !live.isEmpty else { return }
        do {
            try await parts.connections?.haveBeenLive(live, event: event)
        } catch {
            parts.logger.error(
                "it can't be kept that outputs have been live", metadata: ["event": "\(event)", "error": "\(error)"])
        }
    }

    private func connect(_ worker: WorkerRegistration) async {
        guard let event = worker.event, let program = programs[event] else { return }
        let link = CompositorLink(
            event: event, org: program.org, worker: worker.id, parts: parts, rolls: program.rolls)
        programs[event]?.link = link
        // The old one is silent before the new one speaks: both speak to the worker of this name.
        if let old = program.link { await old.end() }
        await link.start()
    }

    // MARK: - What producers do

    func show(_ change: ProgramChange, event: String) async throws -> ShownAt? {
        try await programs[event]?.link?.show(change)
    }

    /// Outputs or ingests of an event have changed.
    func connectionsChanged(_ event: String) async { await programs[event]?.link?.connectionsChanged() }

    /// How the outputs of an event are doing, by id; empty while no compositor runs.
    func outputStates(of event: String) -> [String: OutputState] { programs[event]?.outputs ?? [:] }

    @discardableResult
    func layoutsChanged(event: String) async -> ShownAt? { await programs[event]?.link?.layoutsChanged() }

    /// The built-in layouts have changed: every compositor is told.
    func layoutsChanged() async {
        // None waits for what another one's scene names.
        await withTaskGroup(of: Void.self) { group in
            for link in programs.values.compactMap(\.link) { group.addTask { _ = await link.layoutsChanged() } }
        }
    }

    func takeChanged(event: String) async -> Bool? { await programs[event]?.link?.takeChanged() }

    /// Makes takes the program whose moment has passed while no compositor was there to show them.
    ///
    /// - Parameter time: what lies before is late.
    func finishTakes(before time: ProgramTime) async throws {
        for (event, take) in try await parts.source.takes(before: time) where programs[event]?.link == nil {
            _ = try await parts.source.finishTake(take.id, of: event)
        }
    }

    func castChanged(event: String) async -> ShownAt? { await programs[event]?.link?.castChanged() }

    func still(_ scene: Scene?, event: String) async throws -> Data { try await link(event).still(scene) }

    func meter(_ areas: [CanvasArea], event: String) async throws -> CanvasReading {
        try await link(event).meter(areas)
    }

    func sound(event: String) async throws -> SoundReading { try await link(event).sound() }

    private func link(_ event: String) throws -> CompositorLink {
        guard let link = programs[event]?.link else {
            throw Problem.overloaded("No compositor makes this event's program now.", retryAfterMs: 2000)
        }
        return link
    }
}
