import CLinux
import Glibc
import Procfs
import SystemCalls
import Text

/// Which memory the processes of a tree share that are to run at several hosts, and what of it cannot be passed on.
struct AcrossSurvey {
    /// As this host calls them, with their own numbers and the host at which each is to run.
    struct Process {
        var pid: Int32
        var own: Int32
        var host: Int
    }

    let processes: [Process]
    private(set) var regions: [AcrossOrder.Region] = []
    /// Each with its reason.
    private(set) var refused: [String] = []
    private(set) var remarks: [String] = []

    init(_ processes: [Process]) {
        self.processes = processes
        var areas: [(process: Process, area: SharedArea)] = []
        for process in processes {
            for area in SharedArea.all(of: process.pid) { areas.append((process, area)) }
        }
        let all = Dictionary(grouping: areas) { $0.area.place }
        var across: [[(process: Process, area: SharedArea)]] = []
        for place in all.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let sharers = all[place]!
            guard Set(sharers.map(\.process.host)).count > 1, sharers.contains(where: { $0.area.isWritable })
            else { continue }
            across.append(sharers)
            take(sharers)
        }
        for sharers in across { refuseFutexes(sharers) }
        refuseSemaphores()
        remarkPipes()
    }

    private mutating func take(_ sharers: [(process: Process, area: SharedArea)]) {
        let (process, area) = sharers[0]
        let name = Printable.text(area.path)
        let before = refused.count
        func refuse(_ reason: String, _ cure: String) {
            refused.append("process \(process.pid): \(name): \(reason): \(cure)")
        }
        let together = "have its sharers run at one host"
        let kind = String(decoding: area.path, as: UTF8.self)
        if kind.hasPrefix("/SYSV") {
            refuse(
                "System V memory, whose faults the kernel does not report (userfaultfd(2) takes shmem alone)",
                together)
        } else if sharers.contains(where: { $0.area.flags.contains("ht") || $0.area.hasHugePages })
            || kind.hasPrefix("/anon_hugepage")
        {
            refuse(
                "huge pages, which are not passed on in parts",
                "have the program use pages of 4 KiB, or \(together)")
        } else if kind.hasPrefix("/dev/shm/"), !kind.hasSuffix(" (deleted)") {
            refuse(
                "memory with a name, which others may open by it",
                "have the program unlink it, or \(together)")
        } else if !["/dev/zero", "/dev/shm/", "/memfd:"].contains(where: { kind.hasPrefix($0) }) {
            refuse(
                "a file that is mapped shared: what is written would be in the file of one host alone",
                together)
        }
        if sharers.contains(where: { $0.area.flags.contains("lo") }) {
            refuse("locked memory (mlock(2)), of which no page may be away", "munlock(2) it, or \(together)")
        }
        if sharers.contains(where: { !$0.area.flags.isDisjoint(with: ["um", "uw", "ui"]) }) {
            refuse("its faults are answered by the program itself (userfaultfd(2))", together)
        }
        if let holder = descriptorHolder(of: area) {
            refused.append(
                "process \(holder): \(name): a descriptor of it is open: read(2) and write(2) would pass by: have the program close it, or \(together)"
            )
        }
        var status = stat()
        guard refused.count == before else { return }
        guard let file = try? area.open(of: process.pid), fstat(file.number, &status) == 0, status.st_size > 0
        else { return refuse("it cannot be opened: \(SystemError.text(of: errno))", together) }
        let bytes = (UInt64(status.st_size) + 4095) & ~4095
        guard bytes <= AcrossOrder.mostBytes else { return refuse("it is larger than a tebibyte", together) }
        regions.append(
            .init(
                bytes: bytes,
                mappings: sharers.map {
                    .init(pid: $0.process.own, range: $0.area.range, offset: $0.area.offset)
                }, name: name))
    }

    /// A process that has memory's file open: what is done by the descriptor alone is no fault of any process's memory.
    private func descriptorHolder(of area: SharedArea) -> Int32? {
        for process in processes {
            var isHolder = false
            let directory = ProcessDirectory(process.pid)
            directory?.descriptors { number, target in
                guard target == area.path else { return }
                var status = stat()
                guard stat("/proc/\(process.pid)/fd/\(number)", &status) == 0 else { return }
                if UInt64(status.st_ino) == area.place[2] { isHolder = true }
            }
            if isHolder { return process.pid }
        }
        return nil
    }

    // MARK: Locks

    private static let futex: UInt64 = 202
    private static let semaphores: Set<UInt64> = [65, 220]
    private static let privateFlag: UInt64 = 128

    /// Threads of a process that wait for a process-shared lock in some ranges.
    static func waiters(_ pid: Int32, in ranges: [Range<UInt64>]) -> [Int32] {
        (ProcessDirectory(pid)?.threads() ?? []).filter { thread in
            let call = call(pid, thread)
            return call.count > 2 && call[0] == futex && call[2] & privateFlag == 0
                && ranges.contains { $0.contains(call[1]) }
        }
    }

    private static func call(_ pid: Int32, _ thread: Int32) -> [UInt64] {
        let bytes = (try? FileDescriptor.open("/proc/\(pid)/task/\(thread)/syscall", O_RDONLY))?.bytes ?? []
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        return words.compactMap { $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : UInt64($0) }
    }

    /// A futex that processes of several hosts wait on is one queue in the kernel of each of them: whoever is woken at one host does not
    /// wake those at another.
    private mutating func refuseFutexes(_ sharers: [(process: Process, area: SharedArea)]) {
        let name = Printable.text(sharers[0].area.path)
        var seen: Set<Int32> = []
        for (process, _) in sharers where seen.insert(process.pid).inserted {
            let ranges = sharers.filter { $0.process.pid == process.pid }.map(\.area.range)
            for thread in Self.waiters(process.pid, in: ranges) {
                refused.append(
                    "process \(process.pid): thread \(thread) waits for a process-shared lock in \(name) (futex(2) without FUTEX_PRIVATE_FLAG): a kernel wakes its own processes alone: have those that use the lock run at one host"
                )
            }
            for thread in ProcessDirectory(process.pid)?.threads() ?? [] {
                for address in Self.robust(process.pid, thread)
                where ranges.contains(where: { $0.contains(address) }) {
                    refused.append(
                        "process \(process.pid): thread \(thread) holds a robust process-shared lock in \(name) (get_robust_list(2)): a kernel releases those of its own processes alone: have those that use the lock run at one host"
                    )
                }
            }
        }
    }

    /// Addresses of the futexes that a thread would have the kernel release when it ends (get_robust_list(2)).
    private static func robust(_ pid: Int32, _ thread: Int32) -> [UInt64] {
        var head: UInt64 = 0
        var size = 0
        guard clinux_robust_list(thread, &head, &size) == 0, head != 0, size == 24,
            let words = ProcessWords(pid)
        else { return [] }
        // struct robust_list_head: the list, the futex's offset from an entry, an entry that is being added.
        guard let first = words.at(head, 3) else { return [] }
        let offset = first[1]
        var found: [UInt64] = first[2] == 0 ? [] : [(first[2] & ~1) &+ offset]
        var entry = first[0] & ~1
        // The kernel does not look further either (ROBUST_LIST_LIMIT).
        for _ in 0..<2048 {
            guard entry != head, entry != 0 else { break }
            found.append(entry &+ offset)
            guard let next = words.at(entry, 1) else { break }
            entry = next[0] & ~1
        }
        return found
    }

    /// Which semaphores a process uses nobody says; whoever waits for one, or has changed one last, is known.
    private mutating func refuseSemaphores() {
        guard Set(processes.map(\.host)).count > 1 else { return }
        for process in processes {
            for thread in ProcessDirectory(process.pid)?.threads() ?? [] {
                guard let number = Self.call(process.pid, thread).first, Self.semaphores.contains(number)
                else {
                    continue
                }
                refused.append(
                    "process \(process.pid): thread \(thread) waits for a System V semaphore (semop(2)): each host would have one of its own: have those that use it run at one host"
                )
            }
        }
    }

    /// What the processes say to one another by pipes and Unix sockets stays at each host.
    private mutating func remarkPipes() {
        var holders: [[UInt8]: Set<Int>] = [:]
        for process in processes {
            ProcessDirectory(process.pid)?.descriptors { _, target in
                guard target.starts(with: "pipe:".utf8) || target.starts(with: "socket:".utf8) else { return }
                holders[target, default: []].insert(process.host)
            }
        }
        let joint = holders.filter { $0.value.count > 1 }.keys.map { Printable.text($0) }.sorted()
        guard !joint.isEmpty else { return }
        remarks.append(
            "\(joint.count) pipes and sockets of processes of several hosts are one at each host: "
                + joint.prefix(8).joined(separator: ", "))
    }
}
