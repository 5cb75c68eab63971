import CLinux
import Glibc
import Procfs
import SharedPages
import SystemCalls
import TestSupport

@testable import PageFaults

/// "Hosts" of this machine: trees of the same workload that share nothing with one another, and whose pages are passed on between them
/// in this process.
final class LocalHosts {
    final class Host {
        let child: Child
        let workers: [Int32]
        /// Of the region, which has it open.
        let file: Int32
        let processes = FaultedProcesses()
        var node: PageNode
        var memory: FaultedRegion { processes.regions[0] }

        /// - Parameter running: those of the workload's processes that run here; the others are never told to begin.
        init(_ number: UInt8, pages: Int, _ command: [String], running: [Int], prefix: [String] = []) throws {
            let child = try Child(prefix + [try Products.path("pages"), "\(pages)"] + command)
            self.child = child
            var found: [Int32] = []
            for _ in 0..<500 {
                found = Self.children(of: child.pid)
                if found.count >= running.max()! + 1 { break }
                usleep(10_000)
            }
            usleep(50_000)
            found = Self.children(of: child.pid)
            workers = found
            node = PageNode(region: 0, pages: pages, host: number, home: 0)
            let area = ProcessDirectory(child.pid)!.memoryAreas().first {
                $0.isShared && $0.path.starts(with: "/dev/zero".utf8)
            }!
            let ends = [area.range.lowerBound, area.range.upperBound].map { String($0, radix: 16) }
            let file = try FileDescriptor.open("/proc/\(child.pid)/map_files/\(ends[0])-\(ends[1])", O_RDWR)
            self.file = file.number
            let region = processes.addRegion(file, bytes: UInt64(area.range.count))
            for worker in running.map({ found[$0] }) {
                var stopped = try StoppedProcess(worker)
                try stopped.renewCalls()
                let unprivileged = try UnprivilegedFaults.allow()
                let fault = try stopped.openUserFault()
                _ = consume unprivileged
                let process = processes.add(fault)
                try processes.register(process, area.range, region: region, offset: 0)
            }
            if number != 0 { try memory.invalidateAll() }
            for worker in running.map({ found[$0] }) { kill(worker, SIGUSR1) }
        }

        /// What the memory's file has, at a page.
        func words(_ page: UInt32) -> [UInt64] {
            var words = [UInt64](repeating: 0, count: 512)
            pread(file, &words, 4096, off_t(page) * 4096)
            return words
        }

        deinit { for worker in workers { kill(worker, SIGKILL) } }

        static func children(of pid: Int32) -> [Int32] {
            let text =
                (try? FileDescriptor.open("/proc/\(pid)/task/\(pid)/children", O_RDONLY).readAll()) ?? []
            return text.split(separator: UInt8(ascii: " ")).compactMap {
                Int32(String(decoding: $0, as: UTF8.self))
            }
        }

        func end(_ worker: Int) { kill(workers[worker], SIGKILL) }
    }

    var hosts: [Host] = []
    /// The time from reading a fault to letting the thread go on.
    private(set) var times: [UInt64] = []
    private var begun: [[UInt32: UInt64]] = []
    /// Nanoseconds for which a page that has come stays.
    var window: UInt64 = 100_000
    private var due: [(at: UInt64, host: Int, page: UInt32)] = []

    func add(pages: Int, _ command: [String], running: [Int], prefix: [String] = []) throws {
        hosts.append(try Host(UInt8(hosts.count), pages: pages, command, running: running, prefix: prefix))
        begun.append([:])
    }

    /// Answers faults until a condition holds.
    func run(seconds: Int, until isOver: () -> Bool) throws -> Bool {
        let limit = Clock.monotonic() + UInt64(seconds) * 1_000_000_000
        while !isOver() {
            guard Clock.monotonic() < limit else { return false }
            var waiting: [pollfd] = hosts.flatMap { host in
                host.processes.all.map {
                    pollfd(fd: host.processes.number($0)!, events: Int16(POLLIN), revents: 0)
                }
            }
            if due.isEmpty { poll(&waiting, nfds_t(waiting.count), 20) }
            for index in hosts.indices {
                for process in hosts[index].processes.all {
                    for fault in try hosts[index].processes.takeFaults(process) { try answer(fault, index) }
                }
            }
            let now = Clock.monotonic()
            while let first = due.first, first.at <= now {
                due.removeFirst()
                var out: [(to: UInt8, PageMessage)] = []
                var memory = hosts[first.host].memory
                try hosts[first.host].node.settle(first.page, &memory, &out)
                try deliver(out, from: first.host)
            }
        }
        return true
    }

    /// Has the first host read a page.
    func bring(_ page: UInt32) throws {
        try answer(.init(region: 0, page: page, isWrite: false), 0)
        guard try run(seconds: 10, until: { !hosts[0].node.isWaiting(page) }) else {
            throw Failure("no page came")
        }
    }

    private func answer(_ fault: FaultedProcesses.Fault, _ index: Int) throws {
        begun[index][fault.page] = begun[index][fault.page] ?? Clock.monotonic()
        var out: [(to: UInt8, PageMessage)] = []
        var memory = hosts[index].memory
        try hosts[index].node.fault(fault.page, isWrite: fault.isWrite, &memory, &out)
        note(fault.page, index)
        try deliver(out, from: index)
    }

    private func deliver(_ messages: [(to: UInt8, PageMessage)], from: Int) throws {
        for (to, message) in messages {
            let message = try PageMessage(message.bytes)
            var out: [(to: UInt8, PageMessage)] = []
            var memory = hosts[Int(to)].memory
            try hosts[Int(to)].node.receive(message, from: UInt8(from), &memory, &out)
            for index in hosts.indices { note(message.page, index) }
            try deliver(out, from: Int(to))
        }
    }

    private func note(_ page: UInt32, _ index: Int) {
        guard !hosts[index].node.isWaiting(page), let begin = begun[index].removeValue(forKey: page) else {
            return
        }
        times.append(Clock.monotonic() - begin)
        if hosts[index].node.isUnsettled(page) { due.append((Clock.monotonic() + window, index, page)) }
    }
}
