// Who gets what of a thin line, and how patiently a layer is gone up to.

import Media
import Testing

@testable import SFU

@Suite("Allocator")
struct AllocatorTests {
    private func request(_ rank: PictureRank, area: Int = 100, _ rates: Int...) -> LayerRequest {
        var request = LayerRequest(rank: rank, area: area)
        for rate in rates { request.append(rate: rate) }
        return request
    }

    private func divide(_ requests: [LayerRequest], _ budget: Int) -> [Int] {
        var allocator = Allocator(), levels: [Int] = []
        allocator.divide(requests, budget: budget, into: &levels)
        return levels
    }

    @Test("a shared screen comes first, then who speaks, then everybody by one layer after the other")
    func order() {
        let requests = [
            request(.other, area: 50, 100, 300, 900), request(.speaker, 100, 300, 900), request(.screen, 200, 800),
            request(.other, area: 60, 100, 300, 900),
        ]
        #expect(divide(requests, 99) == [0, 0, 0, 0])
        #expect(divide(requests, 199) == [0, 1, 0, 0], "what does not fit makes room for what does")
        #expect(divide(requests, 799) == [1, 2, 1, 1])
        #expect(divide(requests, 800) == [0, 0, 2, 0])
        #expect(divide(requests, 1000) == [0, 1, 2, 1])
        #expect(divide(requests, 1700) == [0, 3, 2, 0])
        #expect(divide(requests, 1800) == [0, 3, 2, 1], "the larger tile first")
        #expect(divide(requests, 1900) == [1, 3, 2, 1])
        #expect(divide(requests, 2100) == [1, 3, 2, 2])
        #expect(divide(requests, 2300) == [2, 3, 2, 2])
        #expect(divide(requests, 3500) == [3, 3, 2, 3])
        #expect(divide([], 100) == [])
        #expect(divide(requests, -5) == [0, 0, 0, 0])
    }

    @Test("of many that don't all fit those get something that are shown largest, and never more than there is")
    func bounds() {
        var random = LayerRandom(4)
        for _ in 0..<500 {
            let requests = (0..<Int.random(in: 0...40, using: &random)).map { _ -> LayerRequest in
                var request = LayerRequest(
                    rank: [.screen, .speaker, .other].randomElement(using: &random) ?? .other,
                    area: .random(in: 0...1_000_000, using: &random))
                var rate = 0
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    rate += .random(in: 1...500, using: &random)
                    request.append(rate: rate)
                }
                return request
            }
            let budget = Int.random(in: 0...20_000, using: &random), levels = divide(requests, budget)
            #expect(levels.count == requests.count)
            #expect(zip(requests, levels).reduce(0) { $0 + $1.0.rate($1.1) } <= budget)
            let more = divide(requests, 1_000_000)
            #expect(more == requests.map(\.count))
        }
    }

    @Test("down at once, up only when there was room for a while, and longer after it turned out to be too much")
    func hysteresis() {
        var grant = LayerGrant()
        let order = [0, 1, 2]
        func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + milliseconds) }
        grant.follow(order, fitting: 1, raised: 1, now: at(0))
        #expect(grant.allowed == 0b001 && !grant.isWhole)
        grant.follow(order, fitting: 3, raised: 2, now: at(100))
        grant.follow(order, fitting: 3, raised: 2, now: at(599))
        #expect(grant.allowed == 0b001)
        grant.follow(order, fitting: 3, raised: 2, now: at(600))
        #expect(grant.allowed == 0b011)
        grant.follow(order, fitting: 0, raised: 0, now: at(700))
        #expect(grant.isPaused)
        grant.follow(order, fitting: 2, raised: 2, now: at(800))
        grant.follow(order, fitting: 2, raised: 0, now: at(2000))
        grant.follow(order, fitting: 2, raised: 2, now: at(2100))
        grant.follow(order, fitting: 2, raised: 2, now: at(4599))
        #expect(grant.isPaused, "there was no room in between")
        grant.follow(order, fitting: 2, raised: 2, now: at(4600))
        #expect(grant.allowed == 0b011)
        grant.follow(order, fitting: 3, raised: 3, now: at(20_000))
        grant.follow(order, fitting: 3, raised: 3, now: at(20_500))
        #expect(grant.isWhole)
        // The second time that more was too much: ten seconds.
        grant.follow(order, fitting: 1, raised: 1, now: at(21_000))
        for moment in stride(from: Int64(21_100), to: 31_000, by: 100) {
            grant.follow(order, fitting: 3, raised: 3, now: at(moment))
            #expect(grant.allowed == 0b001)
        }
        grant.follow(order, fitting: 3, raised: 3, now: at(31_000))
        #expect(grant.isWhole)
        // What has held for long enough is no more than a line that has changed.
        grant.follow(order, fitting: 2, raised: 2, now: at(70_000))
        grant.follow(order, fitting: 3, raised: 3, now: at(70_100))
        grant.follow(order, fitting: 3, raised: 3, now: at(72_600))
        #expect(grant.isWhole)
        grant.follow(order, fitting: 2, raised: 2, now: at(73_000))
        grant.forgive()
        grant.follow(order, fitting: 3, raised: 3, now: at(73_100))
        grant.follow(order, fitting: 3, raised: 3, now: at(73_600))
        #expect(grant.isWhole, "the step down was for nothing")
        grant.follow(order, fitting: 2, raised: 2, now: at(74_000))
        grant.release()
        #expect(grant.isWhole)
    }

    @Test("what gives way to another picture was not too much for the line, which has not changed")
    func givesWay() {
        func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + milliseconds) }
        /// A shared screen takes the room for a second, again and again; for how long the camera stays small each time.
        func pauses(steadySince: MonotonicTime?) -> [Int64] {
            var grant = LayerGrant(), now: Int64 = 100, pauses: [Int64] = []
            func follow(_ room: Int) {
                grant.follow([0, 1, 2], fitting: room, raised: room, steadySince: steadySince, now: at(now))
            }
            while pauses.count < 6 {
                let begin = now
                while now < begin + 1000 {
                    follow(1)
                    now += 100
                }
                while !grant.isWhole, now < begin + 100_000 {
                    follow(3)
                    now += 100
                }
                pauses.append(now - begin)
                now += 1000
            }
            return pauses
        }
        #expect(pauses(steadySince: at(0)).allSatisfy { $0 <= 4000 })
        #expect(pauses(steadySince: nil).last == 60_100, "a line that is not known to be steady")
    }

    @Test("where there is ample room all at once nothing is waited for, unless that has misled before")
    func ampleRoom() {
        var grant = LayerGrant()
        let order = [0, 1, 2]
        func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + milliseconds) }
        /// Falls to the smallest layer, and says after how many milliseconds of room for all it is whole again.
        func wholeAfter(_ start: Int64, ample: Int) -> Int64? {
            grant.follow(order, fitting: 1, raised: 1, now: at(start))
            return stride(from: Int64(100), through: 60_000, by: 100).first { moment in
                grant.follow(order, fitting: 3, raised: 3, ample: ample, now: at(start + moment))
                return grant.isWhole
            }
        }
        #expect(wholeAfter(0, ample: 1) == 600)
        #expect(wholeAfter(1000, ample: 1) == 5000)
        #expect(wholeAfter(10_000, ample: 3) == 2600, "another line than the one that had no room")
        #expect(wholeAfter(13_000, ample: 3) == 10_000, "it was none, after all")
        #expect(wholeAfter(60_000, ample: 3) == 2600, "what has held for half a minute was one")
    }

    @Test("a picture that there is room for only for a moment does not come and go")
    func flapping() {
        var grant = LayerGrant()
        func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + milliseconds) }
        var pauses: [Int64] = []
        var now: Int64 = 0
        while now < 200_000 {
            grant.follow([0, 1, 2], fitting: 0, raised: 0, now: at(now))
            let begin = now
            while grant.isPaused, now < 300_000 {
                now += 100
                grant.follow([0, 1, 2], fitting: 1, raised: 1, now: at(now))
            }
            pauses.append(now - begin)
            now += 1000
        }
        #expect(Array(pauses.prefix(5)) == [600, 5000, 10_000, 20_000, 40_000])
        #expect(pauses.dropFirst(5).allSatisfy { $0 == 60_000 })
    }

    @Test("layers that go and come change what may be sent only as far as they must")
    func layersComeAndGo() {
        var grant = LayerGrant()
        func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1000 + milliseconds) }
        grant.follow([0, 1, 2], fitting: 2, raised: 2, now: at(0))
        #expect(grant.allowed == 0b011)
        grant.follow([1, 2], fitting: 1, raised: 1, now: at(100))
        #expect(grant.allowed == 0b010)
        grant.follow([0, 1, 2], fitting: 2, raised: 2, now: at(200))
        #expect(grant.allowed == 0b011)
        grant.follow([2], fitting: 0, raised: 0, now: at(300))
        #expect(grant.isPaused)
    }
}
