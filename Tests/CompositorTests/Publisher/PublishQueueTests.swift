// What is sent, what is left out, and how long to wait: in virtual time.

import Media
import Testing

@testable import Compositor

@Suite("The publisher's queue")
struct PublishQueueTests {
    private let anchor = ProgramTime(milliseconds: 1_767_225_600_000)

    private func picture(_ index: Int64, bytes: Int = 10) -> EncodedFrame {
        EncodedFrame(
            codec: .h264, pts: index, dts: index, timescale: 30, isKeyframe: index % 60 == 0,
            payload: ByteBlock([UInt8](repeating: 1, count: bytes)))
    }

    private func sound(_ index: Int64) -> EncodedFrame {
        EncodedFrame(
            codec: .aac, pts: index * 1024, dts: index * 1024, timescale: 48_000, isKeyframe: true,
            payload: ByteBlock([2, 2]))
    }

    private func configured(byteLimit: Int = 16 << 20) -> PublishQueue {
        var queue = PublishQueue(anchor: anchor, byteLimit: byteLimit)
        queue.configure(video: ByteBlock([1, 2]), audio: ByteBlock([3]))
        return queue
    }

    private func text(_ events: [StreamEvent]?) -> [String]? {
        events?.map { event in
            switch event {
            case .videoConfiguration(let record): "video \(record.array)"
            case .audioConfiguration(let record): "audio \(record.array)"
            case .programTime(let time, let pts): "time \(time.milliseconds(since: anchor)) at \(pts)"
            case .frame(let frame): "\(frame.codec.rawValue) \(frame.pts)"
            case .ended: "ended"
            }
        }
    }

    private func all(_ queue: inout PublishQueue) -> [String] {
        var result: [String] = []
        while let events = text(queue.next()) { result += events }
        return result
    }

    @Test("a connection begins with configurations, program time and an IDR; each later IDR tells the time again")
    func start() {
        var queue = PublishQueue(anchor: anchor)
        queue.push(picture(0))
        #expect(queue.next() == nil && queue.drops.unconfigured == 1)
        queue.configure(video: ByteBlock([1, 2]), audio: ByteBlock([3]))
        queue.restart()
        queue.push(sound(0))
        queue.push(picture(59))
        #expect(queue.next() == nil && queue.drops.undecodable == 1)
        queue.push(picture(60))
        #expect(queue.drops.undecodable == 2)
        queue.push(sound(94))
        queue.push(picture(61))
        #expect(
            all(&queue) == ["video [1, 2]", "audio [3]", "time 2000 at 2000", "h264 60", "aac 96256", "h264 61"])
        queue.push(picture(120))
        #expect(all(&queue) == ["time 4000 at 4000", "h264 120"])
        queue.configure(video: ByteBlock([9]), audio: ByteBlock([3]))
        queue.push(picture(121))
        queue.push(picture(180))
        #expect(all(&queue) == ["h264 121", "video [9]", "time 6000 at 6000", "h264 180"])
        #expect(queue.bytes == 0 && queue.milliseconds == 0)
    }

    @Test("pictures wait for two seconds, IDRs and sound for ten; beyond, all goes up to the next IDR")
    func overflow() {
        var queue = configured()
        var nextSound: Int64 = 0
        for index in Int64(0)..<1000 {
            queue.push(picture(index))
            while nextSound * 1024 * 30 <= index * 48_000 {
                queue.push(sound(nextSound))
                nextSound += 1
            }
            #expect(queue.milliseconds <= 10_000)
        }
        // Frame 720 is an IDR 9.3 s ago: from there on there is all sound and every IDR, and the pictures after the newest.
        let left = all(&queue)
        #expect(left.prefix(4) == ["video [1, 2]", "audio [3]", "time 24000 at 24000", "h264 720"])
        let pictures = left.filter { $0.hasPrefix("h264") }
        #expect(pictures.prefix(6) == ["h264 720", "h264 780", "h264 840", "h264 900", "h264 960", "h264 961"])
        #expect(pictures.count == 4 + 40)
        let sounds = left.filter { $0.hasPrefix("aac") }
        #expect(sounds.first == "aac 1150976")
        #expect(sounds.count == Int(nextSound) - 1124)
        #expect(queue.drops.overflow == UInt64(1000 - pictures.count + 1124))
        #expect(queue.drops.undecodable == 0)
    }

    @Test("a connection that stood still for three seconds misses no IDR and no sound")
    func standstill() {
        var queue = configured()
        var sent: [String] = [], nextSound: Int64 = 0
        for index in Int64(0)..<300 {
            queue.push(picture(index))
            while nextSound * 1024 * 30 <= index * 48_000 {
                queue.push(sound(nextSound))
                nextSound += 1
            }
            if !(100..<190).contains(index) { sent += all(&queue) }
        }
        let pictures = sent.filter { $0.hasPrefix("h264") }
        #expect([0, 60, 120, 180, 240].allSatisfy { pictures.contains("h264 \($0)") })
        // What follows the last IDR that was sent is gone, and so is what needs it.
        #expect(pictures.firstIndex(of: "h264 99").map { pictures[$0 + 1] } == "h264 120")
        #expect(sent.count { $0.hasPrefix("aac") } == Int(nextSound))
        #expect(Int(queue.drops.overflow) == 300 - pictures.count)
        let numbers = pictures.compactMap { Int($0.dropFirst(5)) }
        for (before, after) in zip(numbers, numbers.dropFirst()) { #expect(after == before + 1 || after % 60 == 0) }
    }

    @Test("a new connection leaves out what follows pictures that the old one took")
    func reconnect() {
        var queue = configured()
        for index in Int64(0)..<10 { queue.push(picture(index)) }
        for _ in 0..<5 { #expect(queue.next() != nil) }
        queue.restart()
        #expect(queue.next() == nil)
        #expect(queue.drops.reconnect == 5)
        for index in Int64(10)..<62 { queue.push(picture(index)) }
        #expect(queue.drops.undecodable == 50)
        #expect(
            all(&queue) == ["video [1, 2]", "audio [3]", "time 2000 at 2000", "h264 60", "h264 61"])
        // What waits from an IDR on is kept for the next connection.
        for index in Int64(118)..<123 { queue.push(picture(index)) }
        queue.push(sound(188))
        queue.restart()
        #expect(
            all(&queue) == [
                "video [1, 2]", "audio [3]", "time 4000 at 4000", "h264 120", "h264 121", "h264 122", "aac 192512",
            ])
    }

    @Test("a new connection begins with an IDR of the last two seconds, however long the old one stood still")
    func reconnectAfterStandstill() {
        var queue = configured()
        for index in Int64(0)..<290 { queue.push(picture(index)) }
        queue.restart()
        let pictures = all(&queue).filter { $0.hasPrefix("h264") }
        #expect(pictures == (Int64(240)..<290).map { "h264 \($0)" })
        #expect(queue.drops.overflow + queue.drops.reconnect == 240)
    }

    @Test("sound that was encoded a little before the IDR that it belongs to stays with it")
    func earlySound() {
        var queue = configured()
        queue.push(picture(0))
        queue.push(picture(1))
        queue.push(sound(94))
        queue.push(picture(59))
        #expect(queue.count == 4)
        queue.push(picture(60))
        #expect(queue.next() != nil)
        queue.restart()
        #expect(all(&queue) == ["video [1, 2]", "audio [3]", "time 2000 at 2000", "h264 60", "aac 96256"])
    }

    @Test("sound that is encoded before the first IDR waits for it, and what lies before that is left out")
    func soundBeforeTheFirstPicture() {
        var queue = configured()
        for index in Int64(92)...96 { queue.push(sound(index)) }
        #expect(queue.next() == nil && queue.bytes == 0)
        queue.push(picture(60))
        queue.push(sound(97))
        #expect(
            all(&queue) == [
                "video [1, 2]", "audio [3]", "time 2000 at 2000", "h264 60", "aac 96256", "aac 97280", "aac 98304",
                "aac 99328",
            ])
        #expect(queue.drops.undecodable == 2 && queue.bytes == 0)
    }

    @Test("sound that waits for an IDR is bounded like all that waits")
    func soundThatWaits() {
        var queue = configured()
        for index in Int64(0)..<500 { queue.push(sound(index)) }
        queue.push(picture(300))
        // 10 s are sound 468.75: of the last two seconds, those from there on.
        #expect(all(&queue).count == 4 + 31)
        #expect(queue.drops.undecodable == 469)
    }

    @Test("sound without pictures does not pile up")
    func soundAlone() {
        var queue = configured()
        queue.push(picture(0))
        for index in Int64(0)..<500 {
            queue.push(sound(index))
            #expect(queue.milliseconds <= 10_250)
        }
        #expect(queue.count == 0 && queue.bytes == 0)
        queue.push(picture(600))
        #expect(queue.count == 1 && queue.drops.overflow + queue.drops.undecodable == 501)
    }

    @Test("bytes are bounded whatever the stamps say")
    func bytes() {
        var queue = configured(byteLimit: 1000)
        for index in Int64(0)..<300 {
            let frame = picture(index % 60 == 0 ? 0 : 1, bytes: 90)
            queue.push(frame)
            #expect(queue.bytes <= 1000)
        }
        queue.push(picture(0, bytes: 2000))
        #expect(queue.count == 0 && queue.bytes == 0)
        queue.push(picture(1))
        #expect(queue.count == 0)
    }

    @Test("waits double from 0.1 s to 2 s with jitter, and begin anew after a connection that lasted")
    func backoff() {
        var random = SeededRandom(7)
        var backoff = PublishBackoff()
        var waits: [Int64] = []
        for _ in 0..<7 { waits.append(backoff.delay(ranMilliseconds: 0, isRefused: false, using: &random)) }
        for (wait, most) in zip(waits, [Int64(100), 200, 400, 800, 1600, 2000, 2000]) {
            #expect((most / 2...most).contains(wait))
        }
        // A connection that is lost at once does not hurry the next one.
        #expect(backoff.delay(ranMilliseconds: 100, isRefused: false, using: &random) >= 1000)
        #expect(backoff.delay(ranMilliseconds: 5000, isRefused: false, using: &random) <= 100)
        #expect(backoff.delay(ranMilliseconds: 0, isRefused: true, using: &random) == 2000)
    }
}
