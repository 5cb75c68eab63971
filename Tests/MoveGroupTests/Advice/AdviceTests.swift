import Records
import Testing

@testable import MoveGroup

@Suite("Which isolation a group needs")
struct AdviceTests {
    @Test func filesAloneNeedNoMoreThanAChroot() throws {
        var scene = AdviceScene()
        try scene.file("/app", "rx")
        try scene.file("/etc/app.conf")
        try scene.file("/var/lib/app/data", "rw")
        for path in ["/dev/null", "/dev/urandom", "/dev/pts/3", "/dev/tty", "/dev/fd/4"] {
            try scene.file(path, "rw", .char)
        }
        for path in ["/proc/meminfo", "/proc/self/status"] { try scene.file(path) }
        let advised = try scene.advice()
        #expect(advised.uses.isEmpty)
        #expect(advised.advised == .chroot)
        #expect(advised.advice.uses.files.count == 3)
        #expect(advised.advice.uses.writtenFiles == 1)
        #expect(advised.namespaces == ["mount"])
        let paths = advised.graph.paths(of: advised.advice.uses).map { String(decoding: $0, as: UTF8.self) }
        #expect(paths == ["/app", "/etc/app.conf", "/var/lib/app/data"])
    }

    /// The method's table: the network is what a chroot shares with its host.
    @Test func anyUseOfTheNetworkNeedsAContainer() throws {
        var scene = AdviceScene()
        scene.listen("0.0.0.0", 80)
        var advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["listen outside 1 /app tcp:0.0.0.0:80"])
        #expect(advised.advised == .container)
        #expect(advised.namespaces == ["mount", "network"])

        scene = AdviceScene()
        scene.connect("203.0.113.9", 53)
        advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["connect outside 1 /app tcp:203.0.113.9:53"])

        scene = AdviceScene()
        scene.accept("10.0.0.1", 22, from: "10.0.0.9")
        advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["accept outside 1 /app tcp:10.0.0.1:22 tcp:10.0.0.9:*"])
    }

    @Test func theNetworkAmongMembersOfTheHostIsInside() throws {
        var scene = AdviceScene()
        scene.listen("127.0.0.1", 99, by: "/db")
        scene.connect("127.0.0.1", 99, to: "/db")
        scene.connect("10.0.0.1", 99, to: "/db")
        let advised = try scene.advice()
        #expect(
            advised.uses == [
                "listen inside 1 /db tcp:127.0.0.1:99", "connect inside 1 /app tcp:127.0.0.1:99 /db",
                "connect group 1 /app tcp:10.0.0.1:99 /db", "accept inside 1 /db tcp:127.0.0.1:99 /app",
                "accept group 1 /db tcp:10.0.0.1:99 /app",
            ])
        #expect(advised.advised == .container)
    }

    @Test(arguments: [Mechanism.shm, .sem, .msg, .mqueue])
    func ipcByKeysNeedsANamespaceOfItsOwn(mechanism: Mechanism) throws {
        var scene = AdviceScene()
        scene.share(mechanism, "7", with: "/b")
        let advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["\(mechanism.word) inside 1 /app \(mechanism.word):7"])
        #expect(advised.advised == .container)
        #expect(advised.namespaces == ["mount", "ipc"])
    }

    @Test(arguments: [Mechanism.unix, .fifo, .pipe])
    func ipcOverFilesIsIsolatedAsFilesAre(mechanism: Mechanism) throws {
        var scene = AdviceScene()
        scene.share(mechanism, "/run/a", with: "/b")
        let advised = try scene.advice()
        #expect(advised.advice.uses.findings.map(\.use) == [Use(.init(mechanism, name: []), .inside)])
        #expect(advised.advised == .chroot)
        #expect(advised.advice.bonds.isEmpty)
    }

    @Test func anAbstractSocketBelongsToTheNetwork() throws {
        var scene = AdviceScene()
        scene.share(.unix, "@app", with: "/b")
        let advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["abstract-unix inside 1 /app unix:@app"])
        #expect(advised.namespaces == ["mount", "network"])
    }

    /// Both ways to know of it: the object, and the file that it is.
    @Test func posixSharedMemory() throws {
        var scene = AdviceScene()
        scene.share(.posixShm, "/cache", with: "/b")
        try scene.file("/dev/shm/sem.x", "rw")
        var advised = try scene.advice()
        #expect(advised.uses == ["posix-shm inside 2 /app /dev/shm/sem.x"])
        #expect(advised.advised == .chroot)
        #expect(advised.conditions(.chroot).count == 1)

        try scene.file("/dev/shm/sem.x", "rw", by: "/outsider")
        // Who shares memory joins, unless it may not.
        advised = try scene.advice { $0.exclude = [NodePattern("/outsider")] }
        #expect(advised.objections(.chroot) == ["posix-shm outside 1 /app /dev/shm/sem.x /outsider"])
        #expect(advised.advice.bonds.count == 1)
        #expect(advised.advised == .container)
    }

    @Test func whatIsSharedWithProgramsThatStayIsABond() throws {
        var scene = AdviceScene()
        scene.share(.unix, "/run/dbus/system_bus_socket", with: "/usr/bin/dbus-daemon")
        scene.share(.pipe, "pipe", with: "/usr/sbin/sshd")
        scene.share(.pipe, "pipe")
        var advised = try scene.advice { $0.exclude = [NodePattern("sshd")] }
        #expect(
            advised.uses == [
                "unix outside 1 /app unix:/run/dbus/system_bus_socket /usr/bin/dbus-daemon",
                "pipe unknown 1 /app pipe:", "pipe outside 1 /app pipe: /usr/sbin/sshd",
            ])
        #expect(advised.advice.bonds.count == 2)
        #expect(advised.advised == .chroot)
        // Where everything is followed nothing stays behind.
        advised = try scene.advice { $0.isSymmetric = true }
        #expect(advised.advice.bonds.isEmpty)
    }

    @Test(arguments: [
        "/dev/kvm", "/dev/dri/renderD128", "/dev/nvidia0", "/dev/nvidia-caps/1", "/dev/net/tun",
    ])
    func namedDevicesArePassedThrough(path: String) throws {
        var scene = AdviceScene()
        try scene.file(path, "rw", .char)
        let advised = try scene.advice()
        let use = "device own 1 /app \(path)"
        #expect(advised.objections(.chroot) == [use])
        #expect(advised.objections(.container).isEmpty)
        #expect(advised.conditions(.container) == [use])
        #expect(advised.conditions(.virtualMachine) == [use])
        #expect(advised.advised == .container)
        // The default policy keeps it out of the group.
        #expect(advised.advice.uses.files.isEmpty)
    }

    @Test(
        arguments: [
            ("/dev/mem", "r", .char, "hardware"), ("/dev/ttyS0", "rw", .char, "hardware"),
            ("/srv/odd", "r", .char, "hardware"), ("/dev/sda", "r", .block, "disk"),
            ("/dev/some", "rw", .block, "disk"), ("/srv/disk", "r", .block, "disk"),
            // A list has no kinds.
            ("/dev/nvme0n1", "r", .regular, "disk"), ("/dev/mapper/root", "rw", .regular, "disk"),
            ("/proc/sys/vm/swappiness", "rw", .regular, "setting"),
            ("/proc/sysrq-trigger", "rw", .regular, "setting"),
            ("/sys/module/kvm/parameters/x", "rw", .regular, "setting"),
            ("/usr/lib/modules/6.1/a.ko.zst", "r", .regular, "module"),
            ("/lib/modules/6.1/a.ko", "r", .regular, "module"),
        ] as [(String, String, FileKind, String)])
    func whatNoNamespaceHasNeedsAVirtualMachine(
        path: String, access: String, kind: FileKind, use: String
    ) throws {
        var scene = AdviceScene()
        try scene.file(path, access, kind)
        let advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["\(use) own 1 /app \(path)"])
        #expect(advised.objections(.container) == ["\(use) own 1 /app \(path)"])
        #expect(advised.objections(.virtualMachine).isEmpty)
        #expect(advised.advised == .virtualMachine)
    }

    @Test func whoLoadsModulesIsKnownByName() throws {
        var scene = AdviceScene()
        scene.spawn("/usr/sbin/modprobe")
        let advised = try scene.advice()
        #expect(advised.objections(.container) == ["module own 1 /usr/sbin/modprobe /usr/sbin/modprobe"])
    }

    @Test(
        arguments: [
            ("/proc/sys/net/core/somaxconn", "network-setting", "network"),
            ("/sys/class/net/eth0/mtu", "network-setting", "network"),
            ("/proc/sys/kernel/hostname", "host-name", "uts"),
            ("/proc/sys/kernel/shmmax", "ipc-setting", "ipc"),
            ("/proc/sys/fs/mqueue/msg_max", "ipc-setting", "ipc"),
            ("/sys/fs/cgroup/app/memory.max", "control-group", "cgroup"),
        ])
    func settingsOfANamespaceNeedThat(path: String, use: String, namespace: String) throws {
        var scene = AdviceScene()
        try scene.file(path, "rw")
        let advised = try scene.advice()
        #expect(advised.objections(.chroot) == ["\(use) own 1 /app \(path)"])
        #expect(advised.advised == .container)
        #expect(advised.namespaces == ["mount", namespace])
    }

    @Test func readingTheKernelsViewsRulesNothingOut() throws {
        var scene = AdviceScene()
        for path in [
            "/proc/sys/vm/swappiness", "/sys/module/x", "/proc/12/stat", "/proc/sys/kernel/hostname",
        ] {
            try scene.file(path)
        }
        let advised = try scene.advice()
        #expect(
            advised.uses == [
                "processes own 1 /app /proc/12/stat", "kernel-view own 3 /app /proc/sys/kernel/hostname",
            ])
        #expect(advised.advised == .chroot)
        #expect(advised.namespaces == ["mount", "pid"])
    }

    @Test func anotherHostHasAnAdviceOfItsOwn() throws {
        var web = AdviceScene(host: "web", addresses: ["10.0.0.1"])
        web.connect("10.0.0.2", 5432)
        var database = AdviceScene(host: "db", addresses: ["10.0.0.2"])
        database.listen("0.0.0.0", 5432, by: "/db")
        try database.file("/dev/sdb", "rw", .block, by: "/db")
        let hosts = try Advised.of([web, database])
        #expect(hosts.map(\.advice.label) == ["name of db", "name of web"])
        #expect(hosts.map(\.advised) == [.virtualMachine, .container])
        #expect(hosts[1].uses == ["connect group 1 /app tcp:10.0.0.2:5432 /db"])
        #expect(
            hosts[0].uses == [
                "listen outside 1 /db tcp:0.0.0.0:5432", "accept group 1 /db tcp:10.0.0.2:5432 /app",
                "disk own 1 /db /dev/sdb",
            ])
    }

    @Test func workloadsAreCounted() throws {
        var scene = AdviceScene()
        try scene.file("/shared", "rw")
        try scene.file("/shared", "r", by: "/b", in: "b.service")
        try scene.file("/shared", "r", by: "/c", in: "a.service")
        let advised = try scene.advice()
        #expect(advised.advice.uses.programs.count == 3)
        #expect(advised.advice.uses.workloads == ["a.service", "b.service"].map { Array($0.utf8) })
    }

    /// Beyond such a member nothing is known to belong to it: what it does decides nothing.
    @Test func aMemberBeyondWhichNothingIsFollowedCountsForItsFiles() throws {
        var scene = AdviceScene()
        scene.spawn("/b")
        try scene.file("/b", "rx", by: "/b")
        try scene.file("/dev/sda", "rw", .block, by: "/b")
        let advised = try scene.advice { $0.stopAt = [NodePattern("/b")] }
        #expect(advised.uses == ["spawn own 1 /app /b"])
        #expect(advised.advice.uses.stops == 1)
        #expect(try scene.advice().advised == .virtualMachine)
    }

    @Test func aListThatDoesNotSayHowGivesNoAdvice() throws {
        let graph = try ListTests.graph("h,/app,h,/f\nh,/app,h,/g\n")
        let advice = try #require(graph.moveGroup(of: [NodeID(rawValue: 0)]).isolationAdvice().first)
        #expect(advice.advised == nil)
        #expect(advice.uses.entries.count == 3)
        #expect(graph.paths(of: advice.uses).count == 3)
    }

    @Test func pathsThatNameNoPlaceAreLeftOut() throws {
        var scene = AdviceScene()
        try scene.file("relative")
        try scene.file("/a\u{0}b")
        try scene.file("/app", "rx")
        let advised = try scene.advice()
        #expect(advised.graph.paths(of: advised.advice.uses) == [Array("/app".utf8)])
    }

    /// Whatever the order of inputs: the same uses with the same examples.
    @Test func theOrderOfRecordsDoesNotMatter() throws {
        let files = ["/dev/kvm", "/dev/dri/card0", "/dev/sda", "/proc/sys/vm/x"]
        func uses(_ files: [String]) throws -> [String] {
            var scene = AdviceScene()
            for file in files { try scene.file(file, "rw", file == "/dev/sda" ? .block : .char) }
            for file in files { scene.connect("10.0.0.\(file.utf8.count)", 1) }
            return try scene.advice().uses
        }
        #expect(try uses(files) == uses(files.reversed()))
    }
}
