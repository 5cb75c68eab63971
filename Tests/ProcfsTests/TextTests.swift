@testable import Procfs
import TestSupport
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct StatusTests {
    private let tail = " 1 4242 4242 34816 4242 4194304 1 0 0 0 0 0 0 0 20 0 1 0 123456789 2359296 200\n"

    @Test(arguments: ["cat", "a b", ") (", "a) S 99 (b", "((", "))", "", " ", "Web Content", "x\ny"])
    func names(name: String) throws {
        let status = try #require(ProcessStatus(parsing: bytes("4242 (\(name)) S\(tail)")))
        #expect(status.state == UInt8(ascii: "S"))
        #expect(status.parent == 1)
        #expect(status.startTicks == 123_456_789)
        #expect(!status.isKernelThread)
    }

    @Test func nameThatIsNotText() throws {
        let line = bytes("7 (") + [0xff, 0x29, 0xfe] + bytes(") Z\(tail)")
        #expect(try #require(ProcessStatus(parsing: line)).state == UInt8(ascii: "Z"))
    }

    @Test func kernelThread() throws {
        let line = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 23 0 0 18446744073709551615\n"
        let status = try #require(ProcessStatus(parsing: bytes(line)))
        #expect(status.isKernelThread)
        #expect(status.parent == 0)
        #expect(status.startTicks == 23)
    }

    @Test func whatIsNoStatus() {
        let good = "4242 (cat) S\(tail)"
        // Cut off anywhere before the start time begins.
        for length in 0..<good.utf8.count - "123456789 2359296 200\n".utf8.count {
            #expect(ProcessStatus(parsing: Array(good.utf8.prefix(length))) == nil)
        }
        for text in ["", ")", "4242 cat S 1", "1 (a) S x 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "1 (a) S"] {
            #expect(ProcessStatus(parsing: bytes(text)) == nil)
        }
    }
}

@Suite struct ControlGroupTests {
    private func group(_ text: String) -> String? {
        ProcessDirectory.controlGroup(of: bytes(text)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func unified() {
        #expect(group("0::/system.slice/a.service\n") == "system.slice/a.service")
        #expect(group("0::/\n") == nil)
        #expect(group("") == nil)
        let scope = "user.slice/user@1000.service/app.slice/a:b.scope"
        #expect(group("0::/\(scope)\n") == scope)
    }

    @Test func legacy() {
        let text = """
            12:pids:/system.slice/cron.service
            5:cpu,cpuacct:/
            1:name=systemd:/system.slice/cron.service/x

            """
        #expect(group(text) == "system.slice/cron.service/x")
    }

    /// An engine that knows the controllers alone.
    @Test func controllers() {
        #expect(group("5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n") == "docker/0123")
        #expect(group("5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n3:pids:/\n0::/\n") == "docker/0123")
        // What one controller of several says is no workload.
        #expect(group("5:cpu:/\n4:memory:/limited\n3:pids:/\n0::/\n") == nil)
        let engine = "0::/system.slice/containerd.service\n"
        let container = "5:cpu:/docker/0123\n4:memory:/docker/0123\n1:name=systemd:/docker/0123\n"
        #expect(group(container + engine) == "docker/0123")
        #expect(
            group("5:cpu:/docker/0123\n4:memory:/docker/0123\n" + engine) == "system.slice/containerd.service"
        )
    }

    @Test func hybrid() {
        let head = "9:memory:/a\n1:name=systemd:/system.slice/named.service\n"
        #expect(group(head + "0::/system.slice/unified.service\n") == "system.slice/unified.service")
        // Everything may stand in the root of the unified hierarchy.
        #expect(group(head + "0::/\n") == "system.slice/named.service")
    }

    @Test func whatIsNoLine() {
        for text in ["0:/a\n", "::\n", "\n\n", "0::a\n", "10::/a\n", "1:cpu,name=systemd:/a\n", ":::", "0"] {
            #expect(group(text) == nil)
        }
    }
}

@Suite struct MappedFileTests {
    private func parse(_ text: String) -> [MappedFile] { MappedFile.parse(bytes(text)) }

    @Test func sharedMappingsThatMayBeWritten() {
        let text = """
            7f00-7f01 rw-s 00000000 00:19 2 /dev/shm/shared
            7f01-7f02 r--s 00000000 00:19 3 /dev/shm/only read
            7f02-7f03 rw-p 00000000 00:19 4 /usr/lib/private
            7f03-7f04 rw-s 00000000 00:19 5 /SYSV00000000 (deleted)
            7f04-7f05 rw-s
            7f05-7f06
            """
        let found = MappedFile.parse(bytes(text), sharedWritable: true)
        #expect(found == parse(text).filter(\.isSharedWritable))
        #expect(found.map(\.path) == [bytes("/dev/shm/shared")])
    }

    /// Only the whole line of the page that is behind all others says that nothing follows.
    @Test func theLastLine() {
        let page = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
        let other = "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
        func isLast(_ text: String) -> Bool { bytes(text).withUnsafeBytes { MapsLine.isLast($0) } }
        #expect(isLast(page))
        #expect(isLast(other + page))
        for length in 0..<page.count { #expect(!isLast(other + page.prefix(length)), "\(length)") }
        // A file of such a name, whose newline the kernel writes otherwise.
        for text in [other, page + other, "1-2 r--p 0 0:0 7 /\\012" + page, "1-2 r--p 0 0:0 7 /" + page] {
            #expect(!isLast(text), "\(text)")
        }
    }

    /// Few are compared with each other, many are looked up.
    @Test func aFileIsListedOnceAmongMany() {
        let order = (0..<40).map { $0 % 20 }
        let text = order.map { "1-2 r-xp 0 0:0 7   /lib/\($0)\n1-2 r--p 0 0:0 7   /x\n" }.joined()
        #expect(MappedFile.parse(bytes(text)) == plainly(bytes(text)))
        #expect(parse(text).count == 21)
    }

    /// Line by line, and nothing kept from the one before.
    private func plainly(_ bytes: [UInt8]) -> [MappedFile] {
        var files: [MappedFile] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count == 6, fields[1].count == 4 else { continue }
            let path = OctalEscapes.decodeNewlines(fields[5].drop { $0 == UInt8(ascii: " ") })
            guard path.first == UInt8(ascii: "/"), !path.suffix(10).elementsEqual(" (deleted)".utf8) else {
                continue
            }
            let permissions = Array(fields[1])
            let position = files.firstIndex { $0.path == path } ?? files.count
            if position == files.count {
                files.append(MappedFile(path: path, isExecutable: false, isSharedWritable: false))
            }
            if permissions[2] == UInt8(ascii: "x") { files[position].isExecutable = true }
            if permissions[1] == UInt8(ascii: "w"), permissions[3] == UInt8(ascii: "s") {
                files[position].isSharedWritable = true
            }
        }
        return files
    }

    @Test func piecesOfAFileInAnyOrder() {
        let pieces = [
            "", " ", "  ", "\n", "r-xp", "rw-s", "r--p", "/a", "/b", "/a\\012", " (deleted)", "0", "[heap]",
        ]
        let line = { (permissions: String, path: String) in "1-2 \(permissions) 0 0:0 7   \(path)\n" }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                text +=
                    Bool.random(using: &random)
                    ? line(
                        ["r-xp", "rw-s", "r--p"].randomElement()!,
                        ["/a", "/b", "/a b", "/a (deleted)"].randomElement()!)
                    : pieces.randomElement()!
            }
            #expect(MappedFile.parse(bytes(text)) == plainly(bytes(text)), "\(text.debugDescription)")
            let shared = MappedFile.parse(bytes(text), sharedWritable: true).map(\.path)
            #expect(Set(shared) == Set(plainly(bytes(text)).filter(\.isSharedWritable).map(\.path)))
        }
    }

    @Test func linesOfEachKind() {
        let text = """
            55a000000000-55a000001000 r--p 00000000 08:01 131                        /usr/bin/cat
            55a000001000-55a000002000 r-xp 00001000 08:01 131                        /usr/bin/cat
            55a000002000-55a000003000 rw-p 00002000 08:01 131                        /usr/bin/cat
            55a000003000-55a000004000 rw-p 00000000 00:00 0                          [heap]
            7f0000000000-7f0000001000 rw-p 00000000 00:00 0
            7f0000001000-7f0000002000 rw-s 00000000 00:1a 7                          /dev/shm/a b
            7f0000002000-7f0000003000 r--s 00000000 08:01 99                         /var/cache/read
            7f0000003000-7f0000004000 rw-s 00000000 00:01 3                          /SYSV00000000 (deleted)
            7f0000004000-7f0000005000 rw-s 00000000 00:01 4                          /memfd:x (deleted)
            7f0000005000-7f0000006000 r-xp 00000000 08:01 98                         /tmp/gone.so (deleted)
            7f0000006000-7f0000007000 rw-s 00000000 00:0e 5                          anon_inode:[io_uring]
            7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
            7ffc00022000-7ffc00024000 r-xp 00000000 00:00 0                          [vdso]
            ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]

            """
        #expect(
            parse(text) == [
                MappedFile(path: bytes("/usr/bin/cat"), isExecutable: true, isSharedWritable: false),
                MappedFile(path: bytes("/dev/shm/a b"), isExecutable: false, isSharedWritable: true),
                MappedFile(path: bytes("/var/cache/read"), isExecutable: false, isSharedWritable: false),
            ])
    }

    /// The kernel escapes the newline and nothing else: a backslash in a name is a backslash.
    @Test(arguments: [
        (#"/a\012b"#, "/a\nb"), (#"/a\101b"#, #"/a\101b"#), (#"/a\040b"#, #"/a\040b"#), (#"/a\"#, #"/a\"#),
        (#"/a  b "#, "/a  b "), (#"/x\012"#, "/x\n"), (#"/x\01"#, #"/x\01"#),
    ])
    func names(written: String, path: String) {
        let files = parse("7f00-7f01 r-xp 00000000 08:01 98      \(written)\n")
        #expect(files.map(\.path) == [bytes(path)])
    }

    @Test func whatIsNoLine() {
        for text in ["", "\n", "a", "7f00-7f01 r-x 0 08:01 98 /a\n", "7f00-7f01 r-xp 0 08:01 /a\n", "     "] {
            #expect(parse(text).isEmpty)
        }
    }
}

@Suite struct MountTests {
    private func parse(_ text: String) -> [Mount] { Mount.parse(bytes(text)) }

    @Test func plainLine() throws {
        let mounts = parse("29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw,discard\n")
        let mount = try #require(mounts.first)
        #expect(mounts.count == 1)
        #expect(mount.id == 29)
        #expect(mount.device == bytes("259:2"))
        #expect(mount.root == bytes("/"))
        #expect(mount.point == bytes("/"))
        #expect(mount.type == bytes("ext4"))
        #expect(mount.superOptions == bytes("rw,discard"))
        #expect(mount.isReal)
    }

    @Test(arguments: ["", "shared:1 ", "shared:1 master:2 ", "master:2 propagate_from:3 unbindable "])
    func optionalFields(fields: String) throws {
        let mount = try #require(parse("30 29 0:5 / /dev rw \(fields)- devtmpfs udev rw,size=4k\n").first)
        #expect(mount.type == bytes("devtmpfs"))
        #expect(mount.point == bytes("/dev"))
        #expect(mount.superOptions == bytes("rw,size=4k"))
    }

    @Test func escapes() throws {
        let line = #"31 29 8:1 /a\040b /mnt/x\011y\012z\134w rw - ext4 /dev/sd\040a rw"#
        let mount = try #require(parse(line).first)
        #expect(mount.root == bytes("/a b"))
        #expect(mount.point == bytes("/mnt/x\ty\nz\\w"))
    }

    @Test func overlay() throws {
        let line =
            "40 29 0:50 / /var/lib/c/merged rw - overlay overlay "
            + #"rw,lowerdir=/l/b:/l/a\040c,upperdir=/u,workdir=/w"#
        let mount = try #require(parse(line).first)
        #expect(mount.isReal)
        #expect(mount.superOptions == bytes("rw,lowerdir=/l/b:/l/a c,upperdir=/u,workdir=/w"))
    }

    @Test func pointThatLooksLikeTheSeparator() throws {
        // A dash among the first six fields is a name.
        let mount = try #require(parse("40 29 0:50 / - rw - tmpfs tmpfs rw\n").first)
        #expect(mount.point == bytes("-"))
        #expect(mount.type == bytes("tmpfs"))
    }

    @Test func viewsOfTheKernelAreNotReal() {
        for type in ["proc", "sysfs", "cgroup2", "devpts", "tracefs", "mqueue"] {
            #expect(parse("40 29 0:50 / /x rw - \(type) none rw\n").map(\.isReal) == [false])
        }
        for type in ["tmpfs", "devtmpfs", "xfs", "nfs4", "fuse.sshfs", "overlay", "btrfs"] {
            #expect(parse("40 29 0:50 / /x rw - \(type) none rw\n").map(\.isReal) == [true])
        }
    }

    /// One type that asks a server, or that nobody knows, is enough to ask of no file what it is.
    @Test func filesystemsThatAnswerAtOnce() {
        let usual = "nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tfuseblk\nnodev\tfuse\nnodev\toverlay\n"
        #expect(FilesystemKind.answersAtOnce(types: bytes(usual)))
        for type in ["nfs4", "9p", "cifs", "ceph", "somethingnew", ""] {
            #expect(!FilesystemKind.answersAtOnce(types: bytes(usual + "nodev\t\(type)\n")), "\(type)")
        }
        #expect(!FilesystemKind.answersAtOnce(types: []))
    }

    @Test func brokenLinesAreLeftOut() {
        let good = "29 1 259:2 / / rw - ext4 /dev/root rw\n"
        let noNumber = "x 1 0:1 / / rw - ext4 dev rw\n"
        let noSeparator = "1 1 0:1 / / rw shared:1 ext4 dev rw\n"
        for line in ["", "a b c\n", noNumber, noSeparator] {
            #expect(parse(line + good).map(\.id) == [29])
        }
    }

    @Test func everyTruncationIsSafe() {
        let line = bytes(#"31 29 8:1 /a\040b /mnt/x\011y rw shared:1 master:2 - ext4 /dev/sda rw,x=\054"#)
        for length in 0...line.count { _ = Mount.parse(Array(line.prefix(length))) }
    }

    @Test func thisHostHasARoot() throws {
        #expect(try Mount.all().contains { $0.point == bytes("/") })
    }
}

@Suite struct OctalEscapesTests {
    private func decode(_ text: String) -> String {
        String(decoding: OctalEscapes.decode(text.utf8), as: UTF8.self)
    }

    @Test(arguments: [
        ("", ""), ("abc", "abc"), (#"\040"#, " "), (#"a\040b\011c\012d\134e"#, "a b\tc\nd\\e"),
        (#"\04"#, #"\04"#), (#"\"#, #"\"#), (#"\\"#, #"\\"#), (#"\089"#, #"\089"#), (#"\400"#, #"\400"#),
        (#"\134040"#, #"\040"#), (#"\\040"#, #"\ "#), (#"x\"#, #"x\"#), (#"\777"#, #"\777"#),
    ])
    func texts(written: String, meant: String) {
        #expect(decode(written) == meant)
    }

    @Test func everyByte() {
        for byte in UInt8.min ... .max {
            let digits = [byte >> 6, byte >> 3 & 7, byte & 7].map { $0 + 48 }
            #expect(OctalEscapes.decode([92] + digits) == [byte])
            #expect(OctalEscapes.decode([65, 92] + digits + [66]) == [65, byte, 66])
        }
    }

    /// Escaping as the kernel does and decoding is the identity; decoding anything is safe.
    @Test func fuzz() {
        var generator = SeededGenerator(seed: 23)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...24, using: &generator)
            let plain = (0..<count).map { _ in
                Bool.random(using: &generator)
                    ? [92, 32, 48, 49, 51, 55, 56].randomElement(using: &generator)! as UInt8
                    : UInt8.random(in: 0...255, using: &generator)
            }
            let escaped = plain.flatMap { byte -> [UInt8] in
                guard [9, 10, 32, 92].contains(byte) else { return [byte] }
                return [92, (byte >> 6) + 48, (byte >> 3 & 7) + 48, (byte & 7) + 48]
            }
            #expect(OctalEscapes.decode(escaped) == plain)
            #expect(OctalEscapes.decode(plain).count <= plain.count)
        }
    }
}

@Suite struct DescriptorInformationTests {
    @Test(
        arguments: [
            ("pos:\t0\nflags:\t0100002\nmnt_id:\t29\n", 0o100002), ("flags:\t02\n", 2),
            ("flags: 02004000\n", 0o2004000),
            ("pos:\t0\n", nil), ("", nil), ("flags:\t\n", nil), ("flags:\t8\n", nil), ("xflags:\t02\n", nil),
            ("flags:\t77777777777777777777\n", nil),
        ] as [(String, Int32?)])
    func flags(text: String, flags: Int32?) {
        #expect(DescriptorInformation(parsing: bytes(text))?.flags == flags)
    }

    @Test(
        arguments: [
            ("", []), ("\0", [""]), ("cat\0", ["cat"]), ("cat\0-n\0", ["cat", "-n"]),
            ("sh\0-c\0\0", ["sh", "-c", ""]),
            ("\0\0\0", ["", "", ""]), ("a\0\0b\0", ["a", "", "b"]),
            ("title without end", ["title without end"]),
            ("a\0b", ["a", "b"]),
        ] as [(String, [String])])
    func arguments(text: String, parts: [String]) {
        #expect(ProcessDirectory.splitArguments(bytes(text)) == parts.map(bytes))
    }
}

@Suite struct NumberTests {
    @Test(arguments: [
        "0", "7", "00", "4194304", "2147483647", "2147483648", "-1", "-2147483648", "-2147483649", "", "-",
        "+1", " 1", "1 ",
        "1a", "99999999999999999999",
    ])
    func decimal(text: String) {
        // Of what the standard library reads the kernel writes all but the plus.
        let expected = text.hasPrefix("+") ? nil : Int32(text)
        #expect(bytes(text).withUnsafeBytes { Int32(decimal: $0) } == expected)
        #expect(
            bytes(text).withUnsafeBytes { UInt64(decimal: $0) } == (text.hasPrefix("+") ? nil : UInt64(text)))
    }

    @Test(arguments: [0, 1, 9, 10, 99, 100, 4095, 1_000_000_007, Int32.max, -1, Int32.min])
    func namesOfDescriptors(number: Int32) {
        #expect(DescriptorName(number).withCString { String(cString: $0) } == "\(number)")
    }
}
