import MoveGroup

extension Use.Kind {
    /// What people call it.
    var title: String {
        switch self {
        case .listen: "waits at addresses"
        case .connect: "connects"
        case .accept: "takes connections"
        case .unix: "Unix sockets"
        case .abstractUnix: "abstract sockets"
        case .fifo: "named pipes"
        case .pipe: "pipes"
        case .shm: "System V shared memory"
        case .sem: "System V semaphores"
        case .msg: "System V queues"
        case .posixShm: "POSIX shared memory"
        case .mqueue: "POSIX message queues"
        case .device: "devices"
        case .hardware: "other devices"
        case .disk: "whole disks"
        case .module: "kernel modules"
        case .setting: "sets the kernel"
        case .networkSetting: "sets the network"
        case .hostName: "sets the host's name"
        case .ipcSetting: "sets limits of IPC"
        case .userSetting: "sets limits of users"
        case .controlGroup: "control groups"
        case .processes: "looks at processes"
        case .kernelView: "reads /proc/sys, /sys"
        case .spawn: "starts programs"
        }
    }
}

extension Use.Reach {
    /// Who is at the other end.
    var title: String {
        switch self {
        case .own: ""
        case .inside: "itself"
        case .group: "the group"
        case .unknown: "not known"
        case .outside: "others"
        }
    }
}
