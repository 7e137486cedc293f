// Messages from any thread to a loop: bounded, with one wake for many.

import CPacketIO
import Glibc
import Synchronization

/// A bounded queue with many writers and one reader, which an eventfd wakes.
public final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let capacity: Int
    let descriptor: Int32

    /// Creates an empty mailbox.
    public init(capacity: Int = 4096) {
        self.capacity = capacity
        descriptor = proscenium_eventfd()
        // Without descriptors there is no loop; the supervisor starts the process again.
        precondition(descriptor >= 0, "no eventfd: \(errno)")
    }

    deinit { close(descriptor) }

    /// Posts a message; returns false when the mailbox is full or closed.
    @discardableResult
    public func post(_ message: Message) -> Bool {
        let (isTaken, wakes) = state.withLock { state -> (Bool, Bool) in
            guard !state.isClosed, state.messages.count < capacity else { return (false, false) }
            state.messages.append(message)
            return (true, state.messages.count == 1)
        }
        if wakes { proscenium_eventfd_signal(descriptor) }
        return isTaken
    }

    func takeAll() -> [Message] {
        proscenium_eventfd_clear(descriptor)
        return state.withLock { state in
            let messages = state.messages
            state.messages = []
            return messages
        }
    }

    /// Lets nothing more in and returns what was left.
    func seal() -> [Message] {
        state.withLock { state in
            state.isClosed = true
            defer { state.messages = [] }
            return state.messages
        }
    }
}
