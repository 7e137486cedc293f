// The only place that reads the machine's clocks; everything else is told the time.

import Glibc

/// The machine's clocks, for the shells that drive state machines.
public enum SystemClock {
    /// Reads the monotonic clock.
    public static func monotonic() -> MonotonicTime {
        MonotonicTime(nanoseconds: read(CLOCK_MONOTONIC))
    }

    /// Reads the wall clock, in milliseconds since the Unix epoch.
    public static func wallMilliseconds() -> Int64 { read(CLOCK_REALTIME) / 1_000_000 }

    /// Reads what the thread that asks has used of a core so far, in nanoseconds.
    public static func threadNanoseconds() -> Int64 { read(CLOCK_THREAD_CPUTIME_ID) }

    /// Sleeps until a moment of the monotonic clock; blocks the thread.
    public static func sleep(until moment: MonotonicTime) {
        var time = timespec()
        time.tv_sec = Int(moment.nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(moment.nanoseconds % 1_000_000_000)
        while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil) == EINTR {}
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
