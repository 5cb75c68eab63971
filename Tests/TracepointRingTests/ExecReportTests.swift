import CLinux
import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import TracepointRing

/// What the kernel reports of execs and namespaces, as bytes.
@Suite struct ExecReportTests {
    private static let format = Array(
        """
        name: sched_process_exec
        ID: 311
        format:
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

        \tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
        \tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
        \tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;

        print fmt: "filename=%s", REC->filename

        """.utf8)

    /// Process 41 executes /bin/true in the group 99.
    private static let exec = hex(
        """
        09000000 0100 4800  // perf_event_header: PERF_RECORD_SAMPLE, misc, size
        29000000 29000000  // pid, tid
        15cd5b0700000000  // time
        24000000  // size of the raw data
        3701 00 00 29000000  // common_type, common_flags, common_preempt_count, common_pid
        14000a00 29000000 29000000  // filename: offset and length, pid, old_pid
        2f62696e2f7472756500 0000  // filename
        00000000  // filled up
        6300000000000000  // the control group
        """)

    /// Thread 42 of process 41 has the network namespace 7 and the mount namespace 12.
    private static let namespaces =
        hex("10000000 0000 9800 29000000 2a000000 0700000000000000")
        + (7..<14).flatMap { hex("0400000000000000") + [UInt8($0), 0, 0, 0, 0, 0, 0, 0] }
        + hex("29000000 2a000000 15cd5b0700000000")

    private func parse(_ records: [UInt8]) throws -> (execs: [ExecReport], namespaces: [NamespaceReport]) {
        let layout = try ExecLayout(TracepointFormat(Self.format))
        var execs: [ExecReport] = []
        var namespaces: [NamespaceReport] = []
        try ExecReport.parse(records.span.bytes, layout: layout) {
            execs.append($0)
        } namespaces: {
            namespaces.append($0)
        }
        return (execs, namespaces)
    }

    @Test func saysWhoExecutedWhatAndWhere() throws {
        let found = try parse(Self.namespaces + Fixtures.connecting + Self.exec)
        #expect(
            found.execs == [
                ExecReport(time: 123_456_789, process: 41, group: 99, path: Array("/bin/true".utf8))
            ])
        #expect(
            found.namespaces == [
                NamespaceReport(time: 123_456_789, process: 41, thread: 42, mount: 12, network: 7)
            ])
    }

    /// Whatever byte is another one, nothing is read that is not there.
    @Test func damagedRecordsEndTheReading() {
        let whole = Self.exec + Self.namespaces
        for index in whole.indices {
            for value: UInt8 in [0, 1, 0x7f, 0xff] {
                var damaged = whole
                damaged[index] = value
                _ = try? parse(damaged)
            }
            _ = try? parse(Array(whole[..<index]))
        }
        // A record without room for the control group.
        var short = Self.exec
        short[6] = 0x40
        short.removeLast(8)
        #expect(throws: (any Error).self) { try parse(short) }
        // More namespaces than there is room for.
        var many = Self.namespaces
        many[16] = 8
        #expect(throws: (any Error).self) { try parse(many) }
    }
}

/// The kernel's own reports.
@Suite(.serialized, .enabled(if: isRoot, "needs root: perf events of every process"))
struct ExecReportKernelTests {
    private struct Found {
        var execs: [ExecReport] = []
        var namespaces: [NamespaceReport] = []
    }

    private func drained(_ reports: ExecReports) -> Found {
        var found = Found()
        var buffer: [UInt8] = []
        reports.drain(&buffer) {
            found.execs.append($0)
        } namespaces: {
            found.namespaces.append($0)
        }
        // Each processor's are in order.
        found.execs.sort { $0.time < $1.time }
        found.namespaces.sort { $0.time < $1.time }
        return found
    }

    private func inode(_ kind: String) -> UInt64 {
        var status = stat()
        return stat("/proc/self/ns/\(kind)", &status) == 0 ? UInt64(status.st_ino) : 0
    }

    /// A process that is gone at once, and one that joins other namespaces before it executes something.
    @Test func theKernelSaysWhereProgramsRun() throws {
        let reports = try ExecReports()
        let plain = try Child(["/bin/true"])
        _ = try plain.wait()
        let apart = try Child(["/usr/bin/unshare", "-m", "-n", "/bin/true"])
        _ = try apart.wait()
        let found = drained(reports)
        let first = try #require(found.execs.last { $0.process == plain.pid })
        #expect(first.path == Array("/bin/true".utf8) && first.group != 0)
        let made = try #require(found.namespaces.first { $0.process == plain.pid })
        #expect(made.mount == inode("mnt") && made.network == inode("net") && made.time < first.time)
        let execs = found.execs.filter { $0.process == apart.pid }
        #expect(
            execs.map(\.path).suffix(2) == [Array("/usr/bin/unshare".utf8), Array("/bin/true".utf8)])
        let joined = try #require(found.namespaces.last { $0.process == apart.pid })
        #expect(joined.mount != inode("mnt") && joined.network != inode("net"))
        #expect(joined.time < execs.last!.time)
        #expect(drained(reports).execs.allSatisfy { $0.process != plain.pid })
    }

    /// Namespaces are reported where they are asked for alone.
    @Test func withoutNamespacesThereAreExecs() throws {
        let reports = try ExecReports(withNamespaces: false)
        let plain = try Child(["/bin/true"])
        _ = try plain.wait()
        let found = drained(reports)
        let exec = try #require(found.execs.last { $0.process == plain.pid })
        #expect(exec.path == Array("/bin/true".utf8) && exec.group != 0)
        #expect(found.namespaces.isEmpty)
    }

    /// An expression lets some through; they make a descriptor readable at once, and none while they are off.
    @Test func urgentOnesWake() throws {
        let urgent = try UrgentExecs("filename ~ \"*/true\"")
        try urgent.setOn(true)
        func process(_ program: String) throws -> (pid: Int32, isReadable: Bool) {
            let child = try Child([program])
            _ = try child.wait()
            var polls = urgent.numbers.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            return (child.pid, poll(&polls, nfds_t(polls.count), 100) > 0)
        }
        func drain() -> [Int32] { urgent.take().map(\.process) }
        let other = try process("/bin/false")
        #expect(!drain().contains(other.pid))
        let one = try process("/bin/true")
        #expect(one.isReadable)
        #expect(drain().contains(one.pid))
        try urgent.setOn(false)
        let unheard = try process("/bin/true")
        #expect(!drain().contains(unheard.pid))
        try urgent.setOn(true)
        try urgent.followAll()
        let heard = try process("/bin/true")
        #expect(heard.isReadable)
        #expect(drain().contains(heard.pid))
        #expect(throws: TracepointError.self) { _ = try UrgentExecs("nonsense ==") }
    }
}
