/// What each way to isolate keeps apart, as a table; docs/advice-format.md has it in words.
enum IsolationRules {
    /// Why a candidate does not isolate a use; `nil` if it does, or if there is nothing to isolate.
    static func objection(to candidate: IsolationAdvice.Candidate, _ use: Use) -> StaticString? {
        switch candidate {
        case .chroot: chroot(use)
        case .container: container(use.kind)
        case .virtualMachine: nil
        }
    }

    private static func chroot(_ use: Use) -> StaticString? {
        switch use.kind {
        case .listen, .connect, .accept: "a chroot shares its host's network"
        case .abstractUnix: "abstract sockets are the host's network, which a chroot shares"
        case .shm, .sem, .msg: "System V IPC has one set of keys for the host, whatever the root"
        case .mqueue: "POSIX message queues have one set of names for the host, whatever the root"
        case .posixShm:
            use.reach == .outside
                ? "a /dev/shm that others share is not kept apart by a chroot" : nil
        case .device, .hardware, .disk: "a device in a chroot is the host's own, with nothing between"
        case .module, .setting, .networkSetting, .ipcSetting, .userSetting, .hostName:
            "a chroot shares the kernel's settings"
        case .controlGroup: "a chroot shares its host's tree of control groups"
        // Files: what is not below the new root is not there.
        case .unix, .fifo, .pipe, .processes, .kernelView, .spawn: nil
        }
    }

    private static func container(_ kind: Use.Kind) -> StaticString? {
        switch kind {
        case .module: "modules belong to the kernel, which containers share"
        case .disk: "a disk as a whole is past every mount namespace"
        case .hardware: "this device is not one that containers are given by name"
        case .setting: "this setting is of the kernel as a whole: no namespace has its own"
        default: nil
        }
    }

    /// What a candidate that isolates a use has to be given.
    static func condition(of candidate: IsolationAdvice.Candidate, _ use: Use) -> StaticString? {
        switch (candidate, use.kind) {
        case (.chroot, .posixShm): use.reach == .outside ? nil : "needs a /dev/shm of its own"
        case (.chroot, .processes): "needs /proc, and sees the processes of the host there"
        case (.chroot, .kernelView): "needs /proc and /sys"
        case (.container, .device): "needs this device passed through"
        case (.container, .controlGroup): "needs a control group delegated to it"
        case (.container, .networkSetting), (.container, .ipcSetting), (.container, .userSetting):
            "needs this part of /proc/sys or /sys writable"
        case (.virtualMachine, .device), (.virtualMachine, .hardware), (.virtualMachine, .disk):
            "needs this device, or one that stands for it"
        default: nil
        }
    }
}

extension Use.Kind {
    /// Whether processes of one host talk to each other by it.
    var isIPC: Bool {
        switch self {
        case .unix, .abstractUnix, .fifo, .pipe, .shm, .sem, .msg, .posixShm, .mqueue: true
        default: false
        }
    }
}
