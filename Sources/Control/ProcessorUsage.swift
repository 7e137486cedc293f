// How many cores this process uses.

internal import Glibc
internal import Media
internal import Synchronization

/// Measures the process's CPU time between two questions.
public final class ProcessorUsage: Sendable {
    private let last = Mutex<(cpu: Double, at: MonotonicTime)>((ProcessorUsage.seconds(), SystemClock.monotonic()))

    /// Starts measuring.
    public init() {}

    /// The cores used since the last question.
    public func cores() -> Double {
        last.withLock { last in
            let cpu = Self.seconds(), now = SystemClock.monotonic()
            defer { last = (cpu, now) }
            return (cpu - last.cpu) / max(0.001, Double(now.nanoseconds(since: last.at)) / 1e9)
        }
    }

    private static func seconds() -> Double {
        var usage = rusage()
        getrusage(numericCast(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}
