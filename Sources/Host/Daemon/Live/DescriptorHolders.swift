import Glibc
import Procfs

/// A file, whatever it is called.
struct FileIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
}

/// Who holds which end of a pipe or FIFO, by the flags that their descriptors were opened with.
struct PipeEnds {
    private(set) var writers: [Int32] = []
    private(set) var readers: [Int32] = []
    /// A descriptor by which each of them has it.
    private var writing: [Int32: Int32] = [:]
    private var reading: [Int32: Int32] = [:]

    mutating func note(_ pid: Int32, _ descriptor: Int32, flags: Int32) {
        if flags & O_ACCMODE != O_RDONLY, writers.last != pid {
            writers.append(pid)
            writing[pid] = descriptor
        }
        if flags & O_ACCMODE != O_WRONLY, readers.last != pid {
            readers.append(pid)
            reading[pid] = descriptor
        }
    }

    /// Takes in those of processes that come after all of these.
    mutating func append(_ later: PipeEnds) {
        writers += later.writers
        readers += later.readers
        writing.merge(later.writing) { first, _ in first }
        reading.merge(later.reading) { first, _ in first }
    }

    /// Without those that have closed their end since: processes are met one after another, and who makes a pipe for others
    /// holds it for a moment.
    ///
    /// - Parameter isOpen: whether a process still has it by a descriptor.
    func kept(_ isOpen: (_ pid: Int32, _ descriptor: Int32) -> Bool) -> PipeEnds {
        var ends = self
        ends.writers.removeAll { pid in writing[pid].map { !isOpen(pid, $0) } ?? true }
        ends.readers.removeAll { pid in reading[pid].map { !isOpen(pid, $0) } ?? true }
        return ends
    }

    /// Without those that share an end with others and merely inherited it: whoever has never written anything since it
    /// was forked has not written to this.
    ///
    /// - Parameter calls: how many reads and writes a process has made; `nil` where that cannot be known.
    func used(_ calls: (Int32) -> TransferCalls?) -> PipeEnds {
        var ends = self
        if writers.count > 1 { ends.writers.removeAll { calls($0)?.writes == 0 } }
        if readers.count > 1 { ends.readers.removeAll { calls($0)?.reads == 0 } }
        return ends
    }
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
