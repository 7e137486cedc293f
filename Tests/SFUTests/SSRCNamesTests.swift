// What a session's tracks are called: no two the same, for as long as their key is in use.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Names of what is sent")
struct SSRCNamesTests {
    @Test(
        "no name is given twice, whatever it begins with, and none that others use",
        arguments: [0, 1, 2, 0x8000_0000] as [UInt32])
    func unique(step: UInt32) {
        for last in [UInt32.max - 3, .max, 0, 1, 77] {
            var names = SSRCNames(after: last, step: step), given: Set<UInt32> = []
            for _ in 0..<10_000 { given.insert(names.take()) }
            #expect(given.count == 10_000 && !given.contains(0) && !given.contains(Session.reporterSSRC))
        }
    }

    @Test("tracks and seats of one session have names of their own, those too that come behind what has ended")
    func oneSession() throws {
        let run = try SpatialSimulation(seed: 2), session = run.consumer.session
        let first = Consumer(producer: run.producer, session: session, section: 0, wish: nil)
        let seat = Consumer.Trail(isVideo: true, to: session)
        let goingOn = Consumer(producer: run.producer, session: session, section: 1, wish: nil, after: seat)
        let ended = [first.ssrc, first.rtxSSRC]
        session.consumers = [goingOn]
        let next = Consumer(producer: run.producer, session: session, section: 0, wish: nil)
        #expect([goingOn.ssrc, goingOn.rtxSSRC] == [seat.ssrc, seat.rtxSSRC])
        #expect(Set(ended + [seat.ssrc, seat.rtxSSRC, next.ssrc, next.rtxSSRC]).count == 6)
    }
}
