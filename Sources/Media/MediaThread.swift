// A thread of our own for long C calls, so that Swift's cooperative pool never starves.

import CMediaShims
import Glibc

/// A named thread that runs one closure to its end.
public final class MediaThread: @unchecked Sendable {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private var thread = pthread_t()
    private var isJoined = false

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: what tools show, cut to 15 bytes.
    ///   - body: runs on the thread until it returns.
    public init(name: String, body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let result = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                proscenium_name_thread(String(start.name.prefix(15)))
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
