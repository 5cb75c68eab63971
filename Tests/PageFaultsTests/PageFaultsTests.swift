import CLinux
import Glibc
import Procfs
import SharedPages
import SystemCalls
import TestSupport
import Testing

@testable import PageFaults

@Suite("Pages that follow plain loads and stores", .serialized, .privileged)
struct PageFaultsTests {
    @Test("Two processes at two hosts hand a number on 2,000 times, and neither sees a wrong one")
    func handsOn() throws {
        let command = ["turn", "0:0", "0:1", "1000", "turn", "0:1", "0:0", "1000"]
        let hosts = LocalHosts()
        try hosts.add(pages: 2, command, running: [0])
        try hosts.add(pages: 2, command, running: [1])
        let isOver = try hosts.run(seconds: 60) {
            !isAlive(hosts.hosts[0].workers[0]) && !isAlive(hosts.hosts[1].workers[1])
        }
        #expect(isOver)
        #expect(hosts.times.count >= 2000)
    }

    @Test(
        "Three hosts, two processes each, count in one page, each in a number of its own, and all is counted")
    func counts() throws {
        let command = (0..<6).flatMap { ["count", "1:\($0)", "3000000"] }
        let hosts = LocalHosts()
        for index in 0..<3 { try hosts.add(pages: 2, command, running: [index, index + 3]) }
        #expect(
            try hosts.run(seconds: 60) {
                (0..<6).allSatisfy { !isAlive(hosts.hosts[$0 % 3].workers[$0]) }
            })
        #expect(hosts.times.count > 20)
        let words = try read(hosts, page: 1)
        #expect(Array(words[..<6]) == Array(repeating: 3_000_000, count: 6))
    }

    @Test("Faults of system calls are answered too, in a process without privileges")
    func readsInto() throws {
        let command = ["count", "0:5", "23", "read", "0:6"]
        let hosts = LocalHosts()
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        try hosts.add(pages: 1, command, running: [0])
        try hosts.add(pages: 1, command, running: [1], prefix: nobody)
        #expect(
            try hosts.run(seconds: 30) {
                hosts.hosts.indices.allSatisfy { !isAlive(hosts.hosts[$0].workers[$0]) }
            })
        let words = try read(hosts, page: 0)
        #expect(Array(words[5...6]) == [23, 1])
        #expect(
            try FileDescriptor.open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY).readAll() == [48, 10])
    }

    @Test("A child that is forked is followed")
    func followsChildren() throws {
        let command = ["fork", "0:7", "230", "count", "0:8", "230"]
        let hosts = LocalHosts()
        try hosts.add(pages: 1, command, running: [1])
        try hosts.add(pages: 1, command, running: [0])
        #expect(
            try hosts.run(seconds: 30) {
                !isAlive(hosts.hosts[1].workers[0]) && !isAlive(hosts.hosts[0].workers[1])
            })
        #expect(hosts.hosts[1].processes.all.count == 2)
        let words = try read(hosts, page: 0)
        #expect(words[7] == 230 && words[8] == 230)
    }

    @Test(
        "A process that waits in a call goes on waiting in it, and sees no EINTR",
        arguments: [("sleep", 35), ("wait", 232)])
    func goesOnWaiting(word: String, number: Int) throws {
        let child = try Child([try Products.path("pages"), "1", word])
        defer { for worker in LocalHosts.Host.children(of: child.pid) { kill(worker, SIGKILL) } }
        var worker: Int32 = 0
        func current() -> [Substring] {
            let text = (try? FileDescriptor.open("/proc/\(worker)/syscall", O_RDONLY).readAll()) ?? []
            return String(decoding: text, as: UTF8.self).split(separator: " ")
        }
        #expect(
            eventually {
                worker = LocalHosts.Host.children(of: child.pid).first ?? 0
                // clock_nanosleep(2) is what nanosleep(3) of newer C libraries calls.
                return ["\(number)", number == 35 ? "230" : ""].contains(
                    current().first.map(String.init) ?? "-") ? true : nil
            } == true)
        let before = current()
        for _ in 0..<20 {
            var stopped = try StoppedProcess(worker)
            try stopped.renewCalls()
            #expect(try stopped.call(Int(SYS_getpid), []) == Int(worker))
            _ = consume stopped
            usleep(5_000)
            #expect(eventually { [before.first, "219"].contains(current().first) ? true : nil } == true)
        }
        #expect(isAlive(worker) && child.outputText.isEmpty)
    }

    @Test(
        "Signals that wait for a process can be taken away: it does not see them, and its stack is as before")
    func takesSignals() throws {
        let child = try Child([try Products.path("pages"), "1", "sleep"])
        defer { for worker in LocalHosts.Host.children(of: child.pid) { kill(worker, SIGKILL) } }
        let worker = try #require(eventually { LocalHosts.Host.children(of: child.pid).first })
        usleep(50_000)
        for _ in 0..<3 {
            var stopped = try StoppedProcess(worker)
            // Each would end it.
            for signal in [SIGUSR1, SIGTERM, SIGUSR1] { kill(worker, signal) }
            try stopped.renewCalls()
            try stopped.takeSignals(1 << UInt64(SIGUSR1 - 1) | 1 << UInt64(SIGTERM - 1))
            _ = consume stopped
            usleep(20_000)
        }
        #expect(isAlive(worker) && child.outputText.isEmpty)
    }

    @Test(
        "A process can be had end, with its threads, and its parent gets the status",
        arguments: ["sleep", "threads"])
    func ends(word: String) throws {
        let child = try Child([try Products.path("pages"), "1", word])
        let worker = try #require(eventually { LocalHosts.Host.children(of: child.pid).first })
        usleep(100_000)
        let stopped = try StoppedProcess(worker)
        try stopped.exit(23)
        #expect(eventually { child.outputText.contains("status 1700\n") ? true : nil } == true)
        try child.succeed()
    }

    @Test("Memory of System V cannot be registered: the kernel does not take it for shmem")
    func refusesSystemV() throws {
        let words = ["\(0x5245_5100 + getpid() % 200)", "retinue-pages-\(getpid())"]
        let sharer = try Products.path("sharer")
        try run([sharer, "remove"] + words)
        let child = try Child([sharer, "first"] + words)
        defer {
            child.kill()
            _ = try? run([sharer, "remove"] + words)
        }
        _ = try child.firstLine()
        let area = try #require(
            ProcessDirectory(child.pid)!.memoryAreas().first {
                $0.isShared && $0.path.starts(with: "/SYSV".utf8)
            })
        var stopped = try StoppedProcess(child.pid)
        let fault = try stopped.openUserFault()
        #expect(throws: SystemError("UFFDIO_REGISTER", code: EINVAL)) { try fault.register(area.range) }
    }

    /// Brings a page to the first host, and reads it there.
    private func read(_ hosts: LocalHosts, page: UInt32) throws -> [UInt64] {
        try hosts.bring(page)
        return hosts.hosts[0].words(page)
    }

    private func isAlive(_ pid: Int32) -> Bool {
        guard let bytes = try? FileDescriptor.open("/proc/\(pid)/stat", O_RDONLY).readAll() else {
            return false
        }
        return !String(decoding: bytes, as: UTF8.self).contains(") Z ")
    }
}
