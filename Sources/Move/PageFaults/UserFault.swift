import CLinux
import Glibc
public import SystemCalls

/// What the kernel says of a process's memory whose faults are answered here (`struct uffd_msg`).
public enum MemoryEvent: Equatable, Sendable {
    /// A thread has touched a page, and waits. `isWrite` is also true where a write was not permitted.
    case fault(address: UInt64, isWrite: Bool)
    /// The process has forked: the descriptor of the child's memory, which nobody owns yet.
    case fork(Int32)
    /// A mapping was moved (mremap(2)).
    case moved(from: UInt64, to: UInt64, bytes: UInt64)
    /// Pages were given back (MADV_REMOVE, MADV_DONTNEED of madvise(2)).
    case removed(Range<UInt64>)
    /// A mapping is gone (munmap(2)).
    case unmapped(Range<UInt64>)
    /// One that this program does not know.
    case unknown(UInt8)
}

/// A descriptor of userfaultfd(2): one process's memory, whose faults another one answers.
///
/// Of shared memory (shmem), page faults are reported where no page is there and where a page is write-protected (Linux 5.19). The
/// kernel closes nothing by itself: once the last descriptor is closed, threads that wait go on, and a page that is not there reads
/// as zeros.
public struct UserFault: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Features without which memory cannot be followed: faults of shared memory, its write protection, and what a process does with
    /// its mappings. EVENT_FORK needs CAP_SYS_PTRACE.
    private static let features =
        UInt64(UFFD_FEATURE_PAGEFAULT_FLAG_WP) | UInt64(UFFD_FEATURE_MISSING_SHMEM)
        | UInt64(UFFD_FEATURE_WP_HUGETLBFS_SHMEM) | UInt64(UFFD_FEATURE_EVENT_FORK)
        | UInt64(UFFD_FEATURE_EVENT_REMAP) | UInt64(UFFD_FEATURE_EVENT_REMOVE)
        | UInt64(UFFD_FEATURE_EVENT_UNMAP)

    /// Takes a descriptor that was made in the process, and agrees with the kernel on what it reports (UFFDIO_API).
    public init(_ descriptor: consuming FileDescriptor) throws(SystemError) {
        let number = descriptor.number
        _ = try systemCall("UFFDIO_API") { clinux_uffd_api(number, Self.features) }
        self.descriptor = descriptor
    }

    /// Takes the descriptor of a child, which has its parent's features.
    public init(ofChild number: Int32) { descriptor = FileDescriptor(owning: number) }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Has the faults of a range reported. It has to be shmem, and of whole pages.
    public borrowing func register(_ range: Range<UInt64>) throws(SystemError) {
        let number = number
        _ = try systemCall("UFFDIO_REGISTER") {
            clinux_uffd_register(
                number, range.lowerBound, UInt64(range.count), clinux_UFFD_MISSING | clinux_UFFD_WP)
        }
    }

    /// Puts a page where none is. Nobody is woken.
    public borrowing func copy(
        to address: UInt64, _ bytes: UnsafeRawBufferPointer, isProtected: Bool
    ) throws(SystemError) {
        let number = number
        let mode = clinux_UFFD_COPY_DONTWAKE | (isProtected ? clinux_UFFD_COPY_WP : 0)
        _ = try systemCall("UFFDIO_COPY") {
            clinux_uffd_copy(number, address, bytes.baseAddress, UInt64(bytes.count), mode)
        }
    }

    /// Write-protects pages, whether they are there or not; or takes that back, and wakes those that wait for it.
    public borrowing func protect(_ range: Range<UInt64>, _ isProtected: Bool) throws(SystemError) {
        let number = number
        _ = try systemCall("UFFDIO_WRITEPROTECT") {
            clinux_uffd_protect(
                number, range.lowerBound, UInt64(range.count), isProtected ? clinux_UFFD_PROTECT_WP : 0)
        }
    }

    /// Has threads that wait in a range try again.
    public borrowing func wake(_ range: Range<UInt64>) throws(SystemError) {
        let number = number
        _ = try systemCall("UFFDIO_WAKE") { clinux_uffd_wake(number, range.lowerBound, UInt64(range.count)) }
    }

    /// Whether the memory is still a process's.
    public var isOfLiving: Bool { Self.isOfLiving(number) }

    /// The same of a descriptor's number.
    public static func isOfLiving(_ number: Int32) -> Bool {
        // The last page of the address space, which is no shared memory: only whether there is memory is seen by the answer.
        clinux_uffd_protect(number, 0x7fff_ffff_e000, 4096, 0) == 0 || errno != ESRCH
    }

    /// What has happened; empty where nothing has.
    public borrowing func events() throws(SystemError) -> [MemoryEvent] {
        var messages = [uffd_msg](repeating: uffd_msg(), count: 16)
        let size = MemoryLayout<uffd_msg>.size
        let number = number
        let bytes = messages.count * size
        let count = try systemCallUnlessBlocked("read") { Glibc.read(number, &messages, bytes) }
        return messages[..<((count ?? 0) / size)].map(Self.event)
    }

    private static func event(_ message: uffd_msg) -> MemoryEvent {
        let arg = message.arg
        switch Int32(message.event) {
        case UFFD_EVENT_PAGEFAULT:
            let flags = arg.pagefault.flags
            let isWrite = flags & (UInt64(UFFD_PAGEFAULT_FLAG_WRITE) | UInt64(UFFD_PAGEFAULT_FLAG_WP)) != 0
            return .fault(address: arg.pagefault.address, isWrite: isWrite)
        case UFFD_EVENT_FORK: return .fork(Int32(bitPattern: arg.fork.ufd))
        case UFFD_EVENT_REMAP: return .moved(from: arg.remap.from, to: arg.remap.to, bytes: arg.remap.len)
        case UFFD_EVENT_REMOVE: return .removed(arg.remove.start..<max(arg.remove.start, arg.remove.end))
        case UFFD_EVENT_UNMAP: return .unmapped(arg.remove.start..<max(arg.remove.start, arg.remove.end))
        default: return .unknown(message.event)
        }
    }
}
