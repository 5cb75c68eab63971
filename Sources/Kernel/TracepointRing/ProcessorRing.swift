import CLinux
import Glibc
import SystemCalls

/// One processor's events and the ring that the kernel writes them to.
struct ProcessorRing: ~Copyable {
    private let descriptor: FileDescriptor
    /// A second event that is written to the same ring, so that both are in one order.
    private let companion: CompanionEvent
    private let control: UnsafeMutablePointer<perf_event_mmap_page>
    private let records: UnsafeRawBufferPointer
    private let mappedSize: Int
    private let loss: LossCount
    /// The processor.
    let processor: Int32

    /// Opens the event, still disabled, and maps its ring.
    ///
    /// - Parameters:
    ///   - companion: number of a second tracepoint whose events go to the same ring; one that cannot be had is left out.
    ///   - pages: the ring's size, a power of two.
    init(
        _ attributes: inout perf_event_attr, processor: Int32, companion: UInt16? = nil, pages: Int
    ) throws(TracepointError) {
        let pageSize = sysconf(Int32(_SC_PAGESIZE))
        let size = pages * pageSize
        // The control page stands before the records.
        let mappedSize = size + pageSize
        let descriptor: FileDescriptor
        do throws(SystemError) {
            let number = try systemCall("perf_event_open") {
                clinux_perf_event_open(&attributes, -1, processor, -1, UInt(PERF_FLAG_FD_CLOEXEC))
            }
            descriptor = FileDescriptor(owning: number)
        } catch {
            throw .refused(error)
        }
        // Writable, so that the kernel heeds our tail and drops new events rather than unread old ones.
        let base = mmap(nil, mappedSize, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.number, 0)
        guard let base, base != MAP_FAILED else { throw .unmapped(SystemError("mmap")) }
        self.companion = CompanionEvent(companion, attributes, processor, into: descriptor.number)
        self.descriptor = descriptor
        self.mappedSize = mappedSize
        self.processor = processor
        loss = LossCount(size: size)
        control = base.assumingMemoryBound(to: perf_event_mmap_page.self)
        records = UnsafeRawBufferPointer(start: base + pageSize, count: size)
    }

    deinit { munmap(control, mappedSize) }

    /// Whether the second event is written to this ring.
    var hasCompanion: Bool { companion.number >= 0 }

    var number: Int32 { descriptor.number }

    /// Lets only some events through; `false` where the kernel does not take the expression.
    borrowing func filter(_ expression: String) -> Bool {
        var expression = Array(expression.utf8CString)
        return clinux_ioctl_pointer(number, clinux_PERF_EVENT_IOC_SET_FILTER, &expression) == 0
    }

    /// Ends the events; what the ring holds can still be read.
    borrowing func disable() { _ = clinux_ioctl(number, clinux_PERF_EVENT_IOC_DISABLE, 0) }

    /// Starts the events.
    borrowing func enable() throws(TracepointError) {
        let number = number
        do throws(SystemError) {
            _ = try systemCall("ioctl") { clinux_ioctl(number, clinux_PERF_EVENT_IOC_ENABLE, 0) }
            let second = companion.number
            if second >= 0 {
                _ = try systemCall("ioctl") { clinux_ioctl(second, clinux_PERF_EVENT_IOC_ENABLE, 0) }
            }
        } catch {
            throw .system(error)
        }
    }

    /// Copies all records behind what `buffer` holds, and gives their room back to the kernel.
    ///
    /// - Returns: bytes copied.
    @discardableResult
    borrowing func drain(appendingTo buffer: inout [UInt8]) -> Int {
        let head = clinux_ring_head(control)
        // The tail is ours alone to move.
        let tail = control.pointee.data_tail
        let count = Int(truncatingIfNeeded: head &- tail)
        if count == 0 { return 0 }
        loss.held(count)
        guard (1...records.count).contains(count) else {
            // The kernel's head cannot have run past the ring; if it says so, nothing in it can be believed.
            clinux_ring_set_tail(control, head)
            return 0
        }
        let start = Int(tail & UInt64(records.count - 1))
        let first = min(count, records.count - start)
        buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: records[start..<start + first]))
        buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: records[..<(count - first)]))
        clinux_ring_set_tail(control, head)
        return count
    }

    /// How many events this processor's ring dropped so far, reported by the kernel at any time.
    borrowing func lost() throws(SystemError) -> UInt64 {
        loss.held(Int(truncatingIfNeeded: clinux_ring_head(control) &- control.pointee.data_tail))
        let (number, companion) = (number, companion.number)
        return try loss.count { () throws(SystemError) in
            let lost = try Self.lost(number)
            return companion >= 0 ? lost + (try Self.lost(companion)) : lost
        }
    }

    /// To answer it the kernel interrupts the ring's processor.
    private static func lost(_ number: Int32) throws(SystemError) -> UInt64 {
        // read_format PERF_FORMAT_LOST: value, then lost.
        var answer: (value: UInt64, lost: UInt64) = (0, 0)
        _ = try withUnsafeMutableBytes(of: &answer) { bytes throws(SystemError) in
            try systemCall("read") { Glibc.read(number, bytes.baseAddress, bytes.count) }
        }
        return answer.lost
    }
}

/// An event that is written to the ring of another one, or none.
///
/// No optional descriptor: the compiler does not lend one that lies in a type that cannot be copied.
private struct CompanionEvent: ~Copyable {
    /// Its number; -1 where it could not be had.
    let number: Int32

    /// Opens it, still disabled. The corresponding C constant is `PERF_EVENT_IOC_SET_OUTPUT`.
    init(_ identifier: UInt16?, _ attributes: perf_event_attr, _ processor: Int32, into ring: Int32) {
        var attributes = attributes
        guard let identifier else {
            number = -1
            return
        }
        attributes.config = UInt64(identifier)
        let opened = clinux_perf_event_open(&attributes, -1, processor, -1, UInt(PERF_FLAG_FD_CLOEXEC))
        guard opened >= 0 else {
            number = -1
            return
        }
        guard clinux_ioctl(opened, clinux_PERF_EVENT_IOC_SET_OUTPUT, UInt(ring)) == 0 else {
            close(opened)
            number = -1
            return
        }
        number = opened
    }

    deinit { if number >= 0 { close(number) } }
}

/// What a ring has dropped, asked of the kernel only where it may be more than before.
///
/// A ring drops a record when it has no room for it, and gets room only by being drained: one that was never found more than
/// a quarter full since its count was read has dropped nothing. The kernel answers by an interrupt on the ring's processor,
/// which was a tenth of what was done for a program that starts.
final class LossCount {
    private var known: UInt64?
    private let bound: Int

    /// - Parameter size: of the ring, bytes.
    init(size: Int) {
        // A record may have 64 KiB; in a ring that is not much larger one can be dropped while the ring is empty.
        bound = size >= 128 << 10 ? size / 4 : -1
    }

    /// Takes note of how many bytes the ring held.
    func held(_ bytes: Int) {
        if bytes > bound || bytes < 0 { known = nil }
    }

    /// The count, from `read` where it may have changed.
    func count(_ read: () throws(SystemError) -> UInt64) throws(SystemError) -> UInt64 {
        if let known { return known }
        let count = try read()
        known = count
        return count
    }
}

/// The rings of all processors; frees those that it has when making the next one fails.
struct RingList: ~Copyable {
    private var storage: UnsafeMutablePointer<ProcessorRing>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        storage = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit {
        storage.deinitialize(count: count)
        storage.deallocate()
    }

    /// Takes one more; the capacity is the caller's to heed.
    mutating func append(_ ring: consuming ProcessorRing) {
        (storage + count).initialize(to: ring)
        count += 1
    }

    /// Puts a ring in the place of the one of the same processor, or behind the others; gives the old one.
    mutating func replace(with ring: consuming ProcessorRing) -> ProcessorRing? {
        for index in 0..<count where storage[index].processor == ring.processor {
            let old = (storage + index).move()
            (storage + index).initialize(to: ring)
            return old
        }
        if count == capacity { grow() }
        append(ring)
        return nil
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<ProcessorRing>.allocate(capacity: capacity * 2 + 1)
        larger.moveInitialize(from: storage, count: count)
        storage.deallocate()
        storage = larger
        capacity = capacity * 2 + 1
    }

    /// Calls `body` with each ring in turn.
    borrowing func forEach<Failure: Error>(
        _ body: (borrowing ProcessorRing) throws(Failure) -> Void
    ) throws(Failure) {
        for index in 0..<count { try body(storage[index]) }
    }
}

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
