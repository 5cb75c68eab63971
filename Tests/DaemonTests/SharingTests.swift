@testable import Daemon
import Testing

/// Names of POSIX objects, from the paths that /proc shows.
@Suite struct SharingTests {
    @Test(
        arguments: [
            ("/dev/shm/a", true), ("/dev/shm/sem.a", true), ("/dev/shm/a b (deleted)", true),
            ("/dev/shm/\u{1}", true),
            ("/dev/shm/", false), ("/dev/shm", false), ("/dev/shm/folder/a", false), ("/a", false),
            ("", false), ("/home/dev/shm/a", false),
        ])
    func whatSharedMemoryIs(path: String, isMemory: Bool) {
        #expect(SharingPlaces.isMemory(Array(path.utf8)) == isMemory)
    }

    @Test func namesOfSharedMemory() {
        var names = MemoryNames()
        #expect(names.name(Array("/dev/shm/a".utf8), 1) == Array("/a".utf8))
        #expect(names.name(Array("/dev/shm/sem.a".utf8), 1) == Array("/sem.a".utf8))
        #expect(names.name(Array("/dev/shm/".utf8) + [0xff, 0x0a], 1) == [0x2f, 0xff, 0x0a])
        // No file has this number: it is gone.
        #expect(names.name(Array("/dev/shm/a (deleted)".utf8), .max).isEmpty)
    }

    @Test(arguments: [("/q", "/q"), ("/dev/mqueue/q", "/q"), ("/q x", "/q x"), ("q", "/q"), ("", "/")])
    func namesOfQueues(path: String, name: String) {
        #expect(SharingPlaces.queueName(Array(path.utf8)) == Array(name.utf8))
    }
}
