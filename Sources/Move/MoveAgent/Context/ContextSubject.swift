import CLinux
import Glibc
import MovePlan
import Procfs
import SystemCalls
import Text

/// A tree of processes that is to be saved: what is known of it from outside.
struct ContextSubject {
    /// Its first process, by the number that this one sees.
    let pid: Int32
    /// All of it, the first one first.
    private(set) var pids: [Int32] = []
    /// The number that it sees itself.
    let ownPid: Int32
    /// Whether it is in another pid namespace, as one that was restored before.
    let isApart: Bool
    let isOfForeignSession: Bool

    /// - Throws: why it cannot be saved, whatever CRIU would say.
    init(_ pid: Int32) throws(MoveError) {
        self.pid = pid
        guard pid > 0, let directory = ProcessDirectory(pid), let status = directory.status() else {
            throw MoveError("there is no process \(pid)")
        }
        guard !status.isKernelThread else { throw MoveError("process \(pid) is a thread of the kernel") }
        guard status.state != UInt8(ascii: "Z") else { throw MoveError("process \(pid) has ended") }
        guard pid != getpid(), pid != getppid() else {
            throw MoveError(
                "process \(pid) runs this command: a process cannot be saved by what it waits for")
        }
        let numbers = Self.numbers(pid)
        guard let own = numbers.last else { throw MoveError("process \(pid) cannot be read") }
        ownPid = own
        guard own != 1 else {
            throw MoveError(
                "process \(pid) is the first of its pid namespace: save the one that it has started")
        }
        guard let there = directory.namespace("pid"), let here = ProcessDirectory(getpid())?.namespace("pid"),
            let root = Self.root(pid), root == Self.root(getpid())
        else {
            throw MoveError("process \(pid) has another root than this host: move its container as a whole")
        }
        isApart = there != here
        let session = getsid(pid)
        pids = Self.tree(pid)
        // One that is led from outside of its namespace is 0 there.
        isOfForeignSession = !pids.contains(session)
    }

    /// What each of a process's pid namespaces calls it, the outermost that is seen first (`NSpid`, proc_pid_status(5), Linux 4.1).
    private static func numbers(_ pid: Int32) -> [Int32] {
        guard let file = try? FileDescriptor.open("/proc/\(pid)/status", O_RDONLY), let bytes = file.bytes
        else {
            return []
        }
        let line = bytes.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "NSpid:".utf8) }
        return (line ?? []).split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }.dropFirst()
            .compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }

    /// The folder that is its root.
    private static func root(_ pid: Int32) -> [UInt64]? {
        var status = stat()
        guard stat("/proc/\(pid)/root/.", &status) == 0 else { return nil }
        return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }

    /// A process and all that it has started, and so on.
    static func tree(_ top: Int32) -> [Int32] {
        var children: [Int32: [Int32]] = [:]
        for pid in ProcessList.pids() {
            guard let parent = ProcessDirectory(pid)?.status()?.parent else { continue }
            children[parent, default: []].append(pid)
        }
        var found: [Int32] = []
        var waiting = [top]
        while let pid = waiting.popLast() {
            found.append(pid)
            waiting += (children[pid] ?? []).sorted(by: >)
        }
        return found
    }

    // MARK: What stands in the way

    /// What CRIU would refuse, and what it would lose, each with its cure.
    ///
    /// - Parameter closesConnections: TCP connections are closed with the user's knowledge.
    func obstacles(closesConnections: Bool) -> (refused: [String], lost: [String]) {
        let members = pids.map { Members.Process(pid: $0, parent: 0, start: 0, program: 0) }
        var program = PlannedProgram(executable: ProcessDirectory(pid)?.executable() ?? [])
        program.reason = "named"
        let survey = Survey(of: Self.parented(members), programs: [program])
        let attached = attachedPlaces()
        var (refused, lost): ([String], [String]) = ([], survey.remarks)
        for obstacle in survey.verdicts.flatMap(\.obstacles) where obstacle.rulesOut == .live {
            if case .descriptor(let number) = obstacle.place, obstacle.kind == "pipe",
                attached.contains([obstacle.pid, number])
            {
                continue
            }
            if closesConnections, ["connection", "local-connection"].contains(obstacle.kind) { continue }
            let text =
                "process \(obstacle.pid): \(obstacle.kind), \(obstacle.what)\(obstacle.peer.map { " (\($0))" } ?? ""): "
                + Self.cure(obstacle)
            if obstacle.effect == .refused { refused.append(text) } else { lost.append(text) }
        }
        return (refused, lost)
    }

    private static func cure(_ obstacle: Obstacle) -> String {
        if ["connection", "local-connection"].contains(obstacle.kind) {
            return "end the connection, or say --close-connections"
        }
        // A move has another way beside this one; a context file has none.
        return obstacle.cure.replacing(", or use cold", with: "").replacing("; or use cold", with: "")
    }

    /// With the parents that make one tree of them.
    private static func parented(_ members: [Members.Process]) -> [Members.Process] {
        members.map { member in
            var member = member
            let status = ProcessDirectory(member.pid)?.status()
            (member.parent, member.start) = (status?.parent ?? 0, status?.startTicks ?? 0)
            return member
        }
    }

    // MARK: What the file says of it

    /// Pipes to outside of the tree by which the first process reads and writes: whoever restores it has others there.
    func attachments() -> [ContextHeader.Attachment] {
        // A pipe of which the tree has both ends stays what it is.
        var ends: [UInt64: Set<Int32>] = [:]
        var own: [(number: Int32, inode: UInt64)] = []
        for holder in pids {
            guard let directory = ProcessDirectory(holder) else { continue }
            var pipes: [(number: Int32, inode: UInt64)] = []
            directory.descriptors { number, target in
                if case .pipe(let inode) = DescriptorKind(target) { pipes.append((number, inode)) }
            }
            for pipe in pipes {
                let flags = directory.descriptorInformation(pipe.number)?.flags ?? O_RDWR
                ends[pipe.inode, default: []].insert(flags & O_ACCMODE)
            }
            if holder == pid { own = pipes.filter { $0.number <= 2 } }
        }
        return own.filter { ends[$0.inode]?.count == 1 && ends[$0.inode] != [O_RDWR] }
            .sorted { $0.number < $1.number }
            .map { .init(descriptor: $0.number, key: Self.key($0.inode)) }
    }

    private static func key(_ inode: UInt64) -> String { "pipe:[\(inode)]" }

    /// Which descriptors of which processes are of those pipes.
    private func attachedPlaces() -> Set<[Int32]> {
        let keys = Set(attachments().map { Array($0.key.utf8) })
        var places: Set<[Int32]> = []
        for holder in pids {
            ProcessDirectory(holder)?.descriptors { number, target in
                if keys.contains(target) { places.insert([holder, number]) }
            }
        }
        return places
    }

    /// Files of this host that the processes have open, mapped, or for their folder; each once, by path.
    func files() -> [ContextHeader.File] {
        var sizes: [[UInt8]: UInt64?] = [:]
        func add(_ path: [UInt8]) {
            guard sizes[path] == nil, path.first == UInt8(ascii: "/"), !Self.isOfKernel(path),
                !path.suffix(10).elementsEqual(" (deleted)".utf8), !path.contains(UInt8(ascii: "\n"))
            else { return }
            var status = stat()
            let name = path.map { CChar(bitPattern: $0) } + [0]
            guard stat(name, &status) == 0 else { return }
            sizes[path] = .some(status.st_mode & S_IFMT == S_IFREG ? UInt64(status.st_size) : nil)
        }
        for pid in pids {
            guard let directory = ProcessDirectory(pid) else { continue }
            directory.descriptors { _, target in add(target) }
            for area in directory.memoryAreas() where area.inode != 0 { add(area.path) }
            if let folder = directory.workingDirectory() { add(folder) }
        }
        return sizes.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
            .init(path: $0.key, size: $0.value)
        }
    }

    private static func isOfKernel(_ path: [UInt8]) -> Bool {
        ["/dev/", "/proc/", "/sys/", "/memfd:", "/SYSV", "/[", "/anon_hugepage", "/secretmem"].contains {
            path.starts(with: $0.utf8)
        }
    }

    func header() -> ContextHeader {
        let directory = ProcessDirectory(pid)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var header = ContextHeader(
            executable: directory?.executable() ?? [], arguments: directory?.arguments() ?? [],
            made: UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec / 1_000_000), host: MachineID.hostName(),
            pids: pids.compactMap { Self.numbers($0).last })
        header.isOfForeignSession = isOfForeignSession
        header.attachments = attachments()
        header.files = files()
        return header
    }

    /// Stopped as it is, a process may have started others since it was looked at.
    mutating func lookAgain() { pids = Self.tree(pid) }
}
