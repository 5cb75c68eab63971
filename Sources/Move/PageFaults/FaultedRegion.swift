import CLinux
import Glibc
public import SharedPages
public import SystemCalls

/// Shared memory of this host's processes whose pages are passed on between hosts.
///
/// The page cache of the memory is one, each process that shares it has page tables of its own. What the kernel reports:
///
/// - no page in the page cache: a fault (MISSING) of whoever touches it;
/// - a page in the page cache that a process's tables do not have: *nothing*, the page is mapped; writable, unless there is a
///   write-protect marker in the tables;
/// - a page that is mapped write-protected: a fault (WP) of whoever writes it.
///
/// So before a page comes into the page cache as a copy that may be read alone, the markers are set in the tables of *every* process:
/// while no page is there that is without effect, and once it is there nobody can map it writable. And a page that is given up is
/// protected everywhere before it is read: the kernel's call returns when no processor can write by an old translation any longer.
/// Threads that fault between these steps:
///
/// - write between the protection and the removal: a WP fault, which waits; after the removal it is answered as what is then asked for;
/// - read between the protection and the removal: they see the last contents, which is before the new writer is let in;
/// - touch it after the removal: a MISSING fault, which waits;
/// - touch it between the installation and the wake-up: they find the page and do not wait;
/// - waited for one thing and find another when they are woken: they fault again.
///
/// A wake-up that comes before the fault was read from the descriptor is not lost: the kernel wakes those as well, and a fault that is
/// read late is answered by waking once more. A page that was removed loses its markers, which is why they are set when one comes and
/// not when one goes.
public final class FaultedRegion {
    /// Where a process has the region, or a part of it.
    struct Place {
        var process: Int
        /// Addresses.
        var range: Range<UInt64>
        /// The first page of the region that is there.
        var first: UInt32
    }

    /// Bytes of a page.
    public static let pageBytes = PageMessage.pageBytes

    private let file: FileDescriptor
    /// How many pages it has.
    public let pages: Int
    let processes: FaultedProcesses
    private(set) var places: [Place] = []
    private var zeros = [UInt8](repeating: 0, count: FaultedRegion.pageBytes)
    /// Where the processes have no place any longer at which a page could be put, it is written to the file.
    public private(set) var isUnmapped = false

    /// - Parameter file: the memory's file, open for reading and writing.
    init(_ file: consuming FileDescriptor, pages: Int, _ processes: FaultedProcesses) {
        self.file = file
        self.pages = pages
        self.processes = processes
    }

    func add(process: Int, _ range: Range<UInt64>, first: UInt32) {
        places.append(Place(process: process, range: range, first: first))
    }

    /// A child has what its parent has.
    func fork(_ parent: Int, _ child: Int) {
        for place in places where place.process == parent {
            places.append(Place(process: child, range: place.range, first: place.first))
        }
    }

    func move(_ process: Int, from: UInt64, to: UInt64, bytes: UInt64) {
        for index in places.indices
        where places[index].process == process && places[index].range.contains(from) {
            let skipped = from - places[index].range.lowerBound
            places[index].first += UInt32(skipped) / UInt32(Self.pageBytes)
            places[index].range = to..<(to + bytes)
        }
    }

    func unmap(_ process: Int, _ gone: Range<UInt64>) {
        let page = UInt64(Self.pageBytes)
        places = places.flatMap { place -> [Place] in
            guard place.process == process, place.range.overlaps(gone) else { return [place] }
            var left: [Place] = []
            if place.range.lowerBound < gone.lowerBound {
                left.append(
                    Place(
                        process: process, range: place.range.lowerBound..<gone.lowerBound, first: place.first)
                )
            }
            if gone.upperBound < place.range.upperBound {
                let skipped = UInt32((gone.upperBound - place.range.lowerBound) / page)
                left.append(
                    Place(
                        process: process, range: gone.upperBound..<place.range.upperBound,
                        first: place.first + skipped))
            }
            return left
        }
    }

    func remove(process: Int) { places.removeAll { $0.process == process } }

    /// The page at an address of a process.
    func page(of process: Int, at address: UInt64) -> UInt32? {
        places.first { $0.process == process && $0.range.contains(address) }.map {
            $0.first + UInt32((address - $0.range.lowerBound) / UInt64(Self.pageBytes))
        }
    }

    // MARK: Pages

    /// Calls for each address at which a process has a page.
    private func forEach(
        _ page: UInt32, _ body: (borrowing UserFault, Range<UInt64>) throws(SystemError) -> Void
    ) throws(SystemError) {
        var gone: [Int] = []
        for place in places {
            let count = UInt32(place.range.count / Self.pageBytes)
            guard page >= place.first, page - place.first < count else { continue }
            let address = place.range.lowerBound + UInt64(page - place.first) * UInt64(Self.pageBytes)
            let range = address..<(address + UInt64(Self.pageBytes))
            do throws(SystemError) {
                try processes.with(place.process) { fault throws(SystemError) in try body(fault, range) }
            } catch {
                // It has ended, or unmapped it, since its event was read.
                guard error.code == ESRCH || error.code == ENOENT else { throw error }
                if error.code == ESRCH { gone.append(place.process) }
            }
        }
        for process in gone { remove(process: process) }
    }

    private func protect(_ page: UInt32, _ isProtected: Bool) throws(SystemError) {
        try forEach(page) { fault, range throws(SystemError) in try fault.protect(range, isProtected) }
    }

    private func wake(_ page: UInt32) throws(SystemError) {
        try forEach(page) { fault, range throws(SystemError) in try fault.wake(range) }
    }

    private func contents(_ page: UInt32) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.pageBytes)
        let number = file.number
        let offset = off_t(page) * off_t(Self.pageBytes)
        let count = try systemCall("pread") { pread(number, &bytes, Self.pageBytes, offset) }
        guard count == Self.pageBytes else { throw SystemError("pread", code: EIO) }
        return bytes
    }

    private func punch(_ page: UInt32, _ count: Int = 1) throws(SystemError) {
        let number = file.number
        let offset = off_t(page) * off_t(Self.pageBytes)
        // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
        _ = try systemCall("fallocate") {
            fallocate(number, 0x01 | 0x02, offset, off_t(count * Self.pageBytes))
        }
    }

    /// Takes all pages away: what a host begins with that is not the home.
    public func invalidateAll() throws(SystemError) { try punch(0, pages) }

    /// Whether the page cache has a page, or the swap.
    private func isPresent(_ page: UInt32) -> Bool {
        let offset = off_t(page) * off_t(Self.pageBytes)
        return lseek(file.number, offset, 3) == offset
    }

    private func put(_ page: UInt32, _ bytes: [UInt8], isWritable: Bool) throws(SystemError) {
        if !isWritable { try protect(page, true) }
        var isPut = false
        try forEach(page) { fault, range throws(SystemError) in
            if isPut { return }
            do throws(SystemError) {
                var failure: SystemError?
                bytes.withUnsafeBytes { bytes in
                    do throws(SystemError) {
                        try fault.copy(to: range.lowerBound, bytes, isProtected: !isWritable)
                    } catch { failure = error }
                }
                if let failure { throw failure }
            } catch {
                // Another thread's page of zeros came first, where the kernel has made one.
                guard error.code == EEXIST else { throw error }
            }
            isPut = true
        }
        if isPut { return }
        isUnmapped = true
        let number = file.number
        _ = try systemCall("pwrite") {
            pwrite(number, bytes, bytes.count, off_t(page) * off_t(Self.pageBytes))
        }
    }
}

extension FaultedRegion: PageMemory {
    /// Protects it everywhere first, so that nobody writes while it is read.
    public func share(_ page: UInt32) throws(SystemError) -> [UInt8] {
        try protect(page, true)
        return try contents(page)
    }

    /// Protects it everywhere, reads it, and takes it out of the page cache.
    public func yield(_ page: UInt32) throws(SystemError) -> [UInt8] {
        let bytes = try share(page)
        try punch(page)
        return bytes
    }

    /// Takes it out of the page cache.
    public func drop(_ page: UInt32) throws(SystemError) { try punch(page) }

    /// Puts it into the page cache, with the markers of protection in all tables first unless it may be written.
    public func install(_ page: UInt32, _ contents: [UInt8], isWritable: Bool) throws(SystemError) {
        try put(page, contents, isWritable: isWritable)
        try isWritable ? protect(page, false) : wake(page)
        if isWritable { try wake(page) }
    }

    /// Takes the protection back everywhere.
    public func permit(_ page: UInt32) throws(SystemError) {
        if !isPresent(page) { try put(page, zeros, isWritable: true) }
        try protect(page, false)
        try wake(page)
    }

    /// A page that this host may use and that is not there was never written by anybody: it has zeros.
    public func retry(_ page: UInt32, isWritable: Bool) throws(SystemError) {
        if isWritable { return try permit(page) }
        if !isPresent(page) { try put(page, zeros, isWritable: false) }
        try wake(page)
    }
}
