// A thread of our own for long C calls, so that Swift's cooperative pool never starves.

import CMediaShims
import Glibc

/// A named thread that runs one closure to its end.
public final class MediaThread: @unchecked Sendable {
    private final class Start {
        let name: String
        let niceness: Int32
        let body: @Sendable () -> Void
        init(name: String, niceness: Int32, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.niceness = niceness
            self.body = body
        }
    }

    private var thread = pthread_t()
    private var isJoined = false

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: what tools show, cut to 15 bytes.
    ///   - niceness: 0 for what someone waits for; up to 19 for what has seconds of patience and takes a core for long.
    ///     Threads that the body starts have it, too.
    ///   - body: runs on the thread until it returns.
    public init(name: String, niceness: Int32 = 0, body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(name: name, niceness: niceness, body: body))
        let result = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                proscenium_name_thread(String(start.name.prefix(15)))
                // 0 is the calling thread: Linux has a niceness for each. More of it needs no privilege.
                if start.niceness != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, start.niceness) }
                start.body()
                return nil
            }, start.toOpaque())
        // Without threads there is no media; the supervisor starts the process again.
        precondition(result == 0, "no thread could be started: \(result)")
    }

    /// Waits until the closure has returned; called once, from another thread.
    public func join() {
        guard !isJoined else { return }
        isJoined = true
        pthread_join(thread, nil)
    }
}
