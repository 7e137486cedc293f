// A track's pictures: due ones only, the last good one through a gap, and bounded whatever comes.

import Media
import Synchronization
import Testing

@testable import Compositor
@testable import RTCClient

@Suite("The pictures of a track", .serialized)
struct VideoTrackTests {
    private final class Fixture: Sendable {
        let pool = DecodePool(count: 1, capacity: 8)
        let counters = RoomCounters()
        let playout = SharedPlayout()
        let track: VideoTrack
        static let start = MonotonicTime(milliseconds: 1_000_000)

        init(_ codec: Codec = .vp8) {
            let requests = Counter()
            counter = requests
            track = VideoTrack(
                id: 0, codec: codec, maximumPixels: 1 << 20, playout: playout, pool: pool, counters: counters
            ) { requests.add() }
        }

        final class Counter: Sendable {
            private let value = Atomic<Int>(0)
            func add() { value.add(1, ordering: .relaxed) }
            var count: Int { value.load(ordering: .relaxed) }
        }
        let counter: Counter

        func count(_ name: String) -> Double { counters.all["proscenium_compositor_room_\(name)_total"] ?? 0 }

        /// Waits until the decoder has done something.
        func wait(_ isDone: () -> Bool) -> Bool {
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
            while !isDone() {
                guard SystemClock.monotonic() < deadline else { return false }
                SystemClock.sleep(until: SystemClock.monotonic().advanced(byMilliseconds: 1))
            }
            return true
        }

        func send(
            _ frame: EncodedFrame, index: Int, followsGap: Bool = false, signal: PictureSignal = PictureSignal()
        ) {
            var frame = frame
            frame.pts = Int64(index) * 3000
            track.receive(
                ReceivedFrame(
                    frame: frame, arrival: Self.moment(index), captureUnixNanoseconds: nil, followsGap: followsGap,
                    signal: signal))
        }

        /// When a frame arrives; it is due 80 ms later.
        static func moment(_ index: Int) -> MonotonicTime {
            start.advanced(byNanoseconds: Int64(index) * 1_000_000_000 / 30)
        }

        func picture(_ index: Int, plus milliseconds: Int64) -> VideoFrame? {
            track.picture(at: Self.moment(index).advanced(byMilliseconds: milliseconds))
        }
    }

    /// Pictures whose brightness is their number.
    private func frames(_ count: Int, keyframes: Set<Int> = [0], _ codec: Codec = .vp8) throws -> [EncodedFrame] {
        var camera = try CodecCamera(codec, width: 64, height: 64)
        let picture = VideoFrame(width: 64, height: 64)
        return try (0..<count).map { index in
            picture.fill(y: UInt8(40 + index * 4), u: 128, v: 128)
            return try #require(try camera.encode(picture, forceKeyframe: keyframes.contains(index)))
        }
    }

    private func number(_ frame: VideoFrame?) -> Int? {
        frame.map { (Int($0.y[32 * $0.lumaStride + 32]) - 40 + 2) / 4 }
    }

    @Test("what the sender tells of a picture goes before what its codec stands for, and ends with it")
    func signals() throws {
        let fixture = Fixture(), frames = try frames(4)
        let told = PictureSignal(rotation: .clockwise90, color: .init(matrix: .bt709, isFullRange: true))
        let half = PictureSignal(rotation: .clockwise270, color: .init(isFullRange: true))
        for (index, signal) in [told, half, PictureSignal(), told].enumerated() {
            fixture.send(frames[index], index: index, signal: signal)
        }
        #expect(fixture.wait { fixture.count("frames_decoded") == 4 })
        let seen = (0..<4).compactMap { fixture.picture($0, plus: 81) }
        #expect(seen.map(\.rotation) == [.clockwise90, .clockwise270, .none, .clockwise90])
        let full = ColorDescription(matrix: .bt709, isFullRange: true)
        #expect(seen.map(\.color) == [full, ColorDescription(matrix: .bt601, isFullRange: true), .vp8, full])
    }

    @Test("each picture is given from the moment on at which it is due", arguments: [Codec.vp8, .vp9, .h264])
    func due(codec: Codec) throws {
        let fixture = Fixture(codec), frames = try frames(6, codec)
        for index in 0..<6 { fixture.send(frames[index], index: index) }
        #expect(fixture.wait { fixture.count("frames_decoded") == 6 })
        #expect(fixture.picture(0, plus: 79) == nil)
        for index in 0..<6 {
            #expect(number(fixture.picture(index, plus: 81)) == index)
            #expect(number(fixture.picture(index, plus: 112)) == index)
        }
        #expect(number(fixture.picture(6, plus: 5000)) == 5, "the last one stays")
        #expect(fixture.picture(0, plus: 6000)?.color == (codec == .h264 ? .program : .vp8))
        #expect(fixture.count("frames_skipped") == 0)
        fixture.pool.stop()
    }

    @Test(
        "after a gap the last good picture stays until a keyframe, which is asked for at once, and again later",
        arguments: [Codec.vp8, .vp9, .h264])
    func gap(codec: Codec) throws {
        let fixture = Fixture(codec), frames = try frames(50, keyframes: [0, 45], codec)
        for index in 0..<3 { fixture.send(frames[index], index: index) }
        #expect(fixture.wait { fixture.count("frames_decoded") == 3 })
        #expect(fixture.counter.count == 0)
        for index in 5..<45 {
            fixture.send(frames[index], index: index, followsGap: index == 5)
            #expect(number(fixture.picture(index, plus: 81)) == 2)
            if index == 5 { #expect(fixture.counter.count == 1) }
        }
        #expect((2...3).contains(fixture.counter.count), "at once, after 0.5 s, after 1 s more")
        #expect(fixture.count("frames_dropped_awaiting_keyframe") == 40)
        for index in 45..<48 { fixture.send(frames[index], index: index) }
        #expect(fixture.wait { fixture.count("frames_decoded") == 6 })
        #expect(number(fixture.picture(47, plus: 81)) == 47)
        fixture.pool.stop()
    }

    @Test(
        "what nobody has seen for longer than a moment does not come back: a new picture does, and is asked for at once"
    )
    func hidden() throws {
        let fixture = Fixture(), frames = try frames(50, keyframes: [0, 40])
        for index in 0..<3 { fixture.send(frames[index], index: index) }
        #expect(fixture.wait { fixture.count("frames_decoded") == 3 })
        #expect(number(fixture.picture(2, plus: 81)) == 2)
        fixture.track.setVisible(false, now: Fixture.moment(3))
        #expect(number(fixture.picture(3, plus: 900)) == 2, "it stays for a moment")
        fixture.track.setVisible(true, now: Fixture.moment(31))
        #expect(number(fixture.picture(31, plus: 1)) == 2 && fixture.counter.count == 1)
        // Whoever asks for a picture or not, it is forgotten.
        for reads in [true, false] {
            let at = reads ? 32 : 100
            if !reads {
                for index in 40..<43 { fixture.send(frames[index], index: at - 43 + index) }
                #expect(fixture.wait { number(fixture.picture(at, plus: 500)) == 42 })
            }
            fixture.track.setVisible(false, now: Fixture.moment(at))
            if reads { #expect(fixture.picture(at, plus: 1001) == nil) }
            let asked = fixture.counter.count
            fixture.track.setVisible(true, now: Fixture.moment(at).advanced(byMilliseconds: 1100))
            #expect(fixture.counter.count == asked + 1)
            #expect(fixture.picture(at, plus: 1101) == nil)
            // Packets that are lost from now on leave nothing else to show either.
            #expect(fixture.picture(at, plus: 1900) == nil)
        }
        fixture.pool.stop()
    }

    @Test("what can't be decoded is never shown, and a keyframe is asked for", arguments: [Codec.vp8, .vp9, .h264])
    func corrupt(codec: Codec) throws {
        let fixture = Fixture(codec), frames = try frames(4, codec)
        fixture.send(frames[0], index: 0)
        #expect(fixture.wait { fixture.count("frames_decoded") == 1 })
        // A keyframe whose start code, or whose first unit's length, is broken.
        var broken = frames[0]
        var bytes = broken.payload.array
        bytes[3] = 0
        broken.payload = ByteBlock(bytes)
        fixture.send(broken, index: 1)
        #expect(fixture.wait { fixture.count("frames_dropped_corrupt") == 1 })
        #expect(fixture.wait { fixture.counter.count == 1 })
        fixture.send(frames[2], index: 2)
        #expect(number(fixture.picture(2, plus: 200)) == 0)
        fixture.pool.stop()
    }

    @Test("nobody reads, and yet nothing grows: eight pictures, thirty frames, the rest is counted")
    func bounded() throws {
        let fixture = Fixture(), frames = try frames(50)
        for index in 0..<50 { fixture.send(frames[index], index: index) }
        #expect(fixture.wait { fixture.count("frames_decoded") == 8 })
        #expect(fixture.count("frames_dropped_queue_full") >= 1)
        #expect(
            fixture.count("frames_dropped_queue_full") + fixture.count("frames_dropped_awaiting_keyframe") >= 12)
        #expect(fixture.counter.count >= 1)
        // A reader that comes late gets on: what waits is decoded, and skipped as it is over.
        var last: Int?
        #expect(
            fixture.wait {
                last = number(fixture.picture(50, plus: 1000))
                return last ?? 0 >= 29
            })
        #expect(fixture.count("frames_skipped") > 0)
        fixture.pool.stop()
    }
}

@Suite("The threads that decode")
struct DecodePoolTests {
    @Test("new tracks take turns on the threads, whatever their numbers")
    func turns() {
        let pool = DecodePool(count: 2, capacity: 4)
        #expect((0..<4).map { _ in pool.assign() } == [0, 1, 0, 1])
        pool.stop()
    }
}
