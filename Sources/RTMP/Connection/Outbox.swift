// What a state machine has to tell its shell, in order.

/// Actions waiting to be taken, and bytes waiting to be sent before them.
struct Outbox<Action: Sendable>: Sendable {
    /// Bytes to send before the next action.
    var bytes: [UInt8] = []
    private var actions: [Action] = []
    private var head = 0

    mutating func add(_ action: Action) { actions.append(action) }

    mutating func takeBytes() -> [UInt8]? {
        guard !bytes.isEmpty else { return nil }
        defer { bytes = [] }
        return bytes
    }

    mutating func takeAction() -> Action? {
        guard head < actions.count else { return nil }
        defer {
            head += 1
            if head == actions.count {
                actions.removeAll(keepingCapacity: actions.capacity <= 64)
                head = 0
            }
        }
        return actions[head]
    }
}
