import Records

/// Recognises by its path what a file is to the kernel, if it is more than a file.
enum KernelPath {
    /// Whether a path lies where the kernel shows itself and devices, so that there is nothing to copy.
    static func isPseudo(_ path: [UInt8]) -> Bool {
        ["/dev", "/proc", "/sys"].contains { path.elementsEqual($0.utf8) || path.isBelow($0) }
    }

    /// What opening a path means; `nil` for a file like any other and for what every isolation has of its own.
    static func use(_ path: [UInt8], _ access: Access, _ kind: FileKind) -> Use.Kind? {
        let isWritten = access.contains(.written)
        if path.isBelow("/dev") { return device(path, kind) }
        if path.isBelow("/proc") { return process(path, isWritten) }
        if path.isBelow("/sys") { return system(path, isWritten) }
        if isModule(path) { return .module }
        // A device need not lie in /dev.
        return kind == .block ? .disk : kind == .char ? .hardware : nil
    }

    // MARK: Devices

    /// What every container has of its own.
    private static let harmless = [
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx",
        "/dev/pts/**", "/dev/fd/**", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/console", "/dev/log",
        "/dev/hugepages/**", "/dev/initctl",
    ].map { Glob($0) }

    /// What container runtimes pass on by name.
    private static let passed = [
        "/dev/kvm", "/dev/dri/**", "/dev/nvidia*", "/dev/nvidia*/**", "/dev/kfd", "/dev/fuse", "/dev/net/tun",
        "/dev/vhost-net", "/dev/vhost-vsock", "/dev/snd/**", "/dev/video*", "/dev/infiniband/**",
        "/dev/accel/**", "/dev/dma_heap/**", "/dev/udmabuf", "/dev/uinput", "/dev/rtc*", "/dev/hwrng",
        "/dev/tpm*",
    ].map { Glob($0) }

    /// Disks by their names, for inputs that do not give the type of a file.
    private static let disks = [
        "/dev/sd*", "/dev/nvme*n*", "/dev/vd*", "/dev/xvd*", "/dev/hd*", "/dev/dm-*",
        "/dev/md*", "/dev/loop*", "/dev/mmcblk*", "/dev/sr*", "/dev/nbd*", "/dev/zram*", "/dev/ram*",
        "/dev/disk/**", "/dev/mapper/**", "/dev/bcache*", "/dev/drbd*", "/dev/rbd*",
    ].map { Glob($0) }

    private static func device(_ path: [UInt8], _ kind: FileKind) -> Use.Kind? {
        switch kind {
        case .directory, .fifo, .socket: return nil
        case .block: return .disk
        case .regular, .char: break
        }
        if path.isBelow("/dev/shm") { return .posixShm }
        if path.isBelow("/dev/mqueue") { return .mqueue }
        if harmless.contains(where: { $0.matches(path) }) { return nil }
        if passed.contains(where: { $0.matches(path) }) { return .device }
        // The type of a character device is known, so that its name does not matter.
        if kind == .regular, path.elementsEqual("/dev/mapper/control".utf8) { return .hardware }
        return kind == .regular && disks.contains { $0.matches(path) } ? .disk : .hardware
    }

    // MARK: Views of the kernel

    private static let hostNames = ["/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"]
    private static let ipcSettings = [
        "/proc/sys/kernel/msg*", "/proc/sys/kernel/sem*", "/proc/sys/kernel/shm*",
        "/proc/sys/kernel/auto_msgmni",
        "/proc/sys/fs/mqueue/**",
    ].map { Glob($0) }

    private static func process(_ path: [UInt8], _ isWritten: Bool) -> Use.Kind? {
        if path.isBelow("/proc/sys") {
            if !isWritten { return .kernelView }
            if hostNames.contains(where: { path.elementsEqual($0.utf8) }) { return .hostName }
            if path.isBelow("/proc/sys/net") { return .networkSetting }
            if path.isBelow("/proc/sys/user") { return .userSetting }
            return ipcSettings.contains { $0.matches(path) } ? .ipcSetting : .setting
        }
        let first = path.dropFirst("/proc/".utf8.count).prefix { $0 != UInt8(ascii: "/") }
        if first.elementsEqual("self".utf8) || first.elementsEqual("thread-self".utf8) { return nil }
        if first.allSatisfy({ (0x30...0x39).contains($0) }) { return .processes }
        // Counters such as meminfo and stat are there in every container.
        return isWritten ? .setting : nil
    }

    private static func system(_ path: [UInt8], _ isWritten: Bool) -> Use.Kind? {
        if path.isBelow("/sys/fs/cgroup") { return .controlGroup }
        if !isWritten { return .kernelView }
        let isNetwork = path.isBelow("/sys/class/net") || path.isBelow("/sys/devices/virtual/net")
        return isNetwork ? .networkSetting : .setting
    }

    // MARK: Modules

    private static let moduleFolders = ["/lib/modules", "/usr/lib/modules"]
    private static let moduleEnds = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"]
    private static let moduleLoaders: Set<String> = ["insmod", "modprobe", "rmmod"]

    private static func isModule(_ path: [UInt8]) -> Bool {
        moduleFolders.contains { path.isBelow($0) }
            && moduleEnds.contains { path.suffix($0.utf8.count).elementsEqual($0.utf8) }
    }

    /// Whether a program does nothing else than to load and remove modules. `kmod`, which does that under
    /// several names, is known by the modules that it reads.
    static func isModuleLoader(_ executable: [UInt8]) -> Bool {
        let slash = executable.lastIndex(of: UInt8(ascii: "/")) ?? -1
        return moduleLoaders.contains(String(decoding: executable[(slash + 1)...], as: UTF8.self))
    }
}

extension [UInt8] {
    /// Whether a path lies in a folder.
    func isBelow(_ folder: String) -> Bool {
        let count = folder.utf8.count
        return self.count > count + 1 && self[count] == UInt8(ascii: "/") && starts(with: folder.utf8)
    }
}
