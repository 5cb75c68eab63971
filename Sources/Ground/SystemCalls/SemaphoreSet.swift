import CLinux

/// What semctl(2) says of a set of System V semaphores, which no file under /proc does.
public enum SemaphoreSet {
    /// The process that last operated on a semaphore, changed its value or waited for zero with success; 0 if
    /// none did, or none of this pid namespace. It may be gone, and its number another's.
    ///
    /// The corresponding C call is `semctl` with `GETPID`. Throws EACCES for a set that may not be read
    /// (`CAP_IPC_OWNER` reads all), EINVAL or EIDRM for one that is gone.
    public static func lastOperator(set: Int32, number: Int32) throws(SystemError) -> Int32 {
        try systemCall("semctl") { clinux_semaphore_pid(set, number) }
    }
}
