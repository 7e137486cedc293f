// A media thread runs its body once, with the patience that it was given.

import Glibc
import Media
import Synchronization
import Testing

@Suite("MediaThread")
struct MediaThreadTests {
    private func niceness(ofThreadWith niceness: Int32) -> Int32 {
        let seen = Mutex<Int32>(-1)
        MediaThread(name: "patient", niceness: niceness) {
            let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
            seen.withLock { $0 = own }
        }.join()
        return seen.withLock { $0 }
    }

    @Test("gives way by the niceness it was started with, and no other thread does")
    func niceness() {
        let before = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        #expect(niceness(ofThreadWith: before + 5) == before + 5)
        #expect(niceness(ofThreadWith: 0) == before)
        #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) == before)
    }
}
