import Glibc

/// The kernel's clocks, in nanoseconds. The corresponding C function is `clock_gettime`.
public enum Clock {
    /// `CLOCK_MONOTONIC`: what the proc connector and the tracepoint ring stamp events with.
    public static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }
    /// `CLOCK_REALTIME`, since 1970-01-01T00:00:00Z.
    public static func wall() -> UInt64 { read(CLOCK_REALTIME) }
    /// `CLOCK_BOOTTIME`: what `starttime` in /proc/PID/stat counts from, in clock ticks.
    public static func sinceBoot() -> UInt64 { read(CLOCK_BOOTTIME) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        precondition(clock_gettime(clock, &time) == 0)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
