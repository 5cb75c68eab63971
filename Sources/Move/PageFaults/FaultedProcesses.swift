import Glibc
public import SystemCalls

/// The processes of this host whose faults are answered here, and the regions that they share.
public final class FaultedProcesses {
    /// A thread waits for a page.
    public struct Fault: Equatable, Sendable {
        /// The region's place in the list.
        public var region: Int
        /// The page of it.
        public var page: UInt32
        /// Whether it wants to write.
        public var isWrite: Bool
    }

    private struct Process: ~Copyable {
        var fault: UserFault
    }
    private var descriptors: [Int: UserFaultBox] = [:]
    private var next = 0
    /// In the order in which they were added.
    public private(set) var regions: [FaultedRegion] = []
    /// Descriptors of children that were forked, for whoever polls and keeps them; each once.
    public private(set) var forked: [Int] = []
    /// Events that no page can be found for, and those of kinds that are not known.
    public private(set) var lost: UInt64 = 0

    private final class UserFaultBox {
        let fault: UserFault
        init(_ fault: consuming UserFault) { self.fault = fault }
    }

    /// None at first.
    public init() {}

    /// The numbers of the processes.
    public var all: [Int] { descriptors.keys.sorted() }

    /// Takes a process's descriptor.
    ///
    /// - Returns: what it is called here.
    public func add(_ fault: consuming UserFault) -> Int {
        next += 1
        descriptors[next] = UserFaultBox(fault)
        return next
    }

    /// The descriptor to poll.
    public func number(_ process: Int) -> Int32? { descriptors[process]?.fault.number }

    /// Children that were forked since it was asked last.
    public func takeForked() -> [Int] {
        defer { forked = [] }
        return forked
    }

    /// Adds memory.
    ///
    /// - Parameters:
    ///   - file: open for reading and writing.
    ///   - bytes: of whole pages.
    public func addRegion(_ file: consuming FileDescriptor, bytes: UInt64) -> Int {
        regions.append(FaultedRegion(file, pages: Int(bytes) / FaultedRegion.pageBytes, self))
        return regions.count - 1
    }

    /// Has the faults reported of a mapping that a process has of a region.
    ///
    /// - Parameter offset: where in the region it begins.
    public func register(
        _ process: Int, _ range: Range<UInt64>, region: Int, offset: UInt64
    ) throws(SystemError) {
        guard let box = descriptors[process] else { throw SystemError("UFFDIO_REGISTER", code: ESRCH) }
        try box.fault.register(range)
        regions[region].add(
            process: process, range, first: UInt32(offset / UInt64(FaultedRegion.pageBytes)))
    }

    /// Whether a process's memory is there: its last thread has not ended, and has executed nothing else.
    public func lives(_ process: Int) -> Bool {
        guard let box = descriptors[process] else { return false }
        return box.fault.isOfLiving
    }

    /// Forgets a process that has ended.
    public func remove(_ process: Int) {
        descriptors[process] = nil
        for region in regions { region.remove(process: process) }
    }

    /// Calls with a process's descriptor; once more where the process changes its mappings meanwhile, which it goes on with when its
    /// event was read: that is done here, and the faults among the events are answered later.
    func with(
        _ process: Int, _ body: (borrowing UserFault) throws(SystemError) -> Void
    ) throws(SystemError) {
        guard let box = descriptors[process] else { throw SystemError("userfaultfd", code: ESRCH) }
        while true {
            do throws(SystemError) { return try body(box.fault) } catch {
                guard error.code == EAGAIN else { throw error }
                faults += try read(process)
                sched_yield()
            }
        }
    }

    /// Faults that were read while something else was done.
    private var faults: [Fault] = []

    /// The faults of a process since it was asked last, in their order; and those that were read meanwhile of others.
    public func takeFaults(_ process: Int) throws(SystemError) -> [Fault] {
        let found = try read(process)
        defer { faults = [] }
        return faults + found
    }

    /// Those alone that were read while something else was done.
    public func takeFaultsReadMeanwhile() -> [Fault] {
        defer { faults = [] }
        return faults
    }

    private func read(_ process: Int) throws(SystemError) -> [Fault] {
        guard let box = descriptors[process] else { return [] }
        var found: [Fault] = []
        for event in try box.fault.events() {
            switch event {
            case .fault(let address, let isWrite):
                let place = regions.indices.lazy.compactMap { index in
                    self.regions[index].page(of: process, at: address).map { (index, $0) }
                }.first
                if let place {
                    found.append(Fault(region: place.0, page: place.1, isWrite: isWrite))
                } else {
                    lost += 1
                }
            case .fork(let number):
                let child = add(UserFault(ofChild: number))
                for region in regions { region.fork(process, child) }
                forked.append(child)
            case .moved(let from, let to, let bytes):
                for region in regions { region.move(process, from: from, to: to, bytes: bytes) }
            case .unmapped(let range): for region in regions { region.unmap(process, range) }
            // The pages are gone at this host alone; whoever touches one finds zeros if it is this host's, and asks for it if not.
            case .removed: break
            case .unknown: lost += 1
            }
        }
        return found
    }
}
