import Glibc
import Procfs
import TestSupport
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// What a process has that a move cannot bring along, as /proc reports it.
@Suite struct TraitTests {
    @Test func areas() {
        let text = """
            7f00-7f01 rw-s 00000000 00:01 32769                      /SYSV0000002a (deleted)
            559a0000-559b0000 r-xp 00001000 fe:00 77     /opt/a b\\012c
            7f280adba000-7f280adbb000 rw-s 00000000 00:01 47689 /dev/zero (deleted)
            7ffd0000-7ffd1000 rw-p 00000000 00:00 0      [uprobes]
            7ffd1000-7ffd2000 rw-p 00000000 00:00 0 
            b-a rw-p 00000000 00:00 0 /backwards
            7ffd1000 rw-p 00000000 00:00 0 /one
            7f00-7f01 rw-s 00000000 0001 3 /device
            """
        let areas = MemoryArea.parse(bytes(text))
        #expect(areas.count == 4)
        #expect(areas[0].isShared && areas[0].isWritable && areas[0].isDeleted && areas[0].inode == 32769)
        #expect(areas[0].range == 0x7f00..<0x7f01)
        #expect(areas[1].path == bytes("/opt/a b\nc") && !areas[1].isShared && !areas[1].isWritable)
        #expect((areas[1].major, areas[1].minor) == (0xfe, 0))
        #expect(areas[3].path == bytes("[uprobes]"))
    }

    @Test func traits() {
        let status = "Name:\ta\nTracerPid:\t12\nCpus_allowed:\t3\nCpus_allowed_list:\t0-3,8\n"
        #expect(ProcessTraits(parsing: bytes(status))?.tracer == 12)
        #expect(ProcessTraits(parsing: bytes(status))?.processors == "0-3,8")
        #expect(ProcessTraits(parsing: bytes("TracerPid:\t12\n")) == nil)
        #expect(ProcessTraits(parsing: bytes("TracerPid:\t-1\nCpus_allowed_list:\t0\n")) == nil)
        #expect(ProcessTraits(parsing: bytes("TracerPid:\t1\nCpus_allowed_list:\t\u{1b}[1m\n")) == nil)
    }

    @Test func descriptors() {
        let terminal = DescriptorTraits(parsing: bytes("pos:\t0\nflags:\t02100002\ntty-index:\t7\n"))
        #expect(terminal.terminal == 7 && terminal.process == nil && !terminal.marksFilesystems)
        #expect(DescriptorTraits(parsing: bytes("Pid:\t-1\nNSpid:\t-1\n")).process == -1)
        #expect(
            DescriptorTraits(parsing: bytes("fanotify flags:0\nfanotify sdev:fe00000 mask:1\n"))
                .marksFilesystems)
        #expect(!DescriptorTraits(parsing: bytes("fanotify ino:1 sdev:fe00000 mask:1\n")).marksFilesystems)
        #expect(DescriptorTraits(parsing: bytes("Pid:\t99999999999\n")).process == nil)
    }

    @Test func groups() {
        let table =
            "Idx\tDevice    : Count Querier\tGroup    Users\n2\teth0      :     2      V3\n"
            + "\t\t\t\t030201EF     1 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n"
        let found = MulticastGroup.parse(igmp: bytes(table))
        #expect(found.map(\.address) == [[239, 1, 2, 3], [224, 0, 0, 1]])
        #expect(
            found.allSatisfy { $0.interface == 2 && $0.name == "eth0" }
                && found.map(\.isOfAllHosts) == [false, true])
        let six = MulticastGroup.parse(
            igmp6: bytes("1    lo              ff0200000000000000000000000000fb     1 0000000C 0\n"))
        let long = MulticastGroup.parse(
            igmp: bytes("3\tabcdefghijklmno:     1      V3\n\t\t\t\t030201EF     1 0\n"))
        #expect(long.map(\.name) == ["abcdefghijklmno"])
        #expect(
            six.first?.name == "lo" && six.first?.address.last == 0xfb && six.first?.isOfAllHosts == false)
        #expect(MulticastGroup.parse(igmp6: bytes("1 lo ff02 1 0\n")).isEmpty)
    }

    /// Those of this very process.
    @Test func ownTraits() throws {
        guard let own = ProcessDirectory(getpid()) else {
            Issue.record("no folder of this process")
            return
        }
        #expect(own.traits()?.tracer == 0)
        #expect(own.personality() != nil && own.timerSlack() != nil)
        #expect(own.ioPriority() == 0)
        #expect(own.memoryAreas().contains { $0.path == own.executable() })
        let ends = try #require(own.memoryAreas().first { $0.path == own.executable() })
        #expect(own.statistics(of: ends)?.inode == own.executableStatus()?.inode)
    }
}
