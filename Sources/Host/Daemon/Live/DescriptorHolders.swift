import Glibc
import Procfs

/// A file, whatever it is called.
struct FileIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
}

/// Which processes hold an inode that only descriptors lead to.
struct DescriptorHolders {
    private(set) var sockets: [UInt32: [Int32]] = [:]
    /// A descriptor of the first process that holds one.
    private(set) var firstDescriptors: [UInt32: Int32] = [:]
    private(set) var pipes: [UInt32: PipeEnds] = [:]
    /// By the file, which two mount namespaces may have at one path.
    private(set) var fifos: [FileIdentity: (path: [UInt8], ends: PipeEnds)] = [:]
    /// What they share by other means; the tables of it are those of the moment in which this was made.
    var shared: SharedObjects

    /// Begins without any; what they share by other means is asked of the tables of `shared`.
    init(_ shared: SharedObjects = SharedObjects()) { self.shared = shared }

    /// Takes in what was found of processes that come after all of those that this has.
    mutating func append(_ later: DescriptorHolders) {
        for (inode, pids) in later.sockets {
            if sockets[inode] == nil { firstDescriptors[inode] = later.firstDescriptors[inode] }
            sockets[inode, default: []] += pids
        }
        for (pipe, ends) in later.pipes { pipes[pipe, default: PipeEnds()].append(ends) }
        for (file, fifo) in later.fifos {
            fifos[file, default: (fifo.path, PipeEnds())].ends.append(fifo.ends)
        }
        shared.append(later.shared)
    }

    /// Takes in what the link of a descriptor in /proc/PID/fd says; returns the number of a pipe, of whose end the link says nothing.
    mutating func note(_ target: UnsafeRawBufferPointer, _ number: Int32, _ pid: Int32) -> UInt32? {
        if let inode = Self.inode(target, "socket:[") {
            if sockets[inode] == nil { firstDescriptors[inode] = number }
            Self.add(pid, &sockets[inode, default: []])
        }
        return Self.inode(target, "pipe:[")
    }

    mutating func note(pipe: UInt32, _ pid: Int32, _ descriptor: Int32, flags: Int32) {
        pipes[pipe, default: PipeEnds()].note(pid, descriptor, flags: flags)
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

    mutating func noteFifo(
        _ path: [UInt8], _ file: FileIdentity, _ pid: Int32, _ descriptor: Int32, flags: Int32
    ) {
        fifos[file, default: (path, PipeEnds())].ends.note(pid, descriptor, flags: flags)
    }

    private static func add(_ pid: Int32, _ pids: inout [Int32]) {
        if pids.last != pid { pids.append(pid) }
    }
}
