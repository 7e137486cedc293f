// One connection to the room's media server, and the tracks that came over it.

import Control
import Media
import PacketIO
import RTCClient
import Synchronization

/// The tracks of one session; made anew with each session.
final class RoomConnection: Sendable {
    static let maximumTracks = 128

    private enum Media: Sendable {
        case video(VideoTrack)
        case sound(SoundTrack)
    }

    private struct Entry: Sendable {
        var track: RemoteTrack
        var media: Media
        var playout: SharedPlayout
        var id: Int
    }

    private struct State {
        /// In the order in which they came.
        var entries: [Entry] = []
        var playouts: [String: SharedPlayout] = [:]
        var visible: Set<SceneSource>?
        var isRetired = false
        /// What happened to clocks that are no more.
        var restarts: UInt64 = 0, raises: UInt64 = 0
    }

    let session: String
    private let state = Mutex(State())
    private let client = Mutex<RTCClient?>(nil)
    private let ender = Mutex<MediaThread?>(nil)
    private let pool: DecodePool
    private let counters: RoomCounters
    private let nextID: Atomic<Int>
    private let onClosed: @Sendable (_ session: String, _ reason: String) -> Void

    init(
        session: String, pool: DecodePool, counters: RoomCounters, visible: Set<SceneSource>?,
        onClosed: @escaping @Sendable (String, String) -> Void
    ) {
        self.session = session
        self.pool = pool
        self.counters = counters
        self.onClosed = onClosed
        nextID = Atomic(0)
        state.withLock { $0.visible = visible }
    }

    /// Opens the socket and starts the client's thread.
    func open(bind: NetworkAddress) throws(SocketError) {
        let made = try RTCClient(name: "room", bind: bind) { [weak self] in self?.take($0) }
        client.withLock { $0 = made }
        counters.add(.connectionsOpened)
    }

    func accept(offer: String) async throws -> String {
        guard let client = client.withLock({ $0 }) else {
            throw StageRoomError(description: "The connection has ended.")
        }
        return try await client.accept(offer: offer)
    }

    /// Ends the connection; what it showed last stays until a moment.
    func retire(until moment: MonotonicTime) {
        let entries = state.withLock { state -> [Entry] in
            guard !state.isRetired else { return [] }
            state.isRetired = true
            return state.entries
        }
        for entry in entries { Self.end(entry, at: moment) }
        let last = client.withLock { client in
            defer { client = nil }
            return client
        }
        guard let last else { return }
        last.close()
        // Joining the client's thread must not hold up whoever asked for this, least of all that thread itself.
        let ender = MediaThread(name: "room-end") { last.stop() }
        self.ender.withLock { $0 = ender }
    }

    /// Waits for the thread that `retire` left behind, which ends within milliseconds.
    func finish() {
        let last = ender.withLock { ender in
            defer { ender = nil }
            return ender
        }
        last?.join()
    }

    /// Ends the connection and waits for its thread.
    func stop() {
        state.withLock { $0.isRetired = true }
        let last = client.withLock { client in
            defer { client = nil }
            return client
        }
        last?.close()
        last?.stop()
        finish()
    }

    // MARK: - The client's thread

    private func take(_ event: RTCClientEvent) {
        switch event {
        case .connected, .keyframeRequested, .limited: break
        case .discarded(_, let packets):
            counters.add(.packetsDamaged, packets.damaged)
            counters.add(.packetsLate, packets.late)
            counters.add(.packetsAbandoned, packets.abandoned)
        case .track(let track): add(track)
        case .trackEnded(let track): remove(track)
        case .frame(let track, let frame):
            guard let entry = state.withLock({ state in state.entries.last { $0.track == track } }) else { return }
            switch entry.media {
            case .video(let video): video.receive(frame)
            case .sound(let sound): sound.receive(frame)
            }
        case .closed(let reason):
            let isOurs = state.withLock { $0.isRetired }
            if !isOurs { onClosed(session, reason) }
        }
    }

    private func add(_ track: RemoteTrack) {
        // What the program sends back to its speakers is no source of the program.
        guard let source = TrackSource(rawValue: track.source), source.isVideo == track.codec.isVideo,
            source.isOfPeople, !track.participant.isEmpty
        else { return counters.add(.tracksRefused) }
        let isTaken = state.withLock { state -> Bool in
            guard !state.isRetired, state.entries.count < Self.maximumTracks else { return false }
            let playout = state.playouts[track.participant] ?? SharedPlayout()
            state.playouts[track.participant] = playout
            let id = nextID.add(1, ordering: .relaxed).oldValue
            guard source.isVideo else {
                let sound = SoundTrack(id: id, playout: playout, counters: counters)
                state.entries.append(Entry(track: track, media: .sound(sound), playout: playout, id: id))
                return true
            }
            let video = VideoTrack(
                id: id, codec: track.codec, maximumPixels: source == .screen ? 3840 * 2160 : 1920 * 1200,
                playout: playout, pool: pool,
                counters: counters
            ) { [weak self] in self?.client.withLock { $0 }?.requestKeyframe(of: track) }
            if let visible = state.visible, !visible.contains(Self.key(track)) {
                video.setVisible(false, now: SystemClock.monotonic())
            }
            state.entries.append(Entry(track: track, media: .video(video), playout: playout, id: id))
            return true
        }
        if !isTaken { counters.add(.tracksRefused) }
    }

    private func remove(_ track: RemoteTrack) {
        let entry = state.withLock { state in state.entries.last { $0.track == track } }
        guard let entry else { return }
        // What has come is shown and heard to its end.
        let delay = entry.playout.summary.delay
        Self.end(entry, at: SystemClock.monotonic().advanced(byNanoseconds: delay))
    }

    private static func end(_ entry: Entry, at moment: MonotonicTime) {
        switch entry.media {
        case .video(let video): video.end(at: moment)
        case .sound(let sound): sound.end(at: moment)
        }
    }

    private static func key(_ track: RemoteTrack) -> SceneSource {
        track.source == TrackSource.screen.rawValue ? .screen(track.participant) : .participant(track.participant)
    }

    // MARK: - The readers' threads

    /// The pictures that are due; of several tracks of one source the newest that has one.
    func pictures(at moment: MonotonicTime, into result: inout [SceneSource: VideoFrame]) {
        sweep(at: moment)
        for entry in state.withLock({ $0.entries }) {
            guard case .video(let video) = entry.media, let picture = video.picture(at: moment) else { continue }
            result[Self.key(entry.track)] = picture
        }
    }

    /// The sound that is due; of several tracks of one source the newest that is heard.
    func sound(
        at moment: MonotonicTime, room: UnsafeMutableBufferPointer<Float>, heard: inout Set<SoundSource>,
        _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void
    ) {
        for entry in state.withLock({ $0.entries }).reversed() {
            guard case .sound(let sound) = entry.media, !sound.isOver(at: moment) else { continue }
            let source = SoundSource(
                participant: entry.track.participant,
                isScreen: entry.track.source == TrackSource.screenAudio.rawValue)
            guard !heard.contains(source), sound.read(at: moment, into: room) else { continue }
            heard.insert(source)
            body(source, UnsafeBufferPointer(room))
        }
    }

    func setVisible(_ sources: Set<SceneSource>) {
        let entries = state.withLock { state in
            state.visible = sources
            return state.entries
        }
        let now = SystemClock.monotonic()
        for entry in entries {
            guard case .video(let video) = entry.media else { continue }
            video.setVisible(sources.contains(Self.key(entry.track)), now: now)
        }
    }

    /// The people's cameras, by the names of their tracks.
    var cameras: [String: SceneSource] {
        state.withLock { state in
            state.entries.reduce(into: [:]) { cameras, entry in
                if entry.track.source == TrackSource.camera.rawValue { cameras[entry.track.id] = Self.key(entry.track) }
            }
        }
    }

    /// Whether nothing of it is to be seen or heard any more.
    var isOver: Bool { state.withLock { $0.isRetired && $0.entries.isEmpty } }

    /// The largest delay, and what happened to the clocks.
    var clocks: (delay: Int64, restarts: UInt64, raises: UInt64, tracks: Int) {
        let (playouts, restarts, raises, tracks) = state.withLock {
            ($0.playouts.values.map(\.summary), $0.restarts, $0.raises, $0.entries.count)
        }
        return (
            playouts.map(\.delay).max() ?? 0, playouts.reduce(restarts) { $0 &+ $1.restarts },
            playouts.reduce(raises) { $0 &+ $1.raises }, tracks
        )
    }

    /// Forgets the tracks that have gone, and the clocks of participants without any.
    private func sweep(at moment: MonotonicTime) {
        state.withLock { state in
            var hasChanged = false
            state.entries.removeAll { entry in
                let isOver =
                    switch entry.media {
                    case .video(let video): video.isOver(at: moment)
                    case .sound(let sound): sound.isOver(at: moment)
                    }
                if isOver {
                    entry.playout.remove(entry.id)
                    hasChanged = true
                }
                return isOver
            }
            guard hasChanged else { return }
            let present = Set(state.entries.map(\.track.participant))
            for (participant, playout) in state.playouts where !present.contains(participant) {
                let summary = playout.summary
                state.restarts &+= summary.restarts
                state.raises &+= summary.raises
                state.playouts[participant] = nil
            }
        }
    }
}
