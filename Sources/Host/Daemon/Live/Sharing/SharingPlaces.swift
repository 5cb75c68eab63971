import CLinux
import Glibc
import Procfs
import SystemCalls

/// Where this IPC namespace and this host keep what processes share.
struct SharingPlaces {
    /// The daemon's IPC namespace, by its inode.
    let namespace: UInt64?
    /// Device of the filesystem at /dev/shm: a container has another one there.
    let memoryDevice: UInt64?
    /// Device of the message queues of the namespace: each namespace has a filesystem of its own for them.
    let queueDevice: UInt64?

    /// Those of the daemon, at this moment.
    static var own: SharingPlaces { SharingPlaces() }

    private init() {
        namespace = Self.ownNamespace
        queueDevice = Self.ownQueueDevice
        var status = stat()
        memoryDevice = stat("/dev/shm", &status) == 0 ? UInt64(status.st_dev) : nil
    }

    // Both are the same for as long as the daemon runs.
    private static let ownNamespace = ProcessDirectory(getpid())?.namespace("ipc")
    private static let ownQueueDevice: UInt64? = {
        if let device = queueDeviceHere() { return device }
        // Linux before 5.2: what is mounted at the usual place, most likely by this namespace.
        var counts = statfs()
        var status = stat()
        guard statfs("/dev/mqueue", &counts) == 0, UInt32(truncatingIfNeeded: counts.f_type) == magic,
            stat("/dev/mqueue", &status) == 0
        else { return nil }
        return UInt64(status.st_dev)
    }()
    private static let magic = UInt32(clinux_MQUEUE_MAGIC)

    /// Device of the message queues of the calling thread's IPC namespace. Linux 5.2.
    static func queueDeviceHere() -> UInt64? {
        guard let mount = try? detachedQueues() else { return nil }
        var status = stat()
        return fstat(mount.number, &status) == 0 ? UInt64(status.st_dev) : nil
    }

    /// The namespace's queues as a filesystem, mounted nowhere: they need not be mounted to be used.
    private static func detachedQueues() throws(SystemError) -> FileDescriptor {
        let flags = UInt32(clinux_FSOPEN_CLOEXEC)
        let context = FileDescriptor(owning: try systemCall("fsopen") { clinux_fsopen("mqueue", flags) })
        let number = context.number
        _ = try systemCall("fsconfig") {
            clinux_fsconfig(number, UInt32(clinux_FSCONFIG_CMD_CREATE), nil, nil, 0)
        }
        let mount = try systemCall("fsmount") { clinux_fsmount(number, UInt32(clinux_FSMOUNT_CLOEXEC), 0) }
        return FileDescriptor(owning: mount)
    }

    /// Whether a mapping is one of a file of the filesystem at /dev/shm.
    func isMemory(_ mapping: SharedMapping) -> Bool {
        UInt64(clinux_makedev(mapping.major, mapping.minor)) == memoryDevice
    }

    /// Whether a path is one that shm_open(3) can lead to: it finds no files in folders.
    static func isMemory(_ path: [UInt8]) -> Bool {
        guard path.starts(with: SharedMapping.folder) else { return false }
        let name = path.dropFirst(SharedMapping.folder.count)
        return !name.isEmpty && !name.contains(UInt8(ascii: "/"))
    }

    /// Whether a path is one that a queue of any namespace can have, as mq_open(3) names it or where they are mounted.
    static func mayBeQueue(_ path: [UInt8]) -> Bool {
        if path.starts(with: queueFolder) { return true }
        return path.count > 1 && path.first == UInt8(ascii: "/")
            && !path.dropFirst().contains(UInt8(ascii: "/"))
    }

    private static let queueFolder = Array("/dev/mqueue/".utf8)

    /// The name by which mq_open(3) finds a queue, whether it was opened so (`/name`) or where they are mounted.
    static func queueName(_ path: [UInt8]) -> [UInt8] {
        let start = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return [UInt8(ascii: "/")] + path[start...]
    }
}

/// The names of POSIX shared memory.
///
/// A path under /proc that ends in the mark of deletion may still be a file with a name: sem_open(3) makes a
/// semaphore under a passing name and then links it to its own. So of such a file the folder is asked.
struct MemoryNames {
    private var listing: [UInt64: [UInt8]]?
    /// Everybody may fill the folder.
    private static let limit = 1 << 16

    /// The name by which shm_open(3) finds what a path below /dev/shm leads to; empty if it has none any more.
    mutating func name(_ path: [UInt8], _ inode: UInt64) -> [UInt8] {
        let leaf = path.dropFirst(SharedMapping.folder.count)
        guard leaf.suffix(10).elementsEqual(" (deleted)".utf8) else { return [UInt8(ascii: "/")] + leaf }
        let names = listing ?? Self.list()
        listing = names
        return names[inode].map { [UInt8(ascii: "/")] + $0 } ?? []
    }

    private static func list() -> [UInt64: [UInt8]] {
        var names: [UInt64: [UInt8]] = [:]
        guard let stream = opendir("/dev/shm") else { return names }
        defer { closedir(stream) }
        while names.count < limit, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let inode = UInt64(entry.pointee.d_ino)
            // Of several names the same one every time.
            if let known = names[inode], known.lexicographicallyPrecedes(name) { continue }
            names[inode] = name
        }
        return names
    }
}
