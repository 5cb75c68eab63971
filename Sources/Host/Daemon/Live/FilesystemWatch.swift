import Fanotify
import Glibc
import Procfs
import SystemCalls

/// Marks on every real filesystem, in the best mode that each allows.
struct FilesystemWatch: ~Copyable {
    let handles: FanotifyGroup
    /// Opened when the first filesystem turns up that cannot name its objects by handle.
    private(set) var descriptors: FanotifyGroup?
    let roots = MountRoots()
    private let unlimitedQueue: Bool
    private let mountTable: FileDescriptor
    /// Filesystems that are watched, by mode.
    private(set) var handleCount = 0
    private(set) var descriptorCount = 0
    /// Filesystems that are not, with the reason.
    private(set) var refused: [String] = []

    /// Creates the group and marks what is mounted now.
    init(unlimitedQueue: Bool) throws(SystemError) {
        let group = try FanotifyGroup(.fileHandle, unlimitedQueue: unlimitedQueue)
        let table = try FileDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        let mounts = try Mount.all(in: table)
        handles = group
        mountTable = table
        self.unlimitedQueue = unlimitedQueue
        mark(mounts)
    }

    /// The number of the group in descriptor mode, if there is one.
    var descriptorsNumber: Int32? {
        switch descriptors {
        case .some(let group): group.number
        case .none: nil
        }
    }

    /// The number to poll for changes of the mount table (`EPOLLPRI`).
    var mountTableNumber: Int32 { mountTable.number }

    /// Marks every filesystem of the mount table as it is now; one that is marked already stays so.
    ///
    /// The table is open: a process that is out of descriptors learns of new mounts as well.
    mutating func refresh() throws(SystemError) { mark(try Mount.all(in: mountTable)) }

    private mutating func mark(_ mounts: [Mount]) {
        roots.replace(with: mounts)
        handleCount = 0
        descriptorCount = 0
        refused = []
        var met: Set<[UInt8]> = []
        // A later mount hides an earlier one at the same point.
        for mount in mounts.reversed() where mount.isReal && met.insert(mount.device).inserted {
            mark(mount)
        }
    }

    private mutating func mark(_ mount: Mount) {
        let path = mount.point + [0]
        do throws(SystemError) {
            try handles.mark(filesystemAt: path)
            handleCount += 1
            return
        } catch {
            guard [EOPNOTSUPP, ENODEV, EXDEV, EINVAL].contains(error.code) else {
                refuse(mount, SystemError.text(of: error.code))
                return
            }
        }
        // An open through an overlay is reported on the layer below; a second report would double it.
        if mount.type.elementsEqual("overlay".utf8) {
            refuse(mount, "overlay: seen on its layers")
            return
        }
        do throws(SystemError) {
            if descriptors == nil {
                descriptors = try FanotifyGroup(.descriptor, unlimitedQueue: unlimitedQueue)
            }
            try descriptors?.mark(filesystemAt: path)
            descriptorCount += 1
        } catch {
            refuse(mount, SystemError.text(of: error.code))
        }
    }

    private mutating func refuse(_ mount: Mount, _ reason: String) {
        let point = String(decoding: mount.point, as: UTF8.self)
        refused.append("\(point) (\(String(decoding: mount.type, as: UTF8.self))): \(reason)")
    }
}
