import Glibc
import Records

extension RecordStore {
    /// Renames a damaged store, with the files beside it, to `<name>.damaged-<UTC time>`, so that a new one
    /// can be made and nothing is thrown away. No store may be open at the path.
    ///
    /// - Returns: the new path of the database.
    public static func setAside(_ path: String) throws(StoreError) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let time = Timestamp.compactText(UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec))
        var target = "\(path).damaged-\(time)"
        var attempt = 1
        while access(target, F_OK) == 0 {
            attempt += 1
            target = "\(path).damaged-\(time)-\(attempt)"
        }
        // The log first: one that stayed behind would be taken for the new database's.
        for suffix in ["-wal", "-shm", ""] {
            if rename(path + suffix, target + suffix) != 0, errno != ENOENT || suffix.isEmpty {
                throw .system(call: "rename", code: errno)
            }
        }
        return target
    }
}
