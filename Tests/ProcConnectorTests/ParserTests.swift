import Foundation
import ProcConnector
import TestSupport
import Testing
import Wire

func message(_ bytes: [UInt8]) throws(WireError) -> ProcessEvent.Message {
    try ProcessEvent.parse(bytes.span.bytes)
}

@Suite struct ParserTests {
    @Test func fork() throws {
        let expected = ProcessEvent(
            .fork, pid: 4238, parent: 4192, time: 0x37a_8610_893b, processor: 1, sequence: 0x2f58)
        #expect(try message(Fixtures.fork) == .event(expected))
    }

    @Test func exec() throws {
        let expected = ProcessEvent(.exec, pid: 4238, time: 0x37a_8626_d805, processor: 1, sequence: 0x2f59)
        #expect(try message(Fixtures.exec) == .event(expected))
    }

    @Test func exit() throws {
        let expected = ProcessEvent(.exit, pid: 4238, time: 0x37a_8630_39f6, processor: 1, sequence: 0x2f5a)
        #expect(try message(Fixtures.exit) == .event(expected))
    }

    @Test func threadsAreDropped() throws {
        #expect(try message(Fixtures.threadFork) == .other)
        #expect(try message(Fixtures.threadExit) == .other)
    }

    /// A process made by a thread: the parent is the process, whichever of its threads it was.
    @Test func parentIsTheProcess() throws {
        var bytes = Fixtures.fork
        bytes[52] = 0x99  // parent_pid
        guard case .event(let event) = try message(bytes) else {
            Issue.record("no event")
            return
        }
        #expect(event.parent == 4192)
    }

    /// An exec by a thread that is not the leader ends with the thread as the process.
    @Test func execNamesTheProcess() throws {
        var bytes = Fixtures.exec
        bytes[52] = 0x99  // process_pid
        guard case .event(let event) = try message(bytes) else {
            Issue.record("no event")
            return
        }
        #expect(event.pid == 4238)
    }

    @Test func acknowledgement() throws {
        #expect(try message(Fixtures.acknowledgement) == .acknowledgement(EINVAL))
        var good = Fixtures.acknowledgement
        good[52] = 0
        #expect(try message(good) == .acknowledgement(0))
    }

    /// PROC_EVENT_UID, GID, SID, PTRACE, COMM, COREDUMP, and one that does not exist yet.
    @Test(arguments: [0x4, 0x40, 0x80, 0x100, 0x200, 0x4000_0000, 0x800] as [UInt32])
    func otherEvents(what: UInt32) throws {
        var bytes = Fixtures.exec
        withUnsafeBytes(of: what) { bytes.replaceSubrange(36..<40, with: $0) }
        #expect(try message(bytes) == .other)
    }

    @Test func foreignConnectors() throws {
        var index = Fixtures.fork
        index[16] = 2
        #expect(try message(index) == .other)
        var value = Fixtures.fork
        value[20] = 2
        #expect(try message(value) == .other)
    }

    @Test func lengthsAreNotTrusted() {
        func failure(_ change: (inout [UInt8]) -> Void) -> WireError? {
            var bytes = Fixtures.fork
            change(&bytes)
            do throws(WireError) {
                _ = try message(bytes)
                return nil
            } catch { return error }
        }
        #expect(failure { _ in } == nil)
        // The netlink message's.
        #expect(failure { $0[0] = 0 } == .malformed(offset: 0))
        #expect(failure { $0[0] = 35 } == .malformed(offset: 0))
        #expect(failure { $0[0] = 77 } == .truncated(offset: 0))
        #expect(failure { $0[0...3] = [0xff, 0xff, 0xff, 0xff] } == .truncated(offset: 0))
        // The connector message's: beyond the netlink message, none, and too short for a fork.
        #expect(failure { $0[0] = 75 } == .truncated(offset: 32))
        #expect(failure { $0[32] = 41 } == .truncated(offset: 32))
        #expect(failure { $0[32...33] = [0xff, 0xff] } == .truncated(offset: 32))
        #expect(failure { $0[32] = 0 } == .malformed(offset: 32))
        #expect(failure { $0[32] = 15 } == .malformed(offset: 32))
        #expect(failure { $0[32] = 31 } == .truncated(offset: 64))
        #expect(failure { $0[32] = 16 } == .truncated(offset: 60))
        // As much as a fork needs: older kernels had no more.
        #expect(failure { $0[32] = 32 } == nil)
    }

    @Test(arguments: Fixtures.all)
    func everyTruncationIsAnError(bytes: [UInt8]) {
        for length in 0..<bytes.count {
            #expect(throws: WireError.self) { try message(Array(bytes.prefix(length))) }
        }
    }

    @Test func hostileBytesDoNotTrap() {
        var parsed = 0
        var refused = 0
        hostileInputs(from: Fixtures.all, count: 20_000, seed: 23) { bytes in
            do throws(WireError) {
                if case .event = try message(bytes) { parsed += 1 }
            } catch { refused += 1 }
        }
        #expect(parsed > 1000)
        #expect(refused > 1000)
    }

    @Test(arguments: [
        ("6.6.0", true), ("6.6", true), ("6.18.44", true), ("7.0.0-rc1", true), ("10.2", true),
        ("6.6.0-0.deb12.1-amd64", true), ("6.6-rc1", true), ("6.5.13", false), ("6.1.0-18-amd64", false),
        ("5.15", false), ("5.15.0-1052-aws", false), ("5.14.0-503.el9.x86_64", false), ("5.66.0", false),
        ("6", false), ("", false), (".", false), ("garbage", false), ("garbage.99", false), ("-6.9", false),
        ("99999999999999999999.6", false),
    ])
    func releases(release: String, filters: Bool) {
        #expect(ProcConnector.filtersRegistrations(release: release) == filters)
    }

    @Test func thisKernelIsOneOfThem() throws {
        let release = try String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)
        #expect(
            ProcConnector.kernelFiltersRegistrations()
                == ProcConnector.filtersRegistrations(release: release))
    }
}
