import Glibc
import Records
import SystemCalls

/// A virtual machine of a cell: qemu(1), this host's kernel, an initramfs that is made for it, and the cell's root by 9p.
///
/// So the files are the cell's, as those of a chroot: copies, their comparison and the way back know nothing of a machine. What
/// belongs to it lies in the folder `machine` of the cell.
struct Machine {
    static let emulator = "qemu-system-x86_64"

    /// What the agent was started with.
    struct Settings: Equatable {
        /// MiB.
        var memory = 512
        /// Path of `vmlinuz-VERSION`; `nil` for this host's.
        var kernel: String?

        var value: JSONValue {
            .object([
                .init("memory", .integer(Int128(memory))),
                .init("kernel", kernel.map { .string($0) } ?? .null),
            ])
        }

        init() {}

        init?(_ value: JSONValue) {
            guard let memory = value["memory"]?.integer.flatMap({ Int(exactly: $0) }), memory > 0 else {
                return nil
            }
            (self.memory, kernel) = (memory, value["kernel"]?.string)
        }
    }

    let cell: Cell
    var folder: String { cell.folder + "/machine" }
    /// Two named pipes, `line.in` and `line.out`, as qemu has the second serial line's other end.
    var line: String { folder + "/line" }

    /// A fact that the cell's first process has learnt of the machine.
    enum Mark: String {
        /// Its kernel is up.
        case booted
        /// All ports are listened on.
        case listening
        /// Its processes are stopped, and what they wrote is in the cell's root.
        case resting
    }

    func has(_ mark: Mark) -> Bool { access("\(folder)/\(mark.rawValue)", F_OK) == 0 }

    func set(_ mark: Mark) {
        close(open("\(folder)/\(mark.rawValue)", O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o600))
    }

    func clear(_ mark: Mark) { unlink("\(folder)/\(mark.rawValue)") }

    // MARK: What it needs

    /// What this host lacks for a machine, each with its cure, and what may be of interest.
    static func obstacles(_ settings: Settings) -> (problems: [String], notes: [String]) {
        var problems: [String] = []
        var notes: [String] = []
        var names = utsname()
        uname(&names)
        let architecture = withUnsafeBytes(of: &names.machine) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if architecture != "x86_64" {
            problems.append("machines are made on x86_64, and this is \(architecture)")
        }
        for (tool, package) in [
            ("busybox", "busybox-static"), ("setpriv", "util-linux"), ("prlimit", "util-linux"),
            ("modprobe", "kmod"),
        ] where !Tool.exists(tool) {
            problems.append("\(tool) is not installed here: Debian has it in \(package)")
        }
        if access("/dev/net/tun", R_OK | W_OK) != 0 {
            problems.append("/dev/net/tun cannot be opened here: load the module tun")
        }
        do throws(MoveError) {
            let kernel = try MachineKernel(settings.kernel)
            notes.append("the machine boots the kernel \(kernel.version), with \(settings.memory) MiB")
        } catch { problems.append(error.description) }
        if let free = availableMemory, free < settings.memory {
            problems.append(
                "the machine has \(settings.memory) MiB, and \(free) are free here: give it less by retinue-agent --machine-memory"
            )
        }
        if access("/dev/kvm", R_OK | W_OK) != 0 {
            notes.append(
                "there is no /dev/kvm here: the machine runs in software, several times slower, until kvm_intel or kvm_amd is loaded"
            )
        }
        return (problems, notes)
    }

    /// MiB (`MemAvailable` of /proc/meminfo, Linux 3.14).
    private static var availableMemory: Int? {
        let text = String(
            decoding: (try? FileDescriptor.open("/proc/meminfo", O_RDONLY))?.bytes ?? [], as: UTF8.self)
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
            let words = line.split(separator: " ").dropFirst().first
        else { return nil }
        return Int(words).map { $0 >> 10 }
    }

    // MARK: What it boots

    /// Makes its folder anew: the initramfs, and the pipes.
    func prepare(_ settings: Settings) throws(MoveError) {
        try Tool.need(["rm", "-rf", "--", folder])
        for path in [folder, folder + "/start"] {
            guard mkdir(path, 0o700) == 0 else { throw MoveError("\(path): \(SystemError.text(of: errno))") }
        }
        for path in [line + ".in", line + ".out"] {
            guard mkfifo(path, 0o600) == 0 else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
        }
        let kernel = try MachineKernel(settings.kernel)
        guard symlink(kernel.image, folder + "/kernel") == 0 else {
            throw MoveError("\(folder)/kernel: \(SystemError.text(of: errno))")
        }
        var archive = MachineArchive()
        archive.add("init", MachineScripts.initial, mode: 0o755)
        for (index, module) in kernel.modules.enumerated() {
            archive.add("modules/\(100 + index).ko", try Self.module(module, in: folder), mode: 0o644)
        }
        for (path, file) in try Self.tools() {
            archive.add("tools/\(path)", try Self.read(file), mode: 0o755)
        }
        try write("initramfs", archive.close())
    }

    /// What starts the programs, before the machine is asked to.
    func lay(_ state: Cell.State) throws(MoveError) {
        for (index, run) in state.runs.enumerated() {
            let bundle = ContainerBundle(run: run, root: cell.root, isolation: .machine)
            let name = run.arguments.first.map(bundle.command) ?? run.executable
            try write("start/program-\(index)", MachineScripts.program(run, named: name))
        }
        try write("start/programs", MachineScripts.programs(state.runs, state.network?.ports ?? state.ports))
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws(MoveError) {
        do throws(SystemError) {
            let file = try FileDescriptor.open(
                "\(folder)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            try file.writeAll(bytes)
        } catch { throw MoveError("\(folder)/\(name): \(error)") }
    }

    private static func read(_ path: String) throws(MoveError) -> [UInt8] {
        do throws(SystemError) {
            return try FileDescriptor.open(path, O_RDONLY).readAll(limit: 64 << 20)
        } catch { throw MoveError("\(path): \(error)") }
    }

    /// A module as busybox's insmod takes it: not compressed.
    private static func module(_ path: String, in folder: String) throws(MoveError) -> [UInt8] {
        let tools = [".xz": "xz", ".zst": "zstd", ".gz": "gzip"]
        guard let (_, tool) = tools.first(where: { path.hasSuffix($0.key) }) else { return try read(path) }
        let plain = folder + "/module"
        defer { unlink(plain) }
        try Tool.need(["sh", "-c", "\"$1\" -dc < \"$2\" > \"$3\"", "sh", tool, path, plain])
        return try read(plain)
    }

    /// Programs of this host that the machine has beside the cell's, by their names there: with their libraries and loader.
    private static func tools() throws(MoveError) -> [(path: String, file: String)] {
        guard let busybox = Tool.path("busybox"), try Tool.run(["ldd", busybox]).status != 0 else {
            throw MoveError("busybox is no static one: Debian has it in busybox-static")
        }
        var found: [String: String] = ["busybox": busybox]
        for name in ["setpriv", "prlimit"] {
            guard let file = Tool.path(name) else { throw MoveError("\(name) is not installed here") }
            found[name] = file
            // libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...), and /lib64/ld-linux-x86-64.so.2 (0x...)
            for line in try Tool.run(["ldd", file]).output.split(separator: "\n") {
                let words = line.split { $0 == " " || $0 == "\t" }
                if words.count > 2, words[1] == "=>" {
                    found["lib/\(words[0])"] = String(words[2])
                } else if let first = words.first, first.hasPrefix("/") {
                    found["ld.so"] = String(first)
                }
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    // MARK: How it is run

    /// qemu's words.
    ///
    /// - Parameter isSoftware: without the processor's help.
    func words(_ settings: Settings, isSoftware: Bool) -> [String] {
        // A comma ends an option's value unless it is doubled.
        func plain(_ path: String) -> String {
            path.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
        }
        let name = folder.split(separator: "/").dropLast().last.map(String.init) ?? "machine"
        let processors = max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 8))
        // In software on a busy host neither the clock of the processor nor the timer look sound while the kernel comes up
        // (`Documentation/admin-guide/kernel-parameters.txt`): without these it may panic, or take the clock for broken.
        let clock = isSoftware ? " tsc=reliable no_timer_check" : ""
        return [
            Self.emulator, "-name", name, "-machine", "pc", "-accel", isSoftware ? "tcg,thread=multi" : "kvm",
            "-cpu", isSoftware ? "max" : "host", "-smp", "\(processors)", "-m", "\(settings.memory)M",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-monitor", "none",
            "-chardev", "file,id=log,path=\(plain(cell.folder))/log,append=on", "-serial", "chardev:log",
            "-chardev", "pipe,id=line,path=\(plain(line))", "-serial", "chardev:line",
            "-kernel", folder + "/kernel", "-initrd", folder + "/initramfs", "-append",
            "console=ttyS0 quiet loglevel=4 panic=-1 net.ifnames=0\(clock) retinue.name=\(name) "
                + "retinue.address=\(MachineNetwork.inside)/\(MachineNetwork.prefix) retinue.gateway=\(MachineNetwork.gateway)",
            "-fsdev",
            "local,id=root,path=\(plain(cell.root)),security_model=passthrough,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", "local,id=start,path=\(plain(folder))/start,security_model=none,readonly=on",
            "-device", "virtio-9p-pci,fsdev=start,mount_tag=start",
            "-netdev", "tap,id=net,ifname=\(MachineNetwork.interface),script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci",
        ]
    }
}
