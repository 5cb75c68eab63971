import CLinux
import Glibc

/// How large a ring is: as many events as come while the daemon is busy elsewhere, at a bounded price.
///
/// The kernel keeps rings in memory that is never swapped, one for each processor: on a machine of many
/// processors each is smaller, but none smaller than what a small machine needs.
enum RingSize {
    /// Bytes of one ring, at most and at least.
    static let most = 1 << 20
    static let least = 128 << 10
    /// Bytes of all rings together, as long as none gets smaller than `least`.
    static let mostOfAll = 32 << 20

    /// Pages of each ring, a power of two.
    static func pages(processors: Int, pageSize: Int = sysconf(Int32(_SC_PAGESIZE))) -> Int {
        precondition(processors > 0 && pageSize > 0)
        var bytes = most
        while bytes > least, bytes * processors > mostOfAll { bytes /= 2 }
        return max(bytes / pageSize, 1)
    }

    /// Makes rings of that many pages; where they cannot be mapped, of half as many and so on, as long as that
    /// is worth having. What the kernel lends is for all rings together, so all are made anew.
    static func shrinking<Rings: ~Copyable>(
        from pages: Int, pageSize: Int = sysconf(Int32(_SC_PAGESIZE)),
        _ make: (Int) throws(TracepointError) -> Rings
    ) throws(TracepointError) -> Rings {
        var pages = pages
        while true {
            do throws(TracepointError) {
                return try make(pages)
            } catch .unmapped(let error) {
                guard pages > 1, pages / 2 * pageSize >= least else { throw .unmapped(error) }
                pages /= 2
            }
        }
    }

    /// Bytes in a ring that wake the poller: a quarter, so that there is room for what comes until it is
    /// drained.
    static func watermark(pages: Int, pageSize: Int = sysconf(Int32(_SC_PAGESIZE))) -> UInt32 {
        UInt32(clamping: pages * pageSize / 4)
    }
}
