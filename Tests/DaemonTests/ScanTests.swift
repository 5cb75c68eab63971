import CLinux
import Glibc
import Observation
import Procfs
import Records
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// A scan in slices, and what it says of what it could not read.
@Suite struct ScanTests {
    private func scanner() -> Scanner {
        let roots = MountRoots()
        return Scanner(
            roots: roots, network: HostNetwork(), files: FileAccess(roots: roots, calls: BlockingCalls()))
    }

    @Test func slicesFindWhatOneScanFinds() throws {
        try withTemporaryFolder { folder in
            let file = try FileDescriptor.open(folder + "/held", O_RDWR | O_CREAT, mode: 0o600)
            let held = Array((folder + "/held").utf8)
            var cursor = ScanCursor(scanner(), .open, first: [getpid()])
            let all = cursor.remaining
            #expect(all > 1)
            // A deadline that is over: one process at a time, the urgent one first.
            var isDone = cursor.advance(until: 0)
            #expect(cursor.remaining == all - 1)
            while !isDone { isDone = cursor.advance(until: 0) }
            let snapshot = cursor.finish()
            #expect(snapshot.processes.first?.facts.pid == getpid())
            #expect(
                snapshot.processes.first?.files.contains { $0.path == held && $0.kind == .regular } == true)
            #expect(snapshot.failures.isEmpty)
            #expect(
                scanner().scan(ScanRequest(.open, .look)).processes.contains {
                    $0.files.contains { $0.path == held }
                })
            _ = file.number
        }
    }

    /// Processes come and go meanwhile, but not this one, nor those that it descends from.
    @Test func twoThreadsFindWhatOneFinds() throws {
        try withTemporaryFolder { folder in
            let file = try FileDescriptor.open(folder + "/held", O_RDWR | O_CREAT, mode: 0o600)
            func snapshot(isShared: Bool) -> HostSnapshot {
                var cursor = ScanCursor(scanner(), .full)
                cursor.readAll(leastForTwo: isShared ? 2 : .max, block: 1)
                // With one processor there is nobody to help.
                let isAlone = !isShared || sysconf(Int32(_SC_NPROCESSORS_ONLN)) < 2
                #expect(isAlone ? cursor.readByOther == 0 : cursor.readByOther > 0)
                return cursor.finish()
            }
            let (alone, shared) = (snapshot(isShared: false), snapshot(isShared: true))
            #expect(alone.isComplete && shared.isComplete)
            // Own pids are among the highest, the first process's is the lowest: one of each half.
            for pid: Int32 in [1, getppid(), getpid()] {
                let one = try #require(alone.processes.first { $0.facts.pid == pid })
                let other = try #require(shared.processes.first { $0.facts.pid == pid })
                #expect("\(one.facts)" == "\(other.facts)")
                #expect(pid != getpid() || other.files.contains { $0.path == Array((folder + "/held").utf8) })
            }
            for found in [alone, shared] {
                let pids: [Int32] = found.processes.map { $0.facts.pid }
                #expect(pids == pids.sorted() && Set(pids).count == pids.count)
            }
            _ = file.number
        }
    }

    /// What a descriptor is comes from its status and its link, or from fdinfo where a status may not be asked for.
    @Test func bothWaysToADescriptorFindTheSame() throws {
        try withTemporaryFolder { folder in
            #expect(mkfifo(folder + "/fifo", 0o600) == 0)
            let flags = [
                "read": O_RDONLY | O_CREAT, "written": O_WRONLY | O_CREAT, "both": O_RDWR | O_CREAT,
                "fifo": O_RDWR, "path": O_RDONLY | O_CREAT, "": O_RDONLY | O_DIRECTORY,
            ]
            var held: [Int32] = []
            defer { for number in held { close(number) } }
            for (name, flags) in flags { held.append(open("\(folder)/\(name)", flags, 0o600)) }
            held.append(open(folder + "/path", O_PATH))
            #expect(held.allSatisfy { $0 >= 0 })
            func files(_ answerAtOnce: Bool) -> [String] {
                var cursor = ScanCursor(scanner(), .full, answerAtOnce: answerAtOnce)
                while !cursor.advance(until: .max) { continue }
                let own = cursor.finish().processes.first { $0.facts.pid == getpid() }
                return (own?.files ?? []).filter { $0.path.starts(with: folder.utf8) }.map {
                    "\(String(decoding: $0.path, as: UTF8.self).dropFirst(folder.count)) \($0.kind) \($0.access.rawValue)"
                }
            }
            let (atOnce, byInformation) = (files(true), files(false))
            #expect(atOnce == byInformation)
            #expect(atOnce.count == flags.count, "\(atOnce)")
            #expect(Set(atOnce.map { $0.split(separator: " ").last }).count == 2)
        }
    }

    /// Each read is a call for each of thousands of processes: none is made to learn that there is no more.
    @Test func nothingIsReadTwice() throws {
        func reads() throws -> UInt64? {
            let file = try FileDescriptor.open("/proc/thread-self/io", O_RDONLY)
            return TransferCalls(parsing: try file.readBrief(limit: 1024))?.reads
        }
        // A kernel that counts them (CONFIG_TASK_IO_ACCOUNTING).
        guard try reads() != nil else { return }
        // What is asked once, such as the mount table, is asked for the first of two.
        let children = [try Child(["sleep", "60"]), try Child(["sleep", "60"])]
        defer { for child in children { child.kill() } }
        let processes = children.map(\.pid)
        func isAsleep(_ pid: Int32) -> Bool {
            guard let status = ProcessDirectory(pid)?.status() else { return false }
            return status.name == Array("sleep".utf8) && status.state == UInt8(ascii: "S")
        }
        try #require(eventually { processes.allSatisfy(isAsleep) ? true : nil } == true)
        var cursor = ScanCursor(scanner(), .full, first: processes)
        _ = cursor.advance(until: 0)
        #expect(cursor.urgent == 1)
        let before = try reads() ?? 0
        _ = cursor.advance(until: 0)
        // The first count itself is one.
        let count = (try reads() ?? 0) - before - 1
        #expect(cursor.urgent == 0)
        let maps = String(decoding: ProcessDirectory(processes[0])?.maps() ?? [], as: UTF8.self)
        try #require(maps.utf8.count < 3000)
        // stat, cgroup, maps, and the end of these where no page of the kernel's stands there.
        #expect(count == (maps.contains("[vsyscall]") ? 3 : 4))
    }

    @Test func whatWasLeftOutIsSaid() {
        var cursor = ScanCursor(scanner(), .open)
        _ = cursor.advance(until: 0)
        #expect(cursor.remaining > 0)
        // Nothing failed: there was no time for it.
        let snapshot = cursor.finish()
        #expect(snapshot.failures.isEmpty)
        #expect(!snapshot.isComplete)
    }

    /// A pid that is urgent and gone is none.
    @Test func urgentProcessesThatAreGone() {
        let cursor = ScanCursor(scanner(), .open, first: [-1, .max, getpid()])
        #expect(cursor.remaining > 0)
    }

    /// Without a descriptor left every process would be missing and every dump empty, without a word.
    @Test func failuresAreNamed() async {
        await #expect(processExitsWith: .success) {
            let roots = MountRoots()
            let network = HostNetwork()
            let scanner = Scanner(
                roots: roots, network: network, files: FileAccess(roots: roots, calls: BlockingCalls()))
            var cursor = ScanCursor(scanner, .open)
            try run(["prlimit", "--pid", "\(getpid())", "--nofile=0:"])
            while !cursor.advance(until: .max) {}
            let snapshot = cursor.finish()
            let failed = Set(snapshot.failures.map(\.what))
            // And nobody is taken for gone who could not be read.
            guard !snapshot.isComplete else { exit(2) }
            exit(failed.isSuperset(of: ["processes", "TCP and UDP sockets", "Unix sockets"]) ? 0 : 1)
        }
    }
}
