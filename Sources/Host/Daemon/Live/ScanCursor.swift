import CLinux
import Glibc
import Observation
import Procfs
import Records
import SystemCalls

/// A scan under way: processes are read in slices, those that matter most first, and sockets at the end.
///
/// What a slice found may have changed by the end, as it may have a moment after a scan in one piece: events report
/// it. A socket or pipe is looked up among the holders that were found, whose inode is not given to another for
/// billions of sockets to come.
struct ScanCursor: ~Copyable {
    private let scanner: Scanner
    private let depth: ScanRequest.Depth
    private var snapshot = HostSnapshot()
    private var holders: DescriptorHolders
    private var mounts: MountKinds
    /// Processes yet to be read, the next one last.
    private var waiting: [Int32]
    private let scratch = DescriptorScratch()

    /// Begins a scan: the processes that there are at this moment are those that it will read.
    ///
    /// - Parameter first: processes to be read before the others, such as those of which events came; one that is
    ///   not there is left out.
    /// - Parameter answerAtOnce: whether the status of any file may be asked for (`FilesystemKind.answersAtOnce`).
    init(
        _ scanner: Scanner, _ depth: ScanRequest.Depth, first: [Int32] = [],
        answerAtOnce: Bool = FilesystemKind.answersAtOnce()
    ) {
        self.scanner = scanner
        self.depth = depth
        holders = DescriptorHolders()
        snapshot.monotonic = Clock.monotonic()
        snapshot.wall = Clock.wall()
        mounts = MountKinds(scanner.roots.table, answerAtOnce: answerAtOnce)
        do throws(SystemError) {
            let all = try ProcessList.read()
            if first.isEmpty {
                waiting = all.reversed()
            } else {
                let urgent = Set(first)
                let active = all.filter { urgent.contains($0) }
                waiting = all.filter { !urgent.contains($0) }.reversed() + active
                self.urgent = active.count
            }
        } catch {
            waiting = []
            snapshot.failures.append(ScanFailure("processes", error.code))
        }
        snapshot.addresses = scanner.network.addresses()
        snapshot.network = scanner.network.inode ?? scanner.network.ownInode ?? 0
    }

    /// Begins with some of another one's processes, and nothing of the host besides.
    private init(
        _ scanner: Scanner, _ depth: ScanRequest.Depth, _ waiting: [Int32], _ shared: SharedObjects,
        answerAtOnce: Bool
    ) {
        self.scanner = scanner
        self.depth = depth
        self.waiting = waiting
        mounts = MountKinds(scanner.roots.table, answerAtOnce: answerAtOnce)
        holders = DescriptorHolders(shared)
    }

    /// How many processes are yet to be read.
    var remaining: Int { waiting.count }

    /// How many of those that come first are yet to be read.
    private(set) var urgent = 0

    /// Reads processes until all are read or the time has come, `CLOCK_MONOTONIC`, nanoseconds; one at least.
    ///
    /// - Returns: whether all are read.
    mutating func advance(until deadline: UInt64) -> Bool {
        while let pid = waiting.popLast() {
            urgent = max(urgent - 1, 0)
            read(pid)
            if deadline != .max, Clock.monotonic() >= deadline { break }
        }
        return waiting.isEmpty
    }

    /// From so many processes on, half of them are read by another thread: a host with ten thousand would wait for a second.
    static let leastForTwo = 512

    /// How many processes another thread has read.
    private(set) var readByOther = 0

    /// Reads all processes.
    ///
    /// - Parameters:
    ///   - least: with so many another thread helps, if there is a processor for it; what is found is the same.
    ///   - block: how many each of the two takes at a time.
    mutating func readAll(leastForTwo least: Int = Self.leastForTwo, block: Int = 256) {
        var helper: Deferred<[ScanBlock]>?
        var share: SharedWork<Int32>?
        if waiting.count >= least, sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 {
            let all = SharedWork(waiting, block: block)
            // Its first one is its own, however late it begins.
            let first = all.takeFromStart()
            helper = try? Deferred {
                [scanner, depth, shared = holders.shared, isAtOnce = mounts.answerAtOnce] in
                var blocks: [ScanBlock] = []
                var next = first
                while let pids = next {
                    var cursor = ScanCursor(scanner, depth, pids, shared, answerAtOnce: isAtOnce)
                    while !cursor.advance(until: .max) { continue }
                    blocks.append(
                        ScanBlock(
                            processes: cursor.snapshot.processes, failures: cursor.snapshot.failures,
                            holders: cursor.holders))
                    next = all.takeFromStart()
                }
                return blocks
            }
            if helper != nil { share = all }
        }
        if let share {
            while let pids = share.takeFromEnd() {
                waiting = pids
                while !advance(until: .max) { continue }
            }
        } else {
            while !advance(until: .max) { continue }
        }
        guard let helper else { return }
        // The last ones were read first.
        for block in helper.wait().reversed() {
            readByOther += block.processes.count
            snapshot.processes += block.processes
            for failure in block.failures where !snapshot.failures.contains(failure) {
                snapshot.failures.append(failure)
            }
            holders.append(block.holders)
        }
    }

    /// Reads the sockets and puts together what was found. Processes that were not read are missing, as the snapshot
    /// says.
    consuming func finish() -> HostSnapshot {
        // Of processes that could not be read nobody knows whether they are there.
        snapshot.isComplete = waiting.isEmpty && snapshot.failures.isEmpty
        // Another thread begins with the pipes while this one reads the sockets.
        let looked = PipeLook(holders)
        let unix = scanner.addSockets(&snapshot, holders)
        scanner.addChannels(&snapshot, holders, looked.finish(), unix)
        snapshot.channels += holders.shared.channels()
        return snapshot
    }

    // MARK: One process

    private mutating func read(_ pid: Int32) {
        do throws(SystemError) {
            let begun = Clock.monotonic()
            let directory = try ProcessDirectory(opening: pid)
            guard var process = scan(directory) else { return }
            process.time = begun
            snapshot.processes.append(process)
        } catch {
            // It has gone, or it is this daemon that lacks something, and then all others are missing likewise.
            guard error.code != ENOENT && error.code != ESRCH else { return }
            let failure = ScanFailure("processes", error.code)
            if !snapshot.failures.contains(failure) { snapshot.failures.append(failure) }
        }
    }

    private mutating func scan(_ directory: borrowing ProcessDirectory) -> ProcessSnapshot? {
        let pid = directory.pid
        let namespace = scanner.files.namespaces.other(directory)
        let facts: ProcessFacts
        var hasWorkload = true
        switch depth {
        case .full:
            guard let found = LiveSurroundings.facts(directory, in: namespace, scanner.files) else {
                return nil
            }
            facts = found
        case .open:
            let place = directory.namespace("net") ?? 0
            // A process may be moved, or be made in another group than its parent's, and do no exec.
            let groups = directory.controlGroups()
            hasWorkload = groups != nil
            facts = ProcessFacts(
                pid: pid, parent: 0, executable: [],
                workload: groups.flatMap(ContainerNames.host.workload(ofGroups:)),
                network: place)
        }
        var files: [HeldFile] = []
        if let namespace { scanner.roots.others.meet(namespace, directory) }
        if let folder = directory.descriptorFolder() {
            folder.walk(scratch) { number, target in
                if target.first == UInt8(ascii: "/") {
                    if let file = heldFile(directory, folder, number, Array(target), namespace) {
                        files.append(file)
                    }
                } else if let inode = holders.note(target, number, pid),
                    let flags = folder.accessMode(number)
                {
                    holders.note(pipe: inode, pid, number, flags: flags)
                }
            }
        }
        holders.shared.note(directory)
        // Of most processes nothing is mapped that others could share: then only a full scan reads the table.
        guard depth == .full || directory.mayHaveSharedMappings() else {
            return ProcessSnapshot(facts: facts, files: files, hasWorkload: hasWorkload)
        }
        let mappings = directory.mappings(scratch, sharedWritable: depth == .open)
        holders.shared.note(mappings.shared, directory)
        // Of shared memory the descriptor is mostly closed at once, and the kernel reports the closing only
        // when the last mapping goes.
        for mapped in mappings.files {
            let access: Access = mapped.isSharedWritable ? [.opened, .written] : .opened
            guard let path = namespace == nil ? mapped.path : scanner.files.path(mapped.path, of: directory)
            else {
                scanner.roots.others.countFile()
                continue
            }
            files.append(HeldFile(path: path, access: access, kind: .regular))
        }
        return ProcessSnapshot(facts: facts, files: files, hasWorkload: hasWorkload)
    }

    /// An open file: the flags it was opened with, its mount, and what it is where that could be asked right away.
    ///
    /// - Returns: `nil` if it is gone or was opened for neither reading nor writing (`O_PATH`).
    private func openFile(
        _ directory: borrowing ProcessDirectory, _ folder: borrowing DescriptorFolder, _ number: Int32
    ) -> (flags: Int32, mount: UInt64, status: FileStatus?)? {
        // Where no filesystem asks anybody, its status says what the mount is, in a call for which nothing is opened.
        if mounts.answerAtOnce, let flags = folder.accessMode(number),
            let status = folder.statistics(number), status.mount != 0
        {
            return (flags, status.mount, status)
        }
        guard let information = directory.descriptorInformation(number), information.flags & O_PATH == 0
        else { return nil }
        return (information.flags, information.mount, nil)
    }

    private mutating func heldFile(
        _ directory: borrowing ProcessDirectory, _ folder: borrowing DescriptorFolder, _ number: Int32,
        _ path: [UInt8], _ namespace: UInt64?
    ) -> HeldFile? {
        guard let open = openFile(directory, folder, number) else { return nil }
        let isWritable = open.flags & O_ACCMODE != O_RDONLY
        let access: Access = isWritable ? [.opened, .written] : .opened
        switch mounts.kind(open.mount, directory) {
        case .pseudo:
            // A message queue is shared by its name; nothing else of these has to move.
            if let status = open.status ?? folder.statistics(number) {
                _ = holders.shared.note(path, status, directory.pid)
            }
            return nil
        case .foreign:
            // Its server is not asked: what the link and the flags say is all that is known.
            let mark = Array(" (deleted)".utf8)
            guard depth == .full || isWritable, path.suffix(mark.count) != mark[...] else { return nil }
            let isDirectory =
                open.status.map { $0.mode & S_IFMT == S_IFDIR } ?? (open.flags & O_DIRECTORY != 0)
            let kind: FileKind = isDirectory ? .directory : .regular
            var here: [UInt8]? = path
            if let namespace {
                here = scanner.files.namespaces.view(namespace, of: directory).pathThroughMount(for: path)
            }
            guard let here else { return elsewhere() }
            return HeldFile(path: here, access: access, kind: kind)
        case .local, .unknown: break
        }
        guard let status = open.status ?? folder.statistics(number),
            let kind = FileKind(mode: status.mode)
        else { return nil }
        if holders.shared.note(path, status, directory.pid) { return nil }
        if depth == .open && !isWritable && kind != .fifo { return nil }
        var path = path
        let identity = FileIdentity(device: status.device, inode: status.inode)
        // Deleted, or one of the kernel's views of itself.
        let hasPath = status.links > 0 && !mounts.table.pseudoDevices.contains(status.device)
        if let namespace, hasPath {
            // Its path is one of another namespace, in which another file may have this name.
            guard let here = scanner.files.path(of: status, seenAs: path, namespace, directory) else {
                // Its ends are known for each other by what it is, whatever its name.
                if kind == .fifo {
                    holders.noteFifo(path, identity, directory.pid, number, flags: open.flags)
                }
                return elsewhere()
            }
            path = here
        }
        if kind == .fifo { holders.noteFifo(path, identity, directory.pid, number, flags: open.flags) }
        guard hasPath, depth == .full || isWritable else { return nil }
        return HeldFile(path: path, access: access, kind: kind)
    }

    /// Counts a file that has no path in this mount namespace.
    private func elsewhere() -> HeldFile? {
        scanner.roots.others.countFile()
        return nil
    }
}

/// What another thread has found of some of a scan's processes.
private struct ScanBlock: Sendable {
    var processes: [ProcessSnapshot]
    var failures: [ScanFailure]
    var holders: DescriptorHolders
}

/// Who answers for mounts, those of other mount namespaces included: their tables are read when a descriptor leads
/// there, once for each namespace.
struct MountKinds {
    let table: MountTable
    private var others: [UInt64: FilesystemKind] = [:]
    private var namespaces: Set<UInt64> = []
    /// Whether the status of any file may be asked for.
    let answerAtOnce: Bool

    init(_ table: MountTable, answerAtOnce: Bool = FilesystemKind.answersAtOnce()) {
        self.table = table
        self.answerAtOnce = answerAtOnce
    }

    /// The kind of a mount on which a descriptor of a process lies; `unknown` for one that is mounted nowhere.
    mutating func kind(_ mount: UInt64, _ process: borrowing ProcessDirectory) -> FilesystemKind {
        if let kind = table.kind(ofMount: mount) ?? others[mount] { return kind }
        if let namespace = process.namespace("mnt"), namespaces.insert(namespace).inserted {
            for mount in process.mounts() { others[UInt64(clamping: mount.id)] = mount.kind }
        }
        let kind = others[mount] ?? .unknown
        // One that is in no table, as that of memfd_create(2), is met again and again.
        others[mount] = kind
        return kind
    }
}
