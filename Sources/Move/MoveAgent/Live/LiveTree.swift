import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Transfer

/// The processes that go on alive.
extension Origin {
    /// The top of each tree: those that were started by none of them, not by way of a program that is none of the plan's either.
    func liveLeaders() -> [Members.Process] {
        guard let cell else {
            let leaders = order.members.leaders
            return leaders.count < 2 ? leaders : LiveTrees.tops(of: leaders, parents: LiveTrees.parents())
        }
        let first = cell.state.pid
        return processes().filter { $0.parent == first && $0.pid != first && Members.lives($0) }
    }

    /// They, and all that they have started, whatever that executes.
    func liveProcesses() -> [Members.Process] { LiveTrees.processes(below: liveLeaders()) }
    /// Files of the host that whoever is started would not need: what is open or mapped.
    func liveFiles() -> [[UInt8]] {
        guard isAtHost else { return [] }
        var found: [[UInt8]] = []
        for process in liveProcesses() {
            guard let directory = ProcessDirectory(process.pid) else { continue }
            found += directory.memoryAreas().map(\.path)
            directory.descriptors { _, target in found.append(target) }
        }
        // The kernel's, and what a cell has of its own.
        let own = ["/dev/", "/proc/", "/sys/"].map { Array($0.utf8) }
        return Set(found).compactMap { path in
            guard path.first == UInt8(ascii: "/"), !path.contains(0),
                let real = realpath(path.map { CChar(bitPattern: $0) } + [0], nil)
            else { return nil }
            defer { free(real) }
            var status = stat()
            guard lstat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            let place = Array(UnsafeBufferPointer(start: real, count: strlen(real))).map {
                UInt8(bitPattern: $0)
            }
            return own.contains { place.starts(with: $0) } ? nil : place
        }
    }

    /// Paths below `SharedMemoryFiles.folder` that they have open or mapped, folders before what lies in them.
    func sharedMemory() -> [[UInt8]] {
        let beginning = prefix + Array("\(SharedMemoryFiles.folder)/".utf8)
        var found: Set<[UInt8]> = []
        func add(_ path: [UInt8]) {
            guard path.starts(with: beginning) else { return }
            var path = Array(path[(beginning.count - 1)...])
            while path.count > 1 {
                found.insert(path)
                path = Array(path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)])
            }
        }
        for process in liveProcesses() {
            guard let directory = ProcessDirectory(process.pid) else { continue }
            for area in directory.memoryAreas() where !area.isDeleted { add(area.path) }
            directory.descriptors { _, target in add(target) }
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }
}

/// Which processes are one tree: what CRIU writes down at once.
enum LiveTrees {
    /// The parent of each process of this host.
    static func parents() -> [Int32: Int32] {
        var parents: [Int32: Int32] = [:]
        for pid in ProcessList.pids() { parents[pid] = ProcessDirectory(pid)?.status()?.parent }
        return parents
    }

    /// Those that are below none of the others.
    static func tops(of leaders: [Members.Process], parents: [Int32: Int32]) -> [Members.Process] {
        let pids = Set(leaders.map(\.pid))
        return leaders.filter { leader in
            var above = parents[leader.pid]
            // Read one after the other: a number that was given anew could make a circle of it.
            for _ in 0..<parents.count {
                guard let pid = above, pid > 1 else { break }
                if pids.contains(pid) { return false }
                above = parents[pid]
            }
            return true
        }
    }

    /// Processes, and all that they have started, whatever that executes.
    static func processes(below tops: [Members.Process]) -> [Members.Process] {
        SurveyedProcess.all(of: tops, parents: parents()).compactMap { process in
            guard let status = ProcessDirectory(process.pid)?.status() else { return nil }
            return .init(
                pid: process.pid, parent: status.parent, start: status.startTicks, program: process.program)
        }
    }
}

/// What is brought of the programs' memory.
enum LivePart: String, CaseIterable {
    /// Memory as it was while the programs ran: what `images` are the difference from.
    case ahead
    /// Images of CRIU.
    case images
    /// Files of `SharedMemoryFiles.folder`.
    case memory

    func folder(of cell: Cell) -> String { cell.folder + "/" + rawValue }
}

/// POSIX shared memory that has names (shm_overview(7)): files, which criu(8) wants at their places.
enum SharedMemoryFiles {
    static let folder = "/dev/shm"

    /// Puts what was brought where the cell's programs had it.
    static func lay(_ cell: Cell) throws(MoveError) {
        let place = LivePart.memory.folder(of: cell)
        guard access(place, F_OK) == 0 else { return }
        try Tool.need(["cp", "-a", "--sparse=always", place + "/.", cell.root + folder + "/"], seconds: 300)
        // The folder has the mode of one that only root may enter.
        chmod(cell.root + folder, 0o1777)
    }
}

/// System V objects: of a namespace and not of a process, so that nobody can say whose they are.
enum SystemVObjects {
    private static let tables = ["shm", "sem", "msg"].map { "/proc/sysvipc/\($0)" }

    /// Whether a process's namespace has some that criu(8) would not see as another namespace's anyhow.
    static func areThere(for pid: Int32) -> Bool {
        guard ProcessDirectory(pid)?.namespace("ipc") == ProcessDirectory(getpid())?.namespace("ipc") else {
            return false
        }
        return tables.contains { table in
            have((try? FileDescriptor.open(table, O_RDONLY))?.bytes ?? [], tables: 1)
        }
    }

    /// Whether a process's namespace has some, whichever that is.
    static func areThere(inNamespaceOf pid: Int32) throws(MoveError) -> Bool {
        let outcome = try Tool.run(
            ["nsenter", "--target", "\(pid)", "--ipc", "--", "cat"] + tables, seconds: 10)
        guard outcome.status == 0 else { throw MoveError("\(outcome.output.prefix(300))") }
        return have(Array(outcome.output.utf8), tables: tables.count)
    }

    /// A line of words for the columns of each table, then one for each object.
    private static func have(_ text: [UInt8], tables: Int) -> Bool {
        text.count { $0 == UInt8(ascii: "\n") } > tables
    }
}

/// Numbers of processes in their own namespace.
enum NamespaceNumber {
    /// The number that a process has itself (`NSpid` of proc_pid_status(5), Linux 4.1).
    static func of(_ pid: Int32) -> Int32 {
        let bytes = (try? FileDescriptor.open("/proc/\(pid)/status", O_RDONLY))?.bytes ?? []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("NSpid:") {
            return line.split { $0 == " " || $0 == "\t" }.last.flatMap { Int32($0) } ?? pid
        }
        return pid
    }

    /// Those of the threads that images have, each of which has a file `core-N.img`.
    static func inImages(_ folder: String) throws(MoveError) -> Set<Int32> {
        let (paths, _) = try LiveDump.files(below: folder)
        return Set(paths.compactMap { ImageFile.number($0, "core") })
    }

    /// One more than the highest number of a process (`pid_max` of proc_sys_kernel(5)).
    static var limit: Int32 {
        let bytes = (try? FileDescriptor.open("/proc/sys/kernel/pid_max", O_RDONLY))?.bytes ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.flatMap { Int32($0) }
            ?? 32_768
    }

    /// Processes that criu has while it restores, at the most.
    private static let room: Int32 = 512

    /// The first of many numbers in a row that nobody has.
    static func free(
        beside taken: Set<Int32>, limit: Int32 = NamespaceNumber.limit
    ) throws(MoveError) -> Int32 {
        // The kernel gives numbers below 300 to nobody once it has begun anew.
        var first: Int32 = 300
        for number in taken.sorted() where number >= first {
            if number - first >= room { break }
            first = number + 1
        }
        guard first + room <= limit else {
            throw MoveError("no \(room) numbers of processes in a row are free beside those of the programs")
        }
        return first
    }
}
