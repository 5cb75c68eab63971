import Fanotify
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// Marks on the filesystems of this host.
@Suite struct FilesystemWatchTests {
    /// The group that takes the place of one that cannot be read has every mark again.
    @Test(.privileged) func aGroupThatIsOpenedAnew() throws {
        var watch = try FilesystemWatch(queueLimit: 16_384)
        let scratch = try ScratchFilesystem(.tmpfs)
        // Others may mount something at the same time.
        #expect(try watch.refresh().fresh >= 1)
        try watch.reopen()
        let count = watch.handleCount
        #expect(count > 1)
        let name = "opened-anew"
        try write("x", to: scratch.path + "/" + name)
        var bytes: [UInt8] = []
        while try watch.handles.read(appendingTo: &bytes) != nil {}
        #expect(String(decoding: bytes, as: UTF8.self).contains(name))
        let limit = watch.queueLimit
        #expect(limit == 16_384)
        try scratch.unmount()
    }
}
