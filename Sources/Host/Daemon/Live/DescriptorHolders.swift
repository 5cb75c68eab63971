import Glibc

/// Which processes hold an inode that only descriptors lead to.
struct DescriptorHolders {
    private(set) var sockets: [UInt32: [Int32]] = [:]
    private(set) var pipes: [UInt32: [Int32]] = [:]
    private(set) var fifos: [[UInt8]: [Int32]] = [:]
    /// What they share by other means; the tables of it are those of the moment in which this was made.
    var shared = SharedObjects()

    /// Takes in what a link in /proc/PID/fd says: `socket:[N]` or `pipe:[N]`; anything else is left out.
    mutating func note(_ target: UnsafeRawBufferPointer, _ pid: Int32) {
        if let inode = Self.inode(target, "socket:[") { Self.add(pid, &sockets[inode, default: []]) }
        if let inode = Self.inode(target, "pipe:[") { Self.add(pid, &pipes[inode, default: []]) }
    }

    private static func inode(_ target: UnsafeRawBufferPointer, _ kind: StaticString) -> UInt32? {
        let head = kind.utf8CodeUnitCount
        guard target.count > head + 1, target.last == UInt8(ascii: "]"),
            memcmp(target.baseAddress!, kind.utf8Start, head) == 0
        else { return nil }
        var inode: UInt32 = 0
        for byte in target[head..<target.count - 1] {
            guard (48...57).contains(byte) else { return nil }
            let (tens, isTooLarge) = inode.multipliedReportingOverflow(by: 10)
            let (sum, isTooLargeNow) = tens.addingReportingOverflow(UInt32(byte - 48))
            if isTooLarge || isTooLargeNow { return nil }
            inode = sum
        }
        return inode
    }

    mutating func noteFifo(_ path: [UInt8], _ pid: Int32) { Self.add(pid, &fifos[path, default: []]) }

    private static func add(_ pid: Int32, _ pids: inout [Int32]) {
        if pids.last != pid { pids.append(pid) }
    }
}
