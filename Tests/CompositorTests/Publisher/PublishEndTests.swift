// What a producer is told of the end of a stream.

import NIOCore
import RTMP
import Testing

@testable import Compositor

@Suite("Ends of a stream")
struct PublishEndTests {
    private let reset = PublishEnd(IOError(errnoCode: 104, reason: "read"))

    @Test("a reset before the stream started is a server that can't be reached")
    func before() {
        #expect(reset.sentence(hasLasted: false) == "The server can't be reached: Connection reset by peer.")
    }

    @Test("a reset just after the start asks for the key, and a later one does not")
    func after() {
        #expect(
            reset.afterStart.sentence(hasLasted: false)
                == "The server closed the connection at once (Connection reset by peer): is the key right?")
        #expect(reset.afterStart.sentence(hasLasted: true) == "The connection broke: Connection reset by peer.")
    }

    @Test("what is no fault of the network stays what it is after the start")
    func others() {
        for end in [PublishEnd.untrusted, .stalled, .forbidden, .failed(.connectionClosed)] {
            #expect(end.afterStart == end)
        }
    }
}
