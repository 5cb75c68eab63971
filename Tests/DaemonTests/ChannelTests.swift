import Glibc
import Procfs
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
}
