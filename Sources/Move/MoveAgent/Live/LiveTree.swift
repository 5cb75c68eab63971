import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Transfer

/// The processes that go on alive.
extension Origin {
    /// Those that no other one of them has started.
    func liveLeaders() -> [Members.Process] {
        guard let cell else { return order.members.leaders }
        let first = cell.state.pid
        return processes().filter { $0.parent == first && $0.pid != first && Members.lives($0) }
    }

    /// They, and all that they have started, whatever that executes.
    func liveProcesses() -> [Members.Process] {
        var parents: [Int32: Int32] = [:]
        for pid in ProcessList.pids() { parents[pid] = ProcessDirectory(pid)?.status()?.parent }
        return SurveyedProcess.all(of: liveLeaders(), parents: parents).compactMap { process in
            guard let status = ProcessDirectory(process.pid)?.status() else { return nil }
            return .init(
                pid: process.pid, parent: status.parent, start: status.startTicks, program: process.program)
        }
    }

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
    /// Whether a process's namespace has some that criu(8) would not see as another namespace's anyhow.
    static func areThere(for pid: Int32) -> Bool {
        guard ProcessDirectory(pid)?.namespace("ipc") == ProcessDirectory(getpid())?.namespace("ipc") else {
            return false
        }
        // A line of words for the columns, then one for each.
        return ["shm", "sem", "msg"].contains { kind in
            let bytes = (try? FileDescriptor.open("/proc/sysvipc/\(kind)", O_RDONLY))?.bytes ?? []
            return bytes.count { $0 == UInt8(ascii: "\n") } > 1
        }
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
        return Set(
            paths.compactMap { path in
                let name = String(decoding: path, as: UTF8.self)
                guard name.hasPrefix("/core-"), name.hasSuffix(".img") else { return nil }
                return Int32(name.dropFirst(6).dropLast(4))
            })
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
