@testable import Procfs
import TestSupport
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private let segmentTable = """
           key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
      16450913          4   600                    56 32731 32748      1   101     0   101     0 1795242499 1795242503 1795242495                  4096                     0
             0      32769  1600                393216  2201     0      2  1000  1000  1000  1000          0          0 1795242501                393216                     0
    -559038737 2147483647   666  18446744073709551615     0 32748      0     0     0     0     0 1795242600 1795242503 1795242495                     0                     0

    """
private let setTable = """
           key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
       5432001          7   600         17   101     0   101     0 1795242620 1795242600
             0          8   600      32000  1000     0  1000     0          0 1795242601

    """
private let queueTable = """
           key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime
    2059141121          3   600           8          2  8487  8502     0     0     0     0 1795242619 1795242622 1795242614
             1          5   600           0          0     0     0     0     0     0     0          0          0 1795242614

    """

@Suite struct SystemVObjectTests {
    private typealias User = SystemVObject.User

    @Test func segments() {
        #expect(
            SystemVObject.segments(bytes(segmentTable)) == [
                SystemVObject(
                    key: 16_450_913, id: 4, count: 1,
                    users: [
                        User(pid: 32731, until: 1_795_242_495), User(pid: 32748, until: 1_795_242_503),
                    ], lastUse: 1_795_242_503),
                // Nobody has attached it yet but its creator.
                SystemVObject(
                    key: 0, id: 32769, count: 2, users: [User(pid: 2201, until: 1_795_242_501)],
                    lastUse: 1_795_242_501),
                // The creator is in no pid namespace that can be seen from here.
                SystemVObject(
                    key: 0xdead_beef, id: .max, count: 0, users: [User(pid: 32748, until: 1_795_242_600)],
                    lastUse: 1_795_242_600),
            ])
    }

    @Test func semaphoreSets() {
        #expect(
            SystemVObject.semaphoreSets(bytes(setTable)) == [
                SystemVObject(key: 5_432_001, id: 7, count: 17, users: [], lastUse: 1_795_242_620),
                SystemVObject(key: 0, id: 8, count: 32000, users: [], lastUse: 1_795_242_601),
            ])
    }

    @Test func messageQueues() {
        #expect(
            SystemVObject.messageQueues(bytes(queueTable)) == [
                SystemVObject(
                    key: 0x7abc_0001, id: 3, count: 2,
                    users: [User(pid: 8487, until: 1_795_242_619), User(pid: 8502, until: 1_795_242_622)],
                    lastUse: 1_795_242_622),
                SystemVObject(key: 1, id: 5, count: 0, users: [], lastUse: 0),
            ])
    }

    @Test(
        arguments: [
            (0x0052_e2c1, 4, "key 0x0052e2c1"), (0xdead_beef, 4, "key 0xdeadbeef"), (1, 4, "key 0x00000001"),
            (0, 32769, "id 32769"), (0, 0, "id 0"),
        ] as [(UInt32, Int32, String)])
    func names(key: UInt32, id: Int32, name: String) {
        let object = SystemVObject(key: key, id: id, count: 0, users: [], lastUse: 0)
        #expect(object.name == bytes(name))
    }

    /// A pid in a table can have become another's: one that started after the use was not the user.
    @Test func whoStartedLaterIsAnother() {
        let user = User(pid: 7, until: 100)
        #expect(user.canBe(startedAt: 99))
        #expect(user.canBe(startedAt: 100))
        #expect(user.canBe(startedAt: 101))
        #expect(!user.canBe(startedAt: 102))
        for extreme in [Int64.min, 0, .max] {
            #expect(User(pid: 7, until: extreme).canBe(startedAt: .min))
            #expect(User(pid: 7, until: extreme).canBe(startedAt: .max) == (extreme == .max))
        }
    }

    @Test func whatIsNoLine() {
        let good = " 1 2 600 4096 10 11 1 0 0 0 0 5 6 7 4096 0\n"
        #expect(SystemVObject.segments(bytes(good)).count == 1)
        let tooLarge = good.replacing(" 2 600", with: " 99999999999 600")
        let negative = good.replacing(" 2 600", with: " -2 600")
        let short = " 1 2 600 4096 10 11 1 0 0 0 0 5 6\n"
        for text in ["", "\n", "x", tooLarge, negative, short] {
            #expect(SystemVObject.segments(bytes(text)).isEmpty)
            #expect(SystemVObject.segments(bytes(text + "\n" + good)).count == 1)
        }
    }

    @Test func hostile() {
        let tables = [segmentTable, setTable, queueTable].map(bytes)
        hostileInputs(from: tables, count: 6_000, seed: 41) { input in
            let found =
                SystemVObject.segments(input) + SystemVObject.semaphoreSets(input)
                + SystemVObject.messageQueues(input)
            for object in found {
                #expect(object.id >= 0)
                #expect(object.users.allSatisfy { $0.pid > 0 })
                #expect(!object.name.isEmpty)
            }
        }
    }
}

@Suite struct SharedMappingTests {
    private func parse(_ text: String) -> [SharedMapping] { SharedMapping.parse(bytes(text)) }

    private static let maps = """
        55a000000000-55a000001000 r--p 00000000 08:01 131                        /usr/bin/cat
        55a000003000-55a000004000 rw-p 00000000 00:00 0                          [heap]
        7f0000000000-7f0000001000 rw-p 00000000 00:00 0
        7f0000001000-7f0000002000 rw-s 00000000 00:1b 7                          /dev/shm/a b
        7f0000002000-7f0000003000 r--s 00001000 00:1b 7                          /dev/shm/a b
        7f0000003000-7f0000004000 rw-s 00000000 00:01 32769                      /SYSV7abc0001 (deleted)
        7f0000004000-7f0000005000 rw-s 00000000 00:1b 8                          /dev/shm/sem.x (deleted)
        7f0000005000-7f0000006000 rw-s 00000000 fe:1b 9                          /home/dev/shm/x
        7f0000006000-7f0000007000 rw-s 00000000 00:0e 5                          anon_inode:[io_uring]
        7f0000007000-7f0000008000 rw-s 00000000 00:1b 10                         /dev/shm/n\\012l
        7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]

        """

    @Test func whatIsSharedAndNothingElse() {
        #expect(
            parse(Self.maps) == [
                SharedMapping(major: 0, minor: 0x1b, inode: 7, path: bytes("/dev/shm/a b")),
                SharedMapping(major: 0, minor: 1, inode: 32769, path: bytes("/SYSV7abc0001 (deleted)")),
                SharedMapping(major: 0, minor: 0x1b, inode: 8, path: bytes("/dev/shm/sem.x (deleted)")),
                SharedMapping(major: 0, minor: 0x1b, inode: 10, path: bytes("/dev/shm/n\nl")),
            ])
    }

    @Test(
        arguments: [
            ("/SYSV7abc0001 (deleted)", 0, 0x7abc_0001), ("/SYSV00000000 (deleted)", 0, 0),
            ("/SYSVffffffff (deleted)", 0, 0xffff_ffff),
            // A file of that name, on a disk; other names.
            ("/SYSV7abc0001 (deleted)", 8, nil), ("/SYSV7abc0001", 0, nil),
            ("/SYSV7ABC0001 (deleted)", 0, nil), ("/SYSV+abc0001 (deleted)", 0, nil),
            ("/SYSV7abc00011 (deleted)", 0, nil), ("/SYSV7abc001 (deleted)", 0, nil),
            ("/SYSV/abc0001 (deleted)", 0, nil), ("/SYSV", 0, nil), ("/dev/shm/x", 0, nil), ("", 0, nil),
        ] as [(String, UInt32, UInt32?)])
    func keys(path: String, major: UInt32, key: UInt32?) {
        #expect(SharedMapping(major: major, minor: 1, inode: 1, path: bytes(path)).segmentKey == key)
    }

    @Test func whatIsNoLine() {
        for text in [
            "/dev/shm/x", "\n/SYSV00000000 (deleted)\n", "7f00-7f01 rw-s 0 00:1b /dev/shm/x\n",
            "7f00-7f01 rw-s 0 001b 7 /dev/shm/x\n", "7f00-7f01 rw-s 0 00:1b:1 7 /dev/shm/x\n",
            "7f00-7f01 rw-s 0 00: 7 /dev/shm/x\n", "7f00-7f01 rw-s 0 00:1b x /dev/shm/x\n",
            "7f00-7f01 rw-s 0 00:1b 99999999999999999999 /dev/shm/x\n", "7f00-7f01 rw-s 0 00:1b 7 /dev/shm\n",
            "7f00-7f01 rw-s 0 00:1b 7 /x /dev/shm/x\n",
        ] {
            #expect(parse(text).isEmpty, "\(text)")
        }
    }

    @Test func everyTruncationIsSafe() {
        let whole = bytes(Self.maps)
        for length in 0...whole.count { #expect(SharedMapping.parse(Array(whole.prefix(length))).count <= 5) }
    }

    /// Whatever a process is said to have mapped, a slower reading of the same bytes finds as much.
    @Test func hostile() {
        hostileInputs(from: [bytes(Self.maps)], count: 6_000, seed: 43) { input in
            let found = SharedMapping.parse(input)
            let lines = input.split(separator: UInt8(ascii: "\n")).filter { line in
                let path = line.drop { $0 != UInt8(ascii: "/") }
                return path.starts(with: bytes("/SYSV")) || path.starts(with: bytes("/dev/shm/"))
            }
            #expect(found.count <= lines.count)
            #expect(Set(found).count == found.count)
            _ = found.map(\.segmentKey)
        }
    }
}
