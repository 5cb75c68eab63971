import CLinux
import Glibc
import Records
import SystemCalls
import Text

/// A program of a cell as an OCI bundle (runtime-spec, config.md, 1.0.0), which runc(8) and systemd-nspawn(1) start.
///
/// The bundle makes a namespace of mounts alone: those of processes, System V objects, names and networks are the cell's, which
/// its programs share. So one that makes itself a daemon lives on, and its end is the cell's to see.
struct ContainerBundle {
    let run: ProgramRun
    /// The cell's root.
    let root: String
    let isolation: Isolation
    /// Filesystems of other machines, which are bound to their places.
    var shared: [SharedStorage] = []
    /// What this agent may hand on: capabilities, and the hard limits by resource.
    var capabilities = ProcessCapabilities.own
    var hardLimits = ProcessLimit.ownHard

    /// What OCI runtimes leave to programs unless more is asked for, by number (capabilities(7)): chown, dac_override, fowner, fsetid,
    /// kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
    static let standardCapabilities: UInt64 = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31].reduce(0) {
        $0 | 1 << $1
    }

    /// Names by number (linux/capability.h).
    static let capabilityNames = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL",
        "SETFCAP",
    ]

    /// Names of limits, by number.
    private static let limitNames = [
        "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS",
        "SIGPENDING",
        "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
    ]

    /// `config.json`.
    ///
    /// - Throws: what of the program cannot be said in it.
    func configuration() throws(MoveError) -> JSONValue {
        guard let first = run.arguments.first else {
            throw MoveError("a program without arguments cannot be bundled")
        }
        var arguments: [JSONValue] = [.string(try text(command(first), "its name"))]
        for word in run.arguments.dropFirst() { arguments.append(.string(try text(word, "an argument"))) }
        var environment: [JSONValue] = []
        for pair in run.environment where !pair.isEmpty {
            guard let equals = pair.firstIndex(of: UInt8(ascii: "=")), equals > 0 else {
                throw MoveError(
                    "its environment has `\(Printable.text(pair))`, which is no NAME=value: use --isolation container"
                )
            }
            environment.append(.string(try text(pair, "its environment")))
        }
        var user: [JSONValue.Member] = [
            .init("uid", .integer(Int128(run.user))), .init("gid", .integer(Int128(run.group))),
            .init("additionalGids", .array(run.groups.map { .integer(Int128($0)) })),
        ]
        // systemd-nspawn does not have it.
        if isolation == .runc { user.append(.init("umask", .integer(Int128(run.mask)))) }
        let process: [JSONValue.Member] = [
            .init("terminal", .boolean(false)), .init("user", .object(user)),
            .init("args", .array(arguments)),
            .init("env", .array(environment)),
            .init("cwd", .string(try text(run.folder, "its working directory"))),
            .init("capabilities", capabilitySets), .init("rlimits", .array(limits)),
            .init("noNewPrivileges", .boolean(false)),
        ]
        return .object([
            .init("ociVersion", .string("1.0.0")), .init("process", .object(process)),
            .init("root", .object([.init("path", .string(root)), .init("readonly", .boolean(false))])),
            .init("mounts", .array(try mounts())),
            .init(
                "linux",
                .object([
                    .init("namespaces", .array([.object([.init("type", .string("mount"))])])),
                    .init(
                        "maskedPaths",
                        .array(
                            ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/sys/firmware"].map {
                                .string($0)
                            })),
                    .init(
                        "readonlyPaths", .array(["/proc/sys", "/proc/bus", "/proc/irq"].map { .string($0) })),
                ])),
        ])
    }

    /// JSON has no bytes: what is no text would be changed on its way, silently.
    private func text(_ bytes: [UInt8], _ what: String) throws(MoveError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw MoveError(
                "\(what) is no UTF-8 (`\(Printable.text(bytes))`), which an OCI bundle cannot say: use --isolation container"
            )
        }
        return text
    }

    /// The first argument is what is executed: as it was written, where that leads to the executable, since programs look at
    /// their name; else the executable.
    func command(_ first: [UInt8]) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        var candidates: [[UInt8]] = []
        if first.first == slash {
            candidates = [first]
        } else if !first.contains(slash), !first.isEmpty {
            let prefix = Array("PATH=".utf8)
            let path = run.environment.first { $0.starts(with: prefix) }?.dropFirst(prefix.count) ?? []
            candidates = path.split(separator: UInt8(ascii: ":")).filter { $0.first == slash }.map {
                $0 + [slash] + first
            }
        }
        return candidates.contains { end(of: $0) == run.executable } ? first : run.executable
    }

    /// Where a path in the root leads, links followed in it (openat2(2), Linux 5.6).
    private func end(of path: [UInt8]) -> [UInt8]? {
        let folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return nil }
        defer { close(folder) }
        let name = path.map { CChar(bitPattern: $0) } + [0]
        let number = clinux_openat2(folder, name, UInt64(O_PATH | O_CLOEXEC), clinux_RESOLVE_IN_ROOT)
        guard number >= 0 else { return nil }
        defer { close(number) }
        guard let found = Self.link("/proc/self/fd/\(number)"),
            let top = Self.link("/proc/self/fd/\(folder)"),
            found.starts(with: top)
        else { return nil }
        return Array(found.dropFirst(top.count))
    }

    private static func link(_ path: String) -> [UInt8]? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &target, target.count)
        return count < 0 ? nil : target[..<count].map { UInt8(bitPattern: $0) }
    }

    private var capabilitySets: JSONValue {
        let most = Self.standardCapabilities & capabilities.bounding
        let seen = run.capabilities
        let bounding = most & (seen?.bounding ?? most)
        let effective = bounding & (seen?.effective ?? (run.user == 0 ? most : 0))
        let ambient = effective & (seen?.ambient ?? 0)
        func names(_ mask: UInt64) -> JSONValue {
            .array(
                Self.capabilityNames.indices.filter { mask & 1 << UInt64($0) != 0 }.map {
                    .string("CAP_" + Self.capabilityNames[$0])
                })
        }
        return .object([
            .init("bounding", names(bounding)), .init("effective", names(effective)),
            .init("permitted", names(effective)), .init("inheritable", names(ambient)),
            .init("ambient", names(ambient)),
        ])
    }

    /// Runtimes fail where a limit cannot be raised: it is set as high as it goes.
    private var limits: [JSONValue] {
        run.limits.compactMap { limit in
            guard Self.limitNames.indices.contains(Int(limit.resource)) else { return nil }
            let hard = min(limit.hard, hardLimits[limit.resource] ?? limit.hard)
            return .object([
                .init("type", .string("RLIMIT_" + Self.limitNames[Int(limit.resource)])),
                .init("soft", .integer(Int128(min(limit.soft, hard)))), .init("hard", .integer(Int128(hard))),
            ])
        }
    }

    private func mounts() throws(MoveError) -> [JSONValue] {
        func mount(_ destination: String, _ type: String, _ source: String, _ options: [String]) -> JSONValue
        {
            .object([
                .init("destination", .string(destination)), .init("type", .string(type)),
                .init("source", .string(source)), .init("options", .array(options.map { .string($0) })),
            ])
        }
        var all = [
            mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "/dev/pts", "devpts", "devpts",
                ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777"]),
            mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
        ]
        // It lays a filesystem of its own over /run: folders that lie there are brought in again.
        if isolation == .nspawn {
            for name in Agent.names(in: Self.runFolder(root)) where name != "host" {
                let path = "\(Self.runFolder(root))/\(name)"
                var status = stat()
                // A link would be followed on the host.
                guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
                all.append(mount("/run/" + name, "bind", path, ["rbind"]))
            }
        }
        for storage in shared {
            let point = try text(storage.point, "a mount point")
            all.append(mount(point, "bind", point, ["rbind"]))
        }
        return all
    }

    /// Where the first process of a cell binds the root's /run.
    static func runFolder(_ root: String) -> String { root + "-run" }

    // MARK: Started and forgotten

    private static func folder(_ cell: Cell, _ index: Int) -> String { "\(cell.folder)/bundle-\(index)" }
    private static func state(_ cell: Cell) -> String { cell.folder + "/runc" }

    /// One folder for each program that systemd-nspawn was started for, by its name.
    private static func spawned(_ cell: Cell) -> String { cell.folder + "/nspawn" }

    /// What the runtime calls it: also a host name, of at most 64 characters, and a control group, whose names all hosts that
    /// share a kernel share: by where the cell's folder lies.
    private static func name(_ cell: Cell, _ index: Int) -> String {
        var status = stat()
        stat(cell.folder, &status)
        return "retinue-\(CellNetwork.key("\(cell.folder) \(status.st_dev) \(status.st_ino)"))-\(index)"
    }

    /// Where control groups of version 2 are; `nil` where they are not.
    private static var groups: String? {
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].first { access($0 + "/cgroup.controllers", F_OK) == 0 }
    }

    /// Starts a program of a cell; called by the cell's first process, in its namespaces.
    ///
    /// - Returns: the program's pid, or the runtime's where that stays its parent.
    static func start(_ run: ProgramRun, _ index: Int, _ cell: Cell, _ isolation: Isolation) throws(MoveError)
        -> pid_t
    {
        let folder = folder(cell, index)
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw MoveError("\(folder): \(SystemError.text(of: errno))")
        }
        var bundle = ContainerBundle(run: run, root: cell.root, isolation: isolation)
        bundle.shared = cell.state.shared
        try SafeFile.write(try bundle.configuration(), to: folder + "/config.json")
        if isolation == .nspawn {
            var launch = Launch([
                "systemd-nspawn", "--oci-bundle=" + folder, "--machine=" + name(cell, index), "--keep-unit",
                "--register=no", "--quiet", "--console=pipe",
            ])
            // /tmp is the program's, not new; hosts have control groups of both versions.
            launch.environment += ["SYSTEMD_NSPAWN_TMPFS_TMP=0", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"].map {
                Array($0.utf8)
            }
            // It makes groups below the one that it is in: one of its own, which goes with it.
            if let groups {
                let name = name(cell, index)
                mkdir(spawned(cell), 0o700)
                mkdir("\(spawned(cell))/\(name)", 0o700)
                if mkdir("\(groups)/\(name)", 0o755) == 0 || errno == EEXIST {
                    launch.controlGroup = "\(groups)/\(name)/cgroup.procs"
                }
            }
            return try launch.start()
        }
        let file = folder + "/pid"
        unlink(file)
        var launch = Launch([
            "runc", "--root", state(cell), "run", "--detach", "--pid-file", file, "--bundle", folder,
            name(cell, index),
        ])
        launch.hasSession = false
        let runtime = try launch.start()
        var status: Int32 = 0
        while waitpid(runtime, &status, 0) < 0, errno == EINTR {}
        guard status == 0, let bytes = (try? FileDescriptor.open(file, O_RDONLY))?.bytes,
            let pid = pid_t(String(decoding: bytes, as: UTF8.self)), pid > 1
        else { throw MoveError("runc has not started \(Printable.text(run.executable)); it says why above") }
        return pid
    }

    /// Removes what is left of programs that have ended: what runc(8) knows of them, and control groups.
    static func forget(_ cell: Cell) {
        for name in Agent.names(in: state(cell)) {
            _ = try? Tool.run(["runc", "--root", state(cell), "delete", "--force", name], seconds: 20)
        }
        for name in Agent.names(in: spawned(cell)) {
            // It mirrors what it makes in version 2 in systemd's own hierarchy of version 1, where that is.
            for top in [groups, "/sys/fs/cgroup/systemd"].compactMap({ $0 }) {
                for group in ["/payload", "/supervisor", ""] where rmdir("\(top)/\(name)\(group)") != 0 {
                    // What was killed leaves its group in a moment.
                    guard errno == EBUSY else { continue }
                    usleep(50_000)
                    rmdir("\(top)/\(name)\(group)")
                }
            }
            rmdir("\(spawned(cell))/\(name)")
        }
    }
}
