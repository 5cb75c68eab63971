import CLinux
import Glibc

/// The lowest real-time priority, for threads that have to be in time and do little: `SCHED_RR`, priority 1. Needs
/// `CAP_SYS_NICE` or `RLIMIT_RTPRIO`.
///
/// Such a thread keeps within `RLIMIT_RTTIME`, which counts its processor time since it last slept, and ends the
/// process that forgets to.
public enum RealTimePriority {
    /// Whether a thread may have it; puts the limit in place that ends a runaway.
    public static func isAllowed() -> Bool {
        guard clinux_limit_real_time(2_000_000) == 0 else { return false }
        var parameters = sched_param()
        parameters.sched_priority = 1
        // Tried on this thread, which does not keep it.
        guard sched_setscheduler(0, SCHED_RR, &parameters) == 0 else { return false }
        parameters.sched_priority = 0
        sched_setscheduler(0, SCHED_OTHER, &parameters)
        return true
    }

    /// Gives it to the calling thread, if it may have it.
    public static func take() {
        var parameters = sched_param()
        parameters.sched_priority = 1
        pthread_setschedparam(pthread_self(), SCHED_RR, &parameters)
    }
}
