import Glibc
import Procfs
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// Who is at which end of a pipe.
@Suite struct ChannelTests {
    @Test func theFlagsSayWhichEndADescriptorIs() {
        var ends = PipeEnds()
        ends.note(1, 10, flags: O_WRONLY | O_APPEND)
        ends.note(2, 20, flags: O_RDONLY | O_NONBLOCK)
        ends.note(3, 30, flags: O_RDWR)
        #expect(ends.writers == [1, 3])
        #expect(ends.readers == [2, 3])
    }

    /// Whoever never wrote since it was forked has not written to this pipe; alone with an end it may yet.
    @Test func whoMerelyInheritedAnEndIsNoneOfIt() {
        var ends = PipeEnds()
        ends.note(1, 10, flags: O_WRONLY)
        ends.note(2, 20, flags: O_RDONLY)
        let calls = TransferCalls(parsing: Array("rchar: 9\nwchar: 0\nsyscr: 3\nsyscw: 0\n".utf8))
        #expect(calls?.reads == 3)
        #expect(ends.used { _ in calls }.writers == [1])
        ends.note(3, 30, flags: O_WRONLY)
        ends.note(4, 40, flags: O_WRONLY)
        let used = ends.used { pid in
            // Of 4 nothing can be known.
            pid == 4 ? nil : TransferCalls(parsing: Array("syscr: 1\nsyscw: \(pid == 3 ? 1 : 0)\n".utf8))
        }
        #expect(used.writers == [3, 4])
        #expect(used.readers == [2])
        #expect(TransferCalls(parsing: Array("syscr: 1\n".utf8)) == nil)
    }

    /// A shell has both ends until it has started both programs.
    @Test func whoHasClosedAnEndSinceIsNoneOfIt() {
        var ends = PipeEnds()
        ends.note(1, 10, flags: O_WRONLY)
        ends.note(1, 11, flags: O_RDONLY)
        ends.note(2, 20, flags: O_WRONLY)
        ends.note(3, 30, flags: O_RDONLY)
        let kept = ends.kept { _, descriptor in descriptor != 11 && descriptor != 20 }
        #expect(kept.writers == [1])
        #expect(kept.readers == [3])
    }

    /// The second look finds the same whether one thread looks or two.
    @Test func theSecondLookLeavesThoseThatHoldItStill() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/fifo"
            try #require(mkfifo(path, 0o600) == 0)
            let number = open(path, O_RDWR)
            defer { close(number) }
            var status = stat()
            try #require(fstat(number, &status) == 0)
            let child = try Child(["sh", "-c", "exec 9>\"$1\"; echo ready >&2; exec sleep 1000", "sh", path])
            defer { child.kill() }
            try #require(eventually(within: 30) { child.errorText.contains("ready") ? true : nil } == true)
            var ends = PipeEnds()
            ends.note(getpid(), number, flags: O_RDWR)
            ends.note(child.pid, 9, flags: O_WRONLY)
            // One that has no such descriptor, and one that is gone.
            ends.note(getppid(), 1_000_000, flags: O_WRONLY)
            ends.note(4_194_305, 9, flags: O_RDONLY)
            #expect(ends.areOfSeveral)
            for least in [2, Int.max] {
                func left(_ inode: UInt64) -> PipeEnds {
                    let looked = PipeLook([(ends, inode)], leastForTwo: least, block: 1).finish()
                    let isAlone = least == .max || sysconf(Int32(_SC_NPROCESSORS_ONLN)) < 2
                    #expect(isAlone ? looked.readByOther == 0 : looked.readByOther > 0)
                    return looked.remaining(ends)
                }
                let (held, other) = (left(UInt64(status.st_ino)), left(UInt64(status.st_ino) + 1))
                // The shell has written nothing but its line, which is a write like any other.
                #expect(Set(held.writers) == [getpid(), child.pid])
                #expect(held.readers == [getpid()])
                #expect(other.writers.isEmpty && other.readers.isEmpty)
            }
            var alone = PipeEnds()
            alone.note(7, 1, flags: O_RDWR)
            #expect(!alone.areOfSeveral)
        }
    }
}
