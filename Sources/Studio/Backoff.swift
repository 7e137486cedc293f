// How long is waited before something that failed is tried again.

/// A pause that grows from 0.1 s to 2 s, with full jitter above the least.
struct Backoff {
    private var limitMs: Int64 = 200

    mutating func wait() async {
        try? await Task.sleep(for: .milliseconds(Int64.random(in: 100...limitMs)))
        limitMs = min(limitMs * 2, 2000)
    }
}
